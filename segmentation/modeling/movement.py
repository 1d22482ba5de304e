"""Movement by a change of model: who of the newest snapshot would be in which segment, and what becomes of each one."""

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.modeling import registry
from segmentation.modeling.artefact import Artefact, Evaluator
from segmentation.modeling.feature_matrix import latest_snapshot, read_matrix
from segmentation.warehouse import Lake

SMALL_PART = 0.1
"""A smaller share of a segment's customers is not named where it is said what becomes of the segment."""


@dataclass(frozen=True)
class Heir:
    """A segment of the later model that takes customers of one of the earlier model.

    Attributes:
        segment_id: Its id.
        segment_name: Its name.
        share: Share of the earlier segment's customers.
        customers: How many they are.
    """

    segment_id: int
    segment_name: str
    share: float
    customers: int


@dataclass(frozen=True)
class Mapping:
    """What becomes of one segment of the earlier model.

    Attributes:
        segment_id: Its id.
        segment_name: Its name.
        customers: How many it has.
        revenue: Their net revenue.
        heirs: Where they are in the later model, the largest part first; parts below `SMALL_PART` are left out.
    """

    segment_id: int
    segment_name: str
    customers: int
    revenue: float
    heirs: tuple[Heir, ...]

    @property
    def sentence(self) -> str:
        """The same for people: "Regulars → 92 % Regulars, …"."""
        parts = ", ".join(f"{heir.share:.0%} {heir.segment_name}" for heir in self.heirs)
        return f"{self.segment_name} → {parts or 'many, a little each'}"


def movement(lake: Lake, before: int, after: int) -> pl.DataFrame:
    """How many customers of the newest snapshot, and how much revenue, are in which segment of two versions.

    Returns:
        `from_id`, `from_segment`, `to_id`, `to_segment`, `customers`, `revenue`; the largest groups first.

    Raises:
        SegmentationError: There is no such version or no snapshot.
    """
    with lake.cursor() as con:
        as_of = latest_snapshot(con, lake.settings)
        columns = {
            name: values
            for side, version in (("from", before), ("to", after))
            for name, values in _segments(con, side, registry.load(con, version).artefact, as_of).items()
        }
        spent = con.execute(
            f"SELECT net_revenue AS revenue FROM {CUSTOMER_FEATURES.name} "
            f"WHERE as_of = DATE '{as_of}' ORDER BY customer_id"
        ).pl()
    keys = list(columns)
    return (
        pl.DataFrame(columns)
        .hstack(spent)
        .group_by(keys)
        .agg(pl.len().alias("customers"), pl.col("revenue").sum())
        .sort("customers", *keys, descending=[True] + [False] * len(keys))
    )


def mappings(moves: pl.DataFrame) -> list[Mapping]:
    """What becomes of each segment of the earlier model, by id; `moves` as `movement` gives them."""
    found = []
    for (identity, name), rows in moves.sort("from_id").group_by("from_id", "from_segment", maintain_order=True):
        total = int(rows["customers"].sum())
        heirs = [
            Heir(row["to_id"], row["to_segment"], row["customers"] / total, row["customers"])
            for row in rows.sort("customers", "to_id", descending=[True, False]).iter_rows(named=True)
            if row["customers"] >= SMALL_PART * total
        ]
        found.append(Mapping(int(str(identity)), str(name), total, float(rows["revenue"].sum()), tuple(heirs)))
    return found


def _segments(con: duckdb.DuckDBPyConnection, side: str, artefact: Artefact, as_of: date) -> dict[str, pl.Series]:
    matrix = read_matrix(con, as_of, artefact.feature_names)
    found = Evaluator(artefact).assign(matrix.values).segment
    ids = pl.Series([segment.id for segment in artefact.segments])
    names = pl.Series([segment.name for segment in artefact.segments])
    return {f"{side}_id": ids.gather(found), f"{side}_segment": names.gather(found)}
