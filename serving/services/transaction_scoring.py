"""From order lines to segments: features by the very SQL of the pipeline, in memory; the lines need be in no lake."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from threading import Lock

import msgspec
from anyio import CapacityLimiter, to_thread

from segmentation.clock import Clock
from segmentation.errors import SegmentationError
from segmentation.features.one_customer import FeatureCalculator, OrderLine
from segmentation.features.records import recorded_scopes, scope_of
from segmentation.features.windows import Window
from segmentation.settings import Settings
from serving.api.contract import Customer, Features, Transaction, TransactionsAnswer, TransactionsRequest
from serving.api.limits import too_many
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.live.values import LiveValue, LocalCopy
from serving.metrics import Metrics
from serving.services.scoring import scores, with_features

RecordedWindows = dict[date, tuple[Window, str | None]]
"""Window and home market of each snapshot on record, in order of dates."""


class LiveWindows(LiveValue[RecordedWindows, RecordedWindows]):
    """The windows and home markets that snapshots were made with."""

    def __init__(self, settings: Settings) -> None:
        copy = LocalCopy(settings.home / "scorer" / "scopes.json", RecordedWindows)
        super().__init__("scopes", recorded_scopes, dict, copy)


class LineScorer:
    """Computes features and segments of order lines. Its blocking methods are for worker threads."""

    def __init__(self, windows: LiveWindows, metrics: Metrics, settings: Settings, clock: Clock) -> None:
        self._windows = windows
        self._metrics = metrics
        self._settings = settings
        self._clock = clock
        self._limiter = CapacityLimiter(1)
        self._opening = Lock()
        self._calculator: FeatureCalculator | None = None

    async def score(self, champion: Champion, request: TransactionsRequest) -> TransactionsAnswer:
        """Score the customers in some lines.

        Raises:
            ProblemError: There are too many lines (413), or one has a value that doesn't fit (400).
        """
        if len(request.transactions) > self._settings.max_rows:
            raise too_many("transactions", len(request.transactions), self._settings.max_rows, "SEGMENTATION_MAX_ROWS")
        return await to_thread.run_sync(self._score, champion, request, limiter=self._limiter)

    def _score(self, champion: Champion, request: TransactionsRequest) -> TransactionsAnswer:
        as_of = request.as_of or self.tomorrow()
        found = self.features([as_line(each) for each in request.transactions], as_of)
        ids = list(dict.fromkeys(each.customer_id for each in request.transactions))
        customers = [Customer(found[customer_id], customer_id) for customer_id in ids if customer_id in found]
        results = [
            with_features(score, customer.features)
            for score, customer in zip(scores(champion, customers) if customers else [], customers, strict=True)
        ]
        self._metrics.count_scores(results)
        without = [customer_id for customer_id in ids if customer_id not in found]
        return TransactionsAnswer(as_of, champion.model.version, results, without)

    def features(self, lines: Sequence[OrderLine], as_of: date) -> dict[str, Features]:
        """The features of everybody with a purchase in the window before a date, by customer id. Blocks.

        Raises:
            ProblemError: A line has a value that doesn't fit (400).
        """
        window, home_market = self.scope(as_of)
        try:
            found = self.calculator().compute(lines, as_of, lookback_days=window.lookback_days, home_market=home_market)
        except SegmentationError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", str(error)) from error
        return {customer_id: Features(**values) for customer_id, values in found.items()}

    def scope(self, as_of: date) -> tuple[Window, str | None]:
        """The window and the home market of a date: as recorded, or else those that its snapshot would get."""
        try:
            return scope_of(self._windows.value or {}, as_of, self._settings)
        except OverflowError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"{as_of} is no date to ask for.") from error

    def tomorrow(self) -> date:
        """The first day (UTC) before which everything has happened."""
        return self._clock().date() + timedelta(days=1)

    def calculator(self) -> FeatureCalculator:
        """Opened at first use, since that takes a third of a second."""
        with self._opening:
            if self._calculator is None:
                self._calculator = FeatureCalculator()
            return self._calculator

    def close(self) -> None:
        """Close the calculator if it is open."""
        if self._calculator is not None:
            self._calculator.close()


def as_line(transaction: Transaction) -> OrderLine:
    """A line of a request, as features are computed from it."""
    return {**msgspec.structs.asdict(transaction), "ordered_at": in_utc(transaction.ordered_at)}


def in_utc(moment: datetime) -> datetime:
    """A moment as naive UTC; without a time zone it is UTC already."""
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        detail = f"{moment.isoformat()} is before or after all time in UTC."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail) from error
