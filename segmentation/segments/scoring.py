"""Scoring a frame of features that need be in no lake: the artefact in, a segment per row out."""

from difflib import get_close_matches

import numpy as np
import polars as pl

from segmentation.errors import SegmentationError
from segmentation.metadata.features import BY_NAME
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.modeling.registry import ModelVersion

ID = "customer_id"


def score_frame(frame: pl.DataFrame, model: ModelVersion) -> pl.DataFrame:
    """The segment of each row.

    Args:
        frame: A column per feature that the model uses, numbers or booleans, null or NaN where missing; other columns
            are passed over, but `customer_id` is kept.
        model: The version that decides.

    Returns:
        `customer_id` if there is one, `segment_id`, `segment_name`, `distance`, `runner_up_id`, `runner_up_name`,
        `confidence`, `is_low_confidence` and `model_version`; rows in the same order.

    Raises:
        SegmentationError: A column is missing or holds no numbers, or a row lacks a value without a rule for that.
    """
    evaluator = Evaluator(model.artefact)
    values = _matrix(frame, model)
    found = evaluator.assign(values)
    if np.isnan(found.distance).any():
        raise SegmentationError(_lacking(frame, model, values, int(np.isnan(found.distance).argmax())))
    segments = model.artefact.segments
    ids = np.array([segment.id for segment in segments], dtype=np.int32)
    names = pl.Series([segment.name for segment in segments])
    cutoffs = np.array([segment.cutoff for segment in segments])
    scores = pl.DataFrame(
        {
            "segment_id": ids[found.segment],
            "segment_name": names.gather(found.segment),
            "distance": found.distance,
            "runner_up_id": ids[found.runner_up],
            "runner_up_name": names.gather(found.runner_up),
            "confidence": found.confidence,
            "is_low_confidence": found.confidence < cutoffs[found.segment],
        }
    ).with_columns(model_version=pl.lit(model.version, pl.Int32))
    return frame.select(ID).hstack(scores) if ID in frame.columns else scores


def _matrix(frame: pl.DataFrame, model: ModelVersion) -> Floats:
    rules = model.artefact.rules
    absent = [rule.name for rule in rules if rule.missing_value is None and rule.name not in frame.columns]
    if absent:
        raise SegmentationError(
            f"There is no column {_with_hints(absent, frame.columns)}, which model {model.version} needs."
        )
    known = {rule.name: frame[rule.name] for rule in rules if rule.name in frame.columns}
    wrong = [
        name
        for name, column in known.items()
        if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null))
    ]
    if wrong:
        raise SegmentationError(f"Column {wrong[0]} holds {known[wrong[0]].dtype}, and must hold numbers.")
    empty = np.full(len(frame), np.nan)
    columns = [known[rule.name].cast(pl.Float64).to_numpy() if rule.name in known else empty for rule in rules]
    return np.column_stack(columns) if len(frame) else np.empty((0, len(rules)))


def _with_hints(absent: list[str], columns: list[str]) -> str:
    unknown = [name for name in columns if name not in BY_NAME]
    hinted = [(name, get_close_matches(name, unknown, 1)) for name in absent]
    return ", ".join(f"{name} (is it {close[0]!r}?)" if close else name for name, close in hinted)


def _lacking(frame: pl.DataFrame, model: ModelVersion, values: Floats, row: int) -> str:
    rules = zip(model.artefact.rules, values[row], strict=True)
    names = [rule.name for rule, value in rules if rule.missing_value is None and np.isnan(value)]
    who = f" (customer {frame[ID][row]!r})" if ID in frame.columns else ""
    return f"Row {row + 1}{who} lacks {', '.join(names)}, which model {model.version} needs."
