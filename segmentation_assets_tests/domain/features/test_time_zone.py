"""The shop's calendar: weekday, hour, month and the edges of a window follow its time zone, elapsed time doesn't."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from segmentation.features.customer_lines import read_customer_lines
from segmentation.features.one_customer import compute_features
from segmentation.features.records import recorded_scope, recorded_scopes, scope_of
from segmentation.features.snapshots import write_snapshots
from segmentation.features.windows import Window, window_of
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import read_entries
from segmentation_assets_tests.domain.features.reference import differences, features_of
from segmentation_assets_tests.domain.features.strategies import order_lines
from segmentation_assets_tests.testing.lines import Line, insert_lines

pytestmark = pytest.mark.takes(20)

ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/St_Johns",
)
NOW = datetime(2030, 1, 1)
AS_OF = date(2018, 11, 4)
"""On which clocks in São Paulo skipped midnight, and those in New York showed 01:30 twice."""

CALENDAR = {
    "preferred_weekday",
    "preferred_hour",
    "weekend_order_share",
    "active_months",
    "monthly_spend_mean",
    "monthly_spend_std",
    "spend_trend",
    "seasonality_index",
}
"""The features that a calendar is needed for."""

moments = st.one_of(
    st.datetimes(datetime(2017, 10, 1), datetime(2018, 11, 7)),
    *(
        st.datetimes(day - timedelta(hours=30), day + timedelta(hours=30))
        for day in (datetime(2018, 11, 4), datetime(2018, 10, 28), datetime(2018, 3, 25), datetime(2017, 11, 4))
    ),
)
shop_lines = st.lists(
    st.builds(lambda line, moment: replace(line, ordered_at=moment), order_lines(), moments), min_size=1, max_size=30
)


@cache
def _begin(day: date, zone: str) -> datetime:
    """The first quarter of an hour (UTC) in which clocks show a day, found by looking at all of them."""
    noon = datetime.combine(day, time(12))
    quarters = (noon + timedelta(minutes=15 * n) for n in range(-160, 160))
    return next(each for each in quarters if each.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)).date() >= day)


def _expected(lines: Sequence[Line], as_of: date, zone: str) -> dict[str, dict[str, object]]:
    start = _begin(as_of - timedelta(days=365), zone)
    return features_of(lines, _begin(as_of, zone), 365, zone=zone, starts_at=start)


def _write(lake: Lake, *dates: date, from_scratch: bool = False) -> list[int]:
    """Write snapshots; returns how many customers each computed."""
    commit = Commit("test")
    written = write_snapshots(lake, dates, lambda _: commit, now=NOW, from_scratch=from_scratch)
    return [each.computed_count for each in written]


def _rows(lake: Lake, as_of: date) -> dict[str, dict[str, object]]:
    with lake.cursor() as con:
        query = f"SELECT * EXCLUDE (as_of) FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of ORDER BY customer_id"
        found: pl.DataFrame = con.execute(query, {"as_of": as_of}).pl()
    return {str(row["customer_id"]): row for row in found.iter_rows(named=True)}


def _in_zone(lake: Lake, zone: str) -> Lake:
    return Lake(lake.settings.model_copy(update={"timezone": zone}))


def _clear(lake: Lake) -> None:
    with lake.cursor() as con:
        lake.transaction(con, Commit("empty"), lambda c: c.execute("DELETE FROM raw.transactions"))


@given(lines=shop_lines, zone=st.sampled_from(ZONES))
@hypothesis_settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_features_in_memory_follow_the_calendar_of_the_zone(lines: list[Line], zone: str) -> None:
    expected = _expected(lines, AS_OF, zone)
    found = compute_features([asdict(line) for line in lines], window_of(AS_OF, 365, zone))
    assert found.keys() == expected.keys()
    by_customer = {
        customer: differences(found[customer], {k: v for k, v in values.items() if k != "is_home_market"})
        for customer, values in expected.items()
    }
    assert {customer: differing for customer, differing in by_customer.items() if differing} == {}


@given(lines=shop_lines, zone=st.sampled_from(ZONES))
@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_snapshots_follow_it_one_by_one_and_several_at_a_time(lake: Lake, lines: list[Line], zone: str) -> None:
    dates = (AS_OF - timedelta(days=7), AS_OF)
    lines = [*lines, Line("always", "1", "p", datetime(2018, 10, 1, 12))]  # so that no date is empty
    _clear(lake)
    insert_lines(lake, lines)
    with _in_zone(lake, zone) as shop:
        _write(shop, *dates, from_scratch=True)
        together = [_rows(shop, as_of) for as_of in dates]
        for as_of, rows in zip(dates, together, strict=True):
            _write(shop, as_of, from_scratch=True)
            assert _rows(shop, as_of) == rows
            expected = _expected(lines, as_of, zone)
            assert rows.keys() == expected.keys()
            assert {c: d for c in rows if (d := differences(rows[c], expected[c]))} == {}


def test_a_shop_in_another_zone_at_the_same_local_times_differs_in_elapsed_time_only(lake: Lake) -> None:
    local = [datetime(2024, 1, 8, 9) + timedelta(days=n) for n in (0, 7, 14, 45, 80)]
    found = {}
    for zone in ("Europe/Berlin", "America/New_York"):
        _clear(lake)
        placed = [moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).replace(tzinfo=None) for moment in local]
        insert_lines(lake, [Line("c", f"o{n}", "p", moment, 1, 5 + n) for n, moment in enumerate(placed)])
        with _in_zone(lake, zone) as shop:
            _write(shop, date(2024, 4, 20), from_scratch=True)
            found[zone] = _rows(shop, date(2024, 4, 20))["c"]
    berlin, new_york = found.values()
    differing = {name for name in berlin if berlin[name] != new_york[name]}
    # Summer begins on 31 March in Berlin and on 10 March in New York, between the last two orders.
    assert differing <= {"recency_days", "mean_gap_days", "std_gap_days"}
    assert (berlin["preferred_weekday"], berlin["preferred_hour"], berlin["weekend_order_share"]) == (1, 9, 0.0)


def test_a_line_at_local_midnight_is_of_the_day_that_begins(lake: Lake) -> None:
    midnight = datetime(2024, 2, 29, 23)
    lines = [Line("late", "1", "p", midnight), Line("early", "2", "p", midnight - timedelta(microseconds=1))]
    insert_lines(lake, lines)
    with _in_zone(lake, "Europe/Berlin") as shop:
        _write(shop, date(2024, 3, 1), date(2024, 3, 2))
        assert set(_rows(shop, date(2024, 3, 1))) == {"early"}
        assert set(_rows(shop, date(2024, 3, 2))) == {"early", "late"}
    with _in_zone(lake, "UTC") as shop:
        _write(shop, date(2024, 3, 1))
        assert set(_rows(shop, date(2024, 3, 1))) == {"early", "late"}


def test_the_home_market_is_counted_within_the_edges_of_the_shop(lake: Lake) -> None:
    evening = datetime(2024, 3, 1, 3)  # in New York still February
    insert_lines(lake, [Line("a", f"a{n}", "p", evening, country="US") for n in range(3)])
    insert_lines(lake, [Line("b", f"b{n}", "p", datetime(2024, 2, 1), country="CA") for n in range(2)])
    markets = {}
    for zone in ("America/New_York", "UTC"):
        with _in_zone(lake, zone) as shop:
            _write(shop, date(2024, 3, 1))
            with shop.cursor() as con:
                markets[zone] = recorded_scope(con, date(2024, 3, 1), shop.settings)[1]
    assert markets == {"America/New_York": "US", "UTC": "CA"}


def test_the_ledger_says_which_zone_and_a_reader_takes_it_from_there(lake: Lake) -> None:
    insert_lines(lake, [Line("a", "1", "p", datetime(2024, 2, 29, 22)), Line("a", "2", "p", datetime(2024, 2, 29, 23))])
    day = date(2024, 3, 1)
    with _in_zone(lake, "Europe/Berlin") as shop:
        _write(shop, day)
    with lake.cursor() as con:
        entry = read_entries(con)[0]
        assert (entry.timezone, entry.ends_at) == ("Europe/Berlin", datetime(2024, 2, 29, 23))
        window, _ = recorded_scope(con, day, lake.settings)
        assert window == Window(day, date(2023, 3, 2), "Europe/Berlin")
        assert [line["order_id"] for line in read_customer_lines(con, "a", window)] == ["1"]
        recorded = recorded_scopes(con)
    other = date(2024, 1, 1)
    assert scope_of(recorded, other, lake.settings)[0].zone == "Europe/Berlin"
    assert scope_of(recorded, other, Settings(timezone="Asia/Tokyo"))[0].zone == "Asia/Tokyo"
    assert scope_of({}, other, lake.settings)[0].zone == "UTC"


def test_another_zone_computes_everybody_and_the_same_one_whom_a_line_of_the_window_touched(lake: Lake) -> None:
    day = date(2024, 3, 1)
    insert_lines(lake, [Line(f"c{n}", f"o{n}", "p", datetime(2024, 2, 1, n)) for n in range(10)])
    with _in_zone(lake, "America/New_York") as shop:
        assert _write(shop, day) == [10]
        insert_lines(shop, [Line("c1", "evening", "p", datetime(2024, 3, 1, 4, 59))])
        assert _write(shop, day) == [1]
        assert _rows(shop, day)["c1"]["order_count"] == 2
        insert_lines(shop, [Line("c2", "next day", "p", datetime(2024, 3, 1, 5))])
        assert _write(shop, day) == [0]
        assert _rows(shop, day)["c2"]["order_count"] == 1
        found = _rows(shop, day)
        _write(shop, day, from_scratch=True)
        assert _rows(shop, day) == found
    with _in_zone(lake, "UTC") as shop:
        assert _write(shop, day) == [10]
        assert _rows(shop, day)["c1"]["order_count"] == 1


def test_only_features_of_the_calendar_depend_on_the_zone() -> None:
    lines = [
        asdict(Line("c", f"o{n}", "p", datetime(2024, 1, 5, 12) + timedelta(days=11 * n), 1, 3 + n)) for n in range(9)
    ]
    day = date(2024, 6, 1)
    zones = ("Pacific/Auckland", "Pacific/Honolulu")
    one, other = (compute_features(lines, window_of(day, None, zone))["c"] for zone in zones)
    shift = (10 + 12) / 24  # between the two, as_of begins so many days apart
    differing = {name for name in one if one[name] != other[name]}
    assert differing <= CALENDAR | {
        "recency_days",
        "tenure_days",
        "orders_30d",
        "revenue_30d",
        "orders_90d",
        "revenue_90d",
    }
    assert {"preferred_weekday", "preferred_hour", "weekend_order_share"} <= differing
    assert other["recency_days"] - one["recency_days"] == pytest.approx(shift)
