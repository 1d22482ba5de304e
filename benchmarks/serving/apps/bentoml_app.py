"""A BentoML service."""

import bentoml
import pandas as pd

from benchmarks.serving.apps.schema import Customer, ScoreAnswer, model


@bentoml.service
class Segmenter:
    """Segments of customers."""

    @bentoml.api
    def score(self, customers: list[Customer]) -> ScoreAnswer:
        """Score the customers of the body."""
        frame = pd.DataFrame([customer.features.model_dump() for customer in customers], dtype=float)
        scores = model.score(frame)
        scores.insert(0, "customer_id", [customer.customer_id for customer in customers])
        return ScoreAnswer.model_validate({"results": scores.to_dict("records")})
