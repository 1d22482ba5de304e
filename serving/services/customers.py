"""What can be asked about one customer: segment, features, history, why, what would move them, and what if.

Everything here blocks, and runs in a worker thread on one snapshot of the lake.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from enum import StrEnum
from http import HTTPStatus
from threading import Lock
from typing import Any

import duckdb
import msgspec
import numpy as np

from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.explanations.contributions import Change, Contribution
from segmentation.explanations.customer_reading import read_lines
from segmentation.explanations.customers import explain_customer, smallest_change
from segmentation.explanations.sample import read_sample, typical
from segmentation.features.windows import EARLIEST, Window
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENT_PROFILES
from segmentation.modeling import registry
from segmentation.modeling.artefact import Floats
from segmentation.warehouse.partition_files import partition_files
from segmentation.warehouse.sql import literal
from serving.api.bodies import shortened
from serving.api.contract import (
    Customer,
    CustomerAnswer,
    CustomerScore,
    Features,
    Membership,
    Order,
    WhatIfAnswer,
    WhatIfRequest,
)
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.live.values import LiveValue
from serving.services.scoring import scores, with_features
from serving.services.transaction_scoring import Line, LineScorer, in_utc

TYPICAL_CUSTOMERS = 20_000
"""Customers from whom the typical ones of the segments are taken at most."""

TYPICAL_FOR_S = 600
"""How long typical customers are remembered; they hardly change."""

# Ids and dates are written out, not bound: DuckLake skips files by what it can see when it plans.
SEGMENT_THEN = """
SELECT
    as_of, segment_id, segment_name, distance, runner_up_id, runner_up_distance, confidence, is_low_confidence,
    model_version
FROM {relation}
WHERE customer_id = {customer_id} AND {condition}
ORDER BY as_of DESC
LIMIT 1
"""

FEATURES_THEN = f"""
SELECT {", ".join(feature.name for feature in FEATURES)}
FROM {{relation}}
WHERE customer_id = {{customer_id}} AND {{condition}}
"""

HISTORY = f"""
SELECT as_of, segment_id, segment_name, confidence, model_version
FROM {CUSTOMER_SEGMENTS.name}
WHERE customer_id = {{customer_id}}
ORDER BY as_of
"""


class Part(StrEnum):
    """What an answer about a customer holds."""

    SEGMENT = "segment"
    FEATURES = "features"
    HISTORY = "history"
    WHY = "why"
    MOVES = "moves"


@dataclass(frozen=True)
class Question:
    """What is asked about a customer.

    Attributes:
        customer_id: Who.
        parts: What the answer holds besides the segment.
        as_of: The snapshot; the last one in which they have a segment if None. For a fresh answer any day; tomorrow if
            None.
        model: The version that decides; the one that did if None, and the champion for a fresh answer.
        is_fresh: Whether features are computed anew, from the lines that the lake has now.
    """

    customer_id: str
    parts: frozenset[Part] = frozenset(Part)
    as_of: date | None = None
    model: int | None = None
    is_fresh: bool = False


@dataclass(frozen=True)
class _Found:
    """A customer's segment, however it was found, with the model and the features that it comes from."""

    as_of: date
    model: Champion
    features: Features | None
    answer: dict[str, Any]


@dataclass(frozen=True)
class Snapshot:
    """The newest snapshot of segments, and what to select it from: its files where possible, else the tables."""

    as_of: date
    segments: str
    features: str


class NewestSnapshot(LiveValue[Snapshot | None, Snapshot | None]):
    """The newest snapshot of segments; None in a lake without any."""

    def __init__(self) -> None:
        super().__init__("newest snapshot", _read_newest, lambda found: found)


