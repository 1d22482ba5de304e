"""What a check looks at: the partitions of its run, or the whole table where it is run on its own."""

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
    if not run.has_partition_key_range:
        return EVERYTHING
    window = run.partition_time_window
    return Days(window.start.date(), window.end.date())


def dates_of(context: dg.AssetCheckExecutionContext, con: duckdb.DuckDBPyConnection, table: str) -> list[date]:
    """The `as_of` dates of the run; all dates of the table where the run has none."""
    run = context.op_execution_context
    if run.has_partition_key_range:
        return [date.fromisoformat(key) for key in run.partition_keys]
    return [row[0] for row in con.execute(f"SELECT DISTINCT as_of FROM {table} ORDER BY as_of").fetchall()]
