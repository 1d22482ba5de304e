"""Processes that go on until they are stopped, and are started again when they end: what supervisors do."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from segmentation_assets_tests.trial.zygote import Child, fork


@dataclass
class Service:
    """The scorer, or the consumer of the stream.

    Attributes:
        name: What it is called.
        work: What its process does.
        folder: Where its steps are.
        variables: Of the process.
        port: Where it answers once it is up; 0 for one that doesn't.
        child: The process.
        is_killed: Whether a fault killed it.
        away_since_s: Since when it doesn't answer; None if it does.
        count: How often it was started.
    """

    name: str
    work: Callable[[], object]
    folder: Path
    variables: dict[str, str]
    port: int = 0
    child: Child | None = None
    is_killed: bool = False
    away_since_s: float | None = None
    count: int = 0

    def start(self) -> None:
        """Start it, or start it again."""
        self.child = fork(self.work, self.folder / f"{self.name}-{self.count:02}", self.variables)
        self.is_killed, self.count = False, self.count + 1

    def answers(self) -> bool:
        """Whether somebody listens where it should."""
        if not self.port:
            return True
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
