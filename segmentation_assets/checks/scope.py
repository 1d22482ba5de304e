"""What a check looks at: the partitions of its run, or the whole table where it is run on its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg
import duckdb


@dataclass(frozen=True)
class Days:
    """A half-open range of days, `start` to before `end`."""

    start: date
    end: date

    @property
    def parameters(self) -> dict[str, object]:
        """For binding in SQL."""
        return {"start": self.start, "end": self.end}


EVERYTHING = Days(date(1, 1, 1), date(9999, 12, 31))


def days_of(context: dg.AssetCheckExecutionContext) -> Days:
    """The days of the run."""
    run = context.op_execution_context
    if not (run.has_partition_key or run.has_partition_key_range):
        return EVERYTHING
    window = run.partition_time_window
    return Days(window.start.date(), window.end.date())


def dates_of(
    context: dg.AssetCheckExecutionContext, con: duckdb.DuckDBPyConnection, tables: Sequence[str]
) -> list[date]:
    """The `as_of` dates of the run; where it has none, all dates that any of the tables holds."""
    run = context.op_execution_context
    if run.has_partition_key or run.has_partition_key_range:
        return [date.fromisoformat(key) for key in run.partition_keys]
    dates = " UNION ALL ".join(f"SELECT as_of FROM {table}" for table in tables)
    return [row[0] for row in con.execute(f"SELECT DISTINCT as_of FROM ({dates}) ORDER BY as_of").fetchall()]


def named(dates: Sequence[date], most: int = 5) -> str:
    """Dates in a few words, such as `as of 2025-01-01, 2025-02-01 and 7 more`."""
    more = f" and {len(dates) - most} more" if len(dates) > most else ""
    return f"as of {', '.join(map(str, dates[:most]))}{more}"
