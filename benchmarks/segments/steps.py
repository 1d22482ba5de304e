"""Next steps, recomputed in another way: whether all are true and monotone; and how much customers flicker.

A model per shop is trained as the platform does it. 300 customers of a later snapshot are told their steps; every step
is then played again by `played_again`, and what segments are worth is asked of the lines.
"""

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from benchmarks.reporting import Target, at_least, at_most
from benchmarks.segments.flips import Snapshot, assign_in_order, measure_flips, read_snapshots
from benchmarks.segments.parts import Part, table_of
from benchmarks.segments.played_again import GONE, WAITS, Asked, PlainModel, asked, play
from benchmarks.segments.shops import Shop
from segmentation.explanations.changes import Placement, find_changes
from segmentation.explanations.customer_explanation import Outlook
from segmentation.explanations.segment_ranks import FADING
from segmentation.features.customer_lines import read_customer_lines
from segmentation.features.one_customer import COLUMNS
from segmentation.features.records import recorded_scope
from segmentation.modeling.artefact import Artefact, Evaluator
from segmentation.modeling.training import train
from segmentation.modeling.training_data import make_training_set
from segmentation.segments.columns import Hysteresis
from segmentation.settings import Settings
from segmentation.warehouse import Commit

CUSTOMERS = 300
TRIALS = 10
FORWARD_DAYS = 90
DEFAULT = Hysteresis(Settings().hysteresis_margin, Settings().hysteresis_dwell_days)
MARGINS = (0.0, 0.1, 0.2, 0.3, 0.4)


def run(shops: Sequence[Shop], quick: bool) -> Part:
    """Steps and flips of each shop."""
    steps: list[dict[str, object]] = []
    flips: list[dict[str, object]] = []
    targets: list[Target] = []
    for shop in shops:
        artefact, judged = trained(shop)
        evaluator, title = Evaluator(artefact), shop.recipe.title
        snapshots = read_snapshots(shop, artefact.feature_names)
        told = check_steps(shop, artefact, snapshots, judged, 60 if quick else CUSTOMERS)
        steps.append({"contender": "honest steps", "case": title, **told})
        by_margin = {margin: measure_flips(evaluator, snapshots, Hysteresis(margin, 59)) for margin in MARGINS}
        flips += [{"contender": f"margin {margin:g}", "case": title, **found} for margin, found in by_margin.items()]
        targets += _targets(title, told, by_margin[0.0], by_margin[DEFAULT.margin])
    return Part((table_of("Next steps", steps), table_of("Flips", flips)), [*steps, *flips], targets)


def trained(shop: Shop) -> tuple[Artefact, date]:
    """A model as the platform trains it, in the middle of the shop's judged dates, and the date of its value."""
    as_of, lake = shop.recipe.judged[1], shop.lake
    pinned = make_training_set(lake, as_of, Commit("training set"), now=datetime.now(UTC).replace(tzinfo=None))
    with tempfile.TemporaryDirectory() as folder:  # of the search alone
        told = {"home": Path(folder), "search_trials": TRIALS, "tracking_uri": "off", "forward_days": FORWARD_DAYS}
        return train(lake, pinned, lake.settings.model_copy(update=told)).artefact, pinned.judged_as_of or as_of


def check_steps(
    shop: Shop, artefact: Artefact, snapshots: Sequence[Snapshot], judged: date, customers: int
) -> dict[str, float]:
    """What is told to some customers of the snapshot after the one trained on, and whether it is so."""
    evaluator, model = Evaluator(artefact), PlainModel(artefact)
    dates = [snapshot.as_of for snapshot in snapshots]
    place = dates.index(shop.recipe.judged[1]) + 1
    as_of, assigned = dates[place], assign_in_order(evaluator, snapshots[: place + 1], DEFAULT)[place]
    chosen = assigned.sample(min(customers, len(assigned)), seed=7).sort("customer_id")
    with shop.lake.cursor() as con:
        window, market = recorded_scope(con, as_of, shop.lake.settings)
        own = {name: read_customer_lines(con, name, window) for name in chosen["customer_id"]}
    told: dict[str, Outlook] = {}
    for name, segment, nearest, since in chosen.iter_rows():
        placement = Placement(DEFAULT, segment, nearest, since)
        told[name] = find_changes(evaluator, own[name], window, market, placement)
    lines = pd.DataFrame([line for each in own.values() for line in each], columns=list(COLUMNS))
    lines["ordered_at"] = pd.to_datetime(lines["ordered_at"]).astype("datetime64[us]")
    lookback = window.lookback_days or (as_of - date(1990, 1, 1)).days
    leads: dict[str, dict[Asked, int]] = {name: {} for name in told}
    for asks, frame in play(lines, as_of, lookback, market, artefact.feature_names):
        days = next(iter(asks.values()))[2]
        for name, target in _targets_of(model, chosen, as_of, days, frame).items():
            leads[name][asks[name]] = target
    worth = _later_spend(shop, model, snapshots[dates.index(judged)])
    return _counted(artefact, told, leads, dict(zip(chosen["customer_id"], chosen["segment_id"], strict=True)), worth)


