"""What has happened is told to a real webhook: once, as one story, and later if nobody was there to hear it."""

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError, SourceError
from segmentation.modeling import lifecycle, registry
from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Commit, Lake
from segmentation_assets.automation.notifications import build_notifications, look
from segmentation_assets.cli.runs import QUIET
from segmentation_assets.resources import ASKED_BY, REASON
from segmentation_assets_tests.assets.conftest import defs
from segmentation_assets_tests.testing.webhook import Webhook, listening

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise still tries it

DRIFT = "model 1 as of 2024-02-01: recency_days drifts (psi 0.4)"
QUIETLY = {"telemetry": {"enabled": False}}
ASKED = {ASKED_BY: "degraded_model", REASON: DRIFT}
GATES = {
    "movement": {"passed": True, "measured": 0.125, "threshold": 0.25, "explanation": "…"},
    "separation": {"passed": True, "measured": 0.31, "threshold": 0.15, "explanation": "…"},
}
CANDIDATE = dg.AssetKey(["training", "candidate_model"])


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2024-01-01"))
def unreadable() -> None:
    raise SourceError("orders.csv has no column customer_id; name it in the profile.")


@dg.asset
def surprised() -> None:
    raise KeyError("C00000001")


@dg.asset(key=CANDIDATE)
def candidate() -> None: ...


@dg.asset
def counted() -> None: ...


@dg.asset_check(asset=counted)
def volume_is_usual() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="2 unusual weeks")


@dg.asset_check(asset=candidate)
def few_customers_are_moved() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=False,
        description="The model alone would move 31.0% of customers.",
        metadata={"measured": 0.31, "threshold": 0.25, "version": 2},
    )


def _resolved(job: str, *assets: dg.AssetsDefinition, checks: list[dg.AssetChecksDefinition]) -> dg.JobDefinition:
    named = dg.define_asset_job(job, selection=dg.AssetSelection.assets(*assets))
    return dg.Definitions(assets=assets, asset_checks=checks, jobs=[named]).resolve_job_def(job)


INGEST = _resolved("ingest", unreadable, checks=[])
ODD = _resolved("odd", surprised, checks=[])
COUNT = _resolved("count", counted, checks=[volume_is_usual])
RETRAIN = _resolved("retrain", candidate, checks=[few_customers_are_moved])
FINE = _resolved("fine", counted, checks=[])


class Ticks:
    """The sensor on one instance, tick by tick; its time is given."""

    def __init__(self, instance: dg.DagsterInstance, settings: Settings) -> None:
        self.instance = instance
        self.settings = settings
        self.now = utc_now() - timedelta(minutes=1)
        self.cursor: str | None = None

    def run(self, job: dg.JobDefinition, partition: str | None = None, tags: dict[str, str] | None = None) -> str:
        result = job.execute_in_process(
            instance=self.instance, partition_key=partition, tags=tags, run_config=QUIET, raise_on_error=False
        )
        return result.run_id

    def tick(self, later_s: float = 30) -> str:
        """One look; returns what the tick says."""
        self.now += timedelta(seconds=later_s)
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor, definitions=defs)
        answer = look(context, self.settings, self.now)
        if isinstance(answer, dg.SkipReason):
            self.cursor = context.cursor
            return answer.skip_message or ""
        self.cursor = answer.cursor
        said = (answer.skip_reason.skip_message if answer.skip_reason else "") or ""
        return said.partition(" The ledger can't be read")[0]


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with listening() as hook:
        yield hook


def _told(webhook: Webhook) -> list[dict[str, Any]]:
    return [json.loads(body) for body in webhook.bodies]


def _only(webhook: Webhook) -> dict[str, Any]:
    (message,) = _told(webhook)
    return message


@pytest.fixture
def ticks(instance: dg.DagsterInstance, settings: Settings, webhook: Webhook) -> Ticks:
    """A sensor that has begun to tell."""
    changes = {"notify": SecretStr(f"json://{webhook.host}/hook"), "dagster_url": "http://dagster.test/"}
    begun = Ticks(instance, settings.model_copy(update=changes))
    begun.tick()
    return begun


