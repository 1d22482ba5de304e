"""The path that docs/features.md describes, walked in a copy of the source."""

import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import segmentation
from segmentation.features.snapshots import write_snapshots
from segmentation.features.stages import code_version
from segmentation.metadata.features import FEATURES
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT
from segmentation_assets_tests.testing.lines import Line, insert_lines

STAGE = """\
-- The earliest hour at which a customer ordered.
SELECT customer_id, MIN(hour_of_day(ordered_at)) AS earliest_hour
FROM purchases
GROUP BY customer_id
"""
ROW = """\
    Feature(
        name="earliest_hour",
        group="temporal",
        type="BIGINT",
        unit="0–23",
        description="Earliest hour of the day (UTC) of an order.",
        formula="min hour of tᵢ",
    ),
"""
PROGRAM = """\
import sys
from datetime import date, datetime
from pathlib import Path
from segmentation.metadata.features import FEATURES
from segmentation.features.snapshots import write_snapshots
from segmentation.features.stages import code_version
from segmentation.settings import load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

with Lake(load_settings(home=Path(sys.argv[1]), customer_buckets=int(sys.argv[2]))) as lake:
    migrate(lake)
    written = write_snapshots(lake, [date(2024, 3, 1)], lambda _: Commit("again"), now=datetime(2030, 1, 1))
    print(code_version(FEATURES), written[0].computed_count)
"""


def test_a_stage_and_a_row_make_a_feature(lake: Lake, tmp_path: Path) -> None:
    insert_lines(lake, [Line("a", f"{n}", "p", MIDNIGHT - timedelta(hours=n)) for n in (5, 30, 100)])
    for as_of in (AS_OF, AS_OF.replace(month=4)):
        write_snapshots(lake, [as_of], lambda _: Commit("before"), now=datetime(2030, 1, 1))
    sources = tmp_path / "source" / "segmentation"
    shutil.copytree(Path(segmentation.__file__).parent, sources, ignore=shutil.ignore_patterns("__pycache__"))
    sql = sources / "features" / "sql" / "customer"

    (sql / "38_mornings.sql").write_text(STAGE, "utf-8")
    _insert(sql / "52_temporal.sql", "    preferred_hour,\n", "    earliest_hour,\n")
    _insert(
        sql / "52_temporal.sql",
        "JOIN habits ON habits.customer_id = order_totals.customer_id\n",
        "JOIN mornings ON mornings.customer_id = order_totals.customer_id\n",
    )
    _insert(sources / "metadata" / "features" / "temporal.py", "TEMPORAL = (\n", ROW)

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(lake.settings.home), str(lake.settings.customer_buckets)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(sources.parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, computed = done.stdout.split()
    assert version != code_version(FEATURES), "Dagster would not show the old snapshots as stale"
    assert computed == "1", "a changed formula computes everybody"
    with lake.cursor() as con:
        for table in ("temporal", "customer_features"):
            rows = con.execute(f"SELECT as_of, earliest_hour FROM features.{table} ORDER BY as_of").fetchall()
            assert rows == [(AS_OF, 18), (AS_OF.replace(month=4), None)]
        comment = con.execute(
            "SELECT DISTINCT comment FROM duckdb_columns() WHERE column_name = 'earliest_hour' "
            "AND database_name = 'lake'"
        ).fetchall()
    assert comment == [("Earliest hour of the day (UTC) of an order. Unit: 0–23.",)]


def test_every_feature_has_a_formula() -> None:
    assert [feature.name for feature in FEATURES if not feature.formula] == []


def _insert(path: Path, after: str, text: str) -> None:
    content = path.read_text("utf-8")
    assert content.count(after) == 1
    path.write_text(content.replace(after, after + text), "utf-8")
