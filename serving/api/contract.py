"""What goes over the wire: the bodies of requests and answers, as types.

The features are those of the catalogue, so that a new feature is in the API without a line here. How bodies are
decoded and answered is `scoring.py` and `routes/`.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec

from segmentation.explanations.customer_explanation import Change, Contribution, Reach
from segmentation.metadata.features import FEATURES, Feature
from segmentation.metadata.tables.segments import MODEL
from segmentation.modeling.artefact import FeatureRule, Provenance
from segmentation.modeling.segment_identity.lineage import Parent

PYTHON_TYPES: dict[str, type] = {"DOUBLE": float, "BIGINT": float, "BOOLEAN": bool, "VARCHAR": str}
"""Counts are decoded as floats, so that no number overflows a matrix; they are whole numbers all the same."""

ROUNDING = 1e-9
"""How far a share may lie beyond its bounds: one of the pipeline's own may come out at -1e-16."""


def feature_description(feature: Feature) -> str:
    """What a feature is, as the API's documentation says it."""
    return f"{feature.description} Unit: {feature.unit}."


def _field(feature: Feature) -> tuple[str, object, None]:
    meta = msgspec.Meta(description=feature_description(feature))
    return feature.name, Annotated[_possible(feature) | None, meta], None


def _possible(feature: Feature) -> Any:
    """The type of a feature's possible values."""
    if PYTHON_TYPES[feature.type] is not float:
        return PYTHON_TYPES[feature.type]
    lowest, highest = bounds_of(feature)
    return Annotated[float, msgspec.Meta(ge=lowest, le=highest, multiple_of=1 if feature.type == "BIGINT" else None)]


def bounds_of(feature: Feature) -> tuple[float | None, float | None]:
    """Smallest and largest value that is taken of a feature; None where nothing bounds it."""
    slack = ROUNDING if feature.unit == "share" else 0
    return (
        None if feature.minimum is None else feature.minimum - slack,
        None if feature.maximum is None else feature.maximum + slack,
    )


if TYPE_CHECKING:

    class Features(msgspec.Struct, frozen=True):
        """Features of one customer: each one of the catalogue is an attribute, None where it isn't given."""

else:
    Features = msgspec.defstruct(
        "Features",
        [_field(feature) for feature in FEATURES],
        forbid_unknown_fields=True,
        frozen=True,
        gc=False,
        module=__name__,
    )


class Customer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One customer to be scored."""

    features: Features
    customer_id: Annotated[str | None, msgspec.Meta(description="Comes back with the score; has no other meaning.")] = (
        None
    )


class ScoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/score`."""

    customers: Annotated[list[Customer], msgspec.Meta(min_length=1)]


class Score(msgspec.Struct, frozen=True, gc=False):
    """One customer's segment. `confidence` is 1 - distance / distance to the runner-up; low if below the cut-off."""

    customer_id: str | None
    segment_id: int
    segment_name: str
    distance: float
    runner_up_id: int
    runner_up_name: str
    confidence: float
    is_low_confidence: bool


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What to expect of a customer; bounds are of intervals that hold for 90 % of customers."""

    expected_orders_90d: float
    expected_orders_90d_low: float
    expected_orders_90d_high: float
    expected_revenue_90d: float
    expected_revenue_90d_low: float
    expected_revenue_90d_high: float
    no_order_90d_probability: float
    next_order_expected_on: Annotated[
        date | None,
        msgspec.Meta(description="By then an order is as likely as not; null if that takes more than 365 days."),
    ]
    expected_orders_365d: float
    expected_orders_365d_low: float
    expected_orders_365d_high: float
    expected_revenue_365d: float
    expected_revenue_365d_low: float
    expected_revenue_365d_high: float
    is_365d_extrapolated: Annotated[
        bool, msgspec.Meta(description="Whether the shop is too young to have seen how a year turned out.")
    ]


class ScoreAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Scores in the order of the request, all by one model version."""

    model_version: int
    results: list[Score]
    predictions: Annotated[
        list[Prediction | None] | None,
        msgspec.Meta(
            description="In the same order, if asked for; null for a customer without the features that they take."
        ),
    ] = None


