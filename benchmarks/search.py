"""A search on real data, and the model it chose beside three usual segmentations, judged by days that none has seen.

Run `python -m benchmarks.search [--data FILE --profile NAME] [--trials N] [--quick] [--json FILE] [--keep FOLDER]`; the
Complete Journey if no data is named. All contenders see the same customers at the same date; judged is how well their
segments tell apart what customers spend in the 90 days after it. Every other figure is taken the same way for all.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from benchmarks.reporting import Target, at_least, at_most, machine, print_targets, write_json
from segmentation.clock import utc_now
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import BY_NAME, FEATURES
from segmentation.modeling import lifecycle, registry
from segmentation.modeling.artefact import Evaluator, Floats, Ints
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.clustering import RESAMPLES, fit_centroids
from segmentation.modeling.fitting.fit import SpecificationEvaluator
from segmentation.modeling.fitting.forward import Outcome, eta_squared, read_outcome
from segmentation.modeling.fitting.metrics import smallest_share
from segmentation.modeling.fitting.space import fixed_space
from segmentation.modeling.nearest import nearest_labels
from segmentation.modeling.search.trials import Trial
from segmentation.modeling.specification import Specification
from segmentation.modeling.training_data import make_training_set, read_training_data
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

RFM = ("recency_days", "order_count", "net_revenue")
NUMBERS = tuple(feature.name for feature in FEATURES if feature.transform is not None)
SEED = 7


@dataclass(frozen=True)
class Result:
    """One segmentation.

    Attributes:
        contender: What made it.
        case: The data and the date.
        segments: How many there are.
        eta_squared: Share of the variance of the log spend of the days after that lies between segments.
        agreement: Mean adjusted Rand index with what the same recipe makes of bootstrap resamples.
        smallest_share: Share of customers in the smallest segment.
    """

    contender: str
    case: str
    segments: int
    eta_squared: float
    agreement: float
    smallest_share: float


def main() -> None:
    """Load, search, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", help="a file or folder; the Complete Journey if left out")
    parser.add_argument("--profile", default="complete-journey")
    parser.add_argument(
        "--as-of", type=date.fromisoformat, help="snapshot date; the last with 90 days after it if unset"
    )
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--quick", action="store_true", help="12 trials")
    parser.add_argument("--keep", type=Path, help="keep the lake, and MLflow's pages, in this folder")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    console = Console(width=150)
    with ExitStack() as held:
        home = options.keep or Path(held.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(home=home, search_trials=12 if options.quick else options.trials)
        lake = held.enter_context(Lake(settings, create=True))
        migrate(lake)
        last = _load(lake, options.data, options.profile)
        as_of = options.as_of or (last - timedelta(days=settings.forward_days - 1)).replace(day=1)
        if as_of + timedelta(days=settings.forward_days) > last + timedelta(days=1):
            parser.error(f"the data ends on {last}, less than {settings.forward_days} days after {as_of}")
        results, seconds = _compare(console, lake, as_of, f"{options.profile} as of {as_of}")
    targets = _targets(results, seconds)
    _print(console, results)
    print_targets(console, targets)
    if options.json:
        described = machine(["duckdb", "scikit-learn", "optuna"])
        write_json(options.json, described, [asdict(result) for result in results], targets)


def _load(lake: Lake, data: str | None, profile_name: str) -> date:
    """Load everything there is; returns the last day."""
    profile = load_profile(profile_name)
    now = datetime.now(UTC).replace(tzinfo=None)
    registered = register(lake, data, profile, source=None, now=now)
    load_days(lake, registered.load_start, registered.load_end, Commit("load"), now=now)
    return registered.load_end - timedelta(days=1)


def _compare(console: Console, lake: Lake, as_of: date, case: str) -> tuple[list[Result], float]:
    now = datetime.now(UTC).replace(tzinfo=None)
    write_snapshots(lake, [as_of], lambda _: Commit("features"), now=now)
    training_set = make_training_set(lake, as_of, Commit("training set"), now=now)
    began = time.monotonic()

    def tell(done: int, total: int, trial: Trial) -> None:
        if done % 10 == 0 or done == total:
            console.print(f"trial {done} of {total}, {trial.state}, {time.monotonic() - began:.0f} s")

    version, _ = lifecycle.train_candidate(lake, training_set, Commit("candidate"), now=utc_now, progress=tell)
    seconds = time.monotonic() - began
    with lake.cursor() as con:
        model = registry.load(con, version)
        numbers = read_matrix(con, as_of, NUMBERS)
        named = con.execute(
            f"SELECT rfm_segment FROM features.customer_features WHERE as_of = DATE '{as_of}' ORDER BY customer_id"
        ).pl()["rfm_segment"]
        outcome = read_outcome(con, as_of, lake.settings.forward_days, numbers.customer_ids)
    console.print(f"{model.artefact.provenance.search}; {seconds:.0f} s with the final fit")
    specification = model.artefact.provenance.specification or Specification(2)
    console.print(str(specification.parameters()))
    data = read_training_data(lake, training_set, max_rows=lake.settings.training_rows, seed=SEED)
    evaluator = SpecificationEvaluator(data, SEED)
    past = data.history.judged if data.history else None
    points = evaluator.space(specification, data.current, past).points(data.current.values)
    own = [
        _clustered(f"the search's model, refitted at k = {k}", case, points, k, outcome)
        for k in (3, 4, 5, 6, 8)
        if k != specification.segments
    ]
    kept = [NUMBERS.index(name) for name in model.artefact.feature_names]
    labels = Evaluator(model.artefact).assign(np.ascontiguousarray(numbers.values[:, kept])).segment
    chosen = Result(
        "the search's model",
        case,
        len(model.artefact.segments),
        eta_squared(outcome.log_spend, labels),
        model.metrics["resample_agreement"],
        model.metrics["smallest_share"],
    )
    return [chosen, *own, *_baselines(case, numbers.values, named.to_list(), outcome)], seconds


def _baselines(case: str, numbers: Floats, named: list[str], outcome: Outcome) -> list[Result]:
    groups = sorted(set(named))
    quintiles = np.array([groups.index(name) for name in named])
    rfm = np.ascontiguousarray(numbers[:, [NUMBERS.index(name) for name in RFM]])
    scaled = fixed_space([BY_NAME[name] for name in RFM], rfm).scaled(rfm)
    filled = np.nan_to_num(numbers)
    usual = (filled - filled.mean(axis=0)) / np.maximum(filled.std(axis=0), 1e-9)
    reduced = PCA(6, random_state=SEED).fit_transform(usual)
    return [
        Result(
            "named RFM quintiles",
            case,
            len(groups),
            eta_squared(outcome.log_spend, quintiles),
            float("nan"),  # rules, not a fit
            smallest_share(quintiles, len(groups)),
        ),
        *(_clustered(f"K-means on log-scaled RFM, k = {k}", case, scaled, k, outcome) for k in (3, 5, 8)),
        _clustered("standard scaling + PCA(6) + K-means(3)", case, reduced, 3, outcome),
    ]


def _clustered(name: str, case: str, points: Floats, k: int, outcome: Outcome) -> Result:
    centroids = fit_centroids(points, k, seed=SEED)
    labels = nearest_labels(points, centroids)
    agreement = _agreement(points, labels, lambda drawn, seed: fit_centroids(drawn, k, seed=seed, starts=3))
    return Result(name, case, k, eta_squared(outcome.log_spend, labels), agreement, smallest_share(labels, k))


def _agreement(points: Floats, labels: Ints, refit: Callable[[Floats, int], Floats]) -> float:
    rng = np.random.default_rng((SEED, int(labels.max()) + 1))
    found = []
    for number in range(RESAMPLES):
        drawn = points[rng.choice(len(points), len(points))]
        found.append(adjusted_rand_score(labels, nearest_labels(points, refit(drawn, number))))
    return float(np.mean(found))


def _targets(results: list[Result], seconds: float) -> list[Target]:
    chosen, *others = results
    own = {r.segments: r for r in [chosen, *(o for o in others if o.contender.startswith("the search"))]}
    targets = [
        at_most("the search, in seconds", 300, seconds, "s"),
        at_least("η² of the chosen model", 0.25, chosen.eta_squared, ""),
        at_least("its adjusted Rand index in resamples", 0.9, chosen.agreement, ""),
        at_least("its smallest share", 0.02, chosen.smallest_share, ""),
    ]
    for baseline in others:
        if baseline.contender.startswith("the search"):
            continue
        best = max(r.eta_squared for k, r in own.items() if k <= baseline.segments)
        name = f"η² at k ≤ {baseline.segments} against {baseline.contender}"
        targets.append(at_least(name, baseline.eta_squared, best, ""))
    return targets


def _print(console: Console, results: list[Result]) -> None:
    table = Table(
        "segmentation", "segments", "η², 90 days after", "ARI in resamples", "smallest", title=results[0].case
    )
    for r in results:
        ari = "by rules" if np.isnan(r.agreement) else f"{r.agreement:.3f}"
        table.add_row(r.contender, str(r.segments), f"{r.eta_squared:.3f}", ari, f"{r.smallest_share:.1%}")
    console.print(table)


if __name__ == "__main__":
    main()
