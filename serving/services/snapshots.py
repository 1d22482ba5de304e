"""Snapshots: what the ledger says of them, and requests for more.

The scorer makes none. It takes requests down in the lake, where Dagster's sensor `requested_snapshots` finds them.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any, TypeVar

import duckdb
import msgspec
from anyio import CapacityLimiter, to_thread

from segmentation.clock import Clock
from segmentation.errors import SegmentationError
from segmentation.settings import Settings
from segmentation.snapshots.coverage import Coverage
from segmentation.snapshots.report import LedgerReport, coverage_facts, date_facts, read_report, table_facts
from segmentation.snapshots.requests import SnapshotRequest, record_request
from segmentation.warehouse import Lake
from serving.api.contract import SnapshotDetail, SnapshotRequestAnswer, SnapshotsAnswer
from serving.api.problems import ProblemError, unwritable
from serving.live.reader import LakeReader

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SnapshotService:
    """Answers from the ledger of an installation, and takes requests for it.

    Attributes:
        settings: Of the installation.
        now: Tells the time.
        reader: Reads the lake.
    """

    settings: Settings
    now: Clock
    reader: LakeReader
    _writers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))

    async def all(self) -> SnapshotsAnswer:
        """All dates, and how far the data reaches."""
        report = await self.reader.read(self._report)
        latest = {"latest": report.latest and str(report.latest)}
        snapshots = [_dated(date_facts(each)) for each in report.dates]
        return _answer(
            {"coverage": {**coverage_facts(report.coverage), **latest}, "snapshots": snapshots}, SnapshotsAnswer
        )

    async def one(self, as_of: date) -> SnapshotDetail:
        """One date, table by table.

        Raises:
            ProblemError: There is no snapshot as of it (404).
        """
        report = await self.reader.read(self._report)
        found = report.find(as_of)
        if found is None:
            there = ", ".join(str(each.as_of) for each in report.dates) or "none yet"
            detail = f"There is no snapshot as of {as_of}. There are: {there}."
            raise ProblemError(HTTPStatus.NOT_FOUND, "unknown-snapshot", detail)
        tables = [_dated(table_facts(table)) for table in found.tables]
        return _answer({**_dated(date_facts(found)), "tables": tables}, SnapshotDetail)

    async def request(self, as_of: date, requested_by: str) -> SnapshotRequestAnswer:
        """Take down that a snapshot is wanted, unless there is a whole one that is current.

        If the caller doesn't wait for the answer, the request may be taken down all the same.

        Raises:
            ProblemError: The data doesn't reach the date, or begins after it (422), or the lake can't be written (503).
        """
        report = await self.reader.read(self._report)
        _require(report.coverage, as_of)
        now = self.now()
        if report.is_whole(as_of):
            detail = f"There is a snapshot as of {as_of} already, and it is current."
            return SnapshotRequestAnswer(as_of, None, now.replace(tzinfo=UTC), requested_by, detail)
        made = await to_thread.run_sync(
            self._record, as_of, requested_by, now, abandon_on_cancel=True, limiter=self._writers
        )
        detail = f"Dagster makes it within minutes, if its daemon runs; GET /v1/snapshots/{as_of} tells."
        return SnapshotRequestAnswer(as_of, made.request_id, now.replace(tzinfo=UTC), requested_by, detail)

    def _report(self, con: duckdb.DuckDBPyConnection) -> LedgerReport:
        try:
            return read_report(con, self.settings, self.now())
        except duckdb.CatalogException as error:
            detail = "The lake is of an older release; any run, such as `segmentation materialize`, migrates it."
            raise ProblemError(HTTPStatus.CONFLICT, "outdated-lake", detail) from error

    def _record(self, as_of: date, requested_by: str, now: datetime) -> SnapshotRequest:
        try:
            with Lake(self.settings.model_copy(update={"threads": 1})) as lake:
                return record_request(lake, as_of, requested_by, now)
        except (duckdb.Error, SegmentationError) as error:
            logger.error("Could not write to the lake: %s", error)
            raise unwritable() from error


def _require(coverage: Coverage, as_of: date) -> None:
    if not coverage.reaches(as_of):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "ahead-of-the-data", coverage.why_not(as_of))
    first = min(each.first_day for each in coverage.sources)
    if as_of <= first:
        detail = f"The data begins on {first}, so the first date to look back from is {first + timedelta(days=1)}."
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "before-the-data", detail)


def _dated(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts with times that say that they are UTC."""
    given = {name: facts[name] for name in ("made_at", "ends_at") if facts.get(name)}
    moments = {name: at if isinstance(at, datetime) else datetime.fromisoformat(at) for name, at in given.items()}
    return {**facts, **{name: moment.replace(tzinfo=UTC) for name, moment in moments.items()}}


def _answer(facts: Mapping[str, Any], wanted: type[T]) -> T:
    """Facts as JSON has them, as the type that goes over the wire."""
    return msgspec.convert(facts, wanted)
