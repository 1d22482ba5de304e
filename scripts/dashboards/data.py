"""The dashboard about the data: how fresh and how large it is, what was rejected, and how far it has drifted."""

from grafana_foundation_sdk.models.common import StackingMode

from scripts.dashboards.assembly import Board, Section
from scripts.dashboards.panels import (
    BYTES,
    COUNT,
    GREEN,
    PLAIN,
    RED,
    SECONDS,
    SHARE,
    Column,
    Query,
    State,
    gauges,
    lines,
    matrix,
    stat,
    table,
    warns_above,
    worse_above,
    worse_below,
)
from scripts.dashboards.promql import age, or_zero

HOUR_S = 3600
DAY_S = 24 * HOUR_S

DISTANCE = "max by (feature, metric) (segmentation_feature_drift)"
THRESHOLD = "max by (feature, metric) (segmentation_feature_drift_threshold)"
DRIFT_RATIO = f"{DISTANCE} / {THRESHOLD}"
"""From 1 on it counts. Measures without a threshold, which are only reported, are not in it."""

FREE_SHARE = "min by (path) (segmentation_disk_free_bytes) / min by (path) (segmentation_disk_size_bytes)"

WORKS = {1: State("works", GREEN), 0: State("fails", RED)}


def board() -> Board:
    """What it shows."""
    return Board(
        uid="segmentation-data",
        title="Segmentation: data and drift",
        description="The lake: freshness, size, rejected lines, and how far customers are from the training data.",
        since="now-7d",
        refresh="5m",
        sections=[_glance(), _freshness(), _snapshots(), _tables(), _drift(), _rejects(), _lake()],
    )


def _glance() -> Section:
    return Section(
        "At a glance",
        [
            stat(
                "Exporter",
                "Whether its last look at the lake worked. While it doesn't, the figures below stand still.",
                or_zero('min(segmentation_exporter_up{part="lake"})'),
                PLAIN,
                states=WORKS,
            ),
            stat(
                "Newest line",
                "Age of the latest `ordered_at` in `raw.transactions`. Orange from a day and a half on: the daily "
                "files are late, or the shop sold nothing.",
                age("max(segmentation_newest_line_timestamp_seconds)"),
                SECONDS,
                worse_above(3 * DAY_S, 1.5 * DAY_S),
                nothing="no lines",
            ),
            stat(
                "Newest arrival",
                "Age of the latest `ingested_at` of any source: when the platform last took lines in. "
                "Orange from two days on.",
                age("max(segmentation_newest_arrival_timestamp_seconds)"),
                SECONDS,
                warns_above(2 * DAY_S),
                nothing="no lines",
            ),
            stat(
                "Newest segments",
                "Age of the newest date with segments, those ahead of the data aside. They are made monthly unless "
                "SEGMENTATION_CADENCE says otherwise: red from 33 days on.",
                age("max(segmentation_newest_snapshot_timestamp_seconds)"),
                SECONDS,
                worse_above(33 * DAY_S),
                nothing="no segments",
            ),
            stat(
                "Drifting features",
                "Features that are further from the champion's training data than in stable times, newest date.",
                "sum(max by (cause) (segmentation_drifting_features))",
                COUNT,
                worse_above(5, 1),
                nothing="not judged",
            ),
            stat(
                "Greatest drift",
                "The greatest distance as a multiple of its threshold. From 1 on it counts as drift.",
                f"max({DRIFT_RATIO})",
                COUNT,
                worse_above(1, 0.8),
                nothing="not judged",
                decimals=2,
            ),
            stat(
                "Rejected lines",
                "Lines among the rejects, ever. What matters is whether they grow: see below.",
                or_zero("sum(max by (source, reason) (segmentation_rejected_lines))"),
                COUNT,
            ),
            stat(
                "Disk free",
                "The least free share of the disks with the lake and the platform's home. Below a fifth (orange) "
                "maintenance may no longer find room to write files anew.",
                f"min({FREE_SHARE})",
                SHARE,
                worse_below(0.05, 0.2),
                nothing="bucket",
            ),
        ],
    )


