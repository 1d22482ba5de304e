"""Predictions: what to expect of each customer, and what that was made from."""

from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import AS_OF, CUSTOMER


def _amount(name: str, what: str, until: str) -> tuple[Column, ...]:
    return (
        Column(f"expected_{name}", "DOUBLE", f"{what} expected in the next {until}.", nullable=False),
        Column(f"expected_{name}_low", "DOUBLE", "Lower bound; 90 % of customers end up within both.", nullable=False),
        Column(f"expected_{name}_high", "DOUBLE", "Upper bound.", nullable=False),
    )


CUSTOMER_PREDICTIONS = Table(
    "segments.customer_predictions",
    "One customer as of a date: what to expect of them, by what was known then.",
    (
        AS_OF,
        CUSTOMER,
        *_amount("orders_90d", "Orders", "90 days"),
        *_amount("revenue_90d", "Net revenue", "90 days"),
        Column("no_order_90d_probability", "DOUBLE", "Probability of no order in the next 90 days.", nullable=False),
        Column(
            "next_order_expected_on",
            "DATE",
            "By this day an order is as likely as not; NULL if that takes more than 365 days.",
        ),
        *_amount("orders_365d", "Orders", "365 days"),
        *_amount("revenue_365d", "Net revenue", "365 days"),
        Column(
            "is_365d_extrapolated",
            "BOOLEAN",
            "Whether the shop is too young to have seen how a prediction for 365 days turned out: its intervals are as "
            "wide as those of 90 days then, and 90 % is a hope.",
            nullable=False,
        ),
    ),
    partitioned_by="as_of",
    sorted_by=("customer_id",),
)

PREDICTION_MODELS = Table(
    "segments.prediction_models",
    "What the predictions as of a date were made from.",
    (
        AS_OF,
        Column("model_hash", "VARCHAR", "SHA-256 of the artefact.", nullable=False),
        Column(
            "artefact", "VARCHAR", "The artefact, as JSON: everything from features to predictions.", nullable=False
        ),
        Column("metrics", "VARCHAR", "How it would have done at past dates, as a JSON object.", nullable=False),
    ),
    partitioned_by="as_of",
)
