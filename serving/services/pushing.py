"""Order lines that clients send, on their way into the lake.

A commit takes a tenth of a second whatever it holds, and one is made at a time. So one thread lands them, and takes
all that have come in meanwhile together; each client is answered when its own lines are durable.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from threading import Condition, Thread

import duckdb

from segmentation.errors import SegmentationError, SourceError
from segmentation.settings import Settings
from segmentation.sources.config import EXAMPLE_OF, PushSource, declared_sources
from segmentation.sources.incremental.deliveries import Delivery, Receipt, UsedKeyError
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import Profile
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate
from serving.api.contract import PushAnswer, Refusal
from serving.api.problems import ProblemError, unwritable

MAX_GROUP_LINES = 20_000
"""Lines that are landed together, unless a single delivery has more."""

MAX_LISTED_REJECTS = 100

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _PendingDelivery:
    """A delivery, and who wants to know what became of it."""

    delivery: Delivery
    outcome: "Future[Receipt]" = field(default_factory=Future)


class Pusher:
    """Takes deliveries of a scorer process. The lake is opened for writing with the first one."""

    def __init__(self, settings: Settings, now: Callable[[], datetime]) -> None:
        self._settings, self._now = settings, now
        self._known: tuple[object, dict[str, Profile]] | None = None
        self._waiting: deque[_PendingDelivery] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._is_closed = False
        self._lake: Lake | None = None

    def profile(self, source: str) -> Profile:
        """The profile of a declared source.

        Raises:
            ProblemError: There is none of this name (404), or its declaration can't be used (409).
        """
        try:
            known = self._profiles()
        except SourceError as error:
            logger.error("The sources can't be used: %s", error)
            raise _unusable() from error
        if source not in known:
            declared = f"Declared are {', '.join(sorted(known))}." if known else f"Add it:\n\n{EXAMPLE_OF['push']}"
            detail = f"sources.yaml (SEGMENTATION_SOURCES) has no source {source[:100]!r} of type push. {declared}"
            raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-source", detail)
        return known[source]

    async def push(self, delivery: Delivery) -> PushAnswer:
        """Land a delivery, and say what became of it.

        If the caller doesn't wait for the answer, the delivery may be landed all the same.

        Raises:
            ProblemError: Its key was used for something else (422), or the lake can't be written (503).
        """
        waiting = _PendingDelivery(delivery)
        with self._changed:
            self._waiting.append(waiting)
            if self._thread is None:
                self._thread = Thread(target=self._work, name="pusher", daemon=True)
                self._thread.start()
            self._changed.notify()
        return _answer(delivery.source, await asyncio.wrap_future(waiting.outcome))

    def close(self) -> None:
        """Land what is waiting, and close the lake."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _profiles(self) -> dict[str, Profile]:
        """By source; read again when the file has changed."""
        path = self._settings.sources
        stamp = (path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None
        if self._known is None or self._known[0] != stamp:
            sources = declared_sources(self._settings).values()
            self._known = stamp, {each.name: each.read_profile() for each in sources if isinstance(each, PushSource)}
        return self._known[1]

    def _work(self) -> None:
        upserter: Upserter | None = None
        while group := self._next_group():
            wanted = [each for each in group if each.outcome.set_running_or_notify_cancel()]
            try:
                upserter = upserter or self._opened()
                _land(upserter, wanted, self._now)
            except (duckdb.Error, SegmentationError) as error:
                logger.error("Could not write to the lake: %s", error)
                _fail(wanted, unwritable())
                upserter = None  # a DuckDB that met a fatal error doesn't recover
            except Exception as error:
                logger.exception("Could not land deliveries")
                _fail(wanted, error)
                upserter = None
        if self._lake is not None:
            self._lake.close()

    def _next_group(self) -> list[_PendingDelivery]:
        """What is waiting, in order, with no key twice; empty once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            group: list[_PendingDelivery] = []
            lines, keys = 0, set()
            while self._waiting:
                delivery = self._waiting[0].delivery
                key = (delivery.source, delivery.key)
                if group and (lines + len(delivery.records) > MAX_GROUP_LINES or (delivery.key and key in keys)):
                    break
                lines += len(delivery.records)
                keys.add(key)
                group.append(self._waiting.popleft())
            return group

    def _opened(self) -> Upserter:
        if self._lake is not None:
            self._lake.close()
        # Nothing is written to files: a scorer need not be able to.
        settings = self._settings.model_copy(update={"threads": self._settings.threads or 1})  # deliveries are small
        self._lake = Lake(settings, inline_rows=max(MAX_GROUP_LINES, settings.max_rows))
        migrate(self._lake)
        return Upserter(self._lake)


def _land(upserter: Upserter, group: Sequence[_PendingDelivery], now: Callable[[], datetime]) -> None:
    """Land all together, or if one of them is refused, each by itself."""
    if not group:
        return
    try:
        receipts = upserter.upsert([each.delivery for each in group], now=now())
    except SourceError as error:
        if len(group) == 1:
            _fail(group, _refused(error))
            return
        for each in group:
            _land(upserter, [each], now)
    else:
        for each, receipt in zip(group, receipts, strict=True):
            each.outcome.set_result(receipt)


def _fail(group: Sequence[_PendingDelivery], error: Exception) -> None:
    for each in group:
        if not each.outcome.done():
            each.outcome.set_exception(error)


def _refused(error: SourceError) -> ProblemError:
    if isinstance(error, UsedKeyError):
        return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "reused-key", str(error))
    logger.error("A delivery could not be taken: %s", error)
    return _unusable()


def _unusable() -> ProblemError:
    return ProblemError(
        HTTPStatus.CONFLICT,
        "unusable-source",
        "The source can't take lines as it is set up; the scorer's log says why.",
    )


def _answer(source: str, receipt: Receipt) -> PushAnswer:
    return PushAnswer(
        source=source,
        lines_read=receipt.lines_read,
        lines_new=receipt.lines_new,
        lines_replaced=receipt.lines_replaced,
        lines_repeated=receipt.lines_repeated,
        lines_rejected=receipt.lines_rejected,
        rejected_by_reason=dict(receipt.rejected_by_reason),
        rejects=[Refusal(index, reason) for index, reason in receipt.rejects[:MAX_LISTED_REJECTS]],
        is_replay=receipt.is_replay,
    )
