"""How long a file of order lines takes to come in, beside another checkout of the platform.

Run `python -m benchmarks.sources [--lines N] [--rounds N] [--kind plain|quoted|lines] [--before CHECKOUT]
[--json FILE]`. Each measurement is a process of its own that registers one CSV file and loads its days into a new lake;
with `--before`, the checkouts take turns, and the target is that this one needs at most a tenth longer by its best
round. `plain` has no quotation marks, `quoted` has them around two columns, and `lines` has line ends inside of some.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import at_most, machine, print_targets, write_json

HERE = Path(__file__).resolve().parents[1]
DAYS = 28
SLOWER = 1.1

PROGRAM = """
import json, sys, time
from datetime import datetime, timedelta
from pathlib import Path
from segmentation.settings import Settings
from segmentation.sources.batch.loading import load_days
from segmentation.sources.batch.registration import register
from segmentation.sources.profiles.profile import load_profile
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

now = datetime(2025, 3, 1)
with Lake(Settings(home=Path(sys.argv[2])), create=True) as lake:
    migrate(lake)
    start = time.perf_counter()
    found = register(lake, sys.argv[1], load_profile("canonical"), now=now)
    registered = time.perf_counter()
    report = load_days(lake, found.load_start, found.load_end, Commit("load", asset="raw/transactions"), now=now)
    loaded = time.perf_counter()
print(json.dumps({"register": registered - start, "load": loaded - registered, "lines": report.accepted}))
"""


@dataclass(frozen=True)
class Round:
    """One measurement: seconds to register a file and to load its days, and the lines that were accepted."""

    checkout: str
    register: float
    load: float
    lines: int

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.register + self.load


def write_lines(path: Path, lines: int, kind: str) -> None:
    """A file of canonical order lines, the same for the same number and kind."""
    random = np.random.default_rng(17)
    number = pl.int_range(lines)
    frame = pl.select(line_id=number, order_id=number // 3).with_columns(
        pl.Series("customer_id", random.integers(0, max(lines // 20, 1), lines)).cast(pl.String),
        pl.Series("product_id", random.integers(0, 5_000, lines)).cast(pl.String),
        pl.Series("quantity", random.integers(1, 6, lines)),
        pl.Series("unit_price", random.integers(99, 9_999, lines) / 100),
        pl.Series("category", random.integers(0, 40, lines)).cast(pl.String),
        ordered_at=pl.datetime(2025, 1, 1) + pl.duration(seconds=pl.col("line_id") * (DAYS * 86_400 - 1) // lines),
    )
    if kind != "plain":
        ending = pl.when(pl.col("line_id") % 50 == 0).then(pl.lit("\nand more")).otherwise(pl.lit(""))
        frame = frame.with_columns(
            pl.format('"{}"', "product_id").alias("product_id"),
            pl.format('"c, {}{}"', "category", ending if kind == "lines" else pl.lit("")).alias("category"),
        )
    frame.write_csv(path, quote_style="never", datetime_format="%Y-%m-%d %H:%M:%S")


def measured(path: Path, checkout: Path) -> Round:
    """Read a file in a process of its own, by the platform of a checkout."""
    with tempfile.TemporaryDirectory(prefix="segmentation-benchmark-") as home:
        environment = {**os.environ, "PYTHONPATH": str(checkout)}
        command = [sys.executable, "-c", PROGRAM, str(path), home]
        done = subprocess.run(command, env=environment, cwd=home, check=True, capture_output=True, text=True)
    return Round(str(checkout), **json.loads(done.stdout.splitlines()[-1]))


def _show(console: Console, rounds: list[Round]) -> None:
    table = Table("checkout", "register, s", "load, s", "together, s", "lines a second")
    for each in rounds:
        speed = f"{each.lines / each.seconds:,.0f}"
        table.add_row(each.checkout, f"{each.register:.1f}", f"{each.load:.1f}", f"{each.seconds:.1f}", speed)
    console.print(table)


def main() -> None:
    """Measure, and compare the best rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=("plain", "quoted", "lines"), default="plain")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    checkouts = [HERE, *([arguments.before.resolve()] if arguments.before else [])]
    with tempfile.TemporaryDirectory(prefix="segmentation-benchmark-") as folder:
        path = Path(folder) / "orders.csv"
        write_lines(path, arguments.lines, arguments.kind)
        rounds = [measured(path, checkout) for _ in range(arguments.rounds) for checkout in checkouts]
    _show(Console(), rounds)
    targets = []
    if arguments.before:
        best = [min(each.seconds for each in rounds if each.checkout == str(checkout)) for checkout in checkouts]
        targets = [at_most("time beside the other checkout's", SLOWER, best[0] / best[1])]
        print_targets(Console(), targets)
    if arguments.json:
        described = machine(["duckdb", "pyarrow"])
        write_json(arguments.json, described, [asdict(each) for each in rounds], targets)


if __name__ == "__main__":
    main()
