"""What features are besides the kernel: the scores, in SQL that every engine runs, and the version of all of it."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from segmentation.features.kernel.sources import kernel_version
from segmentation.metadata.features import Feature

RFM_SCORES = "rfm_scores"
"""The relation of the scores: `customer_id`, and every feature that compares customers."""


@cache
def rfm_scores() -> str:
    """The `SELECT` of the scores; it reads `measures`, what the kernel made of all customers of a snapshot."""
    return (files("segmentation.features") / "sql" / f"{RFM_SCORES}.sql").read_text("utf-8")


def code_version(features: Sequence[Feature]) -> str:
    """Changes when the definition of these features may have: their catalogue rows, the kernel, or the scores."""
    made_of = (tuple(features), rfm_scores(), kernel_version())
    return hashlib.sha256(repr(made_of).encode()).hexdigest()[:12]
