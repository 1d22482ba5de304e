from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.errors import NotEnoughDataError
from segmentation.features.records import Snapshot
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import FEATURES, GROUPS, of_group
from segmentation.metadata.tables.features import CUSTOMER_FEATURES, FEATURE_GROUPS
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.domain.features.reference import differences, features_of
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT, order_lines
from segmentation_assets_tests.testing.lines import Line, insert_lines

pytestmark = pytest.mark.takes(20)

SCORES = ("r_score", "f_score", "m_score", "rfm_segment")


def _write(lake: Lake, *dates: date, from_scratch: bool = True) -> list[Snapshot]:
    return write_snapshots(
        lake, dates, lambda as_of: Commit(f"features {as_of}"), now=datetime(2030, 1, 1), from_scratch=from_scratch
    )


def _snapshot(lake: Lake, as_of: date = AS_OF) -> pl.DataFrame:
    with lake.cursor() as con:
        return con.execute(
            f"SELECT * EXCLUDE (as_of) FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of ORDER BY customer_id",
            {"as_of": as_of},
        ).pl()


@given(lines=st.lists(order_lines(), min_size=1, max_size=40))
@hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_features_are_what_the_definitions_say(lake: Lake, lines: Sequence[Line]) -> None:
    expected = features_of(lines, MIDNIGHT, 365)
    with lake.cursor() as con:
        lake.transaction(con, Commit("empty"), lambda c: c.execute("DELETE FROM raw.transactions"))
    insert_lines(lake, lines)
    if not expected:
        with pytest.raises(NotEnoughDataError, match="No customer has a purchase"):
            _write(lake, AS_OF)
        return
    assert _write(lake, AS_OF)[0].customer_count == len(expected)
    found = {str(row["customer_id"]): row for row in _snapshot(lake).iter_rows(named=True)}
    assert found.keys() == expected.keys()
    assert {c: d for c in found if (d := differences(found[c], expected[c]))} == {}
    assert set(next(iter(expected.values()))) == {f.name for f in FEATURES} - set(SCORES)


def test_lines_at_or_after_the_date_change_nothing(lake: Lake) -> None:
    past = [Line("a", "1", "p", MIDNIGHT - timedelta(hours=1)), Line("b", "2", "p", MIDNIGHT - timedelta(days=9))]
    insert_lines(lake, past)
    _write(lake, AS_OF)
    before = _snapshot(lake)
    insert_lines(lake, [Line("a", "3", "q", MIDNIGHT, amount=1e6), Line("c", "4", "q", MIDNIGHT + timedelta(days=1))])
    _write(lake, AS_OF)
    assert _snapshot(lake).equals(before)


def test_a_second_computation_gives_the_same_bytes(lake: Lake) -> None:
    lines = [
        Line(f"c{n % 50}", f"o{n % 170}", f"p{n % 23}", MIDNIGHT - timedelta(hours=n), 1 + n % 3, n * 0.1, f"k{n % 7}")
        for n in range(1, 2000)
    ]
    insert_lines(lake, lines)
    frames = []
    for _ in range(2):
        _write(lake, AS_OF)
        frames.append(_snapshot(lake))
    assert frames[0].equals(frames[1])


def test_the_order_in_which_lines_arrived_does_not_matter(settings: Settings) -> None:
    lines = [
        Line(f"c{n % 9}", f"o{n % 31}", f"p{n % 5}", MIDNIGHT - timedelta(hours=n), 1, n / 7, f"k{n % 3}")
        for n in range(1, 300)
    ]
    frames = []
    for number, order in enumerate((lines, lines[::-1])):
        with Lake(settings.model_copy(update={"home": settings.home / str(number)}), create=True) as lake:
            migrate(lake)
            insert_lines(lake, order)
            _write(lake, AS_OF)
            frames.append(_snapshot(lake))
    assert frames[0].equals(frames[1])


def test_each_group_has_its_own_table_with_the_same_values(lake: Lake) -> None:
    insert_lines(lake, [Line(f"c{n}", f"o{n}", "p", MIDNIGHT - timedelta(days=n), category="k") for n in range(1, 12)])
    _write(lake, AS_OF)
    everything = _snapshot(lake)
    with lake.cursor() as con:
        for group in GROUPS:
            table = con.execute(f"SELECT * EXCLUDE (as_of) FROM {FEATURE_GROUPS[group].name} ORDER BY ALL").pl()
            names = ["customer_id", *(feature.name for feature in of_group(group))]
            assert table.sort("customer_id").equals(everything.select(names))


def test_scores_are_quintiles_with_ties_broken_by_customer_id(lake: Lake) -> None:
    day = timedelta(days=1)
    insert_lines(lake, [Line(f"c{n}", f"o{n}", "p", MIDNIGHT - 5 * day, amount=7) for n in range(10)])
    _write(lake, AS_OF)
    scores = _snapshot(lake).select("r_score", "f_score", "m_score")
    quintiles = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert scores.to_dict(as_series=False) == dict.fromkeys(scores.columns, quintiles)


def test_better_customers_have_better_scores_and_a_better_name(lake: Lake) -> None:
    day = timedelta(days=1)
    lines = [
        Line(f"c{n}", f"c{n}-{k}", "p", MIDNIGHT - (10 - n) * day - k * timedelta(hours=1), amount=n + 1)
        for n in range(10)
        for k in range(n + 1)
    ]
    insert_lines(lake, lines)
    _write(lake, AS_OF)
    rows = _snapshot(lake).select("r_score", "f_score", "m_score", "rfm_segment").rows()
    assert rows[0] == (1, 1, 1, "Long unseen")
    assert rows[-1] == (5, 5, 5, "Champions")


def test_an_empty_window_says_what_there_is(lake: Lake) -> None:
    insert_lines(lake, [Line("a", "1", "p", datetime(2020, 5, 1))])
    before = lake.version()
    with pytest.raises(NotEnoughDataError, match="the lake holds lines from 2020-05-01 to 2020-05-01"):
        _write(lake, AS_OF)
    assert lake.version() == before


def test_without_a_look_back_limit_the_oldest_line_counts(settings: Settings) -> None:
    with Lake(settings.model_copy(update={"lookback_days": None}), create=True) as lake:
        migrate(lake)
        insert_lines(lake, [Line("a", "1", "p", datetime(2001, 1, 1)), Line("a", "2", "p", datetime(2024, 1, 1))])
        _write(lake, AS_OF)
        assert _snapshot(lake)["order_count"].to_list() == [2]


def test_refunds_of_money_alone_are_returned_revenue_and_no_returns(lake: Lake) -> None:
    refunds = ((2.0, 20.0, "1"), (-1.0, -10.0, "1"), (0.0, -3.0, "2"), (-1.0, -5.0, "3"))
    lines = [
        Line("ann", order, "p", MIDNIGHT - timedelta(days=day), quantity=quantity, amount=amount)
        for day, (quantity, amount, order) in enumerate(refunds, start=1)
    ]
    insert_lines(lake, lines)

    _write(lake, AS_OF)

    found = _snapshot(lake).row(0, named=True)
    assert (found["returned_revenue"], found["net_revenue"], found["return_count"]) == (18.0, 2.0, 2)