@pytest.fixture
def trained(settings: Settings, empty_lake: Path) -> Iterator[Lake]:
    """A lake with models 1, 2 and 3, of which 1 has been champion for long."""
    shutil.copytree(empty_lake, settings.home)
    with Lake(settings) as lake:
        _fill(lake)
        yield lake


def _fill(lake: Lake) -> None:
    with lake.cursor() as con:
        con.execute(
            "INSERT INTO registry.training_sets "
            "(training_set_id, as_of, lake_snapshot, customer_count, features, created_at) "
            "VALUES ('set', '2024-01-01', 1, 8000, '[]', '2024-01-02')"
        )
        for version in (1, 2, 3):
            con.execute(
                "INSERT INTO registry.models VALUES ($v, 'hash' || $v, '{}', 'set', '{}', '2024-01-02', NULL)",
                {"v": version},
            )
        con.execute(
            "INSERT INTO registry.promotions (promotion_id, alias, version, decided_at, actor, reason) "
            "VALUES (1, 'champion', 1, '2024-01-02', 'ann', 'test')"
        )


def _trained_by(lake: Lake, version: int, run_id: str) -> None:
    with lake.cursor() as con:
        con.execute("UPDATE registry.models SET run_id = $run WHERE version = $v", {"run": run_id, "v": version})


def _promote(lake: Lake, version: int, actor: str, reason: str = "", **others: str) -> None:
    said = {"alias": "champion", "gates": json.dumps(GATES), **others}
    reason = f"{reason}; {lifecycle.PASSED}…" if reason else f"{lifecycle.PASSED}…"
    assert registry.promote(lake, version, actor=actor, reason=reason, commit=Commit("test"), **said, now=utc_now())


def test_without_an_address_nobody_is_told(instance: dg.DagsterInstance, settings: Settings) -> None:
    ticks = Ticks(instance, settings)
    assert ticks.tick() == "SEGMENTATION_NOTIFY is empty: nobody is told anything."
    assert defs.resolve_sensor_def("notifications").default_status is dg.DefaultSensorStatus.RUNNING


def test_what_happened_before_is_not_told(
    instance: dg.DagsterInstance, settings: Settings, trained: Lake, webhook: Webhook
) -> None:
    ticks = Ticks(instance, settings.model_copy(update={"notify": SecretStr(f"json://{webhook.host}")}))
    ticks.run(ODD)
    _promote(trained, 2, "ann")
    assert ticks.tick(later_s=90) == "From now on it is told what happens."
    assert ticks.tick() == "Nothing to tell."
    silent = Ticks(instance, settings)
    silent.cursor = ticks.cursor
    silent.tick()
    assert not silent.cursor
    assert _told(webhook) == []


def test_a_failed_run_is_told_once_with_its_cause(ticks: Ticks, webhook: Webhook) -> None:
    run_id = ticks.run(INGEST, partition="2024-03-01")
    assert ticks.tick() == "Told: Run failed: ingest of 2024-03-01."
    assert ticks.tick() == "Nothing to tell."
    message = _only(webhook)
    assert (message["title"], message["type"]) == ("Run failed: ingest of 2024-03-01", "failure")
    assert "in step `unreadable`: orders.csv has no column customer_id" in message["message"]
    assert f"(http://dagster.test/runs/{run_id})" in message["message"]


def test_what_an_error_quotes_is_kept_from_the_message(ticks: Ticks, webhook: Webhook) -> None:
    ticks.run(ODD)
    ticks.tick()
    assert "It failed in step `surprised`: KeyError: '…'" in _only(webhook)["message"]
    assert b"C00000001" not in webhook.bodies[0]


def test_a_run_that_is_tried_again_is_not_told(ticks: Ticks, webhook: Webhook) -> None:
    ticks.run(ODD, tags={"dagster/will_retry": "true"})
    assert ticks.tick() == "Nothing to tell."