Number = Annotated[float, msgspec.Meta(extra_json_schema={"exclusiveMinimum": -1e11, "exclusiveMaximum": 1e11})]
"""A quantity or an amount; what is out of range is refused by name, as all that the lake refuses."""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an order line holds besides its order."""

    product_id: str | None = None
    quantity: Annotated[Number | None, msgspec.Meta(description="Units; negative for a return.")] = None
    amount: Annotated[
        Number | None,
        msgspec.Meta(description="What was paid for the line; negative for a return. Or else give `unit_price`."),
    ] = None
    unit_price: Annotated[
        Number | None, msgspec.Meta(description="Price of one unit before discount, where `amount` isn't given.")
    ] = None
    category: str | None = None
    currency: Annotated[
        str | None,
        msgspec.Meta(description="What the money is in (ISO 4217); the shop's reporting currency if not given."),
    ] = None
    discount: Annotated[
        Number | None, msgspec.Meta(description="Money taken off the line's price; 0 if not given.")
    ] = None


class Transaction(Item, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One order line, in the columns of the transaction contract that features look at.

    All may be missing here: what has to be there, the contract's own rules tell by name.
    """

    customer_id: str | None = None
    order_id: str | None = None
    ordered_at: Annotated[
        str | None,
        msgspec.Meta(
            description="When it was ordered (UTC, unless it says otherwise), or the day in the shop's time zone."
        ),
    ] = None
    country: str | None = None
    channel: str | None = None


def _required(*names: str) -> msgspec.Meta:
    """Says in the document what has to be there, which rules tell by name rather than the decoder."""
    return msgspec.Meta(extra_json_schema={"required": names})


class TransactionsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/score/transactions`."""

    transactions: Annotated[
        list[Annotated[Transaction, _required("customer_id", "order_id", "product_id", "quantity", "ordered_at")]],
        msgspec.Meta(min_length=1),
    ]
    as_of: Annotated[
        date | None,
        msgspec.Meta(
            description="Only lines before this day, as it begins in the shop's time zone, count; tomorrow if left "
            "out, so that all do."
        ),
    ] = None


class PushRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/transactions`."""

    transactions: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(min_length=1, description="Order lines, in the columns that the source's profile reads."),
    ]


class Refusal(msgspec.Struct, frozen=True):
    """One line that was refused."""

    index: Annotated[int, msgspec.Meta(description="Of the line in the request; the first one is 0.")]
    reason: Annotated[str, msgspec.Meta(description="Name of the rule that refused it.")]


class PushAnswer(msgspec.Struct, frozen=True):
    """What became of order lines; all of it is durable."""

    source: str
    lines_read: Annotated[int, msgspec.Meta(description="New, replaced, repeated and rejected ones.")]
    lines_new: int
    lines_replaced: Annotated[int, msgspec.Meta(description="Lines that took the place of one with the same line_id.")]
    lines_repeated: Annotated[int, msgspec.Meta(description="Lines that were there already, just so.")]
    lines_rejected: int
    rejected_by_reason: dict[str, int]
    rejects: Annotated[list[Refusal], msgspec.Meta(description="The first hundred of the refused lines.")]
    is_replay: Annotated[
        bool, msgspec.Meta(description="Whether the delivery had been taken before; the figures are those of then.")
    ]


class CustomerScore(msgspec.Struct, frozen=True):
    """One customer's segment, and the features that it comes from."""

    customer_id: str
    segment_id: int
    segment_name: str
    distance: float
    runner_up_id: int
    runner_up_name: str
    confidence: float
    is_low_confidence: bool
    features: Features


class TransactionsAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Scores by customer, in the order in which customers appear in the request, all by one model version."""

    as_of: date
    model_version: int
    results: list[CustomerScore]
    without_purchase: Annotated[
        list[str], msgspec.Meta(description="Customers without a purchase in the window; they have no segment.")
    ]
    predictions: Annotated[
        list[Prediction | None] | None, msgspec.Meta(description="In the order of `results`, if asked for.")
    ] = None


class Membership(msgspec.Struct, frozen=True):
    """The segment that a customer was given as of a date."""

    as_of: date
    segment_id: int
    segment_name: str
    confidence: float
    model_version: int


class OwnMembership(msgspec.Struct, frozen=True):
    """The segment that a customer is in by a segmentation of one's own, besides the model's."""

    segmentation_name: str
    segmentation_version: int
    segment_id: int
    segment_name: str


Include = Literal["segment", "segmentations", "features", "history", "why", "moves", "predictions"]
"""What an answer about a customer holds."""

EVERYTHING: frozenset[Include] = frozenset(get_args(Include))


class CustomerAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A customer's segment, with what was asked about it; the features are fit to be sent to `POST /v1/score`."""

    customer_id: str
    as_of: date
    model_version: int
    computed: Annotated[
        Literal["snapshot", "rescored", "fresh"],
        msgspec.Meta(
            description="`snapshot`: as the warehouse has it. `rescored`: the snapshot's features, by the model that "
            "was asked for. `fresh`: from the order lines that the lake has now."
        ),
    ]
    segment_id: int
    segment_name: str
    distance: float
    runner_up_id: int
    runner_up_name: str | None
    runner_up_distance: float
    confidence: float
    is_low_confidence: bool | None
    segmentations: Annotated[
        tuple[OwnMembership, ...] | None,
        msgspec.Meta(description="By name, as of the same snapshot; left out of a fresh answer, which is of none."),
    ] = None
    features: Features | None = None
    history: tuple[Membership, ...] | None = None
    why: tuple[Contribution, ...] | None = None
    moves: tuple[Change, ...] | None = None
    reach: Annotated[Reach | None, msgspec.Meta(description="With `moves`: what orders can do for the customer.")] = (
        None
    )
    held: Annotated[
        str | None,
        msgspec.Meta(
            description="Why they are in this segment though another one is nearer; left out if it is the nearest."
        ),
    ] = None
    predictions: Prediction | None = None


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A hypothetical order."""

    items: Annotated[
        list[Annotated[Item, _required("product_id", "quantity")]], msgspec.Meta(min_length=1, max_length=1000)
    ]
    ordered_at: Annotated[
        str | None, msgspec.Meta(description="When, or the day (ISO 8601); noon before `as_of` if left out.")
    ] = None
    country: str | None = None
    channel: str | None = None


class WhatIfRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/customers/{customer_id}/what-if`."""

    orders: Annotated[list[Order], msgspec.Meta(min_length=1, max_length=1000)]
    as_of: Annotated[
        date | None, msgspec.Meta(description="When the customer is looked at again; tomorrow if left out.")
    ] = None


class WhatIfAnswer(msgspec.Struct, frozen=True):
    """What hypothetical orders would change."""

    customer_id: str
    as_of: date
    model_version: int
    without: Annotated[
        CustomerScore | None,
        msgspec.Meta(description="Without the orders; null where no purchase is in the window then."),
    ]
    with_orders: Annotated[CustomerScore | None, msgspec.Meta(description="With them; null likewise.")]
    is_moved: bool


_OF_THE_MODEL = msgspec.Meta(description="Null for a segment of one's own.")
_OF_A_DEFINITION = msgspec.Meta(description="Of a segment of one's own; else null or left out.")


class SegmentProfile(msgspec.Struct, frozen=True):
    """Size, revenue and typical customer of a segment as of a date, and what to do with its customers."""

    as_of: date
    customer_count: int
    customer_share: float
    revenue: float
    revenue_share: float | None
    median_recency_days: float
    mean_order_count: float
    mean_order_value: float
    mean_net_revenue: float
    mean_confidence: Annotated[float | None, _OF_THE_MODEL]
    description: str
    advice: str | None
    expected_orders_90d: float | None = None
    expected_revenue_90d: float | None = None
    expected_revenue_365d: float | None = None
    mean_no_order_90d_probability: float | None = None


class SegmentAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One segment; `profile` is null where a snapshot has nobody in it, or none has been profiled with it."""

    segment_id: int
    segment_name: str
    description: str
    colour: str
    profile: SegmentProfile | None
    condition: Annotated[str | None, _OF_A_DEFINITION] = None
    advice: Annotated[str | None, _OF_A_DEFINITION] = None


class SegmentsAnswer(msgspec.Struct, frozen=True):
    """The segments of a model, or of a segmentation of one's own."""

    model_version: Annotated[int | None, _OF_THE_MODEL]
    segments: list[SegmentAnswer]
    segmentation_name: str = MODEL
    segmentation_version: Annotated[int | None, _OF_A_DEFINITION] = None


class Finding(msgspec.Struct, frozen=True):
    """One thing that sets a segment apart; docs/data-dictionary.md says what the figures of each kind mean."""

    kind: str
    rank: int
    item: str
    value: float
    reference: float
    score: float
    sentence: str


class LineageStep(msgspec.Struct, frozen=True):
    """What became of a segment with one model version."""

    model_version: int
    event: str | None
    segment_name: str
    relatives: Annotated[
        list[Parent], msgspec.Meta(description="The segments that it descends from; of a retired one, that it went to.")
    ]


class SegmentDetail(msgspec.Struct, frozen=True):
    """Everything about one segment: its profile over time; of the model's, what sets it apart, and its lineage."""

    model_version: Annotated[int | None, _OF_THE_MODEL]
    segment_id: int
    segment_name: str
    description: str
    colour: str
    profiles: list[SegmentProfile]
    findings: list[Finding]
    lineage: list[LineageStep]
    segmentation_name: str = MODEL
    segmentation_version: Annotated[int | None, _OF_A_DEFINITION] = None
    condition: Annotated[str | None, _OF_A_DEFINITION] = None
    advice: Annotated[str | None, _OF_A_DEFINITION] = None


class Member(msgspec.Struct, frozen=True):
    """One customer of a segment."""

    customer_id: str
    confidence: Annotated[float | None, _OF_THE_MODEL]
    is_low_confidence: Annotated[bool | None, _OF_THE_MODEL]
    runner_up_id: Annotated[int | None, _OF_THE_MODEL]
    model_version: Annotated[int | None, _OF_THE_MODEL]


class MembersAnswer(msgspec.Struct, frozen=True):
    """A page of a segment's customers, by id."""

    as_of: date
    segment_id: int
    customers: list[Member]
    next_cursor: Annotated[
        str | None, msgspec.Meta(description="Send it as `cursor` for the next page; null on the last one.")
    ]


class Transition(msgspec.Struct, frozen=True):
    """Customers who went from one segment to another since the snapshot before, and why."""

    from_segment_id: int | None
    from_segment_name: str | None
    to_segment_id: int | None
    to_segment_name: str | None
    cause: str
    customer_count: int
    revenue: float | None


class TransitionsAnswer(msgspec.Struct, frozen=True):
    """All transitions of a snapshot."""

    as_of: date
    previous_as_of: date | None
    transitions: list[Transition]
    segmentation_name: str = MODEL


State = Literal["current", "stale", "ahead"]
"""`current`: it would come out the same today. `stale`: it wouldn't. `ahead`: the data doesn't reach it."""


class SourceDays(msgspec.Struct, frozen=True):
    """The days of one source; late if others reach further."""

    source: str
    first_day: date
    last_day: date
    is_late: bool


class SnapshotCoverage(msgspec.Struct, frozen=True):
    """How far the data reaches."""

    complete_until: Annotated[
        date | None, msgspec.Meta(description="The last day that gets no more lines; null without lines.")
    ]
    newest_as_of: Annotated[date | None, msgspec.Meta(description="The newest date that a snapshot can be made of.")]
    latest: Annotated[
        date | None, msgspec.Meta(description="The snapshot that answers where no date is asked for, if there is any.")
    ]
    sources: list[SourceDays]
    timezone: Annotated[str, msgspec.Meta(description="The shop's time zone, in which days begin.")] = "UTC"


