"""Twelve shops that are hard to divide, each by the commands that people type: all end with segments or named rules."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from benchmarks.reporting import at_least
from benchmarks.segments.parts import Part, table_of
from benchmarks.segments.shops import EARLIEST_DAY, Shop
from segmentation.modeling import registry
from segmentation.segments.names import read_truth
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.odd_shops import ODD_SHOPS, write_odd_shop

QUICK = ("thirty_customers", "all_are_alike", "one_order_each")


def run(_: Sequence[Shop], quick: bool) -> Part:
    """Ingest and materialize each in a folder of its own."""
    rows = [_run(name) for name in (QUICK if quick else ODD_SHOPS)]
    done = sum(row["exit codes"] == "0, 0" and row["everybody has one"] == "yes" for row in rows)
    true = sum(not row["untrue names"] for row in rows)
    targets = [
        at_least("odd shops that end with segments or named rules", 1.0, done / len(rows), ""),
        at_least("… whose names are true", 1.0, true / len(rows), ""),
    ]
    return Part([table_of("Odd shops", rows)], rows, targets)


def _run(name: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        home, began = Path(folder) / "lake", time.monotonic()
        file, profile = write_odd_shop(name, Path(folder))
        codes = [_command(home, *words) for words in (("ingest", str(file), "--profile", profile), ("materialize",))]
        return {
            "contender": name,
            "case": "ingest, materialize",
            "exit codes": ", ".join(map(str, codes)),
            **_found(home),
            "wall_s": time.monotonic() - began,
        }


def _command(home: Path, *words: str) -> int:
    variables = {
        "SEGMENTATION_HOME": str(home),
        "SEGMENTATION_EARLIEST_DAY": str(EARLIEST_DAY),
        "SEGMENTATION_TRACKING_URI": "off",
    }
    done = subprocess.run(
        [sys.executable, "-m", "segmentation.cli", *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
    return done.returncode


def _found(home: Path) -> dict[str, object]:
    """What the lake has: customers, segments with customers, their names."""
    with Lake(Settings(home=home, earliest_day=EARLIEST_DAY), read_only=True) as lake, lake.cursor() as con:
        ((as_of, customers),) = con.execute(
            "SELECT as_of, COUNT(*) FROM features.customer_features "
            "WHERE as_of = (SELECT MAX(as_of) FROM segments.customer_segments) GROUP BY as_of"
        ).fetchall() or [(date.min, 0)]
        ((assigned, segments),) = con.execute(
            "SELECT COUNT(*), COUNT(DISTINCT segment_id) FROM segments.customer_segments WHERE as_of = $as_of",
            {"as_of": as_of},
        ).fetchall()
        untrue = [word.segment_name for word in read_truth(con, as_of) if not word.is_true]
        names = con.execute(
            "SELECT segment_name FROM segments.segment_profiles WHERE as_of = $as_of ORDER BY segment_id",
            {"as_of": as_of},
        ).fetchall()
        version = registry.resolve(con, "champion")
        stands_in = version is not None and bool(registry.load(con, version).artefact.provenance.stand_in)
    return {
        "customers": customers,
        "everybody has one": "yes" if customers and customers == assigned else "no",
        "segments": segments,
        "kind": "named rules" if stands_in else "K-means",
        "untrue names": "; ".join(dict.fromkeys(untrue)),
        "names": "; ".join(name for (name,) in names),
    }