class CustomerService:
    """Answers questions about customers."""

    def __init__(self, lines: LineScorer, newest: NewestSnapshot) -> None:
        self._lines = lines
        self._newest = newest
        self._typical = _TypicalCustomers()
        self._others: dict[int, Champion] = {}

    def answer(self, con: duckdb.DuckDBPyConnection, question: Question, champion: Champion) -> CustomerAnswer:
        """Answer a question.

        Raises:
            ProblemError: There is no such customer, snapshot or model (404).
        """
        find = self._fresh if question.is_fresh else self._stored
        found = find(con, question, champion)
        answer: dict[str, Any] = {**found.answer, "customer_id": question.customer_id, "as_of": found.as_of}
        if Part.FEATURES in question.parts:
            answer["features"] = found.features
        if Part.HISTORY in question.parts:
            answer["history"] = _history(con, question.customer_id)
        if Part.WHY in question.parts and found.features is not None:
            answer["why"] = self._why(con, found, found.features)
        if Part.MOVES in question.parts:
            answer["moves"] = self._moves(con, question.customer_id, found)
        return CustomerAnswer(**answer)

    def what_if(
        self, con: duckdb.DuckDBPyConnection, customer_id: str, request: WhatIfRequest, champion: Champion
    ) -> WhatIfAnswer:
        """Where hypothetical orders would bring a customer.

        Raises:
            ProblemError: There is no such customer (404), or an order lies at or after the date (400).
        """
        as_of = request.as_of or _after(request.orders, self._lines.tomorrow())
        own = read_lines(con, customer_id, Window(as_of, EARLIEST))
        if not own:
            raise _unknown(f"The lake has no lines of customer {_quoted(customer_id)} before {as_of}.")
        imagined = [line for number, order in enumerate(request.orders) for line in _lines_of(order, number, as_of)]
        cases: dict[str, Sequence[Line]] = {"without": own, "with": [*own, *imagined]}
        lines = [{**line, "customer_id": case} for case, each in cases.items() for line in each]
        found = self._lines.features(lines, as_of)
        without, having = (_outcome(champion, customer_id, found.get(case)) for case in cases)
        is_moved = (without and without.segment_id) != (having and having.segment_id)
        return WhatIfAnswer(customer_id, as_of, champion.model.version, without, having, is_moved)

    def _stored(self, con: duckdb.DuckDBPyConnection, question: Question, champion: Champion) -> _Found:
        row = self._segment_then(con, question.customer_id, question.as_of)
        if row is None:
            raise _unknown(_why_not(con, question))
        as_of = row.pop("as_of")
        model = self._model(con, question.model or row["model_version"], champion)
        is_stored = question.model in (None, row["model_version"])
        features = None
        if not is_stored or question.parts & {Part.FEATURES, Part.WHY}:
            features = self._features_then(con, question.customer_id, as_of)
        if is_stored:
            names = dict(zip(model.segment_ids, model.segment_names, strict=True))
            row["runner_up_name"] = names.get(row["runner_up_id"])
            return _Found(as_of, model, features, {**row, "computed": "snapshot"})
        if features is None:
            raise _unknown(f"Customer {_quoted(question.customer_id)} has no features as of {as_of} to score with.")
        return _Found(as_of, model, features, _assigned(model, features, "rescored"))

    def _segment_then(
        self, con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date | None
    ) -> dict[str, Any] | None:
        """The row of a snapshot, or the last one that there is."""
        newest = self._newest.value
        if newest is not None and as_of in (None, newest.as_of):
            row = _row(con, SEGMENT_THEN, (newest.segments, CUSTOMER_SEGMENTS.name), customer_id, newest.as_of)
            if row is not None or as_of is not None:
                return row
        return _row(con, SEGMENT_THEN, (CUSTOMER_SEGMENTS.name,), customer_id, as_of)

    def _features_then(self, con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date) -> Features | None:
        newest = self._newest.value
        direct = [newest.features] if newest is not None and newest.as_of == as_of else []
        row = _row(con, FEATURES_THEN, (*direct, CUSTOMER_FEATURES.name), customer_id, as_of)
        return Features(**row) if row else None

    def _fresh(self, con: duckdb.DuckDBPyConnection, question: Question, champion: Champion) -> _Found:
        as_of = question.as_of or self._lines.tomorrow()
        window, _ = self._lines.scope(as_of)
        lines = read_lines(con, question.customer_id, window)
        features = self._lines.features(lines, as_of).get(question.customer_id)
        if features is None:
            raise _unknown(
                f"The lake has no purchase of customer {_quoted(question.customer_id)} between {window.start} and "
                f"{as_of}."
            )
        model = self._model(con, question.model or champion.model.version, champion)
        return _Found(as_of, model, features, _assigned(model, features, "fresh"))

    def _model(self, con: duckdb.DuckDBPyConnection, version: int, champion: Champion) -> Champion:
        """A version, kept for as long as the champion is the same: loading one takes ten queries."""
        if version == champion.model.version:
            return champion
        if self._others.get(champion.model.version) is not champion:
            self._others = {champion.model.version: champion}
        others = self._others
        if version not in others:
            others[version] = load_version(con, version)
        return others[version]

    def _why(self, con: duckdb.DuckDBPyConnection, found: _Found, features: Features) -> tuple[Contribution, ...]:
        values = np.array([found.model.values_of(features)], dtype=np.float64)[0]
        references = self._typical.of(con, found.model, found.as_of)
        return () if references is None else tuple(explain_customer(found.model.evaluator, values, references))

    def _moves(self, con: duckdb.DuckDBPyConnection, customer_id: str, found: _Found) -> tuple[Change, ...]:
        window, home_market = self._lines.scope(found.as_of)
        lines = read_lines(con, customer_id, window)
        if not any(line["quantity"] > 0 for line in lines):
            return ()  # they were deleted since, or moved to another date
        return tuple(
            smallest_change(
                self._lines.calculator(),
                found.model.evaluator,
                lines,
                found.as_of,
                lookback_days=window.lookback_days,
                home_market=home_market,
            )
        )


