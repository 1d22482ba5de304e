"""The command: `python -m benchmarks.features [--quick] [--json FILE] [--plot FILE]`."""

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.data import make_shop
from benchmarks.features.plan import KINDS, all_contenders, plan
from benchmarks.features.results import print_tables, rows, targets
from benchmarks.features.running import Outcome, run
from benchmarks.reporting import machine, print_targets, write_json

SIZES = (1_000_000, 10_000_000, 50_000_000)
HUGE = 100_000_000
PACKAGES = ("duckdb", "polars", "pandas", "pyspark")


def main() -> None:
    """Run the cases, print the tables, write what was asked for; exit 1 if answers differ."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 180)
    outcomes: list[Outcome] = []
    sizes = arguments.lines or ((SIZES[0],) if arguments.quick else (*SIZES, *([HUGE] if arguments.huge else [])))
    console.print(machine(PACKAGES))
    with tempfile.TemporaryDirectory(dir=_made(arguments.data), prefix="run-") as scratch:
        for case in plan(sizes, arguments.contenders, arguments.cases, quick=arguments.quick):
            shop = make_shop(arguments.data, case.lines, case.days, console.print)
            console.print(f"{shop.lines:,} lines, {shop.customers:,} customers, snapshots: {len(case.as_ofs)}")
            outcomes += run(case, shop, Path(scratch), console.print)
    print_tables(console, outcomes)
    promised = targets(outcomes)
    print_targets(console, promised)
    if arguments.json:
        write_json(arguments.json, machine(PACKAGES), rows(outcomes), promised)
    if arguments.plot:
        from benchmarks.features.picture import draw

        draw(outcomes, arguments.plot)
    unequal = [outcome for outcome in outcomes if not outcome.is_equal]
    if unequal:
        console.print(f"[red]Unequal or missing answers: {', '.join(sorted({o.contender for o in unequal}))}.")
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=_description())
    parser.add_argument("--quick", action="store_true", help="1 M lines and up to 6 snapshots: a minute or two")
    parser.add_argument("--huge", action="store_true", help="100 M lines too")
    parser.add_argument("--lines", type=int, nargs="+", metavar="N", help="other numbers of lines")
    parser.add_argument("--cases", nargs="+", choices=KINDS, default=KINDS, help="what grows (default: all)")
    parser.add_argument("--contenders", type=_names, default=all_contenders(), metavar="A,B,…", help="only these")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them there (.png or .svg; needs matplotlib)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "segmentation-benchmark",
        metavar="DIR",
        help="where the lines are made and kept (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.plot and find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install matplotlib")
    return arguments


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(all_contenders())}")
    return names


def _description() -> str:
    return "All features of every customer by several engines: equal answers, wall clock, CPU and peak memory."


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
