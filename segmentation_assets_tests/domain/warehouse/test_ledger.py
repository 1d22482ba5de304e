"""The ledger's rows: written with the snapshots, and taken over from lakes of before."""

from datetime import date, datetime, timedelta

import pytest

from segmentation.errors import SegmentationError
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import SEGMENT_PROFILES
from segmentation.metadata.views import VIEWS
from segmentation.snapshots.dropping import drop_snapshots
from segmentation.snapshots.states import dates_in_state, read_standings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import Entry, MadeOf, read_entries
from segmentation.warehouse.schema import migrate
from segmentation.warehouse.snapshots import write_snapshot
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.statements import change

FEB, MAR = date(2024, 2, 1), date(2024, 3, 1)
NOW = datetime(2024, 3, 2)
PROFILE = """
CREATE OR REPLACE TEMP TABLE profile AS
SELECT 1 AS segment_id, 'S' AS segment_name, 'a segment' AS description, 1 AS model_version,
    {customers} AS customer_count,
    1.0 AS customer_share, 10.0 AS revenue, 1.0 AS revenue_share, 1.0 AS median_recency_days, 1.0 AS mean_order_count,
    1.0 AS mean_order_value, 1.0 AS mean_net_revenue, 0.5 AS mean_confidence, 'model' AS segmentation_name,
    NULL AS segmentation_version, NULL AS advice,
    NULL AS expected_orders_90d, NULL AS expected_revenue_90d, NULL AS expected_revenue_365d,
    NULL AS mean_no_order_90d_probability
"""


@pytest.fixture
def shop(lake: Lake) -> Lake:
    """A lake with features as of two dates."""
    lines = [Line(f"c{n % 7}", f"o{n}", "p", datetime(2024, 1, 1) + timedelta(days=n)) for n in range(60)]
    insert_lines(lake, lines)
    write_snapshots(lake, [FEB, MAR], lambda _: Commit("features", asked_by="a test"), now=NOW)
    return lake


def entry(lake: Lake, table: str, as_of: date) -> Entry:
    with lake.cursor() as con:
        [found] = [each for each in read_entries(con) if (each.table_name, each.as_of) == (table, as_of)]
    return found


def write_profile(lake: Lake, customers: int, commit: Commit) -> int:
    """Write a profile; returns the version of the lake that was read."""
    version = lake.version()
    with lake.cursor() as con:
        con.execute(PROFILE.format(customers=customers))
        made_of = MadeOf(version, "code", model_version=1)
        write_snapshot(lake, con, {SEGMENT_PROFILES: "temp.profile"}, MAR, made_of, commit)
    return version


def test_the_same_rows_keep_the_version_that_wrote_them(shop: Lake) -> None:
    write_profile(shop, 7, Commit("profiles"))
    first = entry(shop, SEGMENT_PROFILES.name, MAR)
    assert first.written_version == shop.version()
    read = write_profile(shop, 7, Commit("profiles again"))
    again = entry(shop, SEGMENT_PROFILES.name, MAR)
    assert (again.written_version, again.lake_version) == (first.written_version, read)
    write_profile(shop, 8, Commit("other profiles"))
    other = entry(shop, SEGMENT_PROFILES.name, MAR)
    assert (other.written_version, other.row_count) == (shop.version(), 1)


def test_features_without_a_changed_line_are_not_written_again(shop: Lake) -> None:
    before = entry(shop, CUSTOMER_FEATURES.name, MAR)
    read = shop.version()
    [snapshot] = write_snapshots(shop, [MAR], lambda _: Commit("again"), now=NOW)
    after = entry(shop, CUSTOMER_FEATURES.name, MAR)
    assert (snapshot.computed_count, after.computed_count) == (0, 0)
    assert (after.written_version, after.lake_version) == (before.written_version, read)


def test_who_asked_for_the_very_date_stays_on_record(shop: Lake) -> None:
    write_profile(shop, 7, Commit("by automation", asked_by="due_snapshots"))
    assert entry(shop, SEGMENT_PROFILES.name, MAR).asked_by == "due_snapshots"
    write_profile(shop, 7, Commit("on demand", asked_by="REST: key:crm", is_request=True))
    write_profile(shop, 8, Commit("anew", asked_by="due_snapshots"))
    found = entry(shop, SEGMENT_PROFILES.name, MAR)
    assert (found.asked_by, found.is_requested) == ("REST: key:crm", True)


def test_a_dropped_date_is_gone_with_one_commit_and_an_unknown_one_is_refused(shop: Lake) -> None:
    write_profile(shop, 7, Commit("profiles"))
    before = shop.version()
    dropped = drop_snapshots(shop, [MAR], Commit("drop"))
    assert shop.version() == before + 1
    assert {each.as_of for each in dropped} == {MAR}
    with shop.cursor() as con:
        assert {each.as_of for each in read_entries(con)} == {FEB}
        for table in (CUSTOMER_FEATURES, SEGMENT_PROFILES):
            assert con.execute(f"SELECT COUNT(*) FROM {table.name} WHERE as_of = DATE '{MAR}'").fetchall() == [(0,)]
    with pytest.raises(SegmentationError, match="no snapshot as of 2024-03-01"):
        drop_snapshots(shop, [FEB, MAR], Commit("drop again"))
    assert shop.version() == before + 1


def test_a_lake_of_before_keeps_what_it_knew_and_says_what_it_does_not(shop: Lake) -> None:
    write_profile(shop, 7, Commit("profiles"))
    february = entry(shop, CUSTOMER_FEATURES.name, FEB)
    change(
        shop,
        "CREATE TABLE registry.feature_snapshots AS SELECT as_of, window_start, home_market, computed_count, "
        "row_count AS customer_count, lake_version, code_version, git_commit, engine, made_at AS computed_at, run_id "
        f"FROM registry.snapshots WHERE table_name = '{CUSTOMER_FEATURES.name}'",
        "DROP TABLE registry.snapshots",
        "DROP TABLE raw.changed_days",
        *(f"DROP VIEW {view.name}" for view in VIEWS),
        "UPDATE registry.schema_versions SET version = 1, fingerprint = 'of an earlier release'",
    )
    assert migrate(shop)
    assert not migrate(shop)
    with shop.cursor() as con:
        entries = {(each.table_name, each.as_of): each for each in read_entries(con)}
        standings = read_standings(con, shop.settings, NOW)
        tables = con.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'registry'").fetchall()
    assert ("feature_snapshots",) not in tables
    taken_over = entries[CUSTOMER_FEATURES.name, FEB]
    assert (taken_over.lake_version, taken_over.code_version) == (february.lake_version, february.code_version)
    assert dates_in_state(standings, "stale", [CUSTOMER_FEATURES]) == []
    [profiles] = [s for s in standings if s.entry.table_name == SEGMENT_PROFILES.name]
    assert profiles.state == "stale"
    assert "made before the ledger was kept" in profiles.reasons
