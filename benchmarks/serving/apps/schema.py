"""Requests and answers as pydantic models, for the frameworks that take them."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, create_model

from benchmarks.serving.apps.model import load

model = load()

if TYPE_CHECKING:

    class Features(BaseModel):
        """The features of the model, each a number or missing."""

else:
    Features = create_model("Features", **dict.fromkeys(model.features, (float | None, None)))


class Customer(BaseModel):
    """One customer to be scored."""

    customer_id: str | None = None
    features: Features


class ScoreRequest(BaseModel):
    """The body of a request."""

    customers: list[Customer]


class Score(BaseModel):
    """One customer's segment."""

    customer_id: str | None
    segment_id: int
    segment_name: str
    distance: float
    runner_up_id: int
    runner_up_name: str
    confidence: float
    is_low_confidence: bool


class ScoreAnswer(BaseModel):
    """The body of an answer."""

    results: list[Score]