def _targets_of(
    model: PlainModel, chosen: pl.DataFrame, as_of: date, days: int, features: pd.DataFrame
) -> dict[str, int]:
    """Index of each customer's segment after a step, by the definitions; `GONE` for who has no purchase left."""
    ids = [segment.id for segment in model.artefact.segments]
    rows = chosen.filter(pl.col("customer_id").is_in(features.index.to_list())).sort("customer_id")
    values = features.loc[rows["customer_id"].to_list()].to_numpy()
    own = np.array([ids.index(segment) for segment in rows["segment_id"]])
    waited = [(as_of - since).days + days >= DEFAULT.dwell_days for since in rows["nearest_since"]]
    near = [ids.index(segment) if is_over else -1 for segment, is_over in zip(rows["nearest_id"], waited, strict=True)]
    found = model.settled(values, own, np.array(near), DEFAULT.margin)
    return dict.fromkeys(chosen["customer_id"], GONE) | dict(zip(rows["customer_id"], found.tolist(), strict=True))


def _later_spend(shop: Shop, model: PlainModel, snapshot: Snapshot) -> list[float]:
    """Mean spend of each segment's customers in the days after the judged date, of the lines themselves."""
    with shop.lake.cursor() as con:
        spent = con.execute(
            "SELECT customer_id, SUM(amount) AS spend FROM raw.transactions WHERE ordered_at >= $start "
            f"AND ordered_at < $start + INTERVAL {FORWARD_DAYS} DAY GROUP BY customer_id",
            {"start": snapshot.as_of},
        ).pl()
    frame = pl.DataFrame({"customer_id": snapshot.customer_ids, "own": model.nearest(snapshot.values)})
    frame = frame.join(spent, on="customer_id", how="left").with_columns(pl.col("spend").fill_null(0.0).clip(0.0))
    means = dict(frame.group_by("own").agg(pl.col("spend").mean()).iter_rows())
    return [means[place] for place in range(len(model.artefact.segments))]


def _counted(
    artefact: Artefact,
    told: dict[str, Outlook],
    targets: dict[str, dict[Asked, int]],
    segments: dict[str, int],
    worth: list[float],
) -> dict[str, float]:
    ids = [segment.id for segment in artefact.segments]
    value = [*worth, float("-inf")]  # of `GONE`, the last
    counts: Counter[str] = Counter()
    for name, outlook in told.items():
        start = ids.index(segments[name])
        counts[f"reach {outlook.reach.kind}"] += 1
        counts["left out"] += outlook.reach.left_out
        leads = targets[name]
        for change in outlook.changes:
            step = asked(change.step)
            target = GONE if change.segment_id is None else ids.index(change.segment_id)
            counts["told"] += 1
            counts["true"] += leads[step] == target
            fades = FADING.search(artefact.segments[target].name) is not None
            counts["monotone"] += is_monotone(step, leads, value, value[start]) and not (step[0] and fades)
    customers = len(told)
    kinds = ("up", "keeps", "highest", "nothing")
    return {
        "customers": float(customers),
        "steps told": float(counts["told"]),
        "left out as artefacts": float(counts["left out"]),
        "share true": counts["true"] / max(counts["told"], 1),
        "share monotone": counts["monotone"] / max(counts["told"], 1),
        **{f"reach: {kind}": counts[f"reach {kind}"] / customers for kind in kinds},
    }


def is_monotone(step: Asked, leads: dict[Asked, int], value: Sequence[float], start: float) -> bool:
    """Whether a step that is told leads where it may: orders not down, and no larger one lower; others down only."""
    own = value[leads[step]]
    if step[0]:
        same_days = [other for other in leads if other[2] == step[2]]
        larger = [value[leads[other]] for other in same_days if other[0] >= step[0] and other[1] >= step[1]]
        return own >= start and own > value[leads[0, 0, step[2]]] and all(other >= own for other in larger)
    longer = [value[leads[w]] for w in WAITS if step in WAITS and w[2] > step[2]]
    return own < start and all(other <= own for other in longer)


def _targets(title: str, told: dict[str, float], off: dict[str, float], on: dict[str, float]) -> list[Target]:
    return [
        at_least(f"{title}: steps that are true", 1.0, told["share true"], "of those told"),
        at_least(f"{title}: steps that are monotone in value", 1.0, told["share monotone"], "of those told"),
        at_most(
            f"{title}: flips by default", 0.7, on["flips"] / max(off["flips"], 1e-9), "of those without hysteresis"
        ),
        at_least(f"{title}: η² by default", 0.97, on["η² of spend"] / max(off["η² of spend"], 1e-9), "of that without"),
    ]
