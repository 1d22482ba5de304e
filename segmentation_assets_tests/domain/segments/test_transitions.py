from datetime import date
from typing import Any

import duckdb
import numpy as np
import pytest

from segmentation.clock import utc_now
from segmentation.errors import NotEnoughDataError
from segmentation.metadata.features import FEATURES
from segmentation.modeling import registry
from segmentation.modeling.artefact import FORMAT, Artefact, FeatureRule, Provenance, Segment
from segmentation.monitoring.flicker import read_flicker
from segmentation.segments.assignment import write_segments
from segmentation.segments.transitions import write_transitions
from segmentation.warehouse import Commit, Lake

COMMIT = Commit("test")
JAN, FEB, MAR = date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)


def _model(lake: Lake, border: float) -> int:
    """A champion with two segments, parted at a recency of `border` days."""
    artefact = Artefact(
        FORMAT,
        (FeatureRule("recency_days", None, 0.0, 1000.0, "identity", 0.0, 1.0),),
        (Segment(1, "recent", "", (border - 10.0,)), Segment(2, "lapsed", "", (border + 10.0,))),
        Provenance(JAN, 1, "", 1, ""),
    )
    version = registry.register(lake, artefact, {}, COMMIT, now=utc_now())
    assert version is not None
    registry.promote(lake, version, alias="champion", actor="test", reason="test", commit=COMMIT, now=utc_now())
    return version


def _snapshot(lake: Lake, as_of: date, recency: dict[str, float]) -> None:
    _features(lake, as_of, recency)
    write_segments(lake, as_of, COMMIT)


def _features(lake: Lake, as_of: date, recency: dict[str, float]) -> None:
    others = ", ".join(
        f"CAST(1 AS {feature.type})" if feature.type != "VARCHAR" else "'x'"
        for feature in FEATURES
        if feature.name != "recency_days"
    )
    names = ", ".join(feature.name for feature in FEATURES if feature.name != "recency_days")

    def write(con: duckdb.DuckDBPyConnection) -> None:
        for customer, days in recency.items():
            con.execute(
                f"INSERT INTO features.customer_features (as_of, customer_id, recency_days, {names}) "
                f"VALUES ($as_of, $customer, $days, {others})",
                {"as_of": as_of, "customer": customer, "days": days},
            )

    with lake.cursor() as con:
        lake.transaction(con, COMMIT, write)


def _causes(lake: Lake, as_of: date) -> dict[tuple[int | None, int | None, str], int]:
    moves = write_transitions(lake, as_of, COMMIT)
    return {
        (row["from_segment_id"], row["to_segment_id"], row["cause"]): row["customer_count"]
        for row in moves.iter_rows(named=True)
    }


def test_customers_and_models_are_told_apart(lake: Lake) -> None:
    _model(lake, border=50)
    _snapshot(lake, JAN, {"stays": 10, "goes": 10, "drifts": 40, "is gone": 90})
    _model(lake, border=30)
    _snapshot(lake, FEB, {"stays": 10, "goes": 80, "drifts": 40, "comes": 5})
    assert _causes(lake, JAN) == {(None, 1, "arrived"): 3, (None, 2, "arrived"): 1}
    assert _causes(lake, FEB) == {
        (None, 1, "arrived"): 1,
        (1, 1, "stayed"): 1,
        (1, 2, "customer_moved"): 1,
        (1, 2, "model_moved"): 1,
        (2, None, "gone"): 1,
    }
    with lake.cursor() as con:
        events = con.execute(
            "SELECT customer_id, event, segment_id, other_segment_id, cause FROM segments.segment_events "
            f"WHERE as_of = DATE '{FEB}' ORDER BY ALL"
        ).fetchall()
    assert events == [
        ("comes", "entered", 1, None, "arrived"),
        ("drifts", "entered", 2, 1, "model_moved"),
        ("drifts", "left", 1, 2, "model_moved"),
        ("goes", "entered", 2, 1, "customer_moved"),
        ("goes", "left", 1, 2, "customer_moved"),
        ("is gone", "left", 2, None, "gone"),
    ]


