"""The command: `python -m benchmarks.serving [--quick] [--json FILE] [--picture FILE]`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.console import Console

from benchmarks.reporting import machine, print_targets, write_json
from benchmarks.serving.cases import CASES
from benchmarks.serving.contenders import BY_NAME, CONTENDERS
from benchmarks.serving.results import print_table, rows, targets
from benchmarks.serving.running import Outcome, run
from benchmarks.serving.shop import make_shop

ROUNDS, SECONDS = 18, 1.0
QUICK_ROUNDS, QUICK_SECONDS = 6, 0.4
PACKAGES = ("litestar", "uvicorn", "numpy", "scikit-learn", "flask", "fastapi", "mlflow")


def main(words: Sequence[str] | None = None) -> None:
    """Run the contenders, print the table, write what was asked for; exit 1 if an answer is wrong or missing."""
    arguments = _arguments(words)
    console = Console(width=None if sys.stdout.isatty() else 210)
    console.print(machine(PACKAGES))
    outcomes = _outcomes(arguments, console)
    print_table(console, outcomes)
    promised = targets(outcomes)
    print_targets(console, promised)
    if arguments.json:
        write_json(arguments.json, machine(PACKAGES), rows(outcomes), promised)
    if arguments.picture:
        from benchmarks.serving.picture import draw

        draw(outcomes, arguments.picture)
    wrong = sorted({outcome.contender for outcome in outcomes if not outcome.is_right})
    if wrong:
        console.print(f"[red]Wrong or missing answers: {', '.join(wrong)}.")
        sys.exit(1)


def _outcomes(arguments: argparse.Namespace, console: Console) -> list[Outcome]:
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if arguments.quick else (ROUNDS, SECONDS)
    cases = [case for case in CASES if arguments.cases is None or case.name in arguments.cases]
    arguments.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=arguments.data, prefix="run-") as folder:
        console.print("Making a shop with a model")
        shop = make_shop(Path(folder))
        return run(
            shop,
            arguments.contenders,
            cases,
            arguments.rounds or rounds,
            arguments.seconds or seconds,
            Path(folder),
            arguments.data,
            lambda text: console.print(text, markup=False),
        )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    listed = "\n".join(f"  {contender.name}: {contender.what}" for contender in CONTENDERS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=f"Scores customers over HTTP. Contenders:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_ROUNDS} short rounds: about two minutes once all is installed"
    )
    parser.add_argument("--contenders", type=_names, default=list(BY_NAME), metavar="A,B,…", help="only these")
    parser.add_argument("--cases", nargs="+", choices=[case.name for case in CASES], help="only these (default: all)")
    parser.add_argument("--rounds", type=int, metavar="N", help=f"how many (default: {ROUNDS})")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help=f"of each server in each case of a round (default: {SECONDS:g})"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw them there (.png or .svg; needs matplotlib)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(tempfile.gettempdir()) / "segmentation-benchmark",
        metavar="DIR",
        help="where environments are made and kept, and the lake while it runs (default: %(default)s)",
    )
    arguments = parser.parse_args(words)
    if arguments.picture and find_spec("matplotlib") is None:
        parser.error("--picture needs matplotlib: pip install matplotlib")
    return arguments


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = sorted(set(names) - BY_NAME.keys())
    if unknown:
        raise argparse.ArgumentTypeError(f"no contender is called {', '.join(unknown)}")
    return names


if __name__ == "__main__":
    main()
