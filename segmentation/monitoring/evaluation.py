"""Evaluation of a snapshot: drift from the champion's training data and the champion's quality, written to the lake."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import cached_property

import duckdb
import numpy as np
import polars as pl

from segmentation.features.records import recorded_zone
from segmentation.metadata.features import BY_NAME, Feature
from segmentation.metadata.table import Table
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.modeling import registry
from segmentation.modeling.artefact import Evaluator
from segmentation.modeling.feature_matrix import read_matrix
from segmentation.modeling.fitting.outcomes import read_outcome
from segmentation.modeling.fitting.space import Space, fixed_space
from segmentation.modeling.nearest import Assignment
from segmentation.modeling.registry import ModelVersion, TrainingSet
from segmentation.modeling.training_data import SETTLED
from segmentation.monitoring import drift, quality
from segmentation.monitoring.drift import Drift, Past, Population, Sensitivity, monitored
from segmentation.monitoring.flicker import read_flicker
from segmentation.monitoring.line_statistics import compare, read_figures
from segmentation.monitoring.quality import Quality, QualityMetric
from segmentation.progress import Progress, no_progress
from segmentation.settings import Settings
from segmentation.shop_calendar import local_day
from segmentation.snapshots.code import code_version_of
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf, record

MONTHS_BACK = 12
"""How far before the training dates count from which thresholds are learned."""

EARLIER = f"""
SELECT DISTINCT as_of
FROM {CUSTOMER_FEATURES.name}
WHERE as_of < $until AND as_of >= $since
ORDER BY as_of
"""

CAUSES = f"""
SELECT as_of, list(DISTINCT cause)
FROM {FEATURE_DRIFT.name}
WHERE is_drifting
GROUP BY as_of
ORDER BY as_of
"""

HELD = f"""
SELECT AVG(CAST(nearest_id <> segment_id AS DOUBLE))
FROM {CUSTOMER_SEGMENTS.name}
WHERE as_of = $as_of AND model_version = $version
"""


@dataclass(frozen=True)
class _Seen:
    """The customers of a date as the champion sees them."""

    population: Population
    assignment: Assignment


@dataclass(frozen=True)
class Evaluation:
    """What was found of a date.

    Attributes:
        version: The champion.
        trained_as_of: The date of what it was trained on.
        earlier_dates: Dates that thresholds were learned from, besides that one.
        drift: Rows of `monitoring.feature_drift`.
        quality: Rows of `monitoring.model_quality`.
        lake_version: The version of the lake that was read.
    """

    version: int
    trained_as_of: date
    earlier_dates: int
    drift: list[Drift]
    quality: list[Quality]
    lake_version: int


class _Champion:
    """The champion, and customers as it sees them; at most `monitoring_rows` of a date."""

    def __init__(self, lake: Lake, con: duckdb.DuckDBPyConnection, model: ModelVersion, pinned: TrainingSet) -> None:
        self.lake, self.con, self.model, self.pinned = lake, con, model, pinned
        self.features = self._known_features()
        names = [feature.name for feature in self.features]
        self._own = [names.index(name) for name in model.artefact.feature_names]
        self._fixed = [names.index(name) for name in pinned.features]
        self._evaluator = Evaluator(model.artefact)
        self.cutoffs = np.array([segment.cutoff for segment in model.artefact.segments])

    def _known_features(self) -> tuple[Feature, ...]:
        """The features that are monitored, but for those that a release added since the model was trained."""
        if not self.lake.has(self.pinned.lake_snapshot):
            return monitored()
        with self.lake.at(self.pinned.lake_snapshot) as con:
            known = {row[0] for row in con.execute(f"DESCRIBE {CUSTOMER_FEATURES.name}").fetchall()}
        return tuple(feature for feature in monitored() if feature.name in known)

    @cached_property
    def reference(self) -> _Seen:
        """What it was trained on, as it was then."""
        if not self.lake.has(self.pinned.lake_snapshot):  # archived, and promoted again
            return self.see(self.pinned.as_of)
        with self.lake.at(self.pinned.lake_snapshot) as con:
            return self.see(self.pinned.as_of, con)

    @cached_property
    def past(self) -> list[_Seen]:
        """The dates of the year before, from which thresholds are learned."""
        span = {"since": _months_before(self.pinned.as_of, MONTHS_BACK), "until": self.pinned.as_of}
        return [self.see(row[0]) for row in self.con.execute(EARLIER, span).fetchall()]

    @cached_property
    def past_figures(self) -> dict[date, dict[str, QualityMetric]]:
        """The champion's figures at these dates."""
        return {each.population.as_of: self.figures(each) for each in self.past}

    @cached_property
    def training_figures(self) -> dict[str, QualityMetric]:
        """Its figures on what it was trained on."""
        return self.figures(self.reference, held_share=0.0)

    @cached_property
    def space(self) -> Space:
        """The space in which validity is measured, as the training data fixes it."""
        features = [BY_NAME[name] for name in self.pinned.features]
        return fixed_space(features, self.reference.population.values[:, self._fixed])

    def see(self, as_of: date, con: duckdb.DuckDBPyConnection | None = None) -> _Seen:
        settings = self.lake.settings
        matrix = read_matrix(
            con or self.con,
            as_of,
            [feature.name for feature in self.features],
            max_rows=settings.monitoring_rows,
            seed=settings.seed,
        )
        assignment = self._evaluator.assign(matrix.values[:, self._own])
        return _Seen(Population(as_of, matrix.customer_ids, matrix.values, assignment.segment), assignment)

    def figures(self, seen: _Seen, *, held_share: float | None = None) -> dict[str, QualityMetric]:
        return quality.measure(
            seen.assignment,
            self.cutoffs,
            self.space.scaled(seen.population.values[:, self._fixed]),
            self.lake.settings.seed,
            held_share=held_share,
        )

    def forward(self, seen: _Seen) -> QualityMetric:
        customers = seen.population
        outcome = read_outcome(self.con, customers.as_of, self.lake.settings.forward_days, customers.customer_ids)
        return quality.forward_figure(outcome, seen.assignment)


