"""Names of segments: true words, chosen so that no two names of a model are the same.

A name has a word of value, one of how active the customers are by their own rhythm, and the behaviour in which they
differ most from everybody else: "High value, cooling · discount-driven", "New, promising", "Big-ticket, few orders".
A former name is kept as long as all of its words are true. The words are in `segmentation.metadata.vocabulary`, how
often they hold in `truth`, what is said beside a name in `sentences`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from segmentation.metadata.vocabulary import (
    BEHAVIOUR,
    BY_LABEL,
    EMPTY,
    MIXED,
    STATE,
    VALUE,
    WORDS,
    Claim,
    Word,
    named,
    words_of,
)
from segmentation.modeling.artefact import Floats, Ints
from segmentation.modeling.segment_identity.bands import find_bands
from segmentation.modeling.segment_identity.matching import without_clash
from segmentation.modeling.segment_identity.sentences import advise, describe, read_figures
from segmentation.modeling.segment_identity.truth import Shares, prepared, shares

CLEAR_SHARE, CLEAR_LEAD = 0.66, 0.1
"""A new name takes words that are true of more than the least share, by so much more than elsewhere, so as to last."""

TELLING_LEAD = 0.25
"""A behaviour is told where it is true of so much more of a segment's customers than of others."""

APART = 0.05
"""Segments of one name are told apart by what is true of so much more of one's customers than of the others'."""

MOST_CLAIMS = 5
"""Longer names nobody reads."""

IMPLIED = {"one order": "few orders", "new": "promising"}
"""What need not, or may not, be added to a word."""


@dataclass(frozen=True)
class NamedSegment:
    """What people read of a segment.

    Attributes:
        name: Made of true words; unique among the segments that were named with it.
        description: Its typical customer, in a sentence.
        advice: What to do with them, in a sentence.
    """

    name: str
    description: str
    advice: str


def name_segments(
    features: Floats, labels: Ints, k: int, *, kept: Mapping[int, str] | None = None, taken: Collection[str] = ()
) -> list[NamedSegment]:
    """A name, a description and advice per segment, from what its customers do.

    Args:
        features: Shape (n, number of `NAMED_FROM`), in that order; NaN where missing.
        labels: Length n; the segment of each customer, 0 to k - 1.
        k: Number of segments; some may be without customers.
        kept: Former names by segment, which stay as long as they are true.
        taken: Names that none of the others may have.

    Returns:
        As many as there are segments, with names that differ whatever the case of their letters.
    """
    with prepared(features, labels) as con:
        names, _ = choose_names(con, range(k), kept or {}, taken)
        figures, held = read_figures(con), shares(con, WORDS)
    return [NamedSegment(names[i], describe(figures, i), advise(figures, held, i)) for i in range(k)]


def choose_names(
    con: duckdb.DuckDBPyConnection, segments: Iterable[int], kept: Mapping[int, str], taken: Collection[str] = ()
) -> tuple[dict[int, str], Shares]:
    """A name per segment, from the customers that `truth.prepare` has measured on a connection.

    Args:
        con: The connection.
        segments: Ids of all segments to name.
        kept: Former names by id, which stay as long as they are true.
        taken: Names that none of them may have.

    Returns:
        The names by id, and how far all words and those of the former names hold.
    """
    wanted = list(segments)
    former = {i: claims for i in wanted if (claims := words_of(kept.get(i, "")))}
    held = shares(con, list(dict.fromkeys([*WORDS, *(c for claims in former.values() for c in claims)])))
    names = {i: kept[i] for i in wanted if i in former and all_true(held, i, former[i]) and not _is_in(kept[i], taken)}
    names |= {i: kept[i] for i in wanted if i not in held.segments and i in kept and not _is_in(kept[i], taken)}
    fresh = [i for i in wanted if i not in names and i in held.segments]
    words = {i: _revised(held, i, former.get(i, ())) for i in fresh}
    chosen = _told_apart(con, held, words, {*names.values(), *taken})
    for i in wanted:
        if i not in names:
            proposed = named(chosen[i]) if i in chosen else EMPTY
            names[i] = without_clash(proposed, [*names.values(), *taken])
    return names, held


def all_true(held: Shares, segment_id: int, claims: Iterable[Claim]) -> bool:
    """Whether a segment may be called by all of these claims; one without customers may be called anything."""
    return segment_id not in held.segments or all(held.is_true(segment_id, claim) for claim in claims)


def _base(held: Shares, segment_id: int) -> list[Claim]:
    """The words that describe a segment best, whatever the others are called."""
    clear = [word for word in WORDS if _is_clear(held, segment_id, word)]
    state = [word for word in STATE if word in clear]
    if BY_LABEL["new"] in state:
        state = [word for word in state if word.label in ("new", "promising")]
    else:
        state = [word for word in state if word.is_away][:1]
    value = [word for word in VALUE if word in clear][:1]
    if state and state[0].label == "new":
        value = [word for word in value if word.label in ("top value", "high value")]
    behaviour = [w for w in BEHAVIOUR if w in clear and _lead(held, segment_id, w) >= TELLING_LEAD]
    strongest = sorted(behaviour, key=lambda w: (-_lead(held, segment_id, w), WORDS.index(w)))[:1]
    if "promising" in [word.label for word in state]:
        strongest = []
    found: list[Claim] = [*value, *state, *strongest]
    return found if len(found) > 1 else [*found, *_one_more(held, segment_id, found)]


