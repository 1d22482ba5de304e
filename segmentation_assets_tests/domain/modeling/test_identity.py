import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.modeling.artefact import Ints, Segment
from segmentation.modeling.segment_identity.matching import (
    PALETTE,
    Predecessor,
    colours,
    descents,
    match,
    without_clash,
)


def _old(labels: Ints, *ids: int) -> Predecessor:
    segments = tuple(Segment(i, f"segment {i}", "", (0.0,), colour=PALETTE[i % len(PALETTE)]) for i in ids)
    return Predecessor(segments, labels)


@given(st.integers(2, 8), st.integers(0, 10_000))
def test_renumbered_clusters_are_recognised(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before = rng.permutation(np.arange(40 * k) % k)
    names = rng.permutation(k)
    assert match(names[before], k, before, k) == [int(np.flatnonzero(names == c)[0]) for c in range(k)]


@given(st.integers(2, 7), st.integers(2, 7), st.integers(0, 10_000))
def test_no_segment_has_two_heirs(k: int, k_before: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = match(rng.integers(0, k, 200), k, rng.integers(0, k_before, 200), k_before)
    kept = [index for index in found if index is not None]
    assert len(found) == k
    assert len(kept) == len(set(kept)) <= min(k, k_before)


def test_a_split_leaves_the_larger_part_its_identity() -> None:
    before = np.repeat([0, 1], 100)
    after = np.concatenate([np.repeat([0, 2], [60, 40]), np.repeat(1, 100)])
    matches = match(after, 3, before, 2)
    assert matches == [0, 1, None]
    lineage = {d.segment_id: d for d in descents([5, 6, 9], after, matches, _old(before, 5, 6))}
    assert [lineage[i].event for i in (5, 6, 9)] == ["kept", "kept", "split"]
    (parent,) = lineage[9].parents
    assert (parent.segment_id, parent.given, parent.received) == (5, 0.4, 1.0)


def test_a_merger_retires_the_smaller_one() -> None:
    before = np.repeat([0, 1, 2], [100, 60, 80])
    after = np.repeat([0, 0, 1], [100, 60, 80])
    matches = match(after, 2, before, 3)
    assert matches == [0, 2]
    lineage = {d.segment_id: d for d in descents([1, 3], after, matches, _old(before, 1, 2, 3))}
    assert {i: d.event for i, d in lineage.items()} == {1: "merged", 3: "kept", 2: "retired"}
    assert [p.segment_id for p in lineage[1].parents] == [1, 2]
    assert [p.segment_id for p in lineage[2].parents] == [1]


def test_what_shares_too_little_is_new() -> None:
    before = np.repeat([0, 1], 300)
    after = np.tile([0, 1, 2, 3, 4, 5], 100)
    matches = match(after, 6, before, 2)
    assert matches == [None] * 6
    events = [d.event for d in descents([3, 4, 5, 6, 7, 8], after, matches, _old(before, 1, 2))]
    assert events.count("retired") == 2


def test_a_first_model_has_no_lineage() -> None:
    assert [d.event for d in descents([1, 2], np.array([0, 1]), [None, None], None)] == ["new", "new"]


def test_colours_are_kept_and_never_shared() -> None:
    old = _old(np.array([0, 1]), 4, 5)
    found = colours([None, 0, 1, None], old)
    assert found[1:3] == [segment.colour for segment in old.segments]
    assert len(set(found)) == 4


@pytest.mark.parametrize(
    ("taken", "expected"),
    [([], "Regulars"), (["regulars"], "Regulars (2)"), (["Regulars", "Regulars (2)"], "Regulars (3)")],
)
def test_a_name_that_is_taken_gets_a_number(taken: list[str], expected: str) -> None:
    assert without_clash("Regulars", taken) == expected