def evaluate_snapshots(
    lake: Lake, dates: Sequence[date], progress: Progress = no_progress, model_version: int | None = None
) -> Iterator[tuple[date, Evaluation]]:
    """Evaluate snapshots by a model, one after the other; nothing is written.

    What they are compared with is read once.

    Args:
        lake: The lake.
        dates: The snapshots.
        progress: Told how many snapshots have been evaluated, of how many.
        model_version: The model that is judged; the champion if None.

    Raises:
        SegmentationError: There is no such model, no champion, or no such snapshot.
    """
    version = lake.version()
    with lake.cursor() as con:
        model = registry.load_champion(con) if model_version is None else registry.load(con, model_version)
        pinned = registry.training_set(con, model.artefact.provenance.training_set_id)
        champion = _Champion(lake, con, model, pinned)
        for number, as_of in enumerate(dates):
            progress(number, len(dates))
            yield as_of, _evaluate(champion, as_of, version)
    progress(len(dates), len(dates))


def _evaluate(champion: _Champion, as_of: date, version: int) -> Evaluation:
    con, settings, pinned = champion.con, champion.lake.settings, champion.pinned
    current = champion.see(as_of)
    earlier = [each for each in champion.past if each.population.as_of != as_of]
    # Not what was found of the date itself or later ones: judged again, it has to come out the same.
    breaks, spoilt = _known_changes(con, min(pinned.as_of, as_of - timedelta(days=1)))
    ends = [_months_before(as_of, months) for months in range(MONTHS_BACK, -1, -1)]
    figures = read_figures(con, ends, recorded_zone(con, as_of))
    lines = compare(figures.get(as_of, {}), [figures[end] for end in ends[:-1] if end in figures])
    found = drift.measure_drift(
        champion.features,
        len(champion.model.artefact.segments),
        champion.reference.population,
        current.population,
        Past([each.population for each in earlier], breaks, spoilt),
        lines,
        Sensitivity(settings.drift_false_alarms, seed=settings.seed),
    )
    quality_rows = _quality_rows(champion, con, current, earlier)
    return Evaluation(champion.model.version, pinned.as_of, len(earlier), found, quality_rows, version)


