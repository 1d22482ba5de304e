"""Waiting for what happens by itself."""

import time
from collections.abc import Callable

PATIENCE_S = 30.0


def eventually(
    holds: Callable[[], bool],
    what: Callable[[], object] = lambda: "it has not happened in time",
    patience_s: float = PATIENCE_S,
    pause_s: float = 0.02,
) -> None:
    """Wait until something is so; else fail with what is so instead."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, what()
        time.sleep(pause_s)
