"""What can be asked about one customer: segment, features, history, why, what would move them, and what if.

Everything here blocks, and runs in a worker thread on one snapshot of the lake.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus
from threading import Lock
from typing import Any

import duckdb
import msgspec
import numpy as np

from segmentation.errors import SegmentationError
from segmentation.explanations.changes import Placement
from segmentation.explanations.customers import (
    CustomerCase,
    read_contributions,
    read_outlook,
    read_typical_customers,
    why_unassigned,
)
from segmentation.explanations.holding import why_held
from segmentation.explanations.wording import quoted_id
from segmentation.features.customer_lines import read_customer_lines
from segmentation.features.one_customer import OrderLine
from segmentation.features.windows import EARLIEST
from segmentation.modeling import registry
from segmentation.modeling.artefact import Floats
from segmentation.segments.columns import Hysteresis
from segmentation.settings import Settings
from serving.api.contract import (
    EVERYTHING,
    Customer,
    CustomerAnswer,
    CustomerScore,
    Features,
    Include,
    Prediction,
    WhatIfAnswer,
    WhatIfRequest,
)
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.services.customer_queries import (
    NewestSnapshot,
    read_assignment,
    read_features,
    read_history,
    read_stored_prediction,
)
from serving.services.hypothetical_orders import day_after, lines_of
from serving.services.own_segments import read_memberships
from serving.services.predictions import LivePredictions, predictions_of
from serving.services.scoring import scores, with_features
from serving.services.transaction_scoring import LineScorer

TYPICAL_FOR_S = 600
"""How long typical customers are remembered; they hardly change."""


@dataclass(frozen=True)
class Question:
    """What is asked about a customer.

    Attributes:
        customer_id: Who.
        include: What the answer holds besides the segment.
        as_of: The snapshot; the last one in which they have a segment if None. For a fresh answer any day; tomorrow if
            None.
        model: The version that decides; the one that did if None, and the champion for a fresh answer.
        is_fresh: Whether features are computed anew, from the lines that the lake has now.
    """

    customer_id: str
    include: frozenset[Include] = EVERYTHING
    as_of: date | None = None
    model: int | None = None
    is_fresh: bool = False


@dataclass(frozen=True)
class _Found:
    """A customer's segment, however it was found, with the model, the features and the placement that it comes from."""

    as_of: date
    model: Champion
    features: Features | None
    answer: dict[str, Any]
    placement: Placement


