"""Segments on real and synthetic shops, part by part.

python -m benchmarks.segments [--parts spaces,names] [--shops uci,syn7] [--quick] [--keep FOLDER] [--json FILE]
"""

import argparse
import importlib
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.reporting import machine, print_targets, write_json
from benchmarks.segments.parts import PLOTS, Part
from benchmarks.segments.shops import UCI, open_shop, recipes

PARTS = {
    "spaces": "whether segments differ in kind, and in what is spent",
    "steps": "whether next steps are true and monotone, and how much customers flicker",
    "names": "whether names are true, at every snapshot",
    "retraining": "a year of monthly retraining: what becomes of candidates, and whom the model moves",
    "odd_shops": "twelve shops that are hard to divide, by the commands that people type",
    "predictions": "whether what is expected of customers comes true",
}
"""Modules of this package with `run(shops: Sequence[Shop], quick: bool) -> Part`, and what each asks."""

QUICK_SHOPS = ("cdnow", "syn7")


def main() -> None:
    """Make the shops, run the parts, print."""
    options = _options()
    console = Console(width=170)
    parts: list[Part] = []
    if options.plots:
        os.environ[PLOTS] = str(options.plots)
    with ExitStack() as held:
        folder = options.keep or Path(held.enter_context(tempfile.TemporaryDirectory()))
        known = recipes(options.uci)
        wanted = options.shops.split(",") if options.shops else list(QUICK_SHOPS if options.quick else known)
        if options.uci == UCI and "uci" not in known:
            console.print(f"UCI Online Retail is left out: there is no file {UCI}; --uci says where it is.")
        shops = [held.enter_context(open_shop(known[name], folder)) for name in wanted]
        for name in options.parts.split(","):
            began = time.monotonic()
            part: Part = importlib.import_module(f"benchmarks.segments.{name}").run(shops, options.quick)
            for table in part.tables:
                console.print(table)
            print_targets(console, part.targets)
            console.print(f"{name}: {time.monotonic() - began:.0f} s")
            parts.append(part)
    if options.json:
        results = [result for part in parts for result in part.results]
        targets = [target for part in parts for target in part.targets]
        write_json(options.json, machine(["duckdb", "scikit-learn", "scipy"]), results, targets)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="; ".join(f"{k}: {v}" for k, v in PARTS.items()))
    parser.add_argument("--shops", help="names with commas between them; all if left out")
    parser.add_argument("--uci", type=Path, default=UCI, help="the first year of Online Retail II")
    parser.add_argument("--quick", action="store_true", help=f"fewer dates, and only {', '.join(QUICK_SHOPS)}")
    parser.add_argument("--keep", type=Path, help="make the lakes in this folder, or use those that are there")
    parser.add_argument("--plots", type=Path, help="draw what is expected beside what came, into this folder")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
