"""The command: `python -m benchmarks.training [--quick] [--json FILE]`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks.reporting import at_most, machine, print_targets, write_json
from benchmarks.training.contenders import BY_NAME, CONTENDERS
from benchmarks.training.points import make_points
from benchmarks.training.results import print_table, rows, targets
from benchmarks.training.running import Outcome, run

QUICK = 500_000
SIZES = (1_000_000, 10_000_000)
SEEDS = 3
SEVERAL_SEEDS_UP_TO = 2_000_000
PACKAGES = ("scikit-learn", "numpy", "faiss-cpu")


def main(words: Sequence[str] | None = None) -> None:
    """Run the contenders, print the table, write what was asked for; exit 1 if an answer isn't comparable."""
    arguments = _parser().parse_args(words)
    started = time.monotonic()
    console = Console(width=None if sys.stdout.isatty() else 210)
    sizes = arguments.customers or ([QUICK] if arguments.quick else SIZES)
    outcomes: list[Outcome] = []
    console.print(machine(PACKAGES))
    for customers in sizes:
        path = make_points(arguments.data, customers, console.print)
        console.print(f"{customers:,} customers")
        turns = planned(arguments.contenders, customers, arguments.seeds or (1 if arguments.quick else None))
        with tempfile.TemporaryDirectory(dir=arguments.data, prefix="run-") as scratch:
            outcomes += run(path, turns, Path(scratch), console.print)
    print_table(console, outcomes)
    minutes = (time.monotonic() - started) / 60
    console.print(f"{minutes:.1f} minutes in all")
    is_default = list(sizes) == list(SIZES) and arguments.contenders == list(BY_NAME) and not arguments.seeds
    promised = [*targets(outcomes), at_most("the default run, to its end", 10, minutes if is_default else None, "min")]
    print_targets(console, promised)
    if arguments.json:
        write_json(arguments.json, machine(PACKAGES), rows(outcomes), promised)
    wrong = sorted({outcome.contender for outcome in outcomes if not outcome.is_comparable})
    if wrong:
        console.print(f"[red]No comparable answer: {', '.join(wrong)}.")
        sys.exit(1)


def planned(contenders: Sequence[str], customers: int, seeds: int | None = None) -> list[tuple[str, int]]:
    """Who takes turns with which seeds: all with one before any with the next.

    Args:
        contenders: Their names.
        customers: Number of points.
        seeds: How many of them; if None, several where customers are not too many and contenders not slow.
    """
    if seeds is not None:
        return [(name, seed) for seed in range(seeds) for name in contenders]
    several = range(SEEDS if customers <= SEVERAL_SEEDS_UP_TO else 1)
    return [(name, seed) for seed in several for name in contenders if seed == 0 or not BY_NAME[name].is_slow]


def _parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {contender.name}: {contender.what}" for contender in CONTENDERS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description=f"Fits 8 centroids and labels everybody. Contenders:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} customers, one seed: a minute or two")
    parser.add_argument("--customers", type=int, nargs="+", metavar="N", help="other numbers of customers")
    parser.add_argument("--contenders", type=_names, default=list(BY_NAME), metavar="A,B,…", help="only these")
    parser.add_argument(
        "--seeds",
        type=int,
        metavar="N",
        help=f"how many (default: {SEEDS} up to {SEVERAL_SEEDS_UP_TO:,} customers, of contenders that are not slow)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "segmentation-benchmark",
        metavar="DIR",
        help="where the points are made and kept (default: %(default)s)",
    )
    return parser


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - BY_NAME.keys())
    if unknown:
        raise argparse.ArgumentTypeError(f"no contender is called {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    main()
