"""A script that computes features by the code of whatever checkout is on its path, and prints what that took as JSON.

`PYTHONPATH=CHECKOUT python -P in_process.py LINES.json SECONDS`: the file has `as_of` and, by number of lines, `lines`.
It imports nothing of the benchmarks, since an older checkout has others.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

FEWEST = 3
MARKET = "DE"

Compute = Callable[[list[dict[str, Any]]], dict[str, dict[str, Any]]]


def main() -> None:
    """Compute each customer until there was enough of it."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    seconds = float(sys.argv[2])
    began, before_mb = time.process_time(), _rss_mb()
    compute = _open(date.fromisoformat(asked["as_of"]))
    opened = {"cpu_ms": (time.process_time() - began) * 1000, "rss_mb": _rss_mb() - before_mb}
    found = {count: _measured(compute, _read(lines), seconds) for count, lines in asked["lines"].items()}
    print(json.dumps({"opened": opened, "found": found}))


def _open(as_of: date) -> Compute:
    """What computes features before a date, with its imports: a function, or in older checkouts a calculator."""
    module: Any = import_module("segmentation.features.one_customer")
    if hasattr(module, "FeatureCalculator"):
        calculator = module.FeatureCalculator()
        return lambda lines: calculator.compute(lines, as_of, home_market=MARKET)
    window = import_module("segmentation.features.windows").window_of(as_of, None)
    return lambda lines: module.compute_features(lines, window, MARKET)


def _measured(compute: Compute, lines: list[dict[str, Any]], seconds: float) -> dict[str, Any]:
    (answer,) = compute(lines).values()  # once before, so that nothing is new
    began, times = time.process_time(), 0
    while times < FEWEST or time.process_time() - began < seconds:
        compute(lines)
        times += 1
    return {"cpu_ms": (time.process_time() - began) / times * 1000, "answer": answer}


def _read(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**line, "ordered_at": datetime.fromisoformat(line["ordered_at"])} for line in lines]


def _rss_mb() -> float:
    """Resident memory now; 0 where there is no /proc."""
    status = Path("/proc/self/status")
    text = status.read_text("utf-8") if status.exists() else ""
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmRSS:")), 0.0)


if __name__ == "__main__":
    main()
