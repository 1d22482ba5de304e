"""Which contenders there are, what they can take part in, and how to make one."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from benchmarks.features.compiling import reason_not_to_compile
from benchmarks.features.contenders.source import Contender, Source

PACKAGE = "benchmarks.features.contenders"
SPARK = "segmentation.features.spark_engine"


def _always() -> str | None:
    return None


def _without_spark() -> str | None:
    if find_spec("pyspark") is None:
        return "pyspark is not installed (pip install pyspark; it needs Java 17)"
    if find_spec(SPARK) is None:
        return f"there is no {SPARK} yet"
    return None


@dataclass(frozen=True)
class Entry:
    """One contender.

    Attributes:
        name: What it is called in tables.
        maker: `module:class` in this package.
        kinds: Of cases that it takes part in.
        bytes_per_line: Memory it needs for each line, roughly as measured; 0 if it is bounded otherwise.
        max_lines: Most lines that anybody would wait for; None for any number.
        writes: Whether it writes to the lake, so that it needs a copy of it.
        is_compared: Whether its answer is the features.
        is_default: Whether it takes part without being asked for.
        is_compiled: Whether it runs the compiled kernel in its own process.
        unavailable: Says why it can't take part on this machine.
    """

    name: str
    maker: str
    kinds: tuple[str, ...] = ("lines",)
    bytes_per_line: int = 0
    max_lines: int | None = None
    writes: bool = False
    is_compared: bool = True
    is_default: bool = True
    is_compiled: bool = False
    unavailable: Callable[[], str | None] = _always

    def make(self, source: Source) -> Contender:
        """The contender, imported and opened."""
        module, _, name = self.maker.partition(":")
        contender: Contender = getattr(import_module(f"{PACKAGE}.{module}"), name)(source)
        return contender

    def reason_not_to_run(self, lines: int, available_mb: float) -> str | None:
        """Why it can't or shouldn't run on so many lines; None if it can."""
        if self.max_lines is not None and lines > self.max_lines:
            return f"at most {self.max_lines:,} lines, more would take too long"
        needed_mb = self.bytes_per_line * lines / 2**20
        if needed_mb > available_mb:
            return f"needs about {needed_mb / 1024:.0f} GB, {available_mb / 1024:.0f} GB are available"
        return self.unavailable()


OFTEN = ("lines", "customers")
WRITTEN = ("lines", "snapshots")

ENTRIES = (
    Entry("compile", "duckdb_engine:ColdCompile", ("compile",), is_compared=False, unavailable=reason_not_to_compile),
    Entry("group-by", "duckdb_engine:GroupBy", OFTEN, is_compared=False),
    Entry("duckdb", "duckdb_engine:DuckDBEngine", OFTEN, is_compiled=True),
    Entry("duckdb-write", "duckdb_engine:DuckDBWrite", WRITTEN, writes=True, is_compiled=True),
    Entry("duckdb-refresh", "duckdb_engine:DuckDBRefresh", ("refresh",), writes=True, is_compiled=True),
    Entry("polars", "polars_frames:PolarsStreaming", OFTEN, bytes_per_line=360),
    Entry("polars-buckets", "polars_frames:PolarsByBucket", OFTEN, is_default=False),
    Entry("pandas", "pandas_frames:PandasVectorised", bytes_per_line=520),
    Entry("pandas-lambdas", "pandas_lambdas:PandasLambdas", bytes_per_line=1000, max_lines=1_100_000, is_default=False),
    Entry("spark", "spark_engine:SparkEngine", WRITTEN, writes=True, is_default=False, unavailable=_without_spark),
)
BY_NAME = {entry.name: entry for entry in ENTRIES}
