"""A year of monthly retraining: every month has segments, and the model alone moves few customers.

Each month a training set, a candidate, a decision and an assignment, as `segmentation materialize` makes them, on a
copy of each shop's lake.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.reporting import Target, at_least, at_most
from benchmarks.segments.parts import Part, table_of
from benchmarks.segments.shops import Shop
from segmentation.clock import utc_now
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.training_data import make_training_set
from segmentation.segments.assignment import write_segments
from segmentation.segments.transitions import write_transitions
from segmentation.warehouse import Commit, Lake

SHOPS = ("uci", "syn7")
QUICK_MONTHS, MONTHS = 4, 12
MOST_MOVED = 0.15
LEAST_DECIDED = 0.8


def run(shops: Sequence[Shop], quick: bool) -> Part:
    """Retrain each of the shops that has a year, month by month."""
    tables, results, targets = [], list[dict[str, object]](), list[Target]()
    for shop in shops:
        if shop.recipe.name not in SHOPS:
            continue
        with _copied(shop.lake) as lake:
            rows = [_month(lake, shop.recipe.title, as_of) for as_of in _dates(shop, quick)]
        tables.append(table_of(f"{shop.recipe.title}: retrained every month", rows))
        results += rows
        targets += _targets(shop.recipe.title, rows)
    return Part(tables, results, targets)


def _dates(shop: Shop, quick: bool) -> list[date]:
    return shop.recipe.months[-(QUICK_MONTHS if quick else MONTHS) :]


def _targets(title: str, rows: Sequence[dict[str, Any]]) -> list[Target]:
    later = rows[1:]
    decided = sum(row["outcome"] in ("serves", "kept") for row in later) / len(later)
    moved = max(float(row["model moved"]) for row in later)
    return [
        at_least(f"{title}: months with segments", 1.0, sum(row["segments"] > 0 for row in rows) / len(rows), ""),
        at_least(f"{title}: candidates that serve, or the champion is kept", LEAST_DECIDED, decided, ""),
        at_most(f"{title}: the model alone moves, in the worst month", MOST_MOVED, moved, ""),
        at_least(
            f"{title}: segments that keep their id, in the worst month", 0.5, min(row["ids kept"] for row in later), ""
        ),
    ]


def _month(lake: Lake, title: str, as_of: date) -> dict[str, object]:
    """One retraining, and what became of it."""
    with lake.cursor() as con:
        before = registry.resolve(con, "champion")
        ids = set() if before is None else {s.id for s in registry.load(con, before).artefact.segments}
    training_set = make_training_set(lake, as_of, Commit("training set"), now=utc_now())
    version, _ = lifecycle.train_candidate(lake, training_set, Commit("candidate"), now=utc_now)
    decision = lifecycle.decide(lake, actor="benchmark", commit=Commit("champion"), now=utc_now())
    write_segments(lake, as_of, Commit("segments"))
    moves = write_transitions(lake, as_of, Commit("transitions"))
    causes = dict(moves.group_by("cause").agg(pl.col("customer_count").sum()).iter_rows())
    both = sum(causes.get(cause, 0) for cause in ("stayed", "customer_moved", "model_moved"))
    with lake.cursor() as con:
        serving = registry.load_champion(con).artefact
        metrics = registry.load(con, version).metrics
        query = "SELECT COUNT(DISTINCT segment_id) FROM segments.customer_segments WHERE as_of = $as_of"
        ((segments,),) = con.execute(query, {"as_of": as_of}).fetchall()
    kept = len(ids & {segment.id for segment in serving.segments}) / len(ids) if ids else 1.0
    return {
        "contender": title,
        "case": str(as_of),
        "outcome": decision.outcome,
        "migration": "yes" if decision.is_migration else "",
        "segments": segments,
        "model moved": causes.get("model_moved", 0) / both if both else 0.0,
        "customer moved": causes.get("customer_moved", 0) / both if both else 0.0,
        "ids kept": kept,
        "η² spend": metrics.get("forward_eta_squared"),
        "η² behaviour": metrics.get("behaviour_eta_squared"),
        "stability": metrics["stability"],
        "why": "" if decision.outcome == "serves" else decision.explanation.split(". ", 1)[-1][:90],
    }


@contextmanager
def _copied(lake: Lake) -> Iterator[Lake]:
    """The same lake in a folder of its own, without models."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "lake"
        shutil.copytree(lake.settings.home, home)
        with Lake(lake.settings.model_copy(update={"home": home, "tracking_uri": "off"})) as copy:
            yield copy
