"""The dashboard about the pipeline: runs, assets, checks, automation and streams."""

from grafana_foundation_sdk.models.common import StackingMode

from scripts.dashboards.assembly import Board, Section
from scripts.dashboards.panels import (
    COUNT,
    GREEN,
    ORANGE,
    PER_SECOND,
    PLAIN,
    RED,
    SECONDS,
    SHARE,
    Column,
    Query,
    State,
    gauges,
    lines,
    stat,
    table,
    timeline,
    warns_above,
    worse_above,
    worse_below,
)
from scripts.dashboards.promql import RANGE, RATE, age, or_zero, quantile, ratio

RUNS = "segmentation_runs_total"
LINES = "segmentation_stream_lines_total"
CHECK = "segmentation_asset_check_passed"

MINUTE_S = 60
DAY_S = 24 * 60 * MINUTE_S

WORKS = {1: State("works", GREEN), 0: State("fails", RED)}
TICKS = {0: State("works", GREEN), 1: State("fails", RED)}
PASSED = {1: State("passed", GREEN), 0: State("failed", RED)}
BY_STATUS = {"success": GREEN, "failure": RED, "canceled": ORANGE}
BY_OUTCOME = {"new": GREEN, "replaced": "blue", "repeated": "#8e8e8e", "rejected": RED}


def board() -> Board:
    """What it shows."""
    return Board(
        uid="segmentation-pipeline",
        title="Segmentation: pipeline",
        description="Dagster's runs, assets, checks and automation, and the streams into the lake.",
        since="now-24h",
        refresh="1m",
        sections=[_glance(), _runs(), _assets(), _automation(), _stream()],
    )


def _glance() -> Section:
    return Section(
        "At a glance",
        [
            stat(
                "Exporter",
                "Whether its last look at the pipeline worked. While it doesn't, the figures below stand still (except "
                "the stream's).",
                or_zero('min(segmentation_exporter_up{part="pipeline"})'),
                PLAIN,
                states=WORKS,
            ),
            stat(
                "Failed runs",
                "Runs that failed over the time shown. Red from the first one on: look for it in Dagster's UI.",
                or_zero(f'sum(round(increase({RUNS}{{status="failure"}}[{RANGE}])))'),
                COUNT,
                worse_above(1),
                decimals=0,
            ),
            stat(
                "Success",
                "Share of the runs that ended over the time shown that were successful.",
                _success(""),
                SHARE,
                worse_below(0.9, 0.999),
                nothing="no runs",
            ),
            stat(
                "Failed checks",
                "Checks of severity error whose last result is a failure. They hold back what comes after them.",
                or_zero(f'count({CHECK}{{severity="error"}} == 0)'),
                COUNT,
                worse_above(1),
            ),
            stat(
                "Warnings",
                "Checks of severity warn whose last result is a failure. They hold back nothing.",
                or_zero(f'count({CHECK}{{severity="warn"}} == 0)'),
                COUNT,
                warns_above(1),
            ),
            stat(
                "Longest in the queue",
                "How long the oldest queued run has waited; 0 if none waits. Minutes are normal while others run, "
                "hours mean that the daemon doesn't start runs, or that one holds its place.",
                or_zero(age("min(segmentation_oldest_queued_run_timestamp_seconds)")),
                SECONDS,
                worse_above(30 * MINUTE_S, 10 * MINUTE_S),
            ),
            stat(
                "Daemons and sensors",
                "Daemons without a heartbeat, and sensors and schedules whose last tick failed. Red from the first one "
                "on: what is automatic no longer happens.",
                f"({or_zero('count(segmentation_daemon_healthy == 0)')})"
                f" + ({or_zero('sum(segmentation_sensor_last_tick_failed)')})",
                COUNT,
                worse_above(1),
            ),
            stat(
                "Stream's lag",
                "Messages that wait in all topics. It may rise in a burst; it has to fall afterwards.",
                "sum(segmentation_stream_lag_messages)",
                COUNT,
                worse_above(100_000, 10_000),
                nothing="no stream",
            ),
        ],
    )