def test_a_run_that_went_well_is_no_news(ticks: Ticks) -> None:
    ticks.run(FINE)
    assert ticks.tick() == "Nothing to tell."


def test_a_failed_check_is_told(ticks: Ticks, webhook: Webhook) -> None:
    ticks.run(COUNT)
    ticks.tick()
    message = _only(webhook)
    assert (message["title"], message["type"]) == ("Check failed: counted: volume_is_usual", "warning")
    assert "- counted: volume_is_usual (warning): 2 unusual weeks" in message["message"]


def test_a_refused_candidate_is_one_story(ticks: Ticks, webhook: Webhook) -> None:
    ticks.run(RETRAIN, tags=ASKED)
    ticks.tick()
    message = _only(webhook)
    assert message["title"] == "Candidate model 2 was refused"
    assert "The champion stays, and decides who is in which segment." in message["message"]
    assert "`segmentation models promote 2 --dry-run`" in message["message"]
    assert f"It was asked for by `degraded_model`: {DRIFT}." in message["message"]
    assert (
        "few_customers_are_moved: The model alone would move 31.0% of customers. (measured 0.31, threshold 0.25)"
        in (message["message"])
    )


def test_a_retraining_that_ends_in_a_promotion_is_one_story(ticks: Ticks, trained: Lake, webhook: Webhook) -> None:
    run_id = ticks.run(FINE, tags=ASKED)
    _trained_by(trained, 2, run_id)
    _promote(trained, 2, f"run {run_id}")
    ticks.tick()
    message = _only(webhook)
    assert (message["title"], message["type"]) == ("Model 2 is the new champion", "success")
    for part in (
        "It takes over from model 1.",
        f"Decided by run {run_id[:8]} (fine).",
        f"It was asked for by `degraded_model`: {DRIFT}.",
        "It passed all 2 gates:",
        "- separation: 0.31 (threshold 0.15)",
        "moves 12.5% of customers to another segment, about 1,000 of 8,000.",
    ):
        assert part in message["message"]


def test_a_promotion_waits_for_the_end_of_its_run(ticks: Ticks, trained: Lake, webhook: Webhook) -> None:
    run_id = ticks.run(FINE)
    other = dg.DagsterRun("fine", status=dg.DagsterRunStatus.STARTED)
    ticks.instance.add_run(other)
    _promote(trained, 2, f"run {other.run_id}")
    _promote(trained, 3, f"run {run_id}")
    assert ticks.tick() == "Nothing to tell."
    ticks.tick(later_s=3700)
    assert [message["title"] for message in _told(webhook)] == [
        "Model 2 is the new champion",
        "Model 3 is the new champion",
    ]


def test_a_retraining_that_changes_nothing_is_told_if_monitoring_asked(ticks: Ticks, trained: Lake) -> None:
    ticks.run(FINE, tags=ASKED)
    assert ticks.tick() == "Told: A training that monitoring asked for changed nothing."


def test_persons_decisions_are_told(ticks: Ticks, trained: Lake, webhook: Webhook) -> None:
    _promote(trained, 2, "ann", alias="challenger")
    _promote(trained, 2, "ann", "agreed with marketing")
    registry.roll_back(trained, actor="bob", reason="complaints", commit=Commit("test"), now=utc_now())
    ticks.tick()
    waiting, promoted, rolled_back = _told(webhook)
    assert waiting["title"] == "Model 2 passed its gates and waits for a person"
    assert "Decided by ann.\n\nReason: agreed with marketing\n\n" in promoted["message"]
    assert rolled_back["title"] == "Rolled back: model 1 is champion again"
    assert "It takes over from model 2.\n\nDecided by bob.\n\nReason: complaints" in rolled_back["message"]


