"""Where searches and fits leave their trace."""

from collections.abc import Mapping
from typing import Literal, Protocol


class Tracker(Protocol):
    """Where searches and fits leave their trace."""

    def trial(
        self,
        number: int,
        state: Literal["complete", "pruned", "failed"],
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        seconds: float,
    ) -> None:
        """Keep a trial."""