def _runs() -> Section:
    ended = f"round(sum by (job, status) (increase({RUNS}[$__interval])))"
    return Section(
        "Runs",
        [
            lines(
                "Runs that ended, by state",
                "How many runs ended in each hour (or longer, where a bar stands for more). Red: failures.",
                [Query(f"sum by (status) ({ended})", "{{status}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                bars=True,
                colours=BY_STATUS,
                interval="1h",
                width=8,
            ),
            lines(
                "Runs that ended, by job",
                "The same by job, to see which one stopped coming.",
                [Query(f"sum by (job) ({ended})", "{{job}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                bars=True,
                interval="1h",
                width=8,
            ),
            lines(
                "Runs under way",
                "Runs that are queued, starting, started or being canceled. A queue that doesn't get shorter is stuck.",
                [Query("sum by (status) (segmentation_runs_in_progress)", "{{status}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                steps=True,
                width=8,
            ),
            table(
                "Jobs",
                "Each job over the time shown, and its last runs. Bad: a success share below 1, or a last failure "
                "that is younger than the last success.",
                {"job": "Job"},
                [
                    Column("Succeeded", _ended("success")),
                    Column("Failed", _ended("failure"), levels=worse_above(1)),
                    Column("Canceled", _ended("canceled"), levels=warns_above(1)),
                    Column("Success", _success("job"), SHARE, worse_below(0.9, 0.999)),
                    Column("Last duration", "max by (job) (segmentation_run_duration_seconds)", SECONDS),
                    Column("Last success", age(f"max by (job) ({_last('success')})"), SECONDS),
                    Column("Last failure", age(f"max by (job) ({_last('failure')})"), SECONDS),
                ],
                sort="Job",
                descending=False,
                width=14,
                height=9,
            ),
            lines(
                "Duration of the last successful run",
                "By job. Growth over months is growth of the data; a jump is worth a look at its run.",
                [Query("max by (job) (segmentation_run_duration_seconds)", "{{job}}")],
                SECONDS,
                steps=True,
                width=10,
                height=9,
            ),
        ],
    )


def _assets() -> Section:
    return Section(
        "Assets and checks",
        [
            table(
                "Last materialization of each asset",
                "How long ago it was made. Monthly assets may be a month old (orange from 33 days on, red from 64); "
                "daily ones should not be, nor what is younger than its source.",
                {"asset": "Asset"},
                [
                    Column(
                        "Age",
                        f"max by (asset) ({age('segmentation_asset_last_materialization_timestamp_seconds')})",
                        SECONDS,
                        worse_above(64 * DAY_S, 33 * DAY_S),
                    )
                ],
                sort="Age",
                width=10,
                height=10,
            ),
            table(
                "Checks that failed",
                "By their last result; empty is good. Severity error holds back what comes after the asset, warn "
                "doesn't.",
                {"asset": "Asset", "check": "Check", "severity": "Severity"},
                [
                    Column(
                        "Last run",
                        f"max by (asset, check, severity) ({CHECK} == 0) + on (asset, check) group_left ()"
                        f" ({age('max by (asset, check) (segmentation_asset_check_last_timestamp_seconds)')})",
                        SECONDS,
                    )
                ],
                width=14,
                height=10,
            ),
            timeline(
                "Checks",
                "The last result of each check. A check that flickers is one whose bound is at the edge of what is "
                "usual.",
                [Query(f"min by (asset, check) ({CHECK})", "{{asset}}: {{check}}")],
                PASSED,
                width=24,
                height=14,
            ),
        ],
    )


def _automation() -> Section:
    return Section(
        "Automation",
        [
            timeline(
                "Daemons",
                "By their heartbeats. Red: runs aren't started, or schedules, sensors or backfills stand still.",
                [Query("min by (daemon) (segmentation_daemon_healthy)", "{{daemon}}")],
                WORKS,
            ),
            timeline(
                "Sensors and schedules",
                "Whether the last tick of each one that is turned on ended in an error.",
                [Query("max by (name) (segmentation_sensor_last_tick_failed)", "{{name}}")],
                TICKS,
            ),
            gauges(
                "Backfills",
                "Backfills that were asked for, ever, by state. `failed` and `requested` that stay are worth a look.",
                Query("sum by (status) (segmentation_backfills)", "{{status}}"),
                COUNT,
            ),
            lines(
                "Partitions of backfills under way",
                "What is done and what waits. A level that doesn't move is a backfill that is stuck.",
                [Query("sum by (status) (segmentation_backfill_partitions)", "{{status}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                steps=True,
                width=8,
            ),
            lines(
                "Exporter's looks",
                "How long it takes to look at the lake and at the pipeline. Seconds are fine; what comes near its "
                "interval is not.",
                [Query("max by (part) (segmentation_exporter_collect_seconds)", "{{part}}")],
                SECONDS,
                width=8,
            ),
        ],
    )


def _stream() -> Section:
    visible, batch = "segmentation_stream_visible_seconds", "segmentation_stream_batch_seconds"
    return Section(
        "Streams",
        [
            timeline(
                "Broker",
                "Whether the broker of each source answers.",
                [Query("min by (source) (segmentation_stream_broker_up)", "{{source}}")],
                WORKS,
                width=8,
            ),
            lines(
                "Lag",
                "Messages that wait, by partition. One partition that grows alone has no consumer, or a key that is "
                "far more frequent than others.",
                [Query("sum by (source, partition) (segmentation_stream_lag_messages)", "{{source}} {{partition}}")],
                COUNT,
                width=8,
            ),
            lines(
                "Lines by outcome",
                "Lines per second. Repeated ones are harmless: the lake had them. Rejected ones didn't keep the "
                "contract.",
                [Query(f"sum by (source, outcome) (rate({LINES}[{RATE}]))", "{{source}} {{outcome}}")],
                PER_SECOND,
                stacked=StackingMode.NORMAL,
                colours={f".* {outcome}$": colour for outcome, colour in BY_OUTCOME.items()},
                width=8,
            ),
            lines(
                "Until a line is visible",
                "From a message's timestamp to the commit that made its line visible to SQL and to the scorer. Below "
                "two seconds is what the platform promises; a lag shows here as well.",
                [Query(quantile(q, visible, "source"), f"{{{{source}}}} p{q:.0%}".rstrip("%")) for q in (0.5, 0.99)],
                SECONDS,
                levels=worse_above(30, 2),
                width=8,
            ),
            lines(
                "Time of a batch",
                "To judge and commit a batch. If it grows with every batch, the lake needs maintenance.",
                [Query(quantile(q, batch, "source"), f"{{{{source}}}} p{q:.0%}".rstrip("%")) for q in (0.5, 0.99)],
                SECONDS,
                width=8,
            ),
            lines(
                "Commits that failed",
                "Per minute; each was tried again. Some are the price of writers that meet, many mean that the lake "
                "can't be reached.",
                [Query(f"60 * sum by (source) (rate(segmentation_stream_failed_commits_total[{RATE}]))", "{{source}}")],
                "cpm",
                width=8,
            ),
            lines(
                "Since the last commit",
                "Or since a look that found nothing to commit, so it stays at seconds while a consumer lives.",
                [Query(age("max by (source) (segmentation_stream_last_commit_timestamp_seconds)"), "{{source}}")],
                SECONDS,
                levels=worse_above(5 * MINUTE_S, MINUTE_S),
            ),
            lines(
                "Share of rejected lines",
                "Of all lines that were landed. `segmentation sources drift` says what changed in a source.",
                [
                    Query(
                        f'sum by (source) (rate({LINES}{{outcome="rejected"}}[{RATE}]))'
                        f" / (sum by (source) (rate({LINES}[{RATE}])) > 0)",
                        "{{source}}",
                    )
                ],
                SHARE,
                levels=worse_above(0.05, 0.01),
            ),
        ],
    )


def _ended(status: str) -> str:
    return f'sum by (job) (round(increase({RUNS}{{status="{status}"}}[{RANGE}])))'


def _last(what: str) -> str:
    return f"segmentation_run_last_{what}_timestamp_seconds"


def _success(by: str) -> str:
    grouped = f"sum by ({by})" if by else "sum"
    return ratio(f'{grouped} (increase({RUNS}{{status="success"}}[{RANGE}]))', f"{grouped} (increase({RUNS}[{RANGE}]))")
