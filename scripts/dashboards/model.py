"""The dashboard about the model: the champion, how well it does, and how customers are spread over its segments."""

from grafana_foundation_sdk.models.common import StackingMode

from scripts.dashboards.assembly import Board, Section
from scripts.dashboards.panels import (
    COUNT,
    PLAIN,
    SECONDS,
    SHARE,
    Column,
    Query,
    gauges,
    lines,
    stat,
    table,
    warns_above,
    worse_above,
    worse_below,
)
from scripts.dashboards.promql import RANGE, RATE, age, ratio, shares

DAY_S = 24 * 3600

CUSTOMERS = "max by (segment_id, segment_name) (segmentation_segment_customers)"
SCORED = "segmentation_scored_customers_total"
LOW_CONFIDENCE = "segmentation_low_confidence_customers_total"
QUALITY = "max by (metric) (segmentation_model_quality)"
WORST = "max by (metric) (segmentation_model_quality_threshold)"
SEGMENT = {"segment_id": "Id", "segment_name": "Segment"}


def board() -> Board:
    """What it shows."""
    return Board(
        uid="segmentation-model",
        title="Segmentation: model and segments",
        description="The champion and its figures, the sizes of segments, and scored against assigned customers.",
        since="now-30d",
        refresh="5m",
        sections=[_glance(), _champion(), _quality(), _segments(), _scores()],
    )


def _glance() -> Section:
    return Section(
        "At a glance",
        [
            stat(
                "Champion",
                "The version that serves; 0 means that there is none, and nothing can be scored.",
                "max(segmentation_champion_version)",
                PLAIN,
                worse_below(1),
                nothing="none",
            ),
            stat(
                "In service for",
                "Time since it was promoted.",
                age("max(segmentation_champion_promoted_timestamp_seconds)"),
                SECONDS,
                nothing="no champion",
            ),
            stat(
                "Trained on",
                "Age of the snapshot that it was trained on. Orange from 62 days on: a monthly retraining is due.",
                age("max(segmentation_champion_as_of_timestamp_seconds)"),
                SECONDS,
                warns_above(62 * DAY_S),
                nothing="no champion",
            ),
            stat(
                "Judged behind segments",
                "How far the newest date that monitoring has judged the champion at lies behind the newest date with "
                "segments. 0 is right; anything else for longer than a run means that nobody looks at drift.",
                "max(segmentation_newest_snapshot_timestamp_seconds) - max(segmentation_judged_timestamp_seconds)",
                SECONDS,
                warns_above(1),
                nothing="not judged",
            ),
            stat(
                "Degraded figures",
                "Figures that are worse than the worst that will do. Red from the first one on: a retraining is due, "
                "or the data is wrong (look at drift first).",
                "max(segmentation_degraded_metrics)",
                COUNT,
                worse_above(1),
                nothing="not judged",
            ),
            stat(
                "Smallest segment",
                "Its share of the customers. Below 2 % a segment is hardly worth an action of its own.",
                f"min({shares(CUSTOMERS)})",
                SHARE,
                worse_below(0.01, 0.02),
                nothing="no segments",
            ),
            stat(
                "Low confidence",
                "Share of the customers scored over the time shown who lie between two segments.",
                ratio(f"sum(increase({LOW_CONFIDENCE}[{RANGE}]))", f"sum(increase({SCORED}[{RANGE}]))"),
                SHARE,
                warns_above(0.3),
                nothing="no scores",
            ),
            stat(
                "Scored against assigned",
                "Half the sum of differences between the shares of segments among scored and among assigned "
                "customers: 0 is the same mix, 1 nothing in common. Callers may well ask about some customers more "
                "than others; a change is what to look at.",
                f"sum(abs({_scored_share()} - {_assigned_share()})) / 2",
                SHARE,
                warns_above(0.25),
                nothing="no scores",
            ),
        ],
    )


def _champion() -> Section:
    return Section(
        "Champion",
        [
            lines(
                "Champion's version",
                "A step up is a promotion, a step down a rollback.",
                [Query("max(segmentation_champion_version)", "champion")],
                PLAIN,
                steps=True,
                width=8,
            ),
            gauges(
                "Versions by alias",
                "How many versions of the model there are. `none` are those without an alias: candidates that weren't "
                "promoted, and former champions.",
                Query("max by (alias) (segmentation_models)", "{{alias}}"),
                COUNT,
            ),
            lines(
                "Age of the champion",
                "Since its promotion, and since the snapshot that it was trained on. Retraining lets both fall.",
                [
                    Query(age("max(segmentation_champion_promoted_timestamp_seconds)"), "since promotion"),
                    Query(age("max(segmentation_champion_as_of_timestamp_seconds)"), "since the snapshot"),
                ],
                SECONDS,
                width=8,
            ),
        ],
    )


