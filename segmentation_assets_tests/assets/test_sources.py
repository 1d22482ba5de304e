"""Declared sources in Dagster: assets, checks, schedules, and deliveries that are told of."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from segmentation.settings import Settings
from segmentation.sources.config import SourceConfig, parse_sources
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets.assets.sources import build_asset, is_read
from segmentation_assets.automation.deliveries import build_deliveries
from segmentation_assets.automation.schedules import reading_schedule
from segmentation_assets.checks.sources import build_checks
from segmentation_assets.keys import source_key
from segmentation_assets.resources import WarehouseResource
from segmentation_assets_tests.domain.sources.test_upsert import line

TEXT = """
sources:
  till-1: {type: files, path: FOLDER/*.csv, schedule: 0 1 * * *, fresh_within_hours: 26}
  web: {type: push, fresh_within_hours: 1}
"""
HEADER = "line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at"


@pytest.fixture
def declared(tmp_path: Path) -> dict[str, SourceConfig]:
    (tmp_path / "1.csv").write_text(f"{HEADER}\n1,1,c,p,1,1,2025-01-01\n2,1,c,p,1,1,2025-01-03\n")
    return parse_sources(TEXT.replace("FOLDER", str(tmp_path)), "sources.yaml", {})


def _warehouse(settings: Settings) -> WarehouseResource:
    return WarehouseResource(overrides={"home": str(settings.home), "customer_buckets": settings.customer_buckets})


def _checked(settings: Settings, source: SourceConfig) -> dict[str, dg.AssetCheckEvaluation]:
    """The checks of a source, run on their own as the UI does."""
    definitions = dg.Definitions(
        assets=[build_asset(source)],
        asset_checks=build_checks(source),
        jobs=[dg.define_asset_job("checks", selection=dg.AssetSelection.all_asset_checks())],
        resources={"warehouse": _warehouse(settings)},
    )
    result = definitions.resolve_job_def("checks").execute_in_process()
    return {check.check_name: check for check in result.get_asset_check_evaluations()}


def _push(lake: Lake, *lines: dict[str, object]) -> None:
    migrate(lake)
    now = datetime.now(UTC).replace(tzinfo=None)
    Upserter(lake).upsert([Delivery("web", load_profile("canonical"), lines, "push")], now=now)


def test_a_source_of_files_is_read_by_its_asset_and_only_once(
    lake: Lake, settings: Settings, declared: dict[str, SourceConfig]
) -> None:
    asset = build_asset(declared["till-1"])
    assert isinstance(asset, dg.AssetsDefinition)
    for expected in ("2025-01-03", None):
        result = dg.materialize([asset], resources={"warehouse": _warehouse(settings)})
        [event] = result.get_asset_materialization_events()
        metadata = event.materialization.metadata
        assert event.asset_key == dg.AssetKey(["sources", "till_1"])
        assert (metadata["last_day"].value if "last_day" in metadata else None) == expected
    assert all(check.passed for check in _checked(settings, declared["till-1"]).values())


def test_a_source_that_comes_by_itself_cannot_be_materialized(declared: dict[str, SourceConfig]) -> None:
    spec = build_asset(declared["web"])
    assert isinstance(spec, dg.AssetSpec)
    assert not is_read(declared["web"])
    assert spec.freshness_policy is not None


def test_the_schedule_is_the_declared_one(declared: dict[str, SourceConfig]) -> None:
    schedule = reading_schedule(declared["till-1"])
    assert (schedule.cron_schedule, schedule.default_status) == ("0 1 * * *", dg.DefaultScheduleStatus.RUNNING)


def test_new_columns_are_told_by_a_check(lake: Lake, settings: Settings, declared: dict[str, SourceConfig]) -> None:
    _push(lake, line("1"))
    assert _checked(settings, declared["web"])["columns_are_expected"].passed
    _push(lake, line("2", voucher="x"))
    told = _checked(settings, declared["web"])["columns_are_expected"]
    assert not told.passed
    assert told.severity is dg.AssetCheckSeverity.WARN
    assert "new column voucher (text)" in (told.description or "")


def test_a_line_that_is_lost_or_doubled_is_told_by_a_check(
    lake: Lake, settings: Settings, declared: dict[str, SourceConfig]
) -> None:
    _push(lake, line("1"), line("2"), line("3", quantity=0))
    assert _checked(settings, declared["web"])["deliveries_add_up"].passed
    with lake.cursor() as con:
        lake.transaction(con, Commit("lose"), lambda c: c.execute("DELETE FROM raw.transactions WHERE line_id = '1'"))
    assert not _checked(settings, declared["web"])["deliveries_add_up"].passed


def test_a_day_unlike_those_before_it_is_told_by_a_check(
    lake: Lake, settings: Settings, declared: dict[str, SourceConfig]
) -> None:
    def day(number: int, lines: int, price: float) -> list[dict[str, object]]:
        moment = (datetime(2025, 1, 1, 12) + timedelta(days=number)).isoformat()
        return [
            line(f"{number}-{i}-{lines}", customer_id=f"c{i}", unit_price=price, ordered_at=moment)
            for i in range(lines)
        ]

    _push(lake, *(each for number in range(20) for each in day(number, 20 + number % 3, 2.5)))
    usual = _checked(settings, declared["web"])["figures_are_usual"]
    assert usual.passed, usual.description
    _push(lake, *day(20, 60, 90.0), *day(21, 1, 2.5))
    unusual = _checked(settings, declared["web"])["figures_are_usual"]
    assert not unusual.passed
    assert "lines on 2025-01-21 is 60" in (unusual.description or "")
    assert "log_amount on 2025-01-21" in (unusual.description or "")


def test_what_was_delivered_is_told_to_dagster_once(
    lake: Lake, settings: Settings, declared: dict[str, SourceConfig]
) -> None:
    sensor = build_deliveries(settings, list(declared.values()))

    def look(cursor: str | None) -> dg.SensorResult | dg.SkipReason:
        with dg.DagsterInstance.ephemeral() as instance:
            return sensor(dg.build_sensor_context(instance=instance, cursor=cursor))  # type: ignore[return-value]

    assert isinstance(look(None), dg.SkipReason)
    _push(lake, line("1"), line("2"))
    first = look(None)
    assert isinstance(first, dg.SensorResult)
    [event] = first.asset_events
    assert event.asset_key == source_key("web")
    assert event.metadata["lines_new"].value == 2
    assert isinstance(look(first.cursor), dg.SkipReason)
    _push(lake, line("2"), line("3", quantity=0), line("4"))
    second = look(first.cursor)
    assert isinstance(second, dg.SensorResult)
    told = {name: value.value for name, value in second.asset_events[0].metadata.items()}
    assert (told["deliveries"], told["lines_new"], told["lines_repeated"], told["lines_rejected"]) == (1, 1, 1, 1)
    assert told["lines_in_all"] == 3
