"""A definition: what a segmentation's segments are called and whom they take. Plain data, with hash and JSON."""

import hashlib
from collections.abc import Iterator

import msgspec

EVERYBODY_ELSE = "Everybody else"
"""What the segment of those who meet no condition is called, unless the definition says."""


class SegmentRule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One segment of a definition.

    Attributes:
        name: What people call it.
        when: A condition on a customer, in SQL; None for everybody whom no segment before took.
        description: Who they are, in a sentence.
        advice: What to do with them.
    """

    name: str
    when: str | None = None
    description: str = ""
    advice: str = ""

    @property
    def told(self) -> str:
        """Who they are, in a sentence: as described, or the condition itself."""
        if self.description:
            return self.description
        return f"Customers of whom this is true: {self.when}." if self.when else "Everybody whom no other segment took."


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A segmentation: its segments are asked in order, and the first whose condition is true takes the customer.

    Attributes:
        name: What it is called in tables, commands and requests.
        segments: In order; the last one has no condition, so that everybody is in exactly one.
        description: What it is for.
    """

    name: str
    segments: tuple[SegmentRule, ...]
    description: str = ""

    @property
    def conditions(self) -> Iterator[tuple[SegmentRule, str]]:
        """The segments that have a condition, with it."""
        return ((segment, segment.when) for segment in self.segments if segment.when is not None)

    @property
    def hash(self) -> str:
        """SHA-256 of all that it says."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """As the lake keeps it."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "Definition":
        """As the lake has kept it."""
        return msgspec.json.decode(text, type=cls)
