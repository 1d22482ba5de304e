"""Tallies: spend and number by key."""

from typing import Any

from segmentation.features.kernel.jitable import jitable
from segmentation.features.kernel.records import MISSING, Tally


@jitable
def clear(tally: Tally) -> None:
    """Forget every key."""
    for number in range(tally.size[0]):
        tally.place[tally.groups[number].key] = MISSING
    tally.size[0] = 0


@jitable
def add(tally: Tally, key: int, spend: int) -> None:
    """Count a key once more, with its spend."""
    place = tally.place[key]
    if place == MISSING:
        place = tally.size[0]
        tally.size[0] = place + 1
        tally.place[key] = place
        group = tally.groups[place]
        group.key = key
        group.spend = spend
        group.count = 1
    else:
        group = tally.groups[place]
        group.spend += spend
        group.count += 1


@jitable
def found(tally: Tally) -> Any:
    """The groups, in the order in which their keys came."""
    return tally.groups[: tally.size[0]]


@jitable
def most_frequent(tally: Tally) -> int:
    """The key that came most often, the smallest of several; `MISSING` if there is none."""
    best, count = MISSING, 0
    for group in found(tally):
        if group.count > count or (group.count == count and group.key < best):
            best, count = group.key, group.count
    return best
