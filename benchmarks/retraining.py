"""Two years of a shop, retrained every month of the second: what becomes of segments and their customers.

Run `python -m benchmarks.retraining [--customers N] [--quick] [--json FILE]`. Two shops: the synthetic one, whose
customers come, change and lapse, and a steady one, whose customers buy the same on the same days of every month.
"""

import argparse
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import date, datetime
from datetime import time as clock
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import at_least, machine, print_targets, write_json
from segmentation.clock import utc_now
from segmentation.features.snapshots import write_snapshots
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.training_data import make_training_set
from segmentation.segments.assignment import write_segments
from segmentation.segments.transitions import write_transitions
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

START, END = date(2024, 1, 1), date(2026, 1, 1)
END_MOMENT = datetime.combine(END, clock.min)
ORDERS_A_MONTH = (1, 2, 4, 8)
KEPT_TARGET = 0.99

STEADY = """
SELECT
    'c' || customer AS customer_id,
    'o' || customer || '-' || month || '-' || visit AS order_id,
    'o' || customer || '-' || month || '-' || visit || '-' || line AS line_id,
    'p' || ((customer * 7 + line) % 200) AS product_id,
    'k' || ((customer * 7 + line) % 12) AS category,
    1.0 AS quantity,
    ROUND(price, 2) AS unit_price,
    ROUND(price, 2) AS amount,
    0.0 AS discount,
    CAST($start AS TIMESTAMP) + to_months(CAST(month AS INTEGER))
        + to_days(CAST((first_day + visit * 28 // visits) % 28 AS INTEGER)) + to_hours(9) AS ordered_at,
    'Home' AS country,
    'web' AS channel
FROM customers, range(0, 24) AS months(month), range(0, 8) AS visited(visit), range(0, 6) AS lines(line)
WHERE visit < visits AND line < line_count
"""
"""Each customer buys the same things on the same days of every month."""


@dataclass(frozen=True)
class Result:
    """What became of a shop's customers; shares of those who were there in both of two snapshots.

    Attributes:
        contender: The shop.
        case: How often the model was retrained.
        kept: Least share of customers who kept their segment from one month to the next.
        kept_mean: The same on average.
        model_moved: Largest share whom the model moved.
        refused: Candidates that a gate refused.
        ids: Segment ids that there have been.
        wall_s: How long it took.
    """

    contender: str
    case: str
    kept: float
    kept_mean: float
    model_moved: float
    refused: int
    ids: int
    wall_s: float


