"""What goes over the wire: the bodies of requests and answers, as types.

The features are those of the catalogue, so that a new feature is in the API without a line here. How bodies are
decoded and answered is `scoring.py` and `routes/`.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from segmentation.features.catalogue import FEATURES, Feature
from segmentation.modeling.artefact import FeatureRule, Provenance

PYTHON_TYPES: dict[str, type] = {"DOUBLE": float, "BIGINT": float, "BOOLEAN": bool, "VARCHAR": str}
"""Counts are decoded as floats: a hypothetical customer may have 2.5 orders, and no number overflows a matrix."""


def described(feature: Feature) -> str:
    """What a feature is, as the API's documentation says it."""
    return f"{feature.description} Unit: {feature.unit}."


def _field(feature: Feature) -> tuple[str, object, None]:
    meta = msgspec.Meta(description=described(feature))
    return feature.name, Annotated[PYTHON_TYPES[feature.type] | None, meta], None


if TYPE_CHECKING:

    class Features(msgspec.Struct, frozen=True):
        """Features of one customer: each one of the catalogue is an attribute, None where it isn't given."""

else:
    Features = msgspec.defstruct(
        "Features", [_field(feature) for feature in FEATURES], forbid_unknown_fields=True, frozen=True, module=__name__
    )


class Customer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One customer to be scored."""

    features: Features
    customer_id: str | None = None


class ScoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /v1/score`."""

    customers: Annotated[list[Customer], msgspec.Meta(min_length=1)]


class Score(msgspec.Struct, frozen=True):
    """One customer's segment. `confidence` is 1 - distance / distance to the runner-up; low if below the cut-off."""

    customer_id: str | None
    segment_id: int
    segment_name: str
    distance: float
    runner_up_id: int
    runner_up_name: str
    confidence: float
    is_low_confidence: bool


class ScoreAnswer(msgspec.Struct, frozen=True):
    """Scores in the order of the request, all by one model version."""

    model_version: int
    results: list[Score]


class CustomerAnswer(msgspec.Struct, frozen=True):
    """A customer as last assigned, with the features of that date; fit to be sent to `POST /v1/score`."""

    customer_id: str
    as_of: date
    model_version: int
    segment_id: int
    segment_name: str
    distance: float
    runner_up_id: int
    runner_up_name: str | None
    runner_up_distance: float
    confidence: float
    is_low_confidence: bool | None
    features: Features | None


class SegmentProfile(msgspec.Struct, frozen=True):
    """Size, revenue and typical customer of a segment as of a date."""

    as_of: date
    customer_count: int
    customer_share: float
    revenue: float
    revenue_share: float | None
    median_recency_days: float
    mean_order_count: float
    mean_order_value: float
    mean_net_revenue: float
    mean_confidence: float


class SegmentAnswer(msgspec.Struct, frozen=True):
    """One segment of the champion; `profile` is null until a snapshot has been profiled with it."""

    segment_id: int
    segment_name: str
    description: str
    profile: SegmentProfile | None


class SegmentsAnswer(msgspec.Struct, frozen=True):
    """The champion's segments."""

    model_version: int
    segments: list[SegmentAnswer]


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
