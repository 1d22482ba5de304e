"""One customer of the lake, explained: why they are in their segment, and what would move them.

The command line and the scorer both ask here, so that they say the same. What they ask about is a `CustomerCase`, which
each finds in its own way; what is read besides, and how it is said, is the same for both. Needs no scikit-learn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import duckdb
import numpy as np

from segmentation.errors import NotEnoughDataError, SegmentationError
from segmentation.explanations.changes import Placement, find_changes
from segmentation.explanations.contributions import find_contributions
from segmentation.explanations.customer_explanation import Contribution, CustomerExplanation, Outlook, Reach
from segmentation.explanations.expectation import read_expectation
from segmentation.explanations.holding import why_held
from segmentation.explanations.sample import read_sample, typical
from segmentation.explanations.wording import quoted_id
from segmentation.features.customer_lines import read_customer_lines
from segmentation.features.records import recorded_scope
from segmentation.features.windows import Window
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.modeling import registry
from segmentation.modeling.artefact import Evaluator, Floats
from segmentation.segments.columns import Hysteresis
from segmentation.settings import Settings
from segmentation.snapshots.latest import latest_date

TYPICAL_CUSTOMERS = 20_000
"""Customers from whom the typical ones of the segments are taken at most: 400 of a segment of a fiftieth."""

ASSIGNED = f"""
SELECT
    as_of, segment_id, segment_name, distance, runner_up_distance, confidence, model_version, nearest_id, nearest_since
