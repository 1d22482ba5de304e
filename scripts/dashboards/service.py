"""The dashboard about the scorer: what it is asked, how quickly and how well it answers, and with which model."""

from grafana_foundation_sdk.models.common import StackingMode

from scripts.dashboards.assembly import Board, Section
from scripts.dashboards.panels import (
    COUNT,
    GREEN,
    ORANGE,
    PER_SECOND,
    PLAIN,
    RED,
    REQUESTS,
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
from scripts.dashboards.promql import RANGE, RATE, or_zero, quantile, ratio

ASKED = 'route!~"/health/.*|/metrics"'
"""What people and programs ask; health and metrics are asked by machines, and `/health/ready` answers 503 by design."""

SCORES = 'route=~"/v1/score(/transactions)?"'

FAILED = 'status=~"5.."'
REQUESTS_TOTAL = "segmentation_requests_total"
DURATION = "segmentation_request_duration_seconds"

AVAILABILITY = 0.999
"""Share of requests to be answered without a 5xx."""

QUICK_S = 0.1
"""A bound of the histogram's buckets; up to here a score counts as quick."""

QUICK_SHARE = 0.99
"""Share of scores to be answered quickly. The objectives are those of `deploy/prometheus/rules/service.yml`."""

PAGE_BURN = 14.4
"""At this rate a month's budget is gone in two days (Beyer et al., The Site Reliability Workbook, 2018, chapter 5)."""

WINDOWS = ("5m", "1h", "6h")

READY = {1: State("ready", GREEN), 0: State("not ready", RED)}
STALE = {0: State("current", GREEN), 1: State("stale", ORANGE)}
BY_STATUS = {"^2..$": GREEN, "^3..$": "blue", "^4..$": ORANGE, "^5..$": RED}


def board() -> Board:
    """What it shows."""
    return Board(
        uid="segmentation-service",
        title="Segmentation: service",
        description="The scorer: rate, errors and duration of requests, its objectives, and the model that it serves.",
        since="now-6h",
        refresh="30s",
        sections=[_glance(), _traffic(), _duration(), _objectives(), _model()],
    )


def _glance() -> Section:
    requests = f"sum(rate({REQUESTS_TOTAL}{{{ASKED}}}[{RATE}]))"
    failures = or_zero(f"sum(rate({REQUESTS_TOTAL}{{{ASKED},{FAILED}}}[{RATE}]))")
    scored = "segmentation_scored_customers_total"
    return Section(
        "At a glance",
        [
            stat(
                "Ready",
                "Whether every scorer has a model and answers (`/health/ready`). Red: at least one has none, or none "
                "can be read; callers get 503, or no connection.",
                or_zero("min(segmentation_is_ready)"),
                PLAIN,
                states=READY,
            ),
            stat(
                "Lake and champion",
                "Stale: the lake, or the champion that it names, can't be used, and a scorer goes on with what it has. "
                "Answers are right, but new segments and models don't arrive.",
                "max(segmentation_is_stale)",
                PLAIN,
                states=STALE,
            ),
            stat(
                "Behind the champion",
                "Champion's version less the oldest one that serves. Anything but 0 for longer than a few polls of the "
                "lake means that a scorer didn't load the champion.",
                "max(segmentation_champion_version) - min(segmentation_model_version)",
                COUNT,
                ((None, RED), (0, GREEN), (1, ORANGE)),
            ),
            stat("Requests", "Requests per second, now; probes and scrapes aside.", requests, REQUESTS, nothing="none"),
            stat(
                "Errors",
                "Share of requests that were answered with a 5xx, now. What the callers did wrong (4xx) doesn't count.",
                ratio(failures, requests),
                SHARE,
                worse_above(0.01, 1 - AVAILABILITY),
                nothing="no requests",
            ),
            stat(
                "p99 of scores",
                f"99 of 100 requests for scores are answered within this time. The objective is {QUICK_S:g} s.",
                quantile(0.99, DURATION, matcher=SCORES),
                SECONDS,
                worse_above(4 * QUICK_S, QUICK_S),
                nothing="no requests",
            ),
            stat(
                "Error budget left",
                f"Of the {1 - AVAILABILITY:.1%} of requests that may fail, the share that hasn't, over the time shown. "
                "Below 0 the objective is missed.",
                f"1 - ({_failed_share(RANGE)}) / {1 - AVAILABILITY:.3f}",
                SHARE,
                worse_below(0, 0.25),
                nothing="no requests",
            ),
            stat(
                "Low confidence",
                "Share of scored customers who lie between two segments. Compare it with the share that training "
                "found; a rise means that the model no longer fits those who are asked about.",
                ratio(
                    f"sum(rate(segmentation_low_confidence_customers_total[{RATE}]))", f"sum(rate({scored}[{RATE}]))"
                ),
                SHARE,
                warns_above(0.3),
                nothing="no scores",
            ),
        ],
    )


def _traffic() -> Section:
    by_route = f"sum by (method, route) (rate({REQUESTS_TOTAL}[{RATE}]))"
    return Section(
        "Traffic and errors",
        [
            lines(
                "Requests by route",
                "Requests per second, with probes and scrapes. A route that falls silent is as telling as one that "
                "surges.",
                [Query(by_route, "{{method}} {{route}}")],
                REQUESTS,
            ),
            lines(
                "Requests by status",
                "Requests per second. 4xx are the callers' mistakes, 5xx ours.",
                [Query(f"sum by (status) (rate({REQUESTS_TOTAL}[{RATE}]))", "{{status}}")],
                REQUESTS,
                stacked=StackingMode.NORMAL,
                colours=BY_STATUS,
            ),
            lines(
                "Error share by route",
                "Share of a route's requests that were answered with a 5xx; 0 while none is. Health routes answer 503 "
                "while there is no model.",
                [
                    Query(
                        f"(sum by (method, route) (rate({REQUESTS_TOTAL}{{{FAILED}}}[{RATE}])) or 0 * {by_route})"
                        f" / ({by_route} > 0)",
                        "{{method}} {{route}}",
                    )
                ],
                SHARE,
                levels=worse_above(0.01, 1 - AVAILABILITY),
            ),
            lines(
                "Refused and failed requests",
                "4xx and 5xx per second. 401 and 403: keys; 404: customers who aren't there; 413: bodies that are too "
                "large; 422: features that don't fit; 429: limits; 503: no model, or too much at once.",
                [
                    Query(
                        f'sum by (method, route, status) (rate({REQUESTS_TOTAL}{{status=~"[45].."}}[{RATE}]))',
                        "{{status}} {{method}} {{route}}",
                    )
                ],
                REQUESTS,
            ),
        ],
    )


def _duration() -> Section:
    by_route = "method, route"
    whole = f"sum by ({by_route}) (rate({REQUESTS_TOTAL}[{RATE}]))"
    failed = f"(sum by ({by_route}) (rate({REQUESTS_TOTAL}{{{FAILED}}}[{RATE}])) or 0 * {whole})"
    slow = warns_above(1)
    return Section(
        "Duration",
        [
            lines(
                "Duration of scores",
                "Percentiles over `POST /v1/score` and `/v1/score/transactions`, from the first byte to the answer's "
                "last. p99 well above p50 means that some wait: for the lake, for a large batch, or in a queue.",
                [Query(quantile(q, DURATION, matcher=SCORES), f"p{q:.0%}".rstrip("%")) for q in (0.5, 0.95, 0.99)],
                SECONDS,
                levels=worse_above(4 * QUICK_S, QUICK_S),
                width=9,
            ),
            lines(
                "p99 by route",
                "The slowest hundredth of each route. Batches are slower than single customers by nature.",
                [Query(quantile(0.99, DURATION, by_route), "{{method}} {{route}}")],
                SECONDS,
                width=9,
            ),
            lines(
                "In flight",
                "Requests in work, by scorer. A level that rises while the rate doesn't is a queue.",
                [Query("sum by (instance) (segmentation_requests_in_flight)", "{{instance}}")],
                COUNT,
                width=6,
            ),
            table(
                "Routes",
                "Each route now: how often it is asked, how many of its answers are 5xx, and how long they take.",
                {"method": "Method", "route": "Route"},
                [
                    Column("Requests/s", whole, REQUESTS),
                    Column("Errors", f"{failed} / ({whole} > 0)", SHARE, worse_above(0.01, 1 - AVAILABILITY)),
                    Column("p50", quantile(0.5, DURATION, by_route), SECONDS, slow),
                    Column("p95", quantile(0.95, DURATION, by_route), SECONDS, slow),
                    Column("p99", quantile(0.99, DURATION, by_route), SECONDS, slow),
                ],
                sort="Requests/s",
                width=24,
            ),
        ],
    )


def _objectives() -> Section:
    budget = 1 - QUICK_SHARE
    return Section(
        "Objectives",
        [
            lines(
                "Burn rate of the error budget",
                f"How many times faster than allowed errors come, for {AVAILABILITY:.1%} of requests without a 5xx. "
                f"At 1 the budget lasts just as long as the objective's period; {PAGE_BURN} over an hour and over "
                "five minutes is a reason to wake somebody.",
                [Query(f"({_failed_share(window)}) / {1 - AVAILABILITY:.3f}", window) for window in WINDOWS],
                COUNT,
                levels=worse_above(PAGE_BURN, 1),
            ),
            lines(
                "Burn rate of the latency budget",
                f"How many times faster than allowed slow answers come, for {QUICK_SHARE:.0%} of scores within "
                f"{QUICK_S:g} s. Read it like the error budget's.",
                [Query(f"({_slow_share(window)}) / {budget:.2f}", window) for window in WINDOWS],
                COUNT,
                levels=worse_above(PAGE_BURN, 1),
            ),
        ],
    )


def _model() -> Section:
    scored = f"sum by (segment_id) (rate(segmentation_scored_customers_total[{RATE}]))"
    low = f"sum(rate(segmentation_low_confidence_customers_total[{RATE}]))"
    return Section(
        "Model and scores",
        [
            timeline(
                "Readiness by scorer",
                "Whether `/health/ready` says that a scorer can answer. Red at a start is normal, for seconds.",
                [Query("min by (instance) (segmentation_is_ready)", "{{instance}}")],
                READY,
                height=5,
            ),
            timeline(
                "Staleness by scorer",
                "Orange: a scorer goes on with the model and keys that it has, since the lake, or the champion that it "
                "names, can't be used.",
                [Query("max by (instance) (segmentation_is_stale)", "{{instance}}")],
                STALE,
                height=5,
            ),
            lines(
                "Version that serves",
                "By scorer, and the champion as the lake has it. Lines part for a moment after a promotion, and no "
                "longer.",
                [
                    Query("min by (instance) (segmentation_model_version)", "{{instance}}"),
                    Query("max(segmentation_champion_version)", "champion"),
                ],
                PLAIN,
                steps=True,
                dashed="champion",
                width=8,
            ),
            lines(
                "Scored customers by segment",
                "Customers per second. A mix that shifts at once is more often another caller than other customers; "
                "compare it with the assigned mix on the model's dashboard.",
                [Query(scored, "segment {{segment_id}}")],
                PER_SECOND,
                stacked=StackingMode.NORMAL,
                width=8,
            ),
            lines(
                "Low confidence",
                "Share of scored customers who lie between two segments.",
                [Query(ratio(low, f"sum({scored})"), "low confidence")],
                SHARE,
                levels=warns_above(0.3),
                width=4,
            ),
            gauges(
                "Scored, by segment",
                "Customers scored over the time shown.",
                Query(
                    f"sum by (segment_id) (increase(segmentation_scored_customers_total[{RANGE}]))",
                    "segment {{segment_id}}",
                ),
                COUNT,
                width=4,
            ),
        ],
    )


def _failed_share(window: str) -> str:
    return ratio(
        or_zero(f"sum(rate({REQUESTS_TOTAL}{{{ASKED},{FAILED}}}[{window}]))"),
        f"sum(rate({REQUESTS_TOTAL}{{{ASKED}}}[{window}]))",
    )


def _slow_share(window: str) -> str:
    quick = f'sum(rate({DURATION}_bucket{{{SCORES},le="{QUICK_S:g}"}}[{window}]))'
    return f"1 - {ratio(quick, f'sum(rate({DURATION}_count{{{SCORES}}}[{window}]))')}"
