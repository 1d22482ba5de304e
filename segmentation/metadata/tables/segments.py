"""Segments: who is in which, their profiles, movement and explanations."""

from segmentation.metadata.table import Column, Table
from segmentation.metadata.tables.columns import AS_OF, CUSTOMER

MODEL = "model"
"""What the model is called among segmentations."""

IS_OF_MODEL = f"COALESCE(segmentation_name, '{MODEL}') = '{MODEL}'"
"""Whether a row of these tables is the model's."""


def of_model(table: Table) -> str:
    """The model's rows of a table, to read from, also in a lake that an older release has written last."""
    named = "SELECT CAST(NULL AS VARCHAR) AS segmentation_name WHERE false"
    return f"(SELECT * FROM (FROM {table.name} UNION ALL BY NAME {named}) WHERE {IS_OF_MODEL})"


SEGMENTATION = Column(
    "segmentation_name",
    "VARCHAR",
    f"The segmentation: `{MODEL}`, or one of your own, as in `registry.segmentations`.",
    nullable=False,
    default=MODEL,
)
SEGMENTATION_VERSION = Column(
    "segmentation_version", "INTEGER", "The version of the definition that decided; NULL for the model."
)

CUSTOMER_SEGMENTS = Table(
    "segments.customer_segments",
    "One customer as of a date: the segment that the champion of that moment gave, or a definition of your own.",
    (
        AS_OF,
        CUSTOMER,
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column(
            "runner_up_id",
            "INTEGER",
            "The next nearest segment; like all up to the model's version, the model's alone.",
        ),
        Column("distance", "DOUBLE", "Distance to the segment's centroid in model space."),
        Column("runner_up_distance", "DOUBLE", "Distance to the runner-up's centroid."),
        Column("confidence", "DOUBLE", "1 - distance / runner-up distance, 0 to 1."),
        Column("is_low_confidence", "BOOLEAN", "Whether the confidence is below the segment's cut-off."),
        Column("nearest_id", "INTEGER", "The nearest segment; another one than theirs only under hysteresis."),
        Column("nearest_since", "DATE", "Since which snapshot that has been the nearest."),
        Column("model_version", "INTEGER", "The model version that decided."),
        SEGMENTATION,
        SEGMENTATION_VERSION,
    ),
    partitioned_by="as_of",
    sorted_by=("customer_id",),
)

SEGMENT_TRANSITIONS = Table(
    "segments.segment_transitions",
    "How many customers went from one segment to another since the snapshot before, and why.",
    (
        AS_OF,
        Column("previous_as_of", "DATE", "The snapshot before; NULL for the first one."),
        Column("from_segment_id", "INTEGER", "Segment in the snapshot before; NULL for those who arrived."),
        Column("from_segment_name", "VARCHAR", "Its name then."),
        Column("to_segment_id", "INTEGER", "Segment now; NULL for customers without a purchase in the window."),
        Column("to_segment_name", "VARCHAR", "Its name."),
        Column(
            "cause",
            "VARCHAR",
            "`stayed`, `customer_moved`, `model_moved` (the former model would have left them where they were), "
            "`definition_moved` (the former definition would have), `arrived` (no purchase in the window before) or "
            "`gone` (none in the window any more).",
            nullable=False,
        ),
        Column("customer_count", "BIGINT", "Customers.", nullable=False),
        Column("revenue", "DOUBLE", "Their net revenue in the window; of the snapshot before for those who are gone."),
        Column("previous_model_version", "INTEGER", "The model version that decided before."),
        Column("model_version", "INTEGER", "The model version that decided now."),
        SEGMENTATION,
        Column("previous_segmentation_version", "INTEGER", "The version of the definition that decided before."),
        SEGMENTATION_VERSION,
    ),
    partitioned_by="as_of",
)

SEGMENT_EVENTS = Table(
    "segments.segment_events",
    "One customer who entered or left a segment since the snapshot before; nobody who stayed.",
    (
        AS_OF,
        CUSTOMER,
        Column("event", "VARCHAR", "`entered` or `left`.", nullable=False),
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column("other_segment_id", "INTEGER", "Where they came from or went; NULL for those who arrived or are gone."),
        Column("cause", "VARCHAR", "As in `segments.segment_transitions`.", nullable=False),
        Column("model_version", "INTEGER", "The model version that decided; NULL for those who are gone."),
        SEGMENTATION,
        SEGMENTATION_VERSION,
    ),
    partitioned_by="as_of",
    sorted_by=("customer_id",),
)

