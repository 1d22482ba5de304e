"""Changes a lake before a measurement.

`python -m benchmarks.features.changing HOME CHANGE LOOKBACK_DAYS` writes a snapshot to a lake and lets something happen
to its lines, so that what is measured afterwards is a process that finds the snapshot there, as a day's run does; `-`
stands for no limit.
"""

import sys
from datetime import datetime, time
from pathlib import Path

import duckdb

from benchmarks.features.changes import BY_NAME
from benchmarks.features.contenders.duckdb_engine import compute_and_write, lake_settings
from benchmarks.features.contenders.source import source_of
from benchmarks.features.data import END
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.customer_bucket import CUSTOMER_BUCKET_MACRO
from segmentation.warehouse.lake import next_version
from segmentation.warehouse.schema import migrate

LOAD = "INSERT INTO raw.transactions BY NAME SELECT * REPLACE ($now AS ingested_at) FROM temp.arriving"

DAYS = """
SELECT source, CAST(ordered_at AS DATE) AS ordered_on, COUNT(*) AS line_count_change
FROM temp.arriving
GROUP BY ALL
"""


def change_lake(home: Path, name: str, lookback_days: int | None) -> int:
    """Write the snapshot of `END`, and let a change happen to the lake.

    Args:
        home: The lake's folder.
        name: Of the change.
        lookback_days: Length of the window; None for no limit.

    Returns:
        How many lines arrived.
    """
    change = BY_NAME[name]
    with Lake(lake_settings(source_of(home, (END,), lookback_days)), create=True) as lake:
        migrate(lake)
        compute_and_write(lake, (END,))
        return _load(lake, change.arriving) if change.arriving else 0


def _load(lake: Lake, arriving: str) -> int:
    with lake.cursor() as con:
        con.execute(CUSTOMER_BUCKET_MACRO)
        con.execute(f"CREATE OR REPLACE TEMP TABLE arriving AS {arriving}")
        now = datetime.combine(END, time(12))

        def load(c: duckdb.DuckDBPyConnection) -> None:
            c.execute(LOAD, {"now": now})
            note_changes(c, DAYS, version=next_version(c))

        lake.transaction(con, Commit("lines that arrive"), load)
        return con.table("temp.arriving").shape[0]


def main() -> None:
    """Do what the arguments say; print how many lines arrived."""
    home, name, lookback_days = sys.argv[1:]
    print(change_lake(Path(home), name, None if lookback_days == "-" else int(lookback_days)))


if __name__ == "__main__":
    main()