def main() -> None:
    """Run both shops, print lineage and transitions, and say what was kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--quick", action="store_true", help="1,000 customers, three retrainings")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    customers = 1_000 if options.quick else options.customers
    months = 3 if options.quick else 12
    console, results = Console(width=150), []
    shops = (
        ("the synthetic shop", _synthetic, 0.0),
        ("a steady shop", _steady, 0.0),
        ("a steady shop, hysteresis of a tenth", _steady, 0.1),
    )
    for name, fill, margin in shops:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(home=Path(folder) / "lake", tracking_uri="off", hysteresis_margin=margin)
            with Lake(settings, create=True) as lake:
                migrate(lake)
                fill(lake, Path(folder), customers)
                results.append(_retrain(console, name, lake, months))
    _, steady, held = results
    targets = [
        at_least("share of the steady shop's customers who keep their segment", KEPT_TARGET, steady.kept_mean, ""),
        at_least("… in the worst month", KEPT_TARGET, steady.kept, ""),
        at_least("… in the worst month, with hysteresis", KEPT_TARGET, held.kept, ""),
    ]
    print_targets(console, targets)
    if options.json:
        write_json(
            options.json, machine(["duckdb", "scikit-learn", "optuna"]), [asdict(result) for result in results], targets
        )


def dates(months: int) -> list[date]:
    """The first retraining and as many more, each on the first of a month, up to the end."""
    firsts = [date(END.year - 1 + (month // 12), month % 12 + 1, 1) for month in range(13)]
    return firsts[-months - 1 :]


def _retrain(console: Console, name: str, lake: Lake, months: int) -> Result:
    began, kept, moved_by_model, refused = time.monotonic(), [], [], 0
    movement, lineage = _table(f"{name}: customers by cause"), _lineage_table(name)
    for as_of in dates(months):
        if not _has(lake, as_of):
            write_snapshots(lake, [as_of], lambda _: Commit("features"), now=END_MOMENT)
        training_set = make_training_set(lake, as_of, Commit("training set"), now=END_MOMENT)
        version, model = lifecycle.train_candidate(lake, training_set, Commit("candidate"), now=utc_now)
        decision = lifecycle.decide(lake, actor="benchmark", commit=Commit("champion"), now=utc_now())
        verdict = "champion" if decision.serves else decision.explanation
        refused += decision.outcome == "refused"
        _, count = write_segments(lake, as_of, Commit("segments"))
        moves = write_transitions(lake, as_of, Commit("transitions"))
        causes = dict(moves.group_by("cause").agg(pl.col("customer_count").sum()).iter_rows())
        both = sum(causes.get(cause, 0) for cause in ("stayed", "customer_moved", "model_moved"))
        if both:
            kept.append(causes.get("stayed", 0) / both)
            moved_by_model.append(causes.get("model_moved", 0) / both)
        shares = [f"{causes.get(cause, 0):,}" for cause in CAUSES]
        with lake.cursor() as con:
            metrics = registry.load(con, version).metrics
        figures = (f"{metrics.get('forward_eta_squared', 0):.3f}", f"{metrics['resample_agreement']:.3f}")
        movement.add_row(str(as_of), str(version), f"{count:,}", *shares, f"{kept[-1]:.1%}" if both else "", *figures)
        for descent in model.lineage if model else ():
            if descent.event != "kept":
                parents = ", ".join(f"{p.segment_id} ({p.received:.0%})" for p in descent.parents)
                lineage.add_row(str(as_of), str(version), str(descent.segment_id), descent.event, parents, "")
        lineage.add_row(str(as_of), str(version), "", "", "", verdict)
    with lake.cursor() as con:
        names = {(s.id, s.name) for m in registry.list_models(con) for s in m.artefact.segments}
    console.print(lineage)
    console.print(movement)
    console.print(f"{name}: {len({i for i, _ in names})} segment ids in all, {len(names)} pairs of id and name\n")
    return Result(
        name,
        f"{months} retrainings",
        min(kept),
        float(np.mean(kept)),
        max(moved_by_model),
        refused,
        len({i for i, _ in names}),
        round(time.monotonic() - began, 1),
    )


CAUSES = ("stayed", "customer_moved", "model_moved", "arrived", "gone")


def _table(title: str) -> Table:
    return Table("as of", "model", "customers", *CAUSES, "kept", "forward η²", "ARI", title=title)


def _lineage_table(name: str) -> Table:
    return Table(
        "as of", "model", "segment", "event", "relatives", "gates", title=f"{name}: lineage (kept ones left out)"
    )


def _has(lake: Lake, as_of: date) -> bool:
    with lake.cursor() as con:
        query = f"SELECT 1 FROM features.customer_features WHERE as_of = DATE '{as_of}' LIMIT 1"
        return con.execute(query).fetchone() is not None


def _synthetic(lake: Lake, folder: Path, customers: int) -> None:
    files = write(folder / "shop", customers=customers, start=START, end=END)
    _ingest(lake, files.transactions[0].parent)


def _steady(lake: Lake, folder: Path, customers: int) -> None:
    rng = np.random.default_rng(5)
    people = pl.DataFrame(
        {
            "customer": np.arange(customers),
            "visits": rng.choice(ORDERS_A_MONTH, customers),
            "first_day": rng.integers(0, 28, customers),
            "line_count": rng.integers(1, 6, customers),
            "price": rng.lognormal(2, 1, customers),
        }
    )
    target = folder / "steady"
    target.mkdir()
    with duckdb.connect() as con:
        con.register("customers", people)
        con.execute(STEADY, {"start": START}).pl().write_parquet(target / "transactions.parquet")
    _ingest(lake, target)


def _ingest(lake: Lake, folder: Path) -> None:
    profile = load_profile("canonical")
    register(lake, str(folder), profile, source="shop", now=END_MOMENT)
    load_days(lake, START, END, Commit("load"), now=END_MOMENT)


if __name__ == "__main__":
    main()
