"""How far a long step is, for whoever waits: what domain functions call while they work."""

from collections.abc import Callable

Progress = Callable[[int, int], object]
"""Called with (done, in all): steps, or bytes of a copy."""

Narrator = Callable[[str], object]
"""Called with what is being done, whenever it changes."""


def no_progress(_done: int, _total: int) -> None:
    """Progress that nobody follows."""
