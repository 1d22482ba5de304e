"""The command: `python -m benchmarks.features [--quick] [--json FILE] [--markdown FILE] [--plot FILE]`."""

import argparse
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.features.contenders.registry import BY_NAME
from benchmarks.features.data import Shop, make_shop, reason_not_to_make
from benchmarks.features.plan import KINDS, Case, all_contenders, default_contenders, plan
from benchmarks.features.results import print_tables, rows, targets
from benchmarks.features.running import Outcome, fill_cache, not_run, run
from benchmarks.reporting import machine, print_targets, report, write_json

SIZES = (10_000_000, 50_000_000, 100_000_000)
QUICK_SIZES = (1_000_000,)
PACKAGES = ("duckdb", "polars", "pandas", "pyspark")


def main() -> None:
    """Run the cases, print the tables, write what was asked for; exit 1 if answers differ."""
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 180)
    started = time.monotonic()
    outcomes: list[Outcome] = []
    sizes = arguments.lines or (QUICK_SIZES if arguments.quick else SIZES)
    console.print(machine(PACKAGES))
    fill_cache()
    with tempfile.TemporaryDirectory(dir=_made(arguments.data), prefix="run-") as scratch:
        for case in plan(sizes, arguments.contenders, arguments.cases, quick=arguments.quick):
            outcomes += _run(case, arguments.data, Path(scratch), console)
            if arguments.json:  # after every case: nobody wants to lose an hour
                write_json(arguments.json, machine(PACKAGES), rows(outcomes), targets(outcomes))
    console.print(f"{(time.monotonic() - started) / 60:.0f} minutes")
    print_tables(console, outcomes)
    print_targets(console, targets(outcomes))
    if arguments.markdown:
        from benchmarks.features.page import write_figures

        write_figures(arguments.markdown, report(machine(PACKAGES), rows(outcomes), targets(outcomes)))
    if arguments.plot:
        from benchmarks.features.picture import draw

        draw(outcomes, arguments.plot)
    unequal = [outcome for outcome in outcomes if not outcome.is_equal]
    if unequal:
        console.print(f"[red]Unequal or missing answers: {', '.join(sorted({o.contender for o in unequal}))}.")
        sys.exit(1)


def _run(case: Case, data: Path, scratch: Path, console: Console) -> list[Outcome]:
    reason = reason_not_to_make(data, case.lines, case.days)
    if reason:
        console.print(f"{case.lines:,} lines: not run: {reason}")
        return not_run(case, Shop(data, case.lines, 0, case.days), reason)
    shop = make_shop(data, case.lines, case.days, console.print)
    what = case.change or f"snapshots: {len(case.as_ofs)}"
    console.print(f"{case.kind}: {shop.lines:,} lines, {shop.customers:,} customers, {what}")
    return run(case, shop, scratch, console.print)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features", description=_description())
    parser.add_argument("--quick", action="store_true", help="1 M lines and up to 6 snapshots: a minute or two")
    parser.add_argument("--lines", type=int, nargs="+", metavar="N", help="other numbers of lines")
    parser.add_argument("--cases", nargs="+", choices=KINDS, default=KINDS, help="only these (default: all)")
    parser.add_argument("--contenders", type=_names, default=default_contenders(), metavar="A,B,…", help=_listed())
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put them into that page, docs/scale.md")
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


def _listed() -> str:
    others = ", ".join(name for name in all_contenders() if name not in default_contenders())
    return f"only these of {', '.join(default_contenders())}, or {others}, which take part if they are named"


def _description() -> str:
    return "All features of every customer by several engines: equal answers, wall clock, CPU and peak memory."


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    main()
