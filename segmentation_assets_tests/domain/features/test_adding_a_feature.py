"""The path that docs/features.md describes, walked in a copy of the source."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

from segmentation.features.definitions import code_version
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.features import FEATURES
from segmentation.warehouse import Commit, Lake
from segmentation_assets_tests.domain.features.strategies import AS_OF, MIDNIGHT
from segmentation_assets_tests.testing.lines import Line, insert_lines
from segmentation_assets_tests.testing.new_feature import copy_with_feature

PROGRAM = """\
import sys
from datetime import date, datetime
from pathlib import Path
from segmentation.metadata.features import FEATURES
from segmentation.features.snapshots import write_snapshots
from segmentation.features.definitions import code_version
from segmentation.settings import load_settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate

with Lake(load_settings(home=Path(sys.argv[1]), customer_buckets=int(sys.argv[2])), create=True) as lake:
    migrate(lake)
    written = write_snapshots(lake, [date(2024, 3, 1)], lambda _: Commit("again"), now=datetime(2030, 1, 1))
    print(code_version(FEATURES), written[0].computed_count)
"""


def test_a_line_and_a_row_make_a_feature(lake: Lake, tmp_path: Path) -> None:
    insert_lines(lake, [Line("a", f"{n}", "p", MIDNIGHT - timedelta(hours=n)) for n in (5, 30, 100)])
    for as_of in (AS_OF, AS_OF.replace(month=4)):
        write_snapshots(lake, [as_of], lambda _: Commit("before"), now=datetime(2030, 1, 1))
    sources = copy_with_feature(tmp_path / "source")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(lake.settings.home), str(lake.settings.customer_buckets)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(sources)},
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
            "SELECT comment FROM duckdb_columns() WHERE column_name = 'earliest_hour' "
            "AND database_name = 'lake' AND table_name = 'customer_features'"
        ).fetchall()
    assert comment == [("Earliest hour of the day (UTC) of an order. Unit: 0–23.",)]


def test_every_feature_has_a_formula() -> None:
    assert [feature.name for feature in FEATURES if not feature.formula] == []