def _quality() -> Section:
    return Section(
        "Quality",
        [
            table(
                "Figures against the worst that will do",
                "The champion's figures at the newest date that allows them. How many are worse than their limits "
                "stands above, under degraded figures; figures without a limit are only reported.",
                {"metric": "Figure"},
                [Column("Value", QUALITY), Column("Worst", WORST), Column("Value − worst", f"{QUALITY} - {WORST}")],
                sort="Figure",
                descending=False,
                width=10,
                height=10,
            ),
            lines(
                "Figures over time",
                "Each figure, and dashed the worst that will do. A figure that goes to its limit over months is a "
                "model that ages; one that jumps is mostly data.",
                [Query(QUALITY, "{{metric}}"), Query(WORST, "{{metric}}, worst")],
                PLAIN,
                steps=True,
                dashed=".*, worst",
                width=14,
                height=10,
            ),
            lines(
                "Degraded figures",
                "How many figures are worse than their limits.",
                [Query("max(segmentation_degraded_metrics)", "degraded")],
                COUNT,
                levels=worse_above(1),
                steps=True,
                height=6,
            ),
            lines(
                "Drifting features",
                "All causes together; the dashboard about data tells which.",
                [Query("sum(max by (cause) (segmentation_drifting_features))", "drifting")],
                COUNT,
                levels=warns_above(1),
                steps=True,
                height=6,
            ),
        ],
    )


def _segments() -> Section:
    return Section(
        "Segments",
        [
            lines(
                "Customers by segment",
                "On the newest date of each time. Sizes change with each snapshot; with another champion segments "
                "may be others altogether (purple marks).",
                [Query(CUSTOMERS, "{{segment_name}}")],
                COUNT,
                stacked=StackingMode.NORMAL,
                steps=True,
                width=9,
                height=9,
            ),
            lines(
                "Shares of segments",
                "The same as shares. A share that doubles or halves without another champion is customers on the move.",
                [Query(shares(CUSTOMERS), "{{segment_name}}")],
                SHARE,
                stacked=StackingMode.NORMAL,
                steps=True,
                width=9,
                height=9,
            ),
            gauges(
                "Customers",
                "By segment, on the newest date.",
                Query(CUSTOMERS, "{{segment_name}}"),
                COUNT,
                width=6,
                height=9,
            ),
        ],
    )


def _scores() -> Section:
    rate = f"sum by (segment_id) (rate({SCORED}[{RATE}]))"
    return Section(
        "Scored and assigned",
        [
            table(
                "Scored mix against assigned mix",
                "Share of each segment among the customers scored over the time shown, and among all customers on the "
                "newest date. Far apart (orange from 10 points on): callers ask about particular customers, or send "
                "features that differ from the lake's.",
                SEGMENT,
                [
                    Column("Scored", _named(_scored_share()), SHARE),
                    Column("Assigned", shares(CUSTOMERS), SHARE),
                    Column(
                        "Difference",
                        _named(f"abs({_scored_share()} - {_assigned_share()})"),
                        SHARE,
                        warns_above(0.1),
                    ),
                ],
                sort="Difference",
            ),
            lines(
                "Scored mix",
                "Shares of segments among scored customers, as they come.",
                [Query(_named(shares(rate)), "{{segment_name}}")],
                SHARE,
                stacked=StackingMode.NORMAL,
                width=6,
            ),
            lines(
                "Low confidence",
                "Share of scored customers who lie between two segments.",
                [Query(ratio(f"sum(rate({LOW_CONFIDENCE}[{RATE}]))", f"sum({rate})"), "low confidence")],
                SHARE,
                levels=warns_above(0.3),
                width=6,
            ),
        ],
    )


def _scored_share() -> str:
    return shares(f"sum by (segment_id) (increase({SCORED}[{RANGE}]))")


def _assigned_share() -> str:
    return shares("max by (segment_id) (segmentation_segment_customers)")


def _named(by_segment: str) -> str:
    """The series of an expression with the names of their segments; those of segments that are no more go."""
    return f"({by_segment}) * on (segment_id) group_left (segment_name) (0 * {CUSTOMERS} + 1)"
