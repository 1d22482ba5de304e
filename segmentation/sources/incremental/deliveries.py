"""What sources deliver, and what becomes of it, as plain data. How deliveries get into the lake is in `upsert`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from segmentation.errors import SourceError
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.records import Record, as_json

Positions = Mapping[str, str]
"""By channel, how far it has been read."""


class StalePositionsError(Exception):
    """Somebody else has read the source on since `before`; nothing of the delivery was written."""


class UsedKeyError(SourceError):
    """A delivery has the key of an earlier one, and another content."""


@dataclass(frozen=True)
class Malformed:
    """What arrived where a record should have been, as text."""

    text: str


@dataclass(frozen=True)
class Advance:
    """From where to where a delivery brings the reading of its source.

    Attributes:
        before: Position by channel that the reading began at; a channel that hasn't been read yet is missing.
        after: The same after this delivery.
    """

    before: Positions
    after: Positions


@dataclass(frozen=True)
class Delivery:
    """Lines that are acknowledged as a whole.

    Attributes:
        source: Name of the source.
        profile: How its lines are read; it must give them a `line_id`.
        records: The lines.
        places: Where each line was, such as an offset in a stream; one text if it is the same for all.
        key: What the sender calls the delivery: one that comes again with it is not taken again.
        content_hash: Of what was sent, to tell a repeated delivery from a reused key.
        advance: How far the source has been read with it.
        columns: Type by column, where the source knows it; else what the records themselves are is looked at.
        unused_columns: Type by column of those that came, and that the records leave out.
    """

    source: str
    profile: Profile
    records: Sequence[Record | Malformed]
    places: str | Sequence[str]
    key: str | None = None
    content_hash: str | None = None
    advance: Advance | None = None
    columns: Mapping[str, str] | None = None
    unused_columns: Mapping[str, str] = field(default_factory=dict)

    def place(self, index: int) -> str:
        """Where a line was."""
        return self.places if isinstance(self.places, str) else self.places[index]

    def original(self, index: int) -> str:
        """A line as it came, as JSON."""
        record = self.records[index]
        return as_json(record.text if isinstance(record, Malformed) else record)


@dataclass(frozen=True)
class Receipt:
    """What became of a delivery.

    Attributes:
        lines_read: Its lines: new, replaced, repeated and rejected ones.
        lines_new: Lines that the lake hadn't.
        lines_replaced: Lines whose content took the place of an earlier one's.
        lines_repeated: Lines that the lake, or the rejects, had already, just so.
        rejected_by_reason: Number of refused lines by reason.
        rejects: Index and reason of each refused line; empty for a replay.
        is_replay: Whether the delivery had been taken before; the figures are those of then.
        first_day: Earliest day (UTC) that it changed.
        last_day: Latest one.
    """

    lines_read: int
    lines_new: int
    lines_replaced: int
    lines_repeated: int
    rejected_by_reason: Mapping[str, int]
    rejects: tuple[tuple[int, str], ...] = ()
    is_replay: bool = False
    first_day: date | None = None
    last_day: date | None = None

    @property
    def lines_rejected(self) -> int:
        """Number of refused lines."""
        return sum(self.rejected_by_reason.values())
