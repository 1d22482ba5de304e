"""Pulling: sources that are read page by page on from where they were left, each page landed as one delivery.

Where pages come from, a database or a plug-in, is not known here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from segmentation.sources.deliveries import Advance, Delivery, Receipt, StalePositionsError
from segmentation.sources.landing import Lander
from segmentation.sources.profile import Profile
from segmentation.sources.records import Record

CHANNEL = "cursor"


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


def pull(
    lander: Lander,
    source: str,
    profile: Profile,
    pages: PagedSource,
    *,
    now: Callable[[], datetime],
    on_page: Callable[[Receipt], object] = lambda _: None,
) -> tuple[Receipt, ...]:
    """Land what a source has since it was read last; returns a receipt for each page.

    Raises:
        SourceError: It can't be read. The pages before are landed, and the next pull goes on after them.
        StalePositionsError: Another process is pulling the same source.
    """
    position = lander.positions(source).get(CHANNEL)
    receipts = []
    for page in pages.pages(position):
        advance = _advance(position, page.position)
        delivery = Delivery(source, profile, page.records, source, advance=advance, columns=page.columns)
        try:
            (receipt,) = lander.land([delivery], now=now())
        except StalePositionsError as error:
            raise StalePositionsError(f"Another process is reading the source {source} at the same time.") from error
        position = page.position or position
        receipts.append(receipt)
        on_page(receipt)
    return tuple(receipts)


def _advance(before: str | None, after: str | None) -> Advance:
    return Advance({CHANNEL: before} if before else {}, {CHANNEL: after} if after else {})
