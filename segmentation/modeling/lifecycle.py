"""Who serves: promotion through the gates, the way back, and what either would change."""

from datetime import date

import duckdb
import polars as pl

from segmentation.errors import SegmentationError
from segmentation.modeling import gates, registry
from segmentation.modeling.artefact import Artefact, Evaluator
from segmentation.modeling.snapshots import latest_snapshot, read_matrix
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import CUSTOMER_FEATURES


def promote(lake: Lake, version: int, *, actor: str, commit: Commit, reason: str = "", override: bool = False) -> bool:
    """Make a version the champion, if it passes all gates.

    Args:
        lake: A writable lake.
        version: The version.
        actor: Who or what decides.
        commit: What the lake's commit says about itself.
        reason: Why; the ledger keeps it beside what the gates said.
        override: Whether to promote it although a gate refuses; needs a reason.

    Returns:
        Whether that is new; false if it served already.

    Raises:
        SegmentationError: There is no such version, a gate refuses it, or an override has no reason.
    """
    if override and not reason:
        raise SegmentationError("An override needs a reason (--reason): the ledger keeps who set gates aside, and why.")
    with lake.cursor() as con:
        artefact = registry.load(con, version).artefact
    verdicts = gates.judge(lake, artefact, lake.settings).values()
    refusals = [verdict.explanation for verdict in verdicts if not verdict.passed]
    if refusals and not override:
        raise SegmentationError(f"Model version {version} can't become champion: {' '.join(refusals)}")
    said = ("override of: " if refusals else "passed its gates: ") + " ".join(
        refusals or [verdict.explanation for verdict in verdicts]
    )
    return registry.promote(
        lake,
        version,
        alias="champion",
        actor=actor,
        reason=f"{reason}; {said}" if reason else said,
        commit=commit,
    )


def movement(lake: Lake, before: int, after: int) -> pl.DataFrame:
    """How many customers of the newest snapshot, and how much revenue, are in which segment of two versions.

    Returns:
        `from_segment`, `to_segment` (names), `customers`, `revenue`; the largest groups first.

    Raises:
        SegmentationError: There is no such version or no snapshot.
    """
    with lake.cursor() as con:
        as_of = latest_snapshot(con)
        columns = {
            side: _segments(con, registry.load(con, version).artefact, as_of)
            for side, version in (("from_segment", before), ("to_segment", after))
        }
        spent = con.execute(
            f"SELECT net_revenue AS revenue FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of ORDER BY customer_id",
            {"as_of": as_of},
        ).pl()
    return (
        pl.DataFrame(columns)
        .hstack(spent)
        .group_by("from_segment", "to_segment")
        .agg(pl.len().alias("customers"), pl.col("revenue").sum())
        .sort("customers", "from_segment", "to_segment", descending=[True, False, False])
    )


def _segments(con: duckdb.DuckDBPyConnection, artefact: Artefact, as_of: date) -> pl.Series:
    matrix = read_matrix(con, as_of, artefact.feature_names)
    names = pl.Series([segment.name for segment in artefact.segments])
    return names.gather(Evaluator(artefact).assign(matrix.values).segment)
