"""Which segment is worth more, and which names say that a customer is going: what "up" means wherever it is said."""

import re
from collections.abc import Sequence

from segmentation.metadata.vocabulary import AWAY
from segmentation.modeling.artefact import Segment

GOING = (*sorted(AWAY), "lapsing", "lost", "at[ -]risk", "hibernating", "slipping", "dormant", "inactive")
"""Words of the vocabulary, and of people's own names, by which nobody is won: no order is said to lead there."""

FADING = re.compile(rf"\b({'|'.join(GOING)})\b", re.IGNORECASE)


def segment_ranks(segments: Sequence[Segment]) -> list[int]:
    """How many segments are worth less than each, by what its customers spent later.

    Where nobody knows what they spent, by the order of the segments, which is that of falling net revenue.
    """
    known = [segment.later_spend for segment in segments]
    places = range(len(segments))
    worth = [0.0 if spend is None or None in known else spend for spend in known]
    ascending = sorted(places, key=lambda place: (worth[place], -place))
    return [ascending.index(place) for place in places]


def is_fading(name: str) -> bool:
    """Whether a segment's name says that its customers are going, or gone."""
    return FADING.search(name) is not None