def write_evaluation(lake: Lake, as_of: date, evaluation: Evaluation, commit: Commit) -> None:
    """Replace what the lake says about a version's drift and quality as of a date."""
    tables = {
        FEATURE_DRIFT: [asdict(row) for row in evaluation.drift],
        MODEL_QUALITY: [asdict(row) for row in evaluation.quality],
    }
    made_of = MadeOf(evaluation.lake_version, code_version_of(FEATURE_DRIFT), model_version=evaluation.version)
    with lake.cursor() as con:
        for table, found in tables.items():
            rows = pl.DataFrame(found, infer_schema_length=None)
            con.register("evaluated", rows)
            con.execute(f"CREATE OR REPLACE TEMP TABLE {_staged(table)} AS FROM evaluated")

        def write(con: duckdb.DuckDBPyConnection) -> None:
            for table in tables:
                columns = ", ".join(name for name in table.column_names if name not in ("as_of", "model_version"))
                con.execute(
                    f"DELETE FROM {table.name} WHERE as_of = DATE '{as_of}' AND model_version = {evaluation.version}"
                )
                con.execute(
                    f"INSERT INTO {table.name} (as_of, model_version, {columns}) "
                    f"SELECT DATE '{as_of}', {evaluation.version}, {columns} FROM temp.{_staged(table)}"
                )
            record(con, list(tables), as_of, made_of, commit, lake.clock())

        lake.transaction(con, commit, write)


def _staged(table: Table) -> str:
    return table.name.replace(".", "_")


def _quality_rows(
    champion: _Champion, con: duckdb.DuckDBPyConnection, current: _Seen, earlier: Sequence[_Seen]
) -> list[Quality]:
    pinned = champion.pinned
    held = con.execute(HELD, {"as_of": current.population.as_of, "version": champion.model.version}).fetchone()
    training = dict(champion.training_figures)
    now = champion.figures(current, held_share=held[0] if held else None)
    now |= quality.flicker_figures(read_flicker(con, current.population.as_of))
    judged_as_of = pinned.judged_as_of
    if judged_as_of is not None:
        before = next((each for each in earlier if each.population.as_of == judged_as_of), None)
        if before is not None:
            training["forward_eta_squared"] = champion.forward(before)
    passed = _newest_passed(con, current.population.as_of, champion.lake.settings)
    if passed is not None:
        now["forward_eta_squared"] = champion.forward(champion.see(passed))
    usual = [champion.past_figures[each.population.as_of] for each in earlier]
    return quality.measure_quality(training, now, usual)


def _newest_passed(con: duckdb.DuckDBPyConnection, as_of: date, settings: Settings) -> date | None:
    """The newest snapshot whose next days, as many as count as forward value, are over as of a date and have lines."""
    last = con.execute(f"SELECT MAX(ordered_at) FROM {TRANSACTIONS.name}").fetchone()
    if last is None or last[0] is None:
        return None
    over = min(as_of, local_day(last[0], recorded_zone(con, as_of)) + SETTLED) - timedelta(days=settings.forward_days)
    return latest_date(con, CUSTOMER_FEATURES, settings.quiet_days, until=over)


def _known_changes(con: duckdb.DuckDBPyConnection, until: date) -> tuple[list[date], list[date]]:
    """Dates up to another one at which behaviour was found to change, and those whose data was found bad."""
    breaks, spoilt = [], []
    for as_of, causes in con.execute(CAUSES).fetchall():
        if as_of <= until and "data_quality" in causes:
            spoilt.append(as_of)
        elif as_of <= until and "behaviour" in causes:
            breaks.append(as_of)
    return breaks, spoilt


def _months_before(day: date, months: int) -> date:
    number = day.year * 12 + day.month - 1 - months
    return date(number // 12, number % 12 + 1, 1) if day.day == 1 else day - timedelta(days=round(months * 30.4))
