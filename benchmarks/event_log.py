"""What Dagster's event log costs a first `segmentation ingest`: a file with two lines a day, and a partition per day.

Run `python -m benchmarks.event_log [--days N] [--runs N] [--quick] [--json FILE]`. Each run is a process of its own on
an empty folder, contenders in turn; all logs must hold the same events.
"""

import argparse
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import dagster as dg
from rich.console import Console
from rich.table import Table

from benchmarks.reporting import at_most, machine, print_targets, write_json
from segmentation_assets import event_log

START = date(2024, 1, 1)
OWN, KEPT, QUICK = "Dagster's own", "ours, event by event", "ours"
BATCH_SIZES = {OWN: "0", KEPT: "0", QUICK: str(event_log.MOST_EVENTS)}
EVENTS = "SELECT dagster_event_type, asset_key, partition, step_key FROM event_logs"

Events = Counter[tuple[str, tuple[object, ...]]]
"""How often an event is in the index, or in the file of a run."""


@dataclass(frozen=True)
class Result:
    """A run.

    Attributes:
        contender: Whose event log.
        case: How many days.
        cpu_s: Of the whole command, all of its threads.
        wall_s: How long it took.
        events: In the files of its runs.
    """

    contender: str
    case: str
    cpu_s: float
    wall_s: float
    events: int


def main() -> None:
    """Run every contender as often as asked, print the medians, and say whether the target was met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--days", type=int, default=731)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="60 days, one run each")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--ingest", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--own-log", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ingest:
        _ingest(options.ingest, own_log=options.own_log)
        return
    days, runs = (60, 1) if options.quick else (options.days, options.runs)
    results = _measure(days, runs)
    cpu = {name: median(result.cpu_s for result in results if result.contender == name) for name in BATCH_SIZES}
    console = Console(width=120)
    _print(console, results, cpu, days)
    targets = [at_most("CPU time beside Dagster's own", 0.5, None if options.quick else cpu[QUICK] / cpu[OWN])]
    print_targets(console, targets)
    if options.json:
        write_json(options.json, machine(["dagster", "sqlalchemy"]), [asdict(result) for result in results], targets)


def _measure(days: int, runs: int) -> list[Result]:
    results, first = [], None
    with tempfile.TemporaryDirectory(prefix="segmentation-event-log-") as name:
        folder = Path(name)
        _write(folder / "orders.csv", days)
        for number in range(runs):
            for contender in BATCH_SIZES:
                home = folder / f"{contender} {number}"
                cpu_s, wall_s = _run(contender, folder / "orders.csv", home)
                events = _events(home / "dagster" / "history" / "runs")
                first = first or events
                if events != first:
                    raise RuntimeError(f"{contender} wrote other events: {(events - first) + (first - events)}")
                count = sum(number for (file, _), number in events.items() if file == "run")
                results.append(Result(contender, f"{days} days", cpu_s, wall_s, count))
    return results


def _run(contender: str, file: Path, home: Path) -> tuple[float, float]:
    """CPU seconds and seconds of an ingest in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.event_log", "--ingest", str(file)]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"},
        "SEGMENTATION_HOME": str(home),
        event_log.BATCH_SIZE: BATCH_SIZES[contender],
    }
    before, began = _children_cpu_s(), time.monotonic()
    own = ["--own-log"] if contender == OWN else []
    subprocess.run([*command, *own], env=environment, check=True, capture_output=True)
    return round(_children_cpu_s() - before, 2), round(time.monotonic() - began, 2)


def _ingest(file: Path, *, own_log: bool) -> None:
    """What `segmentation ingest FILE` does, with an event log of choice."""
    if own_log:
        event_log.open_instance = lambda folder: dg.DagsterInstance.from_config(str(folder))
    from segmentation_assets.cli import steps  # after the choice, since its modules take the name

    steps.ingest(str(file), "canonical", None, lambda *_: None)


def _events(folder: Path) -> Events:
    found: Events = Counter()
    for file in folder.glob("*.db"):
        kind = "index" if file.stem == "index" else "run"
        with closing(sqlite3.connect(file)) as con:
            found.update((kind, row) for row in con.execute(EVENTS))
    return found


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _write(file: Path, days: int) -> None:
    lines = ["line_id,order_id,customer_id,product_id,quantity,unit_price,ordered_at,country"]
    for number in range(2 * days):
        day = START + timedelta(days=number // 2)
        lines.append(f"l{number},o{number},c{number % 50},p{number % 7},1,2.5,{day} 12:00:00,DE")
    file.write_text("\n".join(lines) + "\n", "utf-8")


def _print(console: Console, results: list[Result], cpu: Mapping[str, float], days: int) -> None:
    table = Table("event log", "CPU s", "each run", "s", "events", title=f"A first ingest over {days} days")
    for name, seconds in cpu.items():
        own = [result for result in results if result.contender == name]
        each = ", ".join(f"{result.cpu_s:.1f}" for result in own)
        table.add_row(name, f"{seconds:.1f}", each, f"{median(r.wall_s for r in own):.1f}", f"{own[0].events:,}")
    console.print(table)


if __name__ == "__main__":
    main()