def _freshness() -> Section:
    return Section(
        "Freshness",
        [
            lines(
                "Age of the newest line, arrival and segments",
                "A healthy line is a saw: it falls with each delivery or snapshot. One that only rises has stopped.",
                [
                    Query(age("max(segmentation_newest_line_timestamp_seconds)"), "newest line"),
                    Query(age("max(segmentation_newest_arrival_timestamp_seconds)"), "newest arrival"),
                    Query(age("max(segmentation_newest_snapshot_timestamp_seconds)"), "newest segments"),
                ],
                SECONDS,
            ),
            lines(
                "Age of the newest arrival, by source",
                "How long ago each source last delivered. Each has its own rhythm; a tooth that gets much longer than "
                "those before is a delivery that is missing.",
                [Query(age("max by (source) (segmentation_newest_arrival_timestamp_seconds)"), "{{source}}")],
                SECONDS,
            ),
        ],
    )


def _snapshots() -> Section:
    until = age("max by (source) (segmentation_source_complete_until_timestamp_seconds)")
    return Section(
        "Snapshots",
        [
            lines(
                "Dates by state",
                "Current: it would come out the same today. Stale: late lines, another model or other code; "
                "`segmentation snapshots refresh` makes it anew. Ahead: the data doesn't reach it; `segmentation "
                "snapshots drop --ahead` removes it.",
                [Query("max by (state) (segmentation_snapshots)", "{{state}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                steps=True,
                width=6,
            ),
            lines(
                "Age of the newest current snapshot, and of the data",
                "The data's age is that of the first day that may still get lines. Where the snapshot's rises while "
                "the data's doesn't, snapshots are stale or not made.",
                [
                    Query(
                        age("max(segmentation_newest_current_snapshot_timestamp_seconds)"), "newest current snapshot"
                    ),
                    Query(age("max(segmentation_data_complete_until_timestamp_seconds)"), "data"),
                ],
                SECONDS,
                width=6,
            ),
            table(
                "How far each source reaches",
                "Age of the first day that may still get lines, by source. One that others leave behind is late (1).",
                {"source": "Source"},
                [
                    Column("Complete until", until, SECONDS),
                    Column("Late", "max by (source) (segmentation_source_is_late)", levels=warns_above(1)),
                ],
                sort="Complete until",
                width=6,
            ),
            lines(
                "Size of all snapshots",
                "What their current files take. Old dates become fewer with age (SEGMENTATION_KEEP_DAILY_DAYS).",
                [Query("max(segmentation_snapshot_bytes)", "size")],
                BYTES,
                width=6,
            ),
        ],
    )


def _tables() -> Section:
    files, size = "max by (table) (segmentation_table_files)", "max by (table) (segmentation_table_bytes)"
    rows = "max by (table) (segmentation_table_rows)"
    return Section(
        "Tables",
        [
            table(
                "Tables",
                "Each table of the lake now. Many small files (orange from 1,000 on) make reading slow; maintenance "
                "merges them. An age is that of the last commit that changed the table.",
                {"table": "Table"},
                [
                    Column("Rows", rows),
                    Column("Files", files, levels=warns_above(1000)),
                    Column("Size", size, BYTES),
                    Column("Size of a file", f"{size} / ({files} > 0)", BYTES),
                    Column("Age", age("max by (table) (segmentation_table_last_commit_timestamp_seconds)"), SECONDS),
                ],
                sort="Size",
                height=12,
            ),
            lines(
                "Rows",
                "By table, on a logarithmic axis. Tables grow or are replaced; a fall by much is worth a look at the "
                "commits.",
                [Query(f"{rows} > 0", "{{table}}")],
                COUNT,
                log=True,
                height=12,
            ),
            lines(
                "Size",
                "What the current files of each table take. Files of older versions come on top until they are "
                "expired.",
                [Query(size, "{{table}}")],
                BYTES,
                stacked=StackingMode.NORMAL,
            ),
            lines(
                "Files",
                "Parquet files by table. It falls with each maintenance; if it only rises, maintenance doesn't run.",
                [Query(files, "{{table}}")],
                COUNT,
            ),
        ],
    )


def _drift() -> Section:
    return Section(
        "Drift",
        [
            matrix(
                "Drift as a multiple of its threshold",
                "Distance of the newest date from the champion's training data over the threshold, by feature and "
                "measure. From 1 on (red) it counts; empty where a measure makes no sense. `segment` is the segment "
                "mix, `lines` the order lines of the last month.",
                DRIFT_RATIO,
                COUNT,
                worse_above(1, 0.8),
                row="feature",
                column="metric",
                height=14,
            ),
            table(
                "Drift by feature and measure",
                "The same with the figures behind it, the worst first.",
                {"feature": "Feature", "metric": "Measure"},
                [
                    Column("Distance", DISTANCE),
                    Column("Threshold", THRESHOLD),
                    Column("Multiple", DRIFT_RATIO, COUNT, worse_above(1, 0.8)),
                ],
                sort="Multiple",
                height=14,
            ),
            lines(
                "Drifting features by cause",
                "`data_quality`: values are missing or odd, look at the source; `mix`: other customers, which segments "
                "can show without being wrong; `behaviour`: the same kind of customers does otherwise, which is what "
                "training anew is for.",
                [Query("max by (cause) (segmentation_drifting_features)", "{{cause}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                steps=True,
                width=8,
            ),
            lines(
                "The ten greatest drifts",
                "As multiples of their thresholds, over time. A slow rise is customers who change; a jump is mostly "
                "data.",
                [Query(f"topk(10, {DRIFT_RATIO})", "{{feature}} {{metric}}")],
                COUNT,
                levels=worse_above(1),
                steps=True,
                width=16,
            ),
        ],
    )


def _rejects() -> Section:
    rejects = "max by (source, reason) (segmentation_rejected_lines)"
    return Section(
        "Rejected lines",
        [
            table(
                "Rejects by source and reason",
                "Lines that didn't keep the contract, ever, and those of the time shown. New ones in a source that had "
                "none mean that its format changed.",
                {"source": "Source", "reason": "Reason"},
                [
                    Column("Lines", rejects),
                    Column(
                        "New",
                        "clamp_min(max by (source, reason) (delta(segmentation_rejected_lines[$__range])), 0)",
                        levels=warns_above(1),
                    ),
                ],
                sort="Lines",
            ),
            lines(
                "Rejected lines",
                "Among the rejects, by source. Steps upwards are deliveries with lines that couldn't be taken.",
                [Query("sum by (source) (max by (source, reason) (segmentation_rejected_lines))", "{{source}}")],
                COUNT,
                steps=True,
            ),
        ],
    )


def _lake() -> Section:
    return Section(
        "Lake and disks",
        [
            lines(
                "Snapshots",
                "Versions of the lake that can be read. It falls when maintenance expires old ones; if it only rises, "
                "files that nobody needs stay on disk.",
                [Query("max(segmentation_lake_snapshots)", "snapshots")],
                COUNT,
                steps=True,
                width=6,
            ),
            lines(
                "Free on disk",
                "Of the disks with the lake (`data`) and the platform's home (`home`). None for a bucket.",
                [Query("min by (path) (segmentation_disk_free_bytes)", "{{path}}")],
                BYTES,
                width=6,
            ),
            gauges(
                "Free share of disks",
                "Orange below a fifth, red below a twentieth.",
                Query(FREE_SHARE, "{{path}}"),
                SHARE,
                worse_below(0.05, 0.2),
                width=6,
            ),
            lines(
                "Damaged files",
                "Data files that weren't what their checksum or size says when maintenance last read them. Put each "
                "file back from a backup.",
                [Query("max(segmentation_damaged_files)", "damaged")],
                COUNT,
                levels=worse_above(0.5),
                width=6,
            ),
            lines(
                "Longest without verification",
                "How long ago that data file was verified that has waited longest. Maintenance reads each again after "
                "SEGMENTATION_VERIFY_DAYS.",
                [Query(age("max(segmentation_oldest_verified_timestamp_seconds)"), "oldest")],
                SECONDS,
                width=12,
            ),
            lines(
                "Since the exporter's last look",
                "By part. More than a few of its intervals: it can't reach the lake or Dagster's database.",
                [Query(age("max by (part) (segmentation_exporter_last_success_timestamp_seconds)"), "{{part}}")],
                SECONDS,
                levels=worse_above(HOUR_S, 600),
                width=12,
            ),
        ],
    )