def _revised(held: Shares, segment_id: int, former: Sequence[Claim]) -> list[Claim]:
    """What is left of a former name, with what describes the segment best in place of what isn't true any more."""
    found = [claim for claim in former if held.is_true(segment_id, claim)]
    has_behaviour = any(not isinstance(claim, Word) or claim.kind == "behaviour" for claim in found)
    for word in _base(held, segment_id):
        is_behaviour = not isinstance(word, Word) or word.kind == "behaviour"
        if _may_join(word, found) and not (is_behaviour and has_behaviour):
            found.append(word)
    return found


def _one_more(held: Shares, segment_id: int, found: Sequence[Claim]) -> list[Word]:
    """Beside a single word one that is hardly less telling; instead of none, any that is true."""
    least = TELLING_LEAD if found else 0.0
    true = [
        word
        for word in WORDS
        if _may_join(word, found) and held.is_true(segment_id, word) and _lead(held, segment_id, word) >= least
    ]
    return sorted(true, key=lambda word: (-_lead(held, segment_id, word), WORDS.index(word)))[:1]


def _told_apart(
    con: duckdb.DuckDBPyConnection, held: Shares, chosen: Mapping[int, Sequence[Claim]], taken: Collection[str]
) -> dict[int, list[Claim]]:
    """The claims of each segment, with more of them where two would share a name, or have one that is taken."""
    found = {i: list(claims) for i, claims in chosen.items()}
    bands: Shares | None = None
    while alike := _alike(found, taken):
        best = _next_claim(held, found, alike)
        if best is None:
            bands = find_bands(con, list(found)) if bands is None else bands
            best = _next_claim(bands, found, alike)
        if best is None:
            break
        segment_id, claim = best
        found[segment_id].append(claim)
    return found


def _alike(found: Mapping[int, Sequence[Claim]], taken: Collection[str]) -> list[list[int]]:
    """Groups of segments that share a name; those that have one that is taken, or claim nothing, alone too."""
    groups: dict[str, list[int]] = defaultdict(list)
    for segment_id, claims in found.items():
        groups[named(claims)].append(segment_id)
    return [group for name, group in groups.items() if len(group) > 1 or _is_in(name, taken) or name == MIXED]


def _next_claim(
    held: Shares, found: Mapping[int, Sequence[Claim]], alike: Sequence[Sequence[int]]
) -> tuple[int, Claim] | None:
    """The claim that tells a segment apart best from those of the same name, and from everybody else."""
    options = [
        (lead, segment_id, claim)
        for group in alike
        for segment_id in group
        for claim in held.claims
        if _may_join(claim, found[segment_id]) and held.is_true(segment_id, claim)
        if (lead := _lead_in(held, group, segment_id, claim)) >= APART
    ]
    if not options:
        return None
    _, segment_id, claim = max(options, key=lambda each: (each[0], -each[1], -held.claims.index(each[2])))
    return segment_id, claim


def _may_join(claim: Claim, others: Sequence[Claim]) -> bool:
    """Whether a claim may be added to others: a word of value and one of state at most, a feature once."""
    if len(others) >= MOST_CLAIMS:
        return False
    if isinstance(claim, Word):
        words = [other for other in others if isinstance(other, Word)]
        implied = {label for word in words if (label := IMPLIED.get(word.label))}
        if claim.label == "promising":
            return claim not in words and BY_LABEL["new"] in words
        shares_kind = claim.kind != "behaviour" and any(word.kind == claim.kind for word in words)
        return claim not in words and claim.label not in implied and not shares_kind
    return all(isinstance(other, Word) or other.feature != claim.feature for other in others)


def _lead(held: Shares, segment_id: int, claim: Claim) -> float:
    inside, elsewhere = held.of(segment_id, claim)
    return inside - elsewhere


def _lead_in(held: Shares, group: Sequence[int], segment_id: int, claim: Claim) -> float:
    """By how much more a claim is true of a segment than of any other one of its group."""
    rivals = [held.of(other, claim)[0] for other in group if other != segment_id]
    return held.of(segment_id, claim)[0] - max(rivals) if rivals else _lead(held, segment_id, claim)


def _is_clear(held: Shares, segment_id: int, claim: Claim) -> bool:
    inside, elsewhere = held.of(segment_id, claim)
    return held.is_true(segment_id, claim) and inside >= CLEAR_SHARE and inside >= elsewhere + CLEAR_LEAD


def _is_in(name: str, names: Collection[str]) -> bool:
    return name.casefold() in {each.casefold() for each in names}
