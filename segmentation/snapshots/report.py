"""What people are told of snapshots: a line per date, and a line per table of a date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby

import duckdb

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.settings import Settings
from segmentation.snapshots.code import SNAPSHOT_TABLES
from segmentation.snapshots.coverage import Coverage
from segmentation.snapshots.states import Standing, State, judge, read_present
from segmentation.warehouse.lake import METADATA
from segmentation.warehouse.ledger import read_entries

WORST: tuple[State, ...] = ("ahead", "stale", "current")

BYTES = f"""
SELECT
    schemas.schema_name || '.' || tables.table_name,
    TRY_CAST(part.partition_value AS DATE),
    CAST(SUM(file.file_size_bytes) AS BIGINT)
FROM {METADATA}.ducklake_data_file AS file
JOIN {METADATA}.ducklake_table AS tables USING (table_id)
JOIN {METADATA}.ducklake_schema AS schemas USING (schema_id)
JOIN {METADATA}.ducklake_file_partition_value AS part USING (data_file_id)
WHERE file.end_snapshot IS NULL AND tables.end_snapshot IS NULL
GROUP BY ALL
"""


@dataclass(frozen=True)
class SnapshotOfTable:
    """One table as of a date.

    Attributes:
        standing: What the ledger says, and whether it is current.
        byte_size: Size of its files; rows that are in the catalogue still don't count.
    """

    standing: Standing
    byte_size: int


@dataclass(frozen=True)
class SnapshotOfDate:
    """All tables as of a date.

    Attributes:
        as_of: The date.
        state: The worst of its tables.
        reasons: Why, each once.
        tables: In the order in which they are made.
    """

    as_of: date
    state: State
    reasons: tuple[str, ...]
    tables: tuple[SnapshotOfTable, ...]

    @property
    def customer_count(self) -> int | None:
        """Customers with features; None if there are none."""
        return next((t.standing.entry.row_count for t in self.tables if _is(t, CUSTOMER_FEATURES.name)), None)

    @property
    def model_version(self) -> int | None:
        """The model that gave the segments, if any."""
        return next((t.standing.entry.model_version for t in self.tables if _is(t, CUSTOMER_SEGMENTS.name)), None)

    @property
    def byte_size(self) -> int:
        """Size of all its files."""
        return sum(table.byte_size for table in self.tables)

    @property
    def made_at(self) -> datetime:
        """When the last of its tables was made (UTC)."""
        return max(table.standing.entry.made_at for table in self.tables)

    @property
    def asked_by(self) -> str | None:
        """Who asked for it."""
        return self.tables[0].standing.entry.asked_by


@dataclass(frozen=True)
class LedgerReport:
    """The ledger of a lake.

    Attributes:
        coverage: How far its data reaches.
        dates: The snapshots by date, in order.
    """

    coverage: Coverage
    dates: tuple[SnapshotOfDate, ...]

    @property
    def latest(self) -> date | None:
        """The newest date with segments (or with features, without any) that is not ahead of the data."""
        usable = [each for each in self.dates if each.state != "ahead"]
        decided = [each for each in usable if each.model_version is not None]
        return max((each.as_of for each in decided or usable), default=None)

    def find(self, as_of: date) -> SnapshotOfDate | None:
        """What there is as of a date."""
        return next((each for each in self.dates if each.as_of == as_of), None)

    def is_whole(self, as_of: date) -> bool:
        """Whether all tables are there as of a date, and current."""
        found = self.find(as_of)
        return found is not None and found.state == "current" and not missing_tables(found)

    def count(self, state: State) -> int:
        """How many dates are in a state."""
        return sum(each.state == state for each in self.dates)


def read_report(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> LedgerReport:
    """The ledger at the present moment (UTC)."""
    present = read_present(con, settings, now)
    standings = judge(read_entries(con), present)
    return LedgerReport(present.coverage, tuple(report_dates(standings, read_sizes(con))))


def read_sizes(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, date], int]:
    """What files take, by table and date, in bytes; rows that are in the catalogue still don't count."""
    return {(table, as_of): size for table, as_of, size in con.execute(BYTES).fetchall()}


def report_dates(standings: Sequence[Standing], sizes: dict[tuple[str, date], int]) -> list[SnapshotOfDate]:
    """The standings by date, with the sizes of their files."""
    found = []
    for as_of, of_date in groupby(standings, key=lambda standing: standing.entry.as_of):
        group = list(of_date)
        state = min((standing.state for standing in group), key=WORST.index)
        reasons = dict.fromkeys(reason for standing in group if standing.state == state for reason in standing.reasons)
        tables = tuple(SnapshotOfTable(each, sizes.get((each.entry.table_name, as_of), 0)) for each in group)
        found.append(SnapshotOfDate(as_of, state, tuple(reasons), tables))
    return found


def coverage_facts(coverage: Coverage) -> dict[str, object]:
    """The coverage as JSON."""
    return {
        "complete_until": coverage.until and str(coverage.until - timedelta(days=1)),
        "newest_as_of": coverage.until and str(coverage.until),
        "timezone": coverage.zone,
        "sources": [
            {
                "source": each.source,
                "first_day": str(each.first_day),
                "last_day": str(each.last_day),
                "is_late": each.is_late,
            }
            for each in coverage.sources
        ],
    }


def date_facts(found: SnapshotOfDate) -> dict[str, object]:
    """A date as JSON, without its tables."""
    return {
        "as_of": str(found.as_of),
        "state": found.state,
        "reasons": list(found.reasons),
        "customers": found.customer_count,
        "model_version": found.model_version,
        "rows": sum(table.standing.entry.row_count for table in found.tables),
        "bytes": found.byte_size,
        "tables": len(found.tables),
        "asked_by": found.asked_by,
        "made_at": found.made_at.isoformat(),
    }


def table_facts(found: SnapshotOfTable) -> dict[str, object]:
    """A table of a date as JSON: its state, and the row of the ledger."""
    entry = found.standing.entry
    facts = {name: str(value) if isinstance(value, date) else value for name, value in vars(entry).items()}
    return {
        "table": facts.pop("table_name"),
        "state": found.standing.state,
        "reasons": list(found.standing.reasons),
        **facts,
        "bytes": found.byte_size,
    }


def missing_tables(found: SnapshotOfDate) -> list[str]:
    """The tables that a date doesn't have."""
    there = {table.standing.entry.table_name for table in found.tables}
    return [table.name for table in SNAPSHOT_TABLES if table.name not in there]


def _is(found: SnapshotOfTable, table_name: str) -> bool:
    return found.standing.entry.table_name == table_name