class SnapshotDate(msgspec.Struct, frozen=True, kw_only=True):
    """All tables as of a date; `asked_by` says who asked for them."""

    as_of: date
    state: Annotated[State, msgspec.Meta(description="The worst of its tables.")]
    reasons: list[str]
    customers: int | None
    model_version: int | None
    rows: int
    bytes: Annotated[int, msgspec.Meta(description="Of its files; rows in the catalogue don't count.")]
    asked_by: str | None
    made_at: datetime


class SnapshotSummary(SnapshotDate, frozen=True, kw_only=True):
    """All tables as of a date, in a list."""

    tables: Annotated[int, msgspec.Meta(description="How many there are.")]


class SnapshotsAnswer(msgspec.Struct, frozen=True):
    """The ledger of snapshots, by date."""

    coverage: SnapshotCoverage
    snapshots: list[SnapshotSummary]


class SnapshotOfTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table as of a date; docs/data-dictionary.md says what the columns of `registry.snapshots` mean."""

    table: str
    state: State
    reasons: list[str]
    row_count: int
    bytes: int
    lake_version: int
    written_version: int
    code_version: str
    window_start: date | None
    home_market: str | None
    computed_count: int | None
    engine: str | None
    previous_as_of: date | None
    model_version: int | None
    git_commit: str | None
    made_at: datetime
    run_id: str | None
    asked_by: str | None
    is_requested: bool
    timezone: str | None = None
    ends_at: datetime | None = None
    home_market_lead: int | None = None
    segmentations: str | None = None


class SnapshotDetail(SnapshotDate, frozen=True, kw_only=True):
    """A date, table by table, in the order in which they are made."""

    tables: list[SnapshotOfTable]


class SnapshotRequestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/snapshots`."""

    as_of: Annotated[date, msgspec.Meta(description="The date; any that the data reaches.")]


class SnapshotRequestAnswer(msgspec.Struct, frozen=True):
    """What becomes of a request; `GET /v1/snapshots/{as_of}` tells when it is done."""

    as_of: date
    request_id: Annotated[int | None, msgspec.Meta(description="Null if there is nothing to be done.")]
    requested_at: datetime
    requested_by: str
    detail: str


class ModelSummary(msgspec.Struct, frozen=True):
    """One version of the model, in a list."""

    version: int
    model_hash: str
    as_of: date
    created_at: datetime
    aliases: tuple[str, ...]
    segment_count: int
    metrics: dict[str, float]


class ModelsAnswer(msgspec.Struct, frozen=True):
    """All versions of the model, newest first."""

    models: list[ModelSummary]


class DecisionRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/models/{version}/promote` and `…/rollback`."""

    reason: Annotated[str, msgspec.Meta(max_length=1000, description="Why; the ledger keeps it.")] = ""
    override: Annotated[
        bool, msgspec.Meta(description="Promote although a gate refuses; needs a reason. Not for a rollback.")
    ] = False


class DecisionAnswer(msgspec.Struct, frozen=True):
    """Which version is champion now."""

    champion: int
    is_new: bool
    detail: str


class ModelAnswer(msgspec.Struct, frozen=True):
    """The model that answers, and where it came from. A feature whose `missing_value` is null must be given."""

    version: int
    model_hash: str
    as_of: date
    created_at: datetime
    aliases: tuple[str, ...]
    features: tuple[FeatureRule, ...]
    metrics: dict[str, float]
    provenance: Provenance


class Alive(msgspec.Struct, frozen=True):
    """The process answers."""

    status: str


class Ready(msgspec.Struct, frozen=True):
    """The scorer has a model."""

    status: str
    model_version: int
    is_stale: Annotated[
        bool,
        msgspec.Meta(description="Whether the lake, or the champion that it names, can't be used, so this is older."),
    ]
    detail: Annotated[str, msgspec.Meta(description="Why; empty if nothing is wrong.")]


class Problem(msgspec.Struct, frozen=True):
    """What went wrong. `type` tells kinds apart for programs, `detail` says what to do for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