def test_the_former_model_would_have_held_who_is_near_its_border(lake: Lake) -> None:
    _model(lake, border=50)
    _snapshot(lake, JAN, {"held": 49, "goes": 49})
    _model(lake, border=40)
    # 51 is a tenth of the way from the former border to the next centroid: a fifth is needed. 55 is half of it.
    _snapshot(lake, FEB, {"held": 51, "goes": 55})
    assert _causes(lake, FEB) == {(1, 2, "model_moved"): 1, (1, 2, "customer_moved"): 1}


def test_dates_in_any_order_come_out_alike_once_those_that_followed_others_are_made_again(lake: Lake) -> None:
    rng = np.random.default_rng(4)
    _model(lake, border=50)
    for as_of in (JAN, FEB, MAR):
        _features(lake, as_of, {f"c{n}": float(rng.integers(46, 55)) for n in range(40)})
    made = [_assigned(lake, JAN, FEB, MAR)]
    held = sum(row["segment_id"] != row["nearest_id"] for row in made[0])
    assert held > 5, "or the order says nothing"
    with lake.cursor() as con:
        lake.transaction(con, COMMIT, lambda con: con.execute("DELETE FROM segments.customer_segments").fetchall())
        lake.transaction(con, COMMIT, lambda con: con.execute("DELETE FROM registry.snapshots").fetchall())
    assert _assigned(lake, MAR, FEB, JAN) != made[0], "March knew no February"
    assert _assigned(lake, FEB, MAR) == made[0]
    assert _assigned(lake, JAN) == made[0], "made again, an old date is what it was"


def _assigned(lake: Lake, *dates: date) -> list[dict[str, Any]]:
    """All rows of segments, after some dates were assigned in this order."""
    for as_of in dates:
        write_segments(lake, as_of, COMMIT)
    with lake.cursor() as con:
        return con.execute("FROM segments.customer_segments ORDER BY as_of, customer_id").pl().to_dicts()


def test_flicker_is_who_changes_and_who_changes_back(lake: Lake) -> None:
    _model(lake, border=50)
    _snapshot(lake, JAN, {"stays": 10, "flickers": 10, "goes": 10, "is gone": 10})
    _snapshot(lake, FEB, {"stays": 10, "flickers": 90, "goes": 10, "comes": 10})
    _snapshot(lake, MAR, {"stays": 10, "flickers": 10, "goes": 90, "comes": 10})
    with lake.cursor() as con:
        assert read_flicker(con, JAN) is None
        assert read_flicker(con, FEB) == pytest.approx((1 / 3, 0.0, 3))
        assert read_flicker(con, MAR) == pytest.approx((0.5, 0.25, 4))


def test_writing_twice_changes_nothing_and_dates_stand_by_themselves(lake: Lake) -> None:
    rng = np.random.default_rng(1)
    _model(lake, border=50)
    for as_of in (JAN, FEB, MAR):
        _snapshot(lake, as_of, {f"c{n}": float(rng.integers(0, 100)) for n in rng.permutation(30)[:25]})
    first = [_causes(lake, as_of) for as_of in (JAN, FEB, MAR)]
    assert [_causes(lake, as_of) for as_of in (MAR, JAN, FEB)] == [first[2], first[0], first[1]]
    with lake.cursor() as con:
        rows = con.execute("SELECT COUNT(*) FROM segments.segment_transitions").fetchall()[0][0]
    assert rows == sum(len(each) for each in first)


def test_without_segments_there_is_nothing_to_compare(lake: Lake) -> None:
    with pytest.raises(NotEnoughDataError, match="No customer has a segment as of 2024-02-01"):
        write_transitions(lake, FEB, COMMIT)
