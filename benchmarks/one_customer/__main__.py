"""The command: `python -m benchmarks.one_customer [--quick] [--before CHECKOUT] [--json FILE]`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks.one_customer.running import Figures, differences, run
from benchmarks.reporting import Target, at_most, machine, print_targets, write_json

CHECKOUT = Path(benchmarks.__file__).parents[1]
SIZES = (10, 74, 100, 500, 2_000, 10_000)
REST_SIZES = (10, 100, 2_000)
ROUNDS, SECONDS = 3, 0.5
QUICK_ROUNDS, QUICK_SECONDS = 1, 0.2
PROMISED_LINES, PROMISED_MS = 100, 1
PACKAGES = ("duckdb", "numba", "litestar")


def main(words: Sequence[str] | None = None) -> None:
    """Measure, compare, print the table; exit 1 if the checkouts' answers differ."""
    arguments = _arguments(words)
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(machine(PACKAGES))
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if arguments.quick else (ROUNDS, SECONDS)
    checkouts = [CHECKOUT, *([arguments.before.resolve()] if arguments.before else [])]
    with tempfile.TemporaryDirectory(prefix="segmentation-benchmark-") as folder:
        found = run(checkouts, SIZES, () if arguments.no_rest else REST_SIZES, rounds, seconds, Path(folder))
    console.print(_table(found))
    print_targets(console, targets(found))
    if arguments.json:
        write_json(arguments.json, machine(PACKAGES), rows(found), targets(found))
    unequal = [text for other in found[1:] for text in differences(found[0], other)]
    if unequal:
        console.print(f"[red]The checkouts' answers differ: {'; '.join(unequal[:10])}", markup=True)
        sys.exit(1)


def rows(found: Sequence[Figures]) -> list[dict[str, object]]:
    """The figures for JSON."""
    opened = [("opening", None, {0: each.opening_ms}, each) for each in found]
    measured = [
        (case, "lines", by_lines, each)
        for each in found
        for case, by_lines in (("in process", each.in_process_ms), ("REST", each.rest_ms))
    ]
    return [
        {
            "contender": str(each.checkout),
            "case": case if unit is None else f"{case}, {count:,} {unit}",
            "cpu_s": cpu_ms / 1000,
            "peak_rss_mb": each.opening_mb if unit is None else None,
        }
        for case, unit, by_lines, each in [*opened, *measured]
        for count, cpu_ms in by_lines.items()
    ]


def targets(found: Sequence[Figures]) -> list[Target]:
    """What was promised of this checkout, the first."""
    measured = found[0].in_process_ms.get(PROMISED_LINES)
    return [at_most(f"{PROMISED_LINES} lines in process, CPU", PROMISED_MS, measured, "ms")]


def _table(found: Sequence[Figures]) -> Table:
    table = Table(title="CPU of one customer's features, ms", title_justify="left")
    table.add_column("lines", justify="right")
    columns = [("in process", each.checkout, each.in_process_ms) for each in found]
    columns += [("over REST", each.checkout, each.rest_ms) for each in found if each.rest_ms]
    for how, checkout, _ in columns:
        table.add_column(f"{how}, {checkout}", justify="right")
    for count in sorted({count for _, _, by_lines in columns for count in by_lines}):
        cells = [by_lines.get(count) for _, _, by_lines in columns]
        table.add_row(f"{count:,}", *("" if ms is None else f"{ms:.3g}" for ms in cells))
    table.caption = "; ".join(
        f"{each.checkout}: opening takes {each.opening_ms:.0f} ms, {each.opening_mb:.0f} MB" for each in found
    )
    return table


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.one_customer",
        description="CPU of computing one customer's features, by number of lines, in process and over REST.",
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="another checkout, whose code takes turns")
    parser.add_argument("--no-rest", action="store_true", help="start no server")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
