"""Snapshots made from scratch, to compare those of a lake with: the same lines, dates and models, and nothing kept."""

import shutil
from datetime import date, datetime
from pathlib import Path

import duckdb
import polars as pl

from segmentation.explanations.segment_findings import write_explanations
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.monitoring import FEATURE_DRIFT
from segmentation.metadata.tables.predictions import CUSTOMER_PREDICTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.monitoring.evaluation import evaluate_snapshots, write_evaluation
from segmentation.predictions.snapshot import write_predictions
from segmentation.segments.assignment import write_segments
from segmentation.segments.profiles import write_profiles
from segmentation.segments.transitions import write_transitions
from segmentation.settings import Settings
from segmentation.snapshots.code import SNAPSHOT_TABLES
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import Entry, erase, read_entries

Snapshots = dict[tuple[str, date], pl.DataFrame]
"""Rows by table and date, in an order of their own."""


def contents(settings: Settings) -> Snapshots:
    """All snapshots of a lake, whether or not they are in its ledger.

    Monitoring keeps what former models said of a date; of it, only what the one on record says.
    """
    found: Snapshots = {}
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        models = {(entry.table_name, entry.as_of): entry.model_version for entry in read_entries(con)}
        for table in SNAPSHOT_TABLES:
            rows = con.execute(f"FROM {table.name} ORDER BY ALL").pl()
            for (as_of,), of_date in rows.group_by("as_of", maintain_order=True):
                assert isinstance(as_of, date)
                version = models.get((table.name, as_of))
                is_kept = pl.col("model_version") == version if table.schema == "monitoring" else pl.lit(True)
                found[table.name, as_of] = of_date.filter(is_kept)
    return found


def made_from_scratch(settings: Settings, folder: Path) -> Snapshots:
    """What a lake's snapshots would be if there had never been any: each date by the model that decided it.

    Args:
        settings: Of the lake, which is left as it is.
        folder: Where a copy of it goes, which is removed again.
    """
    shutil.copytree(settings.home, folder)
    copied = settings.model_copy(update={"home": folder})
    with Lake(copied) as lake:
        with lake.cursor() as con:
            entries = read_entries(con)
            dates = sorted({entry.as_of for entry in entries})
            lake.transaction(con, Commit("erase"), lambda c: erase(c, SNAPSHOT_TABLES, dates))
        _make(lake, entries)
    found = contents(copied)
    shutil.rmtree(folder)
    return found


def differing(found: Snapshots, expected: Snapshots) -> list[str]:
    """The snapshots that are not the same, by table and date."""
    keys = sorted(found.keys() | expected.keys())
    return [
        f"{table} as of {as_of}"
        for table, as_of in keys
        if (table, as_of) not in found
        or (table, as_of) not in expected
        or not found[table, as_of].equals(expected[table, as_of])
    ]


def count_of(con: duckdb.DuckDBPyConnection, table: str, as_of: date) -> int:
    """The rows of a snapshot."""
    return int(con.execute(f"SELECT COUNT(*) FROM {table} WHERE as_of = DATE '{as_of}'").fetchall()[0][0])


def _make(lake: Lake, entries: list[Entry]) -> None:
    commit = Commit("from scratch")
    with_features = sorted(entry.as_of for entry in entries if entry.table_name == CUSTOMER_FEATURES.name)
    write_snapshots(lake, with_features, lambda _: commit, now=datetime(2030, 1, 1), from_scratch=True)
    for as_of in sorted(entry.as_of for entry in entries if entry.table_name == CUSTOMER_PREDICTIONS.name):
        write_predictions(lake, as_of, commit)
    models = {(entry.table_name, entry.as_of): entry.model_version for entry in entries}
    for (table, as_of), version in sorted(models.items(), key=lambda each: each[0][1]):
        if table == CUSTOMER_SEGMENTS.name:
            write_segments(lake, as_of, commit, version)
            write_profiles(lake, as_of, commit)
            write_transitions(lake, as_of, commit)
            write_explanations(lake, as_of, commit)
            judging = models[FEATURE_DRIFT.name, as_of]
            [(_, evaluation)] = evaluate_snapshots(lake, [as_of], model_version=judging)
            write_evaluation(lake, as_of, evaluation, commit)
