"""What models are trained on: customers of a snapshot, pinned to a version of the lake, and two earlier dates.

The earlier ones carry forward value: at `learned_as_of` it is learned which features announce what is spent in the next
days, at `judged_as_of` it is judged how well segments tell it apart. Both windows end before `as_of`.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import duckdb

from segmentation.errors import NotEnoughDataError
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import BY_NAME, Feature, modelled
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.vocabulary import NAMED_FROM
from segmentation.modeling.artefact import Floats
from segmentation.modeling.feature_matrix import has_features, no_snapshot, read_matrix
from segmentation.modeling.fitting.outcomes import OUTCOMES, SHARED, SHARES, Outcome, outcome_span, read_outcome
from segmentation.modeling.registry import TrainingSet, record_training_set
from segmentation.shop_calendar import local_day
from segmentation.snapshots.coverage import read_coverage
from segmentation.snapshots.states import outdated_features
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.shop_zone import shop_zone

LEAST_HISTORY = timedelta(days=28)
"""Of lines before the first of the two earlier dates; with less, nothing can be learned there."""

HISTORY = "training, for its history"
"""Who asks for snapshots of earlier dates."""

POOLED_MONTHS = 3
"""What features announce is learned from so many firsts of months together: a single season says too little."""

SETTLED = timedelta(days=7)
"""Lines have to reach so near to the end of the window that is judged."""

FINGERPRINT = """
SELECT
    COUNT(*) AS customers,
    bit_xor(md5_number_lower(line)) AS lower_half,
    bit_xor(md5_number_upper(line)) AS upper_half
FROM (SELECT CAST(ROW({columns}) AS VARCHAR) AS line FROM {relation})
"""


@dataclass(frozen=True)
class Examples:
    """Customers of one snapshot.

    Attributes:
        as_of: Its date.
        values: Shape (n, number of features), NaN where missing.
        outcome: What they did next; None at the present date.
    """

    as_of: date
    values: Floats
    outcome: Outcome | None = None


@dataclass(frozen=True)
class History:
    """Earlier dates: features at each, and what followed.

    Attributes:
        learned: The later of the dates that end before segments are judged.
        judged: The date at which they are judged.
        before_learned: Dates before `learned` that are learned from together with it.
        before_judged: The same of `judged`, for a model that nobody judges out of time any more.
    """

    learned: Examples
    judged: Examples
    before_learned: tuple[Examples, ...] = ()
    before_judged: tuple[Examples, ...] = ()


@dataclass(frozen=True)
class TrainingData:
    """All that a model is fitted to; at most as many customers per date as were asked for.

    Attributes:
        features: What the columns are.
        current: The customers that are divided into segments.
        traits: Shape (n, number of `NAMED_FROM`), of the same customers.
        history: None where lines don't reach back far enough.
    """

    features: tuple[Feature, ...]
    current: Examples
    traits: Floats
    history: History | None


def history_dates(as_of: date, forward_days: int, first: date) -> tuple[date, date] | None:
    """The dates at which expected futures are judged and learned: each a window before the next.

    They are firsts of months, which other snapshots have, too, where lines reach back far enough for that; else the
    latest dates that there are. Where they reach back for one window only, it is learned from and judged by.

    Args:
        as_of: The snapshot that is trained on.
        forward_days: Length of the windows.
        first: The first day with lines.

    Returns:
        The judged and the learned date; None where no window has enough lines before it.
    """
    window, earliest = timedelta(days=forward_days), first + LEAST_HISTORY
    judged = (as_of - window).replace(day=1)
    learned = (judged - window).replace(day=1)
    if learned >= earliest:
        return judged, learned
    judged = as_of - window
    if judged - window >= earliest:
        return judged, judged - window
    return (judged, judged) if judged >= earliest else None


def pooled_dates(judged: date, learned: date) -> tuple[date, ...]:
    """The firsts of months before both dates that are learned from together with them, newest first."""
    months = {each for newest in (judged, learned) for each in _months_before(newest)}
    return tuple(sorted(months - {judged, learned}, reverse=True))


def _months_before(day: date) -> list[date]:
    """The firsts of the months before a date."""
    numbers = (day.year * 12 + day.month - 1 - back for back in range(1, POOLED_MONTHS))
    return [date(number // 12, number % 12 + 1, 1) for number in numbers]


def make_training_set(lake: Lake, as_of: date, commit: Commit, *, now: datetime) -> TrainingSet:
    """Pin the customers of a snapshot as a training set, with its history where lines reach back far enough.

    Features that are missing or stale, at the date itself or at those that history needs, are computed first, and kept
    like any other.

    Args:
        lake: A writable lake.
        as_of: The snapshot.
        commit: What the lake's commits say about themselves.
        now: When this happens (UTC).

    Raises:
        NotEnoughDataError: There is no such snapshot, or a feature has no value at all at one of the dates.
        SegmentationError: The data doesn't reach the date.
    """
    features = tuple(feature.name for feature in modelled())
    forward_days = lake.settings.forward_days
    with lake.cursor() as con:
        zone = shop_zone(con, lake.settings)
        earlier = _history(con, as_of, forward_days, zone)
        dates = (as_of, *dict.fromkeys(earlier))
        if not has_features(con, as_of):
            raise NotEnoughDataError(no_snapshot(con, as_of))
        read_coverage(con, lake.settings, now).require(as_of)
        outdated = outdated_features(con, lake.settings, now, *dates)
    if outdated:
        asked_by = commit.asked_by if as_of in outdated else HISTORY
        write_snapshots(lake, outdated, lambda each: _commit_of_features(commit, each, asked_by), now=now)
    version = lake.version()
    with lake.at(version) as con:
        refuse_empty_features(con, (as_of, *dict.fromkeys(earlier[:2])), features)  # the others only add to these
        fingerprint, count = _fingerprint(con, dates, features, forward_days)
    training_set = TrainingSet(
        id=fingerprint,
        as_of=as_of,
        lake_snapshot=version,
        customer_count=count,
        features=features,
        judged_as_of=earlier[0] if earlier else None,
        learned_as_of=earlier[1] if earlier else None,
        pooled_as_of=earlier[2:],
        forward_days=forward_days,
    )
    return record_training_set(lake, training_set, commit, now=now)


def read_training_data(lake: Lake, training_set: TrainingSet, *, max_rows: int, seed: int) -> TrainingData:
    """A training set's customers, from the version of the lake that it is pinned to.

    Args:
        lake: The lake.
        training_set: Which customers and dates.
        max_rows: Of a larger snapshot, a sample of about so many, stratified by RFM scores.
        seed: Of the sample.
    """
    features = training_set.features
    with lake.at(training_set.lake_snapshot) as con:
        current = read_matrix(con, training_set.as_of, (*features, *NAMED_FROM), max_rows=max_rows, seed=seed)

        def past(as_of: date) -> Examples:
            matrix = read_matrix(con, as_of, features, max_rows=max_rows, seed=seed)
            return Examples(
                as_of, matrix.values, read_outcome(con, as_of, training_set.forward_days, matrix.customer_ids)
            )

        history = None
        judged, learned = training_set.judged_as_of, training_set.learned_as_of
        if judged and learned:
            earlier = {each: past(each) for each in sorted({judged, learned, *training_set.pooled_as_of}, reverse=True)}
            history = History(earlier[learned], earlier[judged], _pooled(earlier, learned), _pooled(earlier, judged))
    return TrainingData(
        features=tuple(BY_NAME[name] for name in features),
        current=Examples(training_set.as_of, current.values[:, : len(features)].copy()),
        traits=current.values[:, len(features) :].copy(),
        history=history,
    )


def _pooled(earlier: Mapping[date, Examples], newest: date) -> tuple[Examples, ...]:
    """Those of the dates that are learned from together with the newest one."""
    return tuple(earlier[month] for month in _months_before(newest) if month in earlier)


def _history(con: duckdb.DuckDBPyConnection, as_of: date, forward_days: int, zone: str) -> tuple[date, ...]:
    """The judged date, the learned one, and those that are pooled with them; empty where lines don't reach."""
    row = con.execute(f"SELECT MIN(ordered_at), MAX(ordered_at) FROM {TRANSACTIONS.name}").fetchone()
    if row is None or row[0] is None:
        return ()
    first, last = (local_day(moment, zone) for moment in row)
    found = history_dates(as_of, forward_days, first)
    if found is None or last < found[0] + timedelta(days=forward_days) - SETTLED:
        return ()
    return (*found, *(each for each in pooled_dates(*found) if each - LEAST_HISTORY >= first))