FROM {of_model(CUSTOMER_SEGMENTS)}
WHERE customer_id = $customer_id AND {{condition}}
ORDER BY as_of DESC
LIMIT 1
"""

NO_LINES = "The lake has no purchase of theirs any more, so that no step can be played."

ASSIGNED_DATES = f"SELECT as_of FROM {of_model(CUSTOMER_SEGMENTS)} WHERE customer_id = $customer_id ORDER BY as_of"


@dataclass(frozen=True)
class CustomerCase:
    """A customer as of a date, and the model that decides.

    Attributes:
        customer_id: Who.
        model_version: The version of the model, and `evaluator` its artefact.
        window: The lines that count; its `as_of` is the date.
        home_market: The shop's home market, where known.
        quiet_days: The lake's setting: how long after its last line a source counts as complete.
        placement: Where a snapshot put them, and what it takes to leave; None for the nearest segment.
    """

    customer_id: str
    model_version: int
    evaluator: Evaluator
    window: Window
    home_market: str | None
    quiet_days: int
    placement: Placement | None = None


ReadTypical = Callable[[duckdb.DuckDBPyConnection, CustomerCase], Floats | None]
"""Reads what is typical of each segment, as `read_typical_customers`; a service may remember what that read."""


def read_explanation(
    con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date | None, settings: Settings
) -> CustomerExplanation:
    """Explain the segment that a customer was given.

    Args:
        con: A cursor of the lake; may be read-only.
        customer_id: The customer, as the source names them.
        as_of: The snapshot date; the last one in which they have a segment, and that the data reaches, if None.
        settings: Of the lake.

    Raises:
        SegmentationError: The customer has no segment then, or no features.
    """
    latest = as_of or latest_date(con, CUSTOMER_SEGMENTS, settings.quiet_days)
    condition = "as_of = $as_of" if as_of else "as_of <= $as_of"
    row = con.execute(ASSIGNED.format(condition=condition), {"customer_id": customer_id, "as_of": latest}).fetchone()
    if row is None:
        raise SegmentationError(why_unassigned(con, customer_id, as_of))
    found, segment_id, segment_name, distance, other_distance, confidence, version, nearest_id, since = row
    evaluator = Evaluator(registry.load(con, version).artefact)
    features = _read_features(con, customer_id, found, evaluator.artefact.feature_names)
    window, home_market = recorded_scope(con, found, settings)
    segments = evaluator.artefact.segments
    placement = Placement(Hysteresis.of(settings), segment_id, nearest_id, since)
    case = CustomerCase(customer_id, version, evaluator, window, home_market, settings.quiet_days, placement)
    outlook = read_outlook(con, case)
    nearest = evaluator.assign(features[np.newaxis])
    compared = compared_segments(case, features)
    return CustomerExplanation(
        customer_id,
        found,
        version,
        segment_id,
        segment_name,
        confidence,
        segments[int(nearest.segment[0])].name,
        segments[compared[1]].name,
        read_contributions(con, case, features),
        outlook.changes,
        outlook.reach,
        why_held(segments, placement, distance, other_distance),
        read_expectation(con, customer_id, found),
    )


def read_typical_customers(con: duckdb.DuckDBPyConnection, case: CustomerCase) -> Floats | None:
    """The typical customer of each segment, from the last snapshot until the case's date.

    It depends on the model and the date only, not on the customer.

    Returns:
        Shape (number of segments, d), as `sample.typical`; None if there is no snapshot.
    """
    latest = latest_date(con, CUSTOMER_SEGMENTS, case.quiet_days, until=case.window.as_of)
    if latest is None:
        return None
    artefact = case.evaluator.artefact
    try:
        sample = read_sample(con, latest, artefact.feature_names, TYPICAL_CUSTOMERS)
    except NotEnoughDataError:
        return None
    return typical(sample, [segment.id for segment in artefact.segments])


def read_contributions(
    con: duckdb.DuckDBPyConnection,
    case: CustomerCase,
    features: Floats,
    read_typical: ReadTypical = read_typical_customers,
) -> tuple[Contribution, ...]:
    """How each feature pulls a customer to their segment rather than to the runner-up, the strongest first.

    Args:
        con: A cursor of the lake; may be read-only.
        case: Of the customer.
        features: Theirs; shape (d,), in the order of the artefact, NaN where missing.
        read_typical: Reads the typical customers.

    Returns:
        Nothing if no customer has a segment yet, so that nobody is typical of one.

    Raises:
        SegmentationError: The customer lacks a feature that the model has no rule for.
    """
    typical_customers = read_typical(con, case)
    if typical_customers is None:
        return ()
    return tuple(find_contributions(case.evaluator, features, typical_customers, compared_segments(case, features)))


def compared_segments(case: CustomerCase, features: Floats) -> tuple[int, int]:
    """Indexes of the segments between which a customer is explained.

    The nearest and the next nearest; for one who is held, theirs and the one that is nearer.
    """
    found = case.evaluator.assign(features[np.newaxis])
    first, second = int(found.segment[0]), int(found.runner_up[0])
    placement, ids = case.placement, [segment.id for segment in case.evaluator.artefact.segments]
    if placement is not None and placement.is_held and placement.segment_id in ids:
        own = ids.index(placement.segment_id)
        return (own, first) if own != first else (first, second)
    return first, second


def read_outlook(con: duckdb.DuckDBPyConnection, case: CustomerCase) -> Outlook:
    """The next steps that would move or keep a customer, the smallest first, and what orders can do.

    Args:
        con: A cursor of the lake; may be read-only.
        case: Of the customer.

    Returns:
        No steps if the lake has no purchase of theirs any more.

    Raises:
        SegmentationError: The model uses a feature that compares customers, which nobody has alone.
    """
    lines = read_customer_lines(con, case.customer_id, case.window)
    if not any(line["quantity"] > 0 for line in lines):
        return Outlook((), Reach("unknown", NO_LINES, 0))  # they were deleted since, or moved to another date
    return find_changes(case.evaluator, lines, case.window, case.home_market, case.placement)


def why_unassigned(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date | None) -> str:
    """Why a customer has no segment as of a date, or at all if it is None, as people are told."""
    dates = con.execute(ASSIGNED_DATES, {"customer_id": customer_id}).fetchall()
    if dates and as_of is not None:
        there = ", ".join(str(row[0]) for row in dates)
        return f"Customer {quoted_id(customer_id)} has no segment as of {as_of}, only as of {there}."
    if dates:
        there = ", ".join(str(row[0]) for row in dates)
        return (
            f"Customer {quoted_id(customer_id)} has a segment as of {there} alone, which the data doesn't reach; "
            "`segmentation snapshots list` tells more."
        )
    return (
        f"No snapshot has a segment for customer {quoted_id(customer_id)}. They may be misspelt, have no purchase in "
        "the look-back window, or be newer than the latest snapshot."
    )


def _read_features(con: duckdb.DuckDBPyConnection, customer_id: str, as_of: date, names: tuple[str, ...]) -> Floats:
    columns = ", ".join(f"CAST({name} AS DOUBLE)" for name in names)
    row = con.execute(
        f"SELECT {columns} FROM {CUSTOMER_FEATURES.name} WHERE as_of = $as_of AND customer_id = $customer_id",
        {"as_of": as_of, "customer_id": customer_id},
    ).fetchone()
    if row is None:
        raise SegmentationError(
            f"Customer {quoted_id(customer_id)} has a segment but no features as of {as_of}; materialize `features/*` "
            "and `segments/*` for that date."
        )
    return np.array(row, dtype=np.float64)