SEGMENT_PROFILES = Table(
    "segments.segment_profiles",
    "One segment as of a date: its size, its share of revenue and its typical customer.",
    (
        AS_OF,
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column(
            "description",
            "VARCHAR",
            "Its typical customer as of the date, or what a definition says of it.",
            nullable=False,
        ),
        Column("model_version", "INTEGER", "The model version that decided."),
        Column("customer_count", "BIGINT", "Customers in the segment.", nullable=False),
        Column("customer_share", "DOUBLE", "Its share of all customers.", nullable=False),
        Column("revenue", "DOUBLE", "Net revenue of its customers in the window.", nullable=False),
        Column("revenue_share", "DOUBLE", "Its share of all net revenue; NULL if there is none."),
        Column("median_recency_days", "DOUBLE", "Median days since the last order.", nullable=False),
        Column("mean_order_count", "DOUBLE", "Mean number of orders.", nullable=False),
        Column("mean_order_value", "DOUBLE", "Mean of the customers' average order values.", nullable=False),
        Column("mean_net_revenue", "DOUBLE", "Mean net revenue per customer.", nullable=False),
        Column("mean_confidence", "DOUBLE", "Mean confidence of the assignment; the model's alone."),
        SEGMENTATION,
        SEGMENTATION_VERSION,
        Column("advice", "VARCHAR", "What to do with its customers, in a sentence; NULL in snapshots made before it."),
        Column("expected_orders_90d", "DOUBLE", "Orders expected of its customers in the next 90 days; NULL without."),
        Column("expected_revenue_90d", "DOUBLE", "Net revenue expected of them in the next 90 days."),
        Column("expected_revenue_365d", "DOUBLE", "Net revenue expected of them in the next 365 days."),
        Column("mean_no_order_90d_probability", "DOUBLE", "Mean probability of no order in the next 90 days."),
    ),
    partitioned_by="as_of",
)

SEGMENT_EXPLANATIONS = Table(
    "segments.segment_explanations",
    "One thing that sets a segment apart as of a date; the lowest ranks of a kind tell most.",
    (
        AS_OF,
        Column("segment_id", "INTEGER", "The segment.", nullable=False),
        Column("segment_name", "VARCHAR", "Its name.", nullable=False),
        Column("model_version", "INTEGER", "The model version that decided.", nullable=False),
        Column(
            "kind",
            "VARCHAR",
            "`difference`: a feature in which it differs; `rule`: a way to describe its customers; `product`, "
            "`category`: what they buy; `rfm`: a named RFM segment among them.",
            nullable=False,
        ),
        Column("rank", "INTEGER", "1, 2, 3, … within segment and kind.", nullable=False),
        Column(
            "item",
            "VARCHAR",
            "The feature; the rule, as a condition on features.customer_features; the product id; the category; the "
            "RFM segment.",
            nullable=False,
        ),
        Column(
            "value",
            "DOUBLE",
            "The segment's figure. `difference`: its typical value (the mean on the feature's transform scale, taken "
            "back); `rule`: precision, the share of those who meet it that are in the segment; the other kinds: share "
            "of the segment's customers who bought it, or are in it.",
            nullable=False,
        ),
        Column(
            "reference",
            "DOUBLE",
            "The same of everybody; for a `rule` the segment's share of all customers, which is the precision of "
            "guessing.",
            nullable=False,
        ),
        Column(
            "score",
            "DOUBLE",
            "`difference`: (segment mean - mean of all) / standard deviation of all, on the transform scale; `rule`: "
            "coverage, the share of the segment that meets it; `product`, `category`: lower 95 % confidence bound of "
            "the lift value / reference; `rfm`: the lift.",
            nullable=False,
        ),
        Column("sentence", "VARCHAR", "The same in words.", nullable=False),
    ),
    partitioned_by="as_of",
)
