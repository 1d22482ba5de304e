"""Identity: which segment of a retrained model is which segment of its predecessor.

Both models label the same customers; clusters are matched one to one so that as many customers as possible stay where
they were (the assignment problem, Kuhn 1955). A matched cluster keeps id, name and colour if the two really overlap;
any other gets an id that has never been used.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from segmentation.modeling.artefact import Floats, Ints, Segment
from segmentation.modeling.fitting.clustering import jaccard
from segmentation.modeling.fitting.space import Space
from segmentation.modeling.segment_identity.lineage import Descent, Event, Parent

LEAST_OVERLAP = 0.25
"""Jaccard overlap below which two segments are not the same, however well the rest is matched."""

LARGE_PART = 0.3
"""A share of a segment's customers from here on counts as descent."""

PALETTE = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#f0e442",
    "#6a51a3",
    "#8c6d31",
    "#525252",
    "#31a354",
    "#e7298a",
)
"""Colours that stay apart for the colour-blind (Okabe & Ito 2008), and a few more."""


@dataclass(frozen=True)
class Predecessor:
    """What the version before looks like to its successor.

    Attributes:
        segments: Its segments.
        labels: Length n; index of its segment of each customer, the same customers as the successor's labels.
        space: Its model space, where the successor has all the features; None if its axes aren't known.
    """

    segments: tuple[Segment, ...]
    labels: Ints
    space: Space | None = None


def match(labels: Ints, k: int, before: Ints, k_before: int) -> list[int | None]:
    """Per cluster, the index of the predecessor's cluster that it continues, or None.

    Args:
        labels: Length n; cluster of each customer, 0 to k - 1.
        k: Number of clusters.
        before: Length n; cluster of the same customers in the predecessor.
        k_before: Number of clusters there.
    """
    from scipy.optimize import linear_sum_assignment  # SciPy is heavy, and only who fits needs it

    size = max(k, k_before)
    overlap = jaccard(labels, before, size)
    shared = _shared(labels, k, before, k_before)
    rows, columns = linear_sum_assignment(-shared)
    found: list[int | None] = [None] * k
    for row, column in zip(rows, columns, strict=True):
        if overlap[row, column] >= LEAST_OVERLAP:
            found[row] = int(column)
    return found


def descents(
    ids: Sequence[int], labels: Ints, matches: Sequence[int | None], predecessor: Predecessor | None
) -> list[Descent]:
    """The lineage of all segments, and of those that retire.

    Args:
        ids: Id of each cluster.
        labels: Length n; cluster of each customer.
        matches: As `match` found them.
        predecessor: The version before, if there is one.
    """
    if predecessor is None:
        return [Descent(identity, "new", ()) for identity in ids]
    old = predecessor.segments
    shared = _shared(labels, len(ids), predecessor.labels, len(old))
    received = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)
    given = shared / np.maximum(shared.sum(axis=0, keepdims=True), 1)
    found = []
    for row, identity in enumerate(ids):
        parents = _relatives(old_ids := [s.id for s in old], given[row], received[row])
        found.append(Descent(identity, _event(matches[row], parents, old_ids), parents))
    for column, segment in enumerate(old):
        if column not in matches:
            heirs = _relatives(list(ids), received[:, column], given[:, column])
            found.append(Descent(segment.id, "retired", heirs))
    return found


def colours(matches: Sequence[int | None], predecessor: Predecessor | None) -> list[str]:
    """A colour per cluster: that of its match, or the first one that no other segment has."""
    kept = [None if m is None or predecessor is None else predecessor.segments[m].colour for m in matches]
    taken = {colour for colour in kept if colour}
    result: list[str] = []
    for colour in kept:
        chosen = colour or next((c for c in PALETTE if c not in taken), PALETTE[len(result) % len(PALETTE)])
        taken.add(chosen)
        result.append(chosen)
    return result


def without_clash(name: str, taken: Collection[str]) -> str:
    """The name, with a number if it is taken."""
    bare = {each.casefold() for each in taken}
    number, result = 1, name
    while result.casefold() in bare:
        number += 1
        result = f"{name} ({number})"
    return result


def _event(matched: int | None, parents: tuple[Parent, ...], old_ids: list[int]) -> Event:
    gave_much = [parent for parent in parents if parent.given >= 0.5]
    if len(gave_much) > 1:
        return "merged"
    if matched is not None:
        return "kept"
    return "split" if parents and parents[0].segment_id in old_ids else "new"


def _relatives(ids: list[int], given: Floats, received: Floats) -> tuple[Parent, ...]:
    related = [
        Parent(identity, round(float(g), 4), round(float(r), 4))
        for identity, g, r in zip(ids, given, received, strict=True)
        if g >= LARGE_PART or r >= LARGE_PART
    ]
    return tuple(sorted(related, key=lambda p: (-p.received, -p.given, p.segment_id)))


def _shared(labels: Ints, k: int, before: Ints, k_before: int) -> Floats:
    """Customers that each cluster shares with each of the predecessor; shape (k, k_before)."""
    shared = np.zeros((k, k_before))
    np.add.at(shared, (labels, before), 1)
    return shared