class _TypicalCustomers:
    """What is typical of each segment, remembered for a while."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, date], tuple[float, Floats]] = {}
        self._lock = Lock()

    def of(self, con: duckdb.DuckDBPyConnection, model: Champion, as_of: date) -> Floats | None:
        """Shape (segments, features) as of the last snapshot until a date; None if there is none."""
        key = (model.model.version, as_of)
        with self._lock:
            made_at, typicals = self._known.get(key, (float("-inf"), None))
            if typicals is None or time.monotonic() - made_at > TYPICAL_FOR_S:
                typicals = _read_typical(con, model, as_of)
                if typicals is not None:
                    self._known = {
                        known: each for known, each in self._known.items() if time.monotonic() - each[0] < TYPICAL_FOR_S
                    } | {key: (time.monotonic(), typicals)}
            return typicals


def load_version(con: duckdb.DuckDBPyConnection, version: int) -> Champion:
    """A version of the registry, ready to score with.

    Raises:
        ProblemError: There is no such version (404), or this release can't use it (409).
    """
    try:
        return Champion.of(registry.load(con, version))
    except registry.UnknownVersionError as error:
        raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-model", str(error)) from error
    except SegmentationError as error:
        raise ProblemError(HTTPStatus.CONFLICT, "unusable-model", str(error)) from error


def _assigned(model: Champion, features: Features, computed: str) -> dict[str, Any]:
    values = np.array([model.values_of(features)], dtype=np.float64)
    [score] = scores(model, [Customer(features)])
    return {
        **msgspec.structs.asdict(score),
        "runner_up_distance": float(model.evaluator.assign(values).runner_up_distance[0]),
        "model_version": model.model.version,
        "computed": computed,
    }


def _outcome(champion: Champion, customer_id: str, features: Features | None) -> CustomerScore | None:
    if features is None:
        return None
    [score] = scores(champion, [Customer(features, customer_id)])
    return with_features(score, features)


def _read_typical(con: duckdb.DuckDBPyConnection, model: Champion, as_of: date) -> Floats | None:
    row = con.execute(f"SELECT MAX(as_of) FROM {SEGMENT_PROFILES.name} WHERE as_of <= DATE '{as_of}'").fetchone()
    if row is None or row[0] is None:
        return None
    try:
        sample = read_sample(con, row[0], model.evaluator.artefact.feature_names, TYPICAL_CUSTOMERS)
    except NotEnoughDataError:
        return None
    return typical(sample, model.segment_ids)


def _history(con: duckdb.DuckDBPyConnection, customer_id: str) -> tuple[Membership, ...]:
    rows = con.execute(HISTORY.format(customer_id=literal(customer_id))).fetchall()
    return tuple(Membership(*row) for row in rows)


def _after(orders: Sequence[Order], tomorrow: date) -> date:
    """The first day before which all orders lie, tomorrow at the earliest."""
    last = max((in_utc(order.ordered_at).date() for order in orders if order.ordered_at), default=date.min)
    if last == date.max:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"Nobody can look back on {last}.")
    return max(tomorrow, last + timedelta(days=1))


def _lines_of(order: Order, number: int, as_of: date) -> Sequence[Line]:
    if order.ordered_at is None:
        ordered_at = datetime.combine(as_of, clock_time()) - timedelta(hours=12)
    else:
        ordered_at = in_utc(order.ordered_at)
    if ordered_at >= datetime.combine(as_of, clock_time()):
        detail = f"orders[{number}] lies at or after {as_of}, so it would not count; leave out `as_of`, or move it."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail)
    shared = {
        "order_id": f"what-if {number}",
        "ordered_at": ordered_at,
        "country": order.country,
        "channel": order.channel,
    }
    return [{**msgspec.structs.asdict(item), **shared} for item in order.items]


def _why_not(con: duckdb.DuckDBPyConnection, question: Question) -> str:
    there = ", ".join(str(each.as_of) for each in _history(con, question.customer_id))
    if there:
        return f"Customer {_quoted(question.customer_id)} has no segment as of {question.as_of}, only as of {there}."
    return (
        "No snapshot has a segment for this customer. They may be misspelt, have no purchase in the look-back "
        "window, or be newer than the latest snapshot."
    )


def _unknown(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "unknown-customer", detail)


def _quoted(customer_id: str) -> str:
    return repr(shortened(customer_id))


def _row(
    con: duckdb.DuckDBPyConnection, query: str, relations: Sequence[str], customer_id: str, as_of: date | None
) -> dict[str, Any] | None:
    """The customer's row in the first of some relations that can be read."""
    relation, *others = relations
    condition = f"as_of = DATE '{as_of}'" if as_of else "true"
    try:
        found = con.execute(query.format(relation=relation, customer_id=literal(customer_id), condition=condition))
        values = found.fetchone()
    except duckdb.IOException:  # files of a snapshot that was replaced meanwhile, and cleaned up
        if not others:
            raise
        return _row(con, query, others, customer_id, as_of)
    return dict(zip((column[0] for column in found.description), values, strict=True)) if values else None


def _read_newest(con: duckdb.DuckDBPyConnection) -> Snapshot | None:
    rows = con.execute(f"SELECT MAX(as_of) FROM {SEGMENT_PROFILES.name}").fetchall()
    as_of = rows[0][0]
    if as_of is None:
        return None
    segments, features = (
        partition_files(con, table, as_of) or table.name for table in (CUSTOMER_SEGMENTS, CUSTOMER_FEATURES)
    )
    return Snapshot(as_of, segments, features)
