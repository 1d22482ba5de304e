"""From rows to scores: small bodies at once, large ones a slice at a time. Knows neither HTTP nor the lake."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from http import HTTPStatus
from math import isnan

import msgspec
import numpy as np

from segmentation.modeling.artefact import Floats
from segmentation.predictions.artefact import PredictionModel
from serving.api.bodies import Language
from serving.api.contract import Customer, CustomerScore, Features, Score, ScoreAnswer
from serving.api.limits import too_many
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.metrics import Metrics
from serving.services.predictions import predictions_of

SMALL_BYTES = 64 * 1024
"""A body up to this size is answered at once, within about a millisecond."""

SLICE_CUSTOMERS = 128
"""So many customers take about a millisecond: that long does a large body hold up small ones."""


class Scorer:
    """Scores rows, and counts what it scores."""

    def __init__(self, metrics: Metrics, max_rows: int) -> None:
        self._metrics = metrics
        self._max_rows = max_rows
        self._turn = asyncio.Lock()

    def at_once(self, champion: Champion, body: bytes, given: Language, wanted: Language) -> bytes:
        """Score a small body.

        Raises:
            ProblemError: It is not a valid request (400), or has too many customers (413).
        """
        customers = given.request(body).customers
        self._check_count(len(customers))
        return wanted.encode(ScoreAnswer(champion.model.version, self._counted(scores(champion, customers))))

    def with_predictions(
        self,
        champion: Champion,
        required: Callable[[], PredictionModel],
        body: bytes,
        given: Language,
        wanted: Language,
        as_of: date,
    ) -> bytes:
        """Score customers, and say what to expect of them by the model that is `required` once they are read. Blocks.

        Raises:
            ProblemError: As for `at_once`, or there is no such model (409).
        """
        customers = given.request(body).customers
        self._check_count(len(customers))
        model = required()
        scored = self._counted(scores(champion, customers))
        expected = predictions_of(model, [each.features for each in customers], as_of)
        return wanted.encode(ScoreAnswer(champion.model.version, scored, expected))

    async def in_slices(self, champion: Champion, body: bytes, given: Language, wanted: Language) -> bytes:
        """Score a large body, giving way to other requests after each slice; one large body at a time.

        Raises:
            ProblemError: As for `at_once`.
        """
        async with self._turn:
            rows = given.raw(body).customers
            self._check_count(len(rows))
            encoded: list[bytes] = []
            for start in range(0, len(rows), SLICE_CUSTOMERS):
                await asyncio.sleep(0)
                customers = given.customer.each(rows[start : start + SLICE_CUSTOMERS], start)
                encoded += map(wanted.encode, self._counted(scores(champion, customers, start)))
            return wanted.join(champion.model.version, encoded)

    def _counted(self, scored: list[Score]) -> list[Score]:
        self._metrics.count_scores(scored)
        return scored

    def _check_count(self, count: int) -> None:
        if count > self._max_rows:
            raise too_many("customers", count, self._max_rows, "SEGMENTATION_MAX_ROWS")


def scores(champion: Champion, customers: Sequence[Customer], start: int = 0) -> list[Score]:
    """Scores of customers, the first of whom is number `start` of the request.

    Raises:
        ProblemError: One lacks a feature that the model needs (400).
    """
    ids, names, cutoffs = champion.segment_ids, champion.segment_names, champion.cutoffs
    return [
        Score(
            customer.customer_id,
            ids[first],
            names[first],
            distance,
            ids[second],
            names[second],
            confidence,
            confidence < cutoffs[first],
        )
        for customer, (first, distance, second, confidence) in zip(
            customers, _assigned(champion, customers, start), strict=True
        )
    ]


def with_features(score: Score, features: Features) -> CustomerScore:
    """A score beside the features that it comes from."""
    return CustomerScore(**msgspec.structs.asdict(score), features=features)


def _assigned(champion: Champion, customers: Sequence[Customer], start: int) -> Iterable[tuple[int, float, int, float]]:
    """Per customer: index of the segment, distance to it, index of the runner-up, and confidence."""
    rows = [champion.values_of(customer.features) for customer in customers]
    if len(rows) == 1:
        one = champion.evaluator.assign_one(rows[0])
        if isnan(one[1]):
            raise _missing(champion, customers, 0, start)
        return (one,)
    assigned = champion.evaluator.assign(np.array(rows, dtype=np.float64))
    if np.isnan(assigned.distance).any():
        raise _missing(champion, customers, int(np.isnan(assigned.distance).argmax()), start)
    columns = (assigned.segment, assigned.distance, assigned.runner_up, assigned.confidence)
    return zip(*(column.tolist() for column in columns), strict=True)


def _missing(champion: Champion, customers: Sequence[Customer], index: int, start: int) -> ProblemError:
    values = np.array(champion.values_of(customers[index].features), dtype=np.float64)
    return lacks_features(f"customers[{start + index}].features", values, champion)


def lacks_features(place: str, values: Floats, champion: Champion) -> ProblemError:
    """The problem of a customer without features that the model has no rule for; shape (d,), NaN where missing."""
    rules = zip(champion.evaluator.artefact.rules, values, strict=True)
    names = [rule.name for rule, value in rules if rule.missing_value is None and np.isnan(value)]
    detail = f"{place} lacks {', '.join(names)}, which model version {champion.model.version} needs."
    return ProblemError(HTTPStatus.BAD_REQUEST, "missing-feature", detail)
