"""The text of a draft profile: commented YAML, in which each doubt knows its line."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_ ()/-]*[A-Za-z0-9_)]|[A-Za-z_]")


@dataclass(frozen=True)
class Doubt:
    """What isn't sure about a draft.

    Attributes:
        line: Number of the line to change, from 1.
        text: What may be otherwise, and what to write then.
    """

    line: int
    text: str


@dataclass
class Draft:
    """Lines of YAML as they are written."""

    lines: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)

    def add(self, line: str = "", comment: str = "", doubt: str = "") -> None:
        """Add a line, with a comment at its end, and what isn't sure about it."""
        self.lines.append(f"{line} # {comment}" if comment else line)
        if doubt:
            self.doubts.append(Doubt(len(self.lines), doubt))

    def remark(self, text: str, doubt: str = "") -> None:
        """Add a line that is a comment."""
        self.lines.append("# " + "".join(char if char.isprintable() else "?" for char in text))
        if doubt:
            self.doubts.append(Doubt(len(self.lines), doubt))

    @property
    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines) + "\n"


def scalar(value: object) -> str:
    """A value as YAML reads it back as text: in quotes where it isn't a plain word."""
    text = str(value)
    if isinstance(value, int) or (PLAIN.fullmatch(text) and text.lower() not in ("null", "~")):
        return text
    return '"' + "".join(char if _stays(char) else f"\\U{ord(char):08x}" for char in text) + '"'


def _stays(char: str) -> bool:
    return char.isprintable() and char not in '"\\'


def flow(values: Sequence[object]) -> str:
    """A list on one line."""
    return "[" + ", ".join(scalar(value) for value in values) + "]"


def mapping(values: Mapping[str, object]) -> str:
    """A mapping on one line, of words and lists of them."""
    parts = (f"{key}: {flow(each) if isinstance(each, list | tuple) else scalar(each)}" for key, each in values.items())
    return "{" + ", ".join(parts) + "}"