class CustomerService:
    """Answers questions about customers."""

    def __init__(
        self, lines: LineScorer, newest: NewestSnapshot, predictions: LivePredictions, settings: Settings
    ) -> None:
        self._lines = lines
        self._predictions = predictions
        self._newest = newest
        self._quiet_days = settings.quiet_days
        self._hysteresis = Hysteresis.of(settings)
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
        if "segmentations" in question.include and not question.is_fresh:
            answer["segmentations"] = read_memberships(con, question.customer_id, found.as_of)
        if "features" in question.include:
            answer["features"] = found.features
        if "history" in question.include:
            answer["history"] = read_history(con, question.customer_id)
        if "why" in question.include and found.features is not None:
            values = np.array(found.model.values_of(found.features), dtype=np.float64)
            answer["why"] = read_contributions(con, self._case(question.customer_id, found), values, self._typical.read)
        if "moves" in question.include:
            case = self._case(question.customer_id, found)
            outlook = read_outlook(con, case)
            answer["moves"], answer["reach"] = outlook.changes, outlook.reach
        if "predictions" in question.include:
            answer["predictions"] = self._prediction(con, question, found)
        return CustomerAnswer(**answer)

    def _prediction(self, con: duckdb.DuckDBPyConnection, question: Question, found: _Found) -> Prediction | None:
        """As the snapshot has it; for a fresh answer by the newest model of predictions, if there is one."""
        if not question.is_fresh:
            newest = self._newest.value or self._newest.read(con)
            return read_stored_prediction(con, newest, question.customer_id, found.as_of)
        if self._predictions.value is None or found.features is None:
            return None
        return predictions_of(self._predictions.value, [found.features], found.as_of)[0]

    def what_if(
        self, con: duckdb.DuckDBPyConnection, customer_id: str, request: WhatIfRequest, champion: Champion
    ) -> WhatIfAnswer:
        """Where hypothetical orders would bring a customer.

        Raises:
            ProblemError: There is no such customer (404), or an order lies at or after the date (400).
        """
        as_of = request.as_of or day_after(request.orders, self._lines)
        window, _ = self._lines.scope(as_of)
        own = read_customer_lines(con, customer_id, replace(window, start=EARLIEST))
        if not own:
            raise _unknown(f"The lake has no lines of customer {quoted_id(customer_id)} before {as_of}.")
        imagined = lines_of(request.orders, window, self._lines)
        cases: dict[str, Sequence[OrderLine]] = {"without": own, "with": [*own, *imagined]}
        lines = [{**line, "customer_id": case} for case, each in cases.items() for line in each]
        found = self._lines.features(lines, as_of)
        without, having = (_outcome(champion, customer_id, found.get(case)) for case in cases)
        is_moved = (without and without.segment_id) != (having and having.segment_id)
        return WhatIfAnswer(customer_id, as_of, champion.model.version, without, having, is_moved)

    def _stored(self, con: duckdb.DuckDBPyConnection, question: Question, champion: Champion) -> _Found:
        newest = self._newest.value or self._newest.read(con)
        row = read_assignment(con, newest, question.customer_id, question.as_of)
        if row is None:
            raise _unknown(why_unassigned(con, question.customer_id, question.as_of))
        as_of = row.pop("as_of")
        placement = Placement(self._hysteresis, row["segment_id"], row.pop("nearest_id"), row.pop("nearest_since"))
        model = self._model(con, question.model or row["model_version"], champion)
        is_stored = question.model in (None, row["model_version"])
        features = None
        if not is_stored or question.include & {"features", "why"}:
            features = read_features(con, newest, question.customer_id, as_of)
        if is_stored:
            names = dict(zip(model.segment_ids, model.segment_names, strict=True))
            row["runner_up_name"] = names.get(row["runner_up_id"])
            held = why_held(model.model.artefact.segments, placement, row["distance"], row["runner_up_distance"])
            return _Found(as_of, model, features, {**row, "held": held, "computed": "snapshot"}, placement)
        if features is None:
            raise _unknown(f"Customer {quoted_id(question.customer_id)} has no features as of {as_of} to score with.")
        return _Found(as_of, model, features, _assigned(model, features, "rescored"), Placement(self._hysteresis))

    def _fresh(self, con: duckdb.DuckDBPyConnection, question: Question, champion: Champion) -> _Found:
        as_of = question.as_of or self._lines.tomorrow()
        window, _ = self._lines.scope(as_of)
        lines = read_customer_lines(con, question.customer_id, window)
        features = self._lines.features(lines, as_of).get(question.customer_id)
        if features is None:
            raise _unknown(
                f"The lake has no purchase of customer {quoted_id(question.customer_id)} between {window.start} and "
                f"{as_of}."
            )
        model = self._model(con, question.model or champion.model.version, champion)
        return _Found(as_of, model, features, _assigned(model, features, "fresh"), Placement(self._hysteresis))

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

    def _case(self, customer_id: str, found: _Found) -> CustomerCase:
        window, home_market = self._lines.scope(found.as_of)
        version, evaluator = found.model.model.version, found.model.evaluator
        return CustomerCase(customer_id, version, evaluator, window, home_market, self._quiet_days, found.placement)


class _TypicalCustomers:
    """What is typical of each segment, remembered for a while by model version and date."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, date], tuple[float, Floats]] = {}
        self._lock = Lock()

    def read(self, con: duckdb.DuckDBPyConnection, case: CustomerCase) -> Floats | None:
        """As `read_typical_customers`, but not each time."""
        key = (case.model_version, case.window.as_of)
        with self._lock:
            made_at, typicals = self._known.get(key, (float("-inf"), None))
            if typicals is None or time.monotonic() - made_at > TYPICAL_FOR_S:
                typicals = read_typical_customers(con, case)
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


def _unknown(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "unknown-customer", detail)
