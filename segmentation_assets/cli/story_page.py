"""What the demo tells of its story at the end, in plain words; the figures are read from the lake."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl
from rich.markup import escape

from segmentation.metadata.features import BY_NAME
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT
from segmentation.metadata.tables.raw import REJECTED, TRANSACTIONS
from segmentation.metadata.tables.registry import MODELS, SEGMENTS, TRAINING_SETS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENT_TRANSITIONS, of_model
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets.cli import console
from segmentation_assets.cli.story import Story

REJECTS = f"SELECT reason, COUNT(*) AS lines FROM {REJECTED.name} GROUP BY reason ORDER BY lines DESC, reason"
ACCEPTED = f"SELECT COUNT(*), COUNT(DISTINCT customer_id), COUNT(DISTINCT order_id) FROM {TRANSACTIONS.name}"

MOVES = f"""
SELECT cause, CAST(SUM(customer_count) AS BIGINT)
FROM {of_model(SEGMENT_TRANSITIONS)}
WHERE as_of = $as_of
GROUP BY cause
"""

MODELS_USED = f"""
SELECT
    version,
    as_of,
    (
        SELECT COUNT(*)
        FROM {SEGMENTS.name} AS segments
        WHERE segments.version = models.version AND event IS DISTINCT FROM 'retired'
    )
FROM {MODELS.name} AS models
JOIN {TRAINING_SETS.name} AS training_sets USING (training_set_id)
WHERE version IN (SELECT model_version FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of IN (SELECT unnest($dates)))
ORDER BY as_of, version
"""

KEPT = f"""
SELECT COUNT(*) FILTER (event = 'kept'), COUNT(*) FILTER (event IS DISTINCT FROM 'retired')
FROM {SEGMENTS.name}
WHERE version = $version
"""

DRIFTING = f"""
SELECT as_of, list(DISTINCT feature ORDER BY feature)
FROM {FEATURE_DRIFT.name}
WHERE is_drifting AND cause = 'behaviour' AND as_of IN (SELECT unnest($dates))
GROUP BY as_of
ORDER BY as_of
"""

RECOVERED = f"""
SELECT archetype, segment_name
FROM read_parquet($archetypes) AS truth
JOIN {of_model(CUSTOMER_SEGMENTS)} AS assigned USING (customer_id)
WHERE as_of = $as_of
"""

IN_WORDS = {
    "stayed": "stayed in their segment",
    "customer_moved": "moved, because they buy otherwise than a month ago",
    "model_moved": "moved, because the new model draws the line elsewhere",
    "arrived": "are new, or came back after a year",
    "gone": "have left: no purchase for a year",
}


@dataclass(frozen=True)
class Model:
    """A model that has given segments."""

    version: int
    as_of: date
    segment_count: int


def show_story(settings: Settings, story: Story) -> None:
    """Print what happened, as a short story with figures."""
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        paragraphs = [_lines(con), _snapshots(con, story), *_drift(con, story), _moves(con, story.plan.dates[-1])]
    console.out.print()
    for paragraph in paragraphs:
        console.out.print(paragraph, highlight=False)


def show_recovery(settings: Settings, archetypes: str, as_of: date) -> None:
    """Print how far the segments are the kinds of customers that the synthetic shop is made of."""
    from sklearn.metrics import adjusted_rand_score

    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        pairs = con.execute(RECOVERED, {"archetypes": archetypes, "as_of": as_of}).pl()
    score = adjusted_rand_score(pairs["archetype"].to_list(), pairs["segment_name"].to_list())
    console.out.print(
        f"Against the shop's {pairs['archetype'].n_unique()} true archetypes: adjusted Rand index {score:.2f} "
        "(docs/synthetic.md says what is reachable).",
        highlight=False,
    )
    largest = (
        pairs.group_by("segment_name", "archetype")
        .len()
        .sort("len", "archetype", descending=[True, False])
        .with_columns((pl.col("len") / pl.col("len").sum().over("segment_name")).alias("share"))
        .group_by("segment_name", maintain_order=True)
        .head(2)
    )
    for segment, rows in largest.group_by("segment_name", maintain_order=True):
        parts = ", ".join(f"{share:.0%} {archetype}" for _, archetype, _, share in rows.iter_rows())
        console.out.print(f"  {segment[0]}: {parts}", highlight=False, markup=False)


def _lines(con: duckdb.DuckDBPyConnection) -> str:
    accepted, customers, orders = con.execute(ACCEPTED).fetchall()[0]
    reasons = con.execute(REJECTS).fetchall()
    rejected = sum(count for _, count in reasons)
    why = f": {', '.join(f'{escape(reason)} {count:,}' for reason, count in reasons)}" if reasons else ""
    kept = "; they are kept in raw.rejected_transactions" if reasons else ""
    return (
        f"[bold]{accepted + rejected:,} lines[/] were read, of {customers:,} customers and {orders:,} orders. "
        f"{rejected:,} were refused{why}{kept}."
    )


def _snapshots(con: duckdb.DuckDBPyConnection, story: Story) -> str:
    dates = story.plan.dates
    first = _models(con, dates)[0]
    span = f"{dates[0]} to {dates[-1]}" if len(dates) > 1 else f"of {dates[0]}"
    return (
        f"[bold]{_count(len(dates), 'snapshot')}[/] of all customers, {span}. Model {first.version}, trained on that "
        f"of {first.as_of}, found {first.segment_count} segments."
    )


def _drift(con: duckdb.DuckDBPyConnection, story: Story) -> list[str]:
    """What monitoring found, and which model came of it; nothing where history is short."""
    if not story.plan.judged:
        return []
    models = _models(con, story.plan.dates)
    found = con.execute(DRIFTING, {"dates": list(story.plan.judged)}).fetchall()
    told = []
    if found:
        as_of, features = found[0]
        told.append(
            f"[bold]Drift was found on {as_of}[/]: customers have begun to behave otherwise than those that model "
            f"{models[0].version} knows. {_meaning(features)}"
        )
    else:
        told.append("Monitoring found customers behaving as those that the model knows.")
    if story.refusal:
        told.append(f"No new model followed, and model {models[-1].version} goes on: {escape(story.refusal)}")
    elif len(models) > 1:
        before, after = models[-2], models[-1]
        why = "It lasted, so model" if story.request else "Time had passed, so model"
        kept, segments = con.execute(KEPT, {"version": after.version}).fetchall()[0]
        told.append(
            f"{why} {after.version} was trained on {after.as_of}, passed its gates and took over. "
            f"[bold]{kept} of its {_count(segments, 'segment')}[/] are the same as model {before.version}'s, with the "
            "same number and name."
        )
    return told


def _meaning(features: Sequence[str]) -> str:
    known = [f"{name} ({BY_NAME[name].description.split(';')[0]})" for name in features if name in BY_NAME]
    return f"It shows in {', '.join(known)}." if known else "It shows in how many customers each segment has."


def _moves(con: duckdb.DuckDBPyConnection, as_of: date) -> str:
    counts = dict(con.execute(MOVES, {"as_of": as_of}).fetchall())
    told = [f"  {counts[cause]:>7,} {words}" for cause, words in IN_WORDS.items() if cause in counts]
    return "\n".join([f"[bold]Who moved until {as_of}[/], and why:", *told])


def _models(con: duckdb.DuckDBPyConnection, dates: Sequence[date]) -> list[Model]:
    return [Model(*row) for row in con.execute(MODELS_USED, {"dates": list(dates)}).fetchall()]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
