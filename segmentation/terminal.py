"""How texts reach terminals: without control characters of others, in what the terminal can write.

The only place that makes a Rich console. Data never reaches a terminal as a command, or as an emoji.
"""

import io
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from segmentation.quoting import visible


class _SafeConsole(Console):
    """A console that shows the control characters of what it prints, rather than obeying them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render a text."""
        return super().render_str(visible(text), **options)


def make_console(*, stderr: bool = False, width: int | None = None, no_color: bool | None = None) -> Console:
    """A console: colons in data make no emoji, and numbers and addresses aren't coloured by themselves.

    Args:
        stderr: Whether it writes to standard error.
        width: In characters; None for the terminal's own.
        no_color: Whether it writes no colours; None for what the terminal can do.
    """
    return _SafeConsole(stderr=stderr, width=width, no_color=no_color, emoji=False, highlight=False)


def degrade_output() -> None:
    """Let characters that standard output and error can't write appear as escapes, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
