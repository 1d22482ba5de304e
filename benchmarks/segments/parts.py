"""What a part of the benchmark gives back, and what its tables look like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.table import Table

from benchmarks.reporting import Target

PLOTS = "BENCHMARK_PLOTS"
"""Names the folder for pictures; `--plots` sets it."""


@dataclass(frozen=True)
class Part:
    """One part's findings.

    Attributes:
        tables: What is printed.
        results: The same for programs: a mapping a line, with `contender` and `case`.
        targets: What was promised, and what was measured.
    """

    tables: Sequence[Table] = ()
    results: Sequence[Mapping[str, object]] = ()
    targets: Sequence[Target] = field(default=())


def table_of(title: str, results: Sequence[Mapping[str, object]]) -> Table:
    """Results as a table: a column a key, numbers with three digits after the point."""
    columns = list(dict.fromkeys(key for row in results for key in row))
    table = Table(*columns, title=title)
    for row in results:
        table.add_row(*(_shown(row.get(column)) for column in columns))
    return table


def _shown(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
