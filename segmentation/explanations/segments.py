"""The segments of a snapshot, explained: what `segment_findings` wrote, read from the lake. Needs no scikit-learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import duckdb

from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.explanations.findings import Characteristic, FindingKind
from segmentation.explanations.wording import percent
from segmentation.metadata.tables.segments import SEGMENT_EXPLANATIONS, SEGMENT_PROFILES, of_model

TITLES: dict[FindingKind, str] = {
    "difference": "What sets them apart",
    "rule": "How to describe them",
    "product": "Products, compared with everybody",
    "category": "Categories, compared with everybody",
    "rfm": "RFM segments among them",
}
SHOWN = 5
"""How many RFM segments people are shown; the table has all."""

PROFILES = f"""
SELECT segment_id, segment_name, model_version, description, customer_count, customer_share, revenue_share, advice
FROM {of_model(SEGMENT_PROFILES)}
WHERE as_of = $as_of
ORDER BY segment_id
"""

FINDINGS = f"""
SELECT segment_id, kind, item, value, reference, score, sentence
FROM {SEGMENT_EXPLANATIONS.name}
WHERE as_of = $as_of
ORDER BY segment_id, kind, rank
"""


@dataclass(frozen=True)
class SegmentExplanation:
    """One segment of a snapshot: its profile in short, and what sets it apart.

    Attributes:
        as_of: The snapshot.
        segment_id: The segment.
        segment_name: Its name.
        model_version: The version that decided.
        description: Its typical customer in a sentence.
        advice: What to do with its customers, in a sentence; None in snapshots of an older release.
        customer_count: Its customers.
        customer_share: Their share of everybody.
        revenue_share: Their share of all net revenue; None if there is none.
        findings: By kind, in order of rank.
    """

    as_of: date
    segment_id: int
    segment_name: str
    model_version: int
    description: str
    customer_count: int
    customer_share: float
    revenue_share: float | None
    advice: str | None
    findings: tuple[Characteristic, ...]

    @property
    def headline(self) -> str:
        """Its size in a sentence."""
        revenue = "" if self.revenue_share is None else f", {percent(self.revenue_share)} of net revenue"
        return f"{self.customer_count:,} customers ({percent(self.customer_share)} of everybody{revenue})"

    def sections(self) -> Iterator[tuple[str, list[str]]]:
        """Titles with the sentences under them, as people read them."""
        for kind, title in TITLES.items():
            sentences = [finding.sentence for finding in self.findings if finding.kind == kind]
            if sentences:
                yield title, sentences[:SHOWN] if kind == "rfm" else sentences


def read_segments(con: duckdb.DuckDBPyConnection, as_of: date | None) -> list[SegmentExplanation]:
    """The explanations of all segments of a snapshot, by id.

    Args:
        con: A cursor of the lake; may be read-only.
        as_of: The snapshot date; None if there is no latest one.

    Raises:
        NotEnoughDataError: No segment is explained as of that date, or at all.
    """
    dates = con.execute(f"SELECT DISTINCT as_of FROM {SEGMENT_EXPLANATIONS.name} ORDER BY as_of DESC").fetchall()
    known = [row[0] for row in dates]
    if as_of is None or as_of not in known:
        there = f" (newest: {', '.join(map(str, known[:5]))})" if known else ""
        wanted = f" as of {as_of}" if as_of else ""
        raise NotEnoughDataError(
            f"No segment is explained{wanted}{there}; materialize `segments/segment_explanations`."
        )
    findings: dict[int, list[Characteristic]] = {}
    for row in con.execute(FINDINGS, {"as_of": as_of}).fetchall():
        findings.setdefault(row[0], []).append(Characteristic(*row))
    profiles = con.execute(PROFILES, {"as_of": as_of}).fetchall()
    return [
        SegmentExplanation(
            as_of, number, name, version, description, count, share, revenue, advice, tuple(findings.get(number, []))
        )
        for number, name, version, description, count, share, revenue, advice in profiles
    ]


def pick(explained: list[SegmentExplanation], wanted: str) -> SegmentExplanation:
    """The segment of an id or a name; case and outer spaces don't matter.

    Raises:
        SegmentationError: There is no such segment.
    """
    name = wanted.strip().casefold()
    for segment in explained:
        if name in (str(segment.segment_id), segment.segment_name.casefold()):
            return segment
    known = ", ".join(f"{segment.segment_id} ({segment.segment_name})" for segment in explained)
    raise SegmentationError(f"There is no segment {wanted!r}. There are: {known}.")
