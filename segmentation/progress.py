"""How far a long step is, for whoever waits: what domain functions call while they work."""

from collections.abc import Callable

Progress = Callable[[int, int], object]
"""Called with (steps done, steps in all)."""

Narrator = Callable[[str], object]
"""Called with what is being done, whenever it changes."""