def test_a_burst_of_failures_is_one_message_and_so_is_what_follows(ticks: Ticks, webhook: Webhook) -> None:
    for day in range(1, 13):
        ticks.run(INGEST, partition=f"2024-03-{day:02}")
    ticks.tick()
    message = _only(webhook)
    assert message["title"] == "Runs failed: ingest: 12 times"
    assert "- 2024-03-01: orders.csv has no column" in message["message"]
    assert message["message"].endswith("- … and 2 more")
    ticks.run(INGEST, partition="2024-03-13")
    ticks.tick()
    ticks.run(INGEST, partition="2024-03-14")
    assert ticks.tick() == "Nothing to tell."
    ticks.tick(later_s=600)
    assert [told["title"] for told in _told(webhook)[1:]] == ["Runs failed: ingest: 2 times"]


def test_what_nobody_heard_is_told_again(ticks: Ticks, webhook: Webhook) -> None:
    ticks.run(ODD)
    webhook.status = 503
    said = ticks.tick()
    assert "'Run failed: odd' will be tried again: address 1 (json): " in said
    webhook.status = 200
    assert ticks.tick(later_s=1) == "Nothing to tell."
    assert ticks.tick() == "Told: Run failed: odd."
    assert len(webhook.bodies) == 1


def test_who_has_heard_is_not_told_again(ticks: Ticks, webhook: Webhook) -> None:
    with listening() as other:
        addresses = f"json://{webhook.host}/hook,json://{other.host}/hook"
        ticks.settings = ticks.settings.model_copy(update={"notify": SecretStr(addresses)})
    ticks.run(ODD)
    assert "address 2 (json)" in ticks.tick()
    with listening(other):
        ticks.tick(later_s=60)
    assert (len(webhook.bodies), len(other.bodies)) == (1, 1)


def test_a_message_that_never_arrives_is_given_up(ticks: Ticks, webhook: Webhook) -> None:
    ticks.run(ODD)
    webhook.status = 500
    said = [ticks.tick(later_s=3600) for _ in range(12)]
    assert "given up" not in said[10]
    assert said[11].startswith("'Run failed: odd' is given up after 12 attempts: address 1 (json): ")
    webhook.status = 200
    assert ticks.tick(later_s=3600) == "Nothing to tell."


def test_an_address_that_is_none_fails_the_tick_without_a_word_of_it(ticks: Ticks) -> None:
    ticks.settings = ticks.settings.model_copy(update={"notify": SecretStr("slac://tokenA/tokenB")})
    with pytest.raises(SegmentationError, match=r"address 1 \(slac\) isn't one") as caught:
        ticks.tick()
    assert "token" not in str(caught.value)


def test_a_lake_that_is_away_keeps_no_failure_from_being_told(ticks: Ticks, webhook: Webhook) -> None:
    assert not ticks.settings.home.exists()
    ticks.run(ODD)
    assert ticks.tick() == "Told: Run failed: odd."


def test_runs_of_a_real_instance_are_told(settings: Settings, webhook: Webhook, tmp_path: Path) -> None:
    told = {"notify": SecretStr(f"json://{webhook.host}")}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIETLY) as instance:
        ticks = Ticks(instance, settings.model_copy(update=told))
        ticks.run(ODD)
        ticks.tick()
        ticks.run(RETRAIN)
        ticks.run(COUNT)
        ticks.tick()
        assert ticks.tick() == "Nothing to tell."
    titles = [message["title"] for message in _told(webhook)]
    assert titles == ["Candidate model 2 was refused", "Check failed: counted: volume_is_usual"]


def test_the_sensor_looks_with_the_settings_of_the_environment(
    instance: dg.DagsterInstance, webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENTATION_NOTIFY", f"json://{webhook.host}")
    context = dg.build_sensor_context(instance=instance, definitions=defs)
    tick = build_notifications(load_settings(), utc_now).evaluate_tick(context)
    assert tick.skip_message == "From now on it is told what happens."
    assert datetime.fromisoformat(json.loads(tick.cursor or "")["since"]) <= utc_now()
