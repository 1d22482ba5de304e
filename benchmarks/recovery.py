"""How much of the synthetic shop's true archetypes can be found again, and by what.

Run `python -m benchmarks.recovery [--customers N]`. All contenders see the same customers, of whom they know a year.
"""

import argparse
import tempfile
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_predict

from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import BY_NAME, FEATURES, modelled
from segmentation.modeling.artefact import FORMAT, Artefact, Evaluator, Floats, Provenance
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.preprocessing import fit_rules
from segmentation.modeling.training import train
from segmentation.modeling.training_data import make_training_set
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.synthetic import write
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

START, END = date(2024, 1, 1), date(2026, 1, 1)
END_MOMENT = datetime.combine(END, time.min)
PROVENANCE = Provenance(END, 0, "benchmark", 7, "benchmark")
NUMBERS = [feature.name for feature in FEATURES if feature.transform is not None]


def main() -> None:
    """Make a shop, measure every contender, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--customers", type=int, default=10_000)
    customers = parser.parse_args().customers
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "lake")
        truth, artefact, modelled_values, all_values = _shop(Path(folder), settings, customers)
    print(f"{len(truth):,} customers, {len(set(truth))} archetypes; adjusted Rand index with the archetypes")
    for name, score in _contenders(artefact, truth, modelled_values, all_values):
        print(f"  {score:5.2f}  {name}")


def _shop(folder: Path, settings: Settings, customers: int) -> tuple[list[str], Artefact, Floats, Floats]:
    files = write(folder / "shop", customers=customers, start=START, end=END)
    with Lake(settings, create=True) as lake:
        migrate(lake)
        profile = load_profile("canonical")
        register(lake, str(files.transactions[0].parent), profile, source="shop", now=END_MOMENT)
        load_days(lake, START, END, Commit("load"), now=END_MOMENT)
        write_snapshots(lake, [END], lambda _: Commit("features"), now=END_MOMENT)
        with lake.cursor() as con:
            model = read_matrix(con, END, [feature.name for feature in modelled()])
            everything = read_matrix(con, END, NUMBERS)
            archetypes = dict(con.execute("FROM read_parquet($path)", {"path": str(files.archetypes)}).fetchall())
        artefact = train(lake, make_training_set(lake, END, Commit("train"), now=END_MOMENT), settings).artefact
    return [archetypes[c] for c in model.customer_ids], artefact, model.values, everything.values


def _contenders(artefact: Artefact, truth: list[str], model: Floats, everything: Floats) -> list[tuple[str, float]]:
    names = [feature.name for feature in modelled()]
    kept = [names.index(name) for name in artefact.feature_names]
    own = Evaluator(artefact).assign(model[:, kept]).segment
    k = len(set(truth))
    rows: list[tuple[str, list[int] | Floats]] = [
        (f"the platform's model ({len(artefact.segments)} segments)", own.astype(float)),
        (f"K-means told the number of archetypes ({k}), same features", _k_means(_points(names, model), k)),
        (
            f"K-means told the number of archetypes ({k}), every numeric feature",
            _k_means(_points(NUMBERS, everything), k),
        ),
        (
            "a random forest told the archetypes of the others (5-fold), every numeric feature",
            _forest(everything, truth),
        ),
    ]
    return [(name, adjusted_rand_score(truth, labels)) for name, labels in rows]


def _points(names: list[str], matrix: Floats) -> Floats:
    rules = fit_rules([BY_NAME[name] for name in names], matrix)
    kept = [names.index(rule.name) for rule in rules]
    return Evaluator(Artefact(FORMAT, rules, (), PROVENANCE)).coordinates(matrix[:, kept])


def _k_means(points: Floats, k: int) -> Floats:
    return np.asarray(KMeans(k, n_init=10, random_state=7).fit_predict(np.nan_to_num(points)), dtype=float)


def _forest(matrix: Floats, truth: list[str]) -> list[int]:
    classes = {name: number for number, name in enumerate(sorted(set(truth)))}
    forest = RandomForestClassifier(200, n_jobs=-1, random_state=7)
    return list(cross_val_predict(forest, np.nan_to_num(matrix, nan=-1), [classes[name] for name in truth], cv=5))


if __name__ == "__main__":
    main()
