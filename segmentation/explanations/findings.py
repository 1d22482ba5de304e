"""What an explanation is made of."""

from dataclasses import dataclass
from typing import Literal

FindingKind = Literal["difference", "rule", "product", "category", "rfm"]


@dataclass(frozen=True)
class Characteristic:
    """One thing that sets a segment apart: a row of `segments.segment_explanations`; the columns' comments hold."""

    segment_id: int
    kind: FindingKind
    item: str
    value: float
    reference: float
    score: float
    sentence: str
