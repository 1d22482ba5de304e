"""Pages: what a source that is read on from where it was left has to be able to do.

Where pages come from, a database or a plug-in, is not known here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from segmentation.sources.readers.records import Record


@dataclass(frozen=True)
class Page:
    """Some lines of a source.

    Attributes:
        records: The lines, names and values as the source has them.
        position: How far the source has been read after them, in whatever words it understands.
        columns: Type by column, where the source knows it.
    """

    records: Sequence[Record]
    position: str | None
    columns: Mapping[str, str] | None = None


class PagedSource(Protocol):
    """What a type of source has to be able to do; a plug-in is a class with these, made from the source's options."""

    def check(self) -> str:
        """Say, in a few words for `segmentation doctor`, what was reached; raise a SourceError if nothing was."""

    def pages(self, position: str | None) -> Iterator[Page]:
        """The lines after a position, oldest first; all there are for None. Lines may come again, never be left out."""