def refuse_empty_features(con: duckdb.DuckDBPyConnection, dates: Sequence[date], features: Sequence[str]) -> None:
    """Refuse features that have no value at all as of one of the dates, so that nothing can be learned from them.

    One that may be missing, and is at every date (categories, in a shop that has none), is left alone: models do
    without it.

    Raises:
        NotEnoughDataError: It names the features, the date, and the command that computes it anew.
    """
    counted = ", ".join(f"COUNT({name})" for name in features)
    empty: dict[date, set[str]] = {}
    for as_of in dates:
        query = f"SELECT COUNT(*), {counted} FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}'"
        customers, *counts = con.execute(query).fetchall()[0]
        empty[as_of] = {name for name, count in zip(features, counts, strict=True) if customers and not count}
    unknown = {name for name in set.intersection(*empty.values()) if BY_NAME[name].missing is not None}
    for as_of, names in empty.items():
        if names - unknown:
            raise NotEnoughDataError(
                f"No customer has a value of {', '.join(sorted(names - unknown))} as of {as_of}, so nothing can be "
                f"learned from it. `segmentation snapshots refresh {as_of} --from-scratch` computes that date anew; if "
                "its lines don't tell, train as of a later date, or don't model it (docs/features.md)."
            )


def _hashed(con: duckdb.DuckDBPyConnection, query: str, bound: Mapping[str, object]) -> list[str]:
    """A hash of the rows of a query."""
    hashed = FINGERPRINT.format(columns="COLUMNS(*)", relation=f"({query})")
    return [str(value) for value in con.execute(hashed, dict(bound)).fetchall()[0]]


def _commit_of_features(commit: Commit, as_of: date, asked_by: str) -> Commit:
    return replace(commit, message=f"features/* {as_of}", partition=str(as_of), asked_by=asked_by)


def _fingerprint(
    con: duckdb.DuckDBPyConnection, dates: Sequence[date], features: Sequence[str], forward_days: int
) -> tuple[str, int]:
    """A hash of all rows of the training set, and how many customers the first date has."""
    columns = ", ".join(("customer_id", *features))
    facts: list[object] = [list(features), forward_days]
    count = 0
    for index, as_of in enumerate(dates):
        relation = f"(SELECT {columns} FROM {CUSTOMER_FEATURES.name} WHERE as_of = DATE '{as_of}')"
        rows = con.execute(FINGERPRINT.format(columns=columns, relation=relation)).fetchall()[0]
        if not rows[0]:
            raise NotEnoughDataError(no_snapshot(con, as_of))
        facts.append([str(as_of), *map(str, rows)])
        if index == 0:
            count = rows[0]
        else:
            window = outcome_span(con, as_of, forward_days)
            facts.append(_hashed(con, OUTCOMES, window))
            facts += [
                _hashed(con, SHARES.format(column=column), {**window, "count": count})
                for column, count in SHARED.items()
            ]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32], count
