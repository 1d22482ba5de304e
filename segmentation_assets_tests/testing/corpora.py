"""Collections of statements: each with the comment that says what it tries."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "corpora"


@dataclass(frozen=True)
class Entry:
    """One statement.

    Attributes:
        aim: What it tries.
        text: The statement, with `{names}` to fill in.
    """

    aim: str
    text: str

    def filled(self, **values: object) -> str:
        """The statement for a lake; braces that hold no such name stay."""
        text = self.text
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text


def entries(name: str) -> list[Entry]:
    """The statements of `corpora/NAME.sql`: a comment's line each, the statement below it, and a blank line."""
    _, *blocks = (FOLDER / f"{name}.sql").read_text(encoding="utf-8").strip().split("\n\n")
    parts = [block.partition("\n") for block in blocks]
    return [Entry(aim.removeprefix("-- "), text) for aim, _, text in parts]
