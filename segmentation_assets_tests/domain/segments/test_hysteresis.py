from datetime import date

import numpy as np
import pytest

from segmentation.modeling.artefact import FORMAT, Artefact, Evaluator, FeatureRule, Provenance, Segment
from segmentation.segments.columns import NOBODY, Before, Hysteresis, segment_columns

AS_OF = date(2024, 3, 1)
MODEL = Evaluator(
    Artefact(
        FORMAT,
        (FeatureRule("recency_days", None, 0, 100, "identity", 0, 1),),
        (Segment(7, "near", "", (0.0,), cutoff=0.5), Segment(9, "far", "", (10.0,))),
        Provenance(AS_OF, 1, "", 1, ""),
    )
)


def _assigned(
    place: float, before: int, hysteresis: Hysteresis, nearest_id: int = NOBODY, since: str = "NaT"
) -> dict[str, object]:
    then = Before(np.array([before]), np.array([nearest_id]), np.array([since], dtype="datetime64[D]"))
    columns = segment_columns(MODEL, 3, np.array([[place]]), as_of=AS_OF, before=then, hysteresis=hysteresis)
    return {name: values[0] for name, values in columns.items()}


@pytest.mark.parametrize(
    ("place", "before", "margin", "expected"),
    [
        (5.1, 7, 0.0, 9),  # off: the nearest one
        (5.1, 7, 0.2, 7),  # hardly nearer: stays
        (6.0, 7, 0.2, 9),  # a fifth of the way from the border at 5 to the centroid at 10: goes
        (99.0, 7, 0.2, 9),  # far from both, on the other side: goes
        (5.1, NOBODY, 0.2, 9),  # new: the nearest one
        (5.1, 4, 0.2, 9),  # theirs is gone: the nearest one
        (4.9, 7, 0.2, 7),
    ],
)
def test_a_customer_leaves_past_the_margin(place: float, before: int, margin: float, expected: int) -> None:
    found = _assigned(place, before, Hysteresis(margin))
    assert found["segment_id"] == expected
    assert found["nearest_id"] == (7 if place < 5 else 9)


def test_who_is_held_has_no_confidence() -> None:
    found = _assigned(5.1, 7, Hysteresis(0.2))
    assert (found["runner_up_id"], found["confidence"], found["is_low_confidence"]) == (9, 0.0, True)
    assert found["distance"] == pytest.approx(5.1)
    assert found["runner_up_distance"] == pytest.approx(4.9)


@pytest.mark.parametrize(("since", "expected"), [("2024-02-01", 7), ("2024-01-01", 9)])
def test_or_when_another_segment_has_been_nearest_for_long_enough(since: str, expected: int) -> None:
    found = _assigned(5.1, 7, Hysteresis(0.2, dwell_days=60), nearest_id=9, since=since)
    assert found["segment_id"] == expected
    assert found["nearest_since"] == np.datetime64(since)


def test_the_dwell_begins_when_the_nearest_changes() -> None:
    found = _assigned(5.1, 7, Hysteresis(0.2, dwell_days=60), nearest_id=7, since="2023-01-01")
    assert (found["segment_id"], found["nearest_since"]) == (7, np.datetime64(AS_OF))


def test_low_confidence_is_below_the_segments_cutoff() -> None:
    assert not _assigned(3.0, NOBODY, Hysteresis())["is_low_confidence"]  # 1 - 3 / 7 is more than 0.5
    assert _assigned(4.0, NOBODY, Hysteresis())["is_low_confidence"]
    assert not _assigned(6.0, NOBODY, Hysteresis())["is_low_confidence"]
