"""From order lines to segments: features by the very SQL of the pipeline, in memory; the lines need be in no lake."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from threading import Lock

import msgspec
from anyio import CapacityLimiter, to_thread

from segmentation.clock import Clock
from segmentation.errors import SegmentationError
from segmentation.features.one_customer import OrderLine, compute_features
from segmentation.features.records import recorded_scopes, scope_of, zone_of
from segmentation.features.windows import Window
from segmentation.predictions.artefact import PredictionModel
from segmentation.settings import Settings
from segmentation.shop_calendar import UNIVERSAL, first_moment, local_day
from segmentation.sources.line_contract import BrokenRule, LineContract
from serving.api.contract import Customer, Features, Transaction, TransactionsAnswer, TransactionsRequest
from serving.api.limits import too_many
from serving.api.problems import ProblemError
from serving.live.champion import Champion
from serving.live.values import LiveValue, LocalCopy
from serving.metrics import Metrics
from serving.services.predictions import predictions_of
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
        self._contracts: dict[str, LineContract] = {}

    async def score(
        self, champion: Champion, request: TransactionsRequest, required: Callable[[], PredictionModel] | None = None
    ) -> TransactionsAnswer:
        """Score the customers in some lines, and say what to expect of them if a model is `required` to.

        Raises:
            ProblemError: There are too many lines (413), one breaks a rule of the lake (400), or there is no model that
                says what to expect (409).
        """
        if len(request.transactions) > self._settings.max_rows:
            raise too_many("transactions", len(request.transactions), self._settings.max_rows, "SEGMENTATION_MAX_ROWS")
        return await to_thread.run_sync(self._score, champion, request, required, limiter=self._limiter)

    def _score(
        self, champion: Champion, request: TransactionsRequest, required: Callable[[], PredictionModel] | None
    ) -> TransactionsAnswer:
        as_of = request.as_of or self.tomorrow()
        lines = self.checked(request.transactions, [f"transactions[{n}]" for n in range(len(request.transactions))])
        predictions = None if required is None else required()
        found = self.features(lines, as_of)
        ids = list(dict.fromkeys(line["customer_id"] for line in lines))
        customers = [Customer(found[customer_id], customer_id) for customer_id in ids if customer_id in found]
        results = [
            with_features(score, customer.features)
            for score, customer in zip(scores(champion, customers) if customers else [], customers, strict=True)
        ]
        self._metrics.count_scores(results)
        without = [customer_id for customer_id in ids if customer_id not in found]
        features = [each.features for each in customers]
        expected = None if predictions is None else predictions_of(predictions, features, as_of)
        return TransactionsAnswer(as_of, champion.model.version, results, without, expected)

    def features(self, lines: Sequence[OrderLine], as_of: date) -> dict[str, Features]:
        """The features of everybody with a purchase in the window before a date, by customer id. Blocks.

        Raises:
            ProblemError: A line has a value that doesn't fit (400).
        """
        window, home_market = self.scope(as_of)
        try:
            found = compute_features(lines, window, home_market)
        except SegmentationError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", str(error)) from error
        return {customer_id: Features(**values) for customer_id, values in found.items()}

    def checked(self, lines: Sequence[Transaction], places: Sequence[str]) -> Sequence[OrderLine]:
        """Lines as the lake would have them; `places` say where in the request each stands. Blocks.

        Raises:
            ProblemError: The lake would refuse some (400); the detail says which, and by which rules.
        """
        zone = self.zone()
        found = self.contract(zone).check([in_shop_days(line, zone) for line in lines], self._clock())
        if found.broken:
            raise _refused(found.broken, places)
        return found.lines

    def scope(self, as_of: date) -> tuple[Window, str | None]:
        """The window and the home market of a date: as recorded, or else those that its snapshot would get."""
        try:
            window, home_market = scope_of(self._windows.value or {}, as_of, self._settings)
            _ = window.starts_at, window.ends_at  # the first and the last days begin before or after all time
        except OverflowError as error:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", f"{as_of} is no date to ask for.") from error
        return window, home_market

    def tomorrow(self) -> date:
        """The first day of the shop's calendar before which everything has happened."""
        return self.day_of(self._clock()) + timedelta(days=1)

    def zone(self) -> str:
        """The shop's time zone, where none is on record for a date."""
        return zone_of(self._windows.value or {}, self._settings)

    def day_of(self, moment: datetime) -> date:
        """The day that it is at a moment (UTC) in the shop's calendar.

        Raises:
            ProblemError: That is after all days (400).
        """
        try:
            return local_day(moment, self.zone())
        except OverflowError as error:
            detail = f"{moment.isoformat()} is before or after all days of the shop."
            raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail) from error

    def contract(self, zone: str) -> LineContract:
        """The one of a time zone, opened at first use, since that takes a while."""
        with self._opening:
            if zone not in self._contracts:
                self._contracts[zone] = LineContract(self._settings, days_zone=zone)
            return self._contracts[zone]

    def close(self) -> None:
        """Close what is open."""
        for contract in self._contracts.values():
            contract.close()


def _refused(broken: Sequence[BrokenRule], places: Sequence[str]) -> ProblemError:
    by_line: dict[int, list[str]] = {}
    for each in broken:
        by_line.setdefault(each.index, []).append(f"{each.rule} ({', '.join(each.fields)})")
    told = [f"{places[index]} by {', '.join(rules)}" for index, rules in list(by_line.items())[:MAX_TOLD]]
    more = f"; and {len(by_line) - MAX_TOLD} more" if len(by_line) > MAX_TOLD else ""
    detail = f"What the lake refuses can't be scored: {'; '.join(told)}{more}."
    return ProblemError(HTTPStatus.BAD_REQUEST, "refused-transaction", detail)


def in_shop_days(transaction: Transaction, zone: str) -> Transaction:
    """A line whose day without a clock, if it has one, is told by the moment (UTC) at which the shop's day begins."""
    given = transaction.ordered_at
    if zone == UNIVERSAL or given is None or len(given) != len("2024-01-01"):
        return transaction
    return msgspec.structs.replace(transaction, ordered_at=shop_moment(given, zone))


def shop_moment(given: str, zone: str) -> str:
    """A time as given, but the moment (UTC) at which the shop's day begins where it is a day without a clock."""
    try:
        return f"{first_moment(date.fromisoformat(given), zone).isoformat()}Z"
    except (ValueError, OverflowError):  # no day; who checks times says what it is
        return given


def in_utc(moment: datetime) -> datetime:
    """A moment as naive UTC; without a time zone it is UTC already."""
    try:
        return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        detail = f"{moment.isoformat()} is before or after all time in UTC."
        raise ProblemError(HTTPStatus.BAD_REQUEST, "invalid-request", detail) from error
