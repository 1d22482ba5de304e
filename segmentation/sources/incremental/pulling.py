"""Pulling: sources that are read page by page on from where they were left, each page upserted as one delivery.

Where pages come from, a database or a plug-in, is not known here.
"""

from collections.abc import Callable
from datetime import datetime

from segmentation.sources.incremental.deliveries import Advance, Delivery, Receipt, StalePositionsError
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.pages import PagedSource

CHANNEL = "cursor"


def pull(
    upserter: Upserter,
    source: str,
    profile: Profile,
    pages: PagedSource,
    *,
    now: Callable[[], datetime],
    on_page: Callable[[Receipt], object] = lambda _: None,
) -> tuple[Receipt, ...]:
    """Upsert what a source has since it was read last; returns a receipt for each page.

    Raises:
        SourceError: It can't be read. The pages before are in the lake, and the next pull goes on after them.
        StalePositionsError: Another process is pulling the same source.
    """
    position = upserter.positions(source).get(CHANNEL)
    receipts = []
    for page in pages.pages(position):
        advance = _advance(position, page.position)
        delivery = Delivery(source, profile, page.records, source, advance=advance, columns=page.columns)
        try:
            (receipt,) = upserter.upsert([delivery], now=now())
        except StalePositionsError as error:
            raise StalePositionsError(f"Another process is reading the source {source} at the same time.") from error
        position = page.position or position
        receipts.append(receipt)
        on_page(receipt)
    return tuple(receipts)


def _advance(before: str | None, after: str | None) -> Advance:
    return Advance({CHANNEL: before} if before else {}, {CHANNEL: after} if after else {})
