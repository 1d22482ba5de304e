"""From order lines to segments: features by the very SQL of the pipeline, in memory; the lines need be in no lake."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from threading import Lock

from anyio import CapacityLimiter, to_thread

from segmentation.clock import Clock
from segmentation.errors import SegmentationError
from segmentation.features.one_customer import FeatureCalculator, OrderLine
from segmentation.features.records import recorded_scopes, scope_of
from segmentation.features.windows import Window
from segmentation.settings import Settings
from segmentation.sources.line_contract import BrokenRule, LineContract
from serving.api.contract import Customer, Features, Transaction, TransactionsAnswer, TransactionsRequest
from serving.api.limits import too_many
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.live.values import LiveValue, LocalCopy
from serving.metrics import Metrics
from serving.services.scoring import scores, with_features

MAX_TOLD = 10
"""Refused lines, and their rules, that a problem names."""

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
        self._contract: LineContract | None = None

    async def score(self, champion: Champion, request: TransactionsRequest) -> TransactionsAnswer:
        """Score the customers in some lines.

        Raises:
            ProblemError: There are too many lines (413), or one breaks a rule of the lake (400).
        """
        if len(request.transactions) > self._settings.max_rows:
            raise too_many("transactions", len(request.transactions), self._settings.max_rows, "SEGMENTATION_MAX_ROWS")
        return await to_thread.run_sync(self._score, champion, request, limiter=self._limiter)

    def _score(self, champion: Champion, request: TransactionsRequest) -> TransactionsAnswer:
        as_of = request.as_of or self.tomorrow()
        lines = self.checked(request.transactions, [f"transactions[{n}]" for n in range(len(request.transactions))])
        found = self.features(lines, as_of)
        ids = list(dict.fromkeys(line["customer_id"] for line in lines))
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

    def checked(self, lines: Sequence[Transaction], places: Sequence[str]) -> Sequence[OrderLine]:
        """Lines as the lake would have them; `places` say where in the request each stands. Blocks.

        Raises:
            ProblemError: The lake would refuse some (400); the detail says which, and by which rules.
        """
        found = self.contract().check(lines, self._clock())
        if found.broken:
            raise _refused(found.broken, places)
        return found.lines

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

    def contract(self) -> LineContract:
        """Opened at first use, too."""
        with self._opening:
            if self._contract is None:
                self._contract = LineContract(self._settings.earliest_day)
            return self._contract

    def close(self) -> None:
        """Close what is open."""
        for opened in (self._calculator, self._contract):
            if opened is not None:
                opened.close()


def _refused(broken: Sequence[BrokenRule], places: Sequence[str]) -> ProblemError:
    by_line: dict[int, list[str]] = {}
    for each in broken:
        by_line.setdefault(each.index, []).append(f"{each.rule} ({', '.join(each.fields)})")
    told = [f"{places[index]} by {', '.join(rules)}" for index, rules in list(by_line.items())[:MAX_TOLD]]
    more = f"; and {len(by_line) - MAX_TOLD} more" if len(by_line) > MAX_TOLD else ""
    detail = f"What the lake refuses can't be scored: {'; '.join(told)}{more}."
    return ProblemError(HTTPStatus.BAD_REQUEST, "refused-transaction", detail)


def in_utc(moment: datetime) -> datetime:
    """A moment as naive UTC; without a time zone it is UTC already."""
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        detail = f"{moment.isoformat()} is before or after all time in UTC."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail) from error
