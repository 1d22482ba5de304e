"""What sets each segment of a snapshot apart, in figures and in sentences, written to the lake.

Finding out is in `differences`, `rules` and `lifts`. Needs scikit-learn; who only reads the table needs `segments`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from typing import cast, get_args

import duckdb
import polars as pl

from segmentation.explanations.differences import FEATURES_COMPARED, find_differences
from segmentation.explanations.findings import Characteristic, FindingKind
from segmentation.explanations.lifts import find_favourites, find_rfm_mix
from segmentation.explanations.rules import find_rules
from segmentation.explanations.sample import read_sample
from segmentation.features.records import recorded_scope
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, SEGMENT_EXPLANATIONS, of_model
from segmentation.modeling import registry
from segmentation.settings import Settings
from segmentation.snapshots.code import code_version_of
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import MadeOf
from segmentation.warehouse.snapshots import write_snapshot

DECIDED = f"""
SELECT DISTINCT segment_id, segment_name, model_version
FROM {of_model(CUSTOMER_SEGMENTS)}
WHERE as_of = $as_of
"""

KINDS: tuple[FindingKind, ...] = get_args(FindingKind)

SCHEMA = {
    "segment_id": pl.Int32,
    "segment_name": pl.String,
    "model_version": pl.Int32,
    "kind": pl.String,
    "rank": pl.Int32,
    "item": pl.String,
    "value": pl.Float64,
    "reference": pl.Float64,
    "score": pl.Float64,
    "sentence": pl.String,
}
"""Columns of the table but for the date."""


def write_explanations(lake: Lake, as_of: date, commit: Commit) -> pl.DataFrame:
    """Explain the segments of a snapshot and replace their explanations in the lake.

    Returns:
        The rows of `segments.segment_explanations` but for the date, by segment, kind and rank.

    Raises:
        NotEnoughDataError: No customer has a segment as of that date.
    """
    version = lake.version()
    with lake.cursor() as con:
        explained = explain_segments(con, as_of, lake.settings)
        con.register("explained", explained)
        con.execute("CREATE OR REPLACE TEMP TABLE staged AS FROM explained")
        model = explained["model_version"].max()
        made_of = MadeOf(version, code_version_of(SEGMENT_EXPLANATIONS), model_version=cast("int | None", model))
        write_snapshot(lake, con, {SEGMENT_EXPLANATIONS: "temp.staged"}, as_of, made_of, commit)
    return explained


def explain_segments(con: duckdb.DuckDBPyConnection, as_of: date, settings: Settings) -> pl.DataFrame:
    """What sets the segments of a snapshot apart, from a sample of customers and all lines of the window.

    Returns:
        As `write_explanations`.

    Raises:
        NotEnoughDataError: No customer has a segment as of that date.
    """
    sample = read_sample(con, as_of, FEATURES_COMPARED)
    decided = con.execute(DECIDED, {"as_of": as_of}).fetchall()
    names = {segment_id: name for segment_id, name, _ in decided}
    version = max(row[2] for row in decided)
    window, _ = recorded_scope(con, as_of, settings)
    findings = [
        *find_differences(sample),
        *find_rules(sample.select(registry.load(con, version).artefact.feature_names), settings.seed),
        *find_favourites(con, window),
        *find_rfm_mix(con, window),
    ]
    return pl.DataFrame(list(_rows(findings, names, version)), schema=SCHEMA, orient="row")


def _rows(findings: Iterable[Characteristic], names: dict[int, str], version: int) -> Iterator[tuple[object, ...]]:
    ranks: Counter[tuple[int, FindingKind]] = Counter()
    for f in sorted(findings, key=lambda f: (f.segment_id, KINDS.index(f.kind))):  # stable: ranks stay in order
        ranks[f.segment_id, f.kind] += 1
        rank = ranks[f.segment_id, f.kind]
        yield (
            f.segment_id,
            names[f.segment_id],
            version,
            f.kind,
            rank,
            f.item,
            f.value,
            f.reference,
            f.score,
            f.sentence,
        )
