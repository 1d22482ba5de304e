"""Lineage as data: how a segment came about. The registry keeps it; `matching` finds it."""

from dataclasses import dataclass
from typing import Literal

import msgspec

Event = Literal["new", "kept", "split", "merged", "retired"]


class Parent(msgspec.Struct, frozen=True):
    """A segment of the predecessor that a segment descends from.

    Attributes:
        segment_id: That segment.
        given: Share of its customers that are in this one now.
        received: Share of this one's customers that come from there.
    """

    segment_id: int
    given: float
    received: float


@dataclass(frozen=True)
class Descent:
    """How one segment came about.

    Attributes:
        segment_id: The segment; for a retired one, of the predecessor.
        event: `new` without a parent, `kept`, `split` from a segment that goes on or is gone, `merged` from several
            that gave most of theirs, or `retired`.
        parents: Where its customers were before, largest part first; for a retired one, where they went.
    """

    segment_id: int
    event: Event
    parents: tuple[Parent, ...]
