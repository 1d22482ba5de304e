"""Flips: how many customers change segment, and how many back, by what it takes to leave one; against later spend."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from benchmarks.segments.shops import Shop
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.forward import eta_squared
from segmentation.modeling.fitting.outcomes import Outcome, read_outcome
from segmentation.segments.columns import NOBODY, Before, Hysteresis, segment_columns

FORWARD_DAYS = 90
SETTLING = 3
"""First snapshots that don't count: hardly anybody has a history there."""


@dataclass(frozen=True)
class Snapshot:
    """The customers of a date; `outcome` is None where its next days aren't over."""

    as_of: date
    customer_ids: pl.Series
    values: Floats
    outcome: Outcome | None


def read_snapshots(shop: Shop, features: Sequence[str]) -> list[Snapshot]:
    """All monthly snapshots of a shop."""
    found = []
    with shop.lake.cursor() as con:
        last = con.execute("SELECT MAX(ordered_at) FROM raw.transactions").fetchall()[0][0].date()
        for as_of in shop.recipe.months:
            matrix = read_matrix(con, as_of, features)
            is_over = as_of + timedelta(days=FORWARD_DAYS) <= last + timedelta(days=2)
            outcome = read_outcome(con, as_of, FORWARD_DAYS, matrix.customer_ids) if is_over else None
            found.append(Snapshot(as_of, matrix.customer_ids, matrix.values, outcome))
    return found


def assign_in_order(evaluator: Evaluator, snapshots: Sequence[Snapshot], hysteresis: Hysteresis) -> list[pl.DataFrame]:
    """Customer, segment, nearest one and since when, of each date."""
    frames: list[pl.DataFrame] = []
    columns = ("segment_id", "nearest_id", "nearest_since")
    nobody = pl.DataFrame(
        schema={"customer_id": pl.String, **dict(zip(columns, (pl.Int32, pl.Int32, pl.Date), strict=True))}
    )
    for snapshot in snapshots:
        theirs = pl.DataFrame({"customer_id": snapshot.customer_ids}).join(
            frames[-1] if frames else nobody, on="customer_id", how="left", maintain_order="left"
        )
        before = Before(
            theirs["segment_id"].cast(pl.Int64).fill_null(NOBODY).to_numpy(),
            theirs["nearest_id"].cast(pl.Int64).fill_null(NOBODY).to_numpy(),
            theirs["nearest_since"].to_numpy(),
        )
        found = segment_columns(
            evaluator, 1, snapshot.values, as_of=snapshot.as_of, before=before, hysteresis=hysteresis
        )
        frames.append(pl.DataFrame({"customer_id": snapshot.customer_ids, **{name: found[name] for name in columns}}))
    return frames


def measure_flips(evaluator: Evaluator, snapshots: Sequence[Snapshot], hysteresis: Hysteresis) -> dict[str, float]:
    """Mean shares of customers who change segment a month, are back after two, and are held; and η² of later spend."""
    frames = assign_in_order(evaluator, snapshots, hysteresis)
    changed, flipped, held, eta = [], [], [], []
    for number in range(SETTLING, len(frames)):
        two, one, now = (
            frame.select("customer_id", pl.col("segment_id").alias(name))
            for frame, name in zip(frames[number - 2 : number + 1], ("two", "one", "now"), strict=True)
        )
        both = now.join(one, on="customer_id")
        changed.append(float((both["now"] != both["one"]).mean()))  # type: ignore[arg-type]
        all_three = both.join(two, on="customer_id")
        flips = (all_three["now"] == all_three["two"]) & (all_three["now"] != all_three["one"])
        flipped.append(float(flips.mean()))  # type: ignore[arg-type]
        held.append(float((frames[number]["segment_id"] != frames[number]["nearest_id"]).mean()))  # type: ignore[arg-type]
        outcome = snapshots[number].outcome
        if outcome is not None:
            labels = frames[number]["segment_id"].cast(pl.Int64).to_numpy()
            eta.append(eta_squared(outcome.log_spend, labels))
    names = ("changed a month", "flips", "held", "η² of spend")
    return {name: float(np.mean(values)) for name, values in zip(names, (changed, flipped, held, eta), strict=True)}
