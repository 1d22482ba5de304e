"""FastAPI, for uvicorn."""

import pandas as pd
from fastapi import FastAPI

from benchmarks.serving.apps.schema import ScoreAnswer, ScoreRequest, model

app = FastAPI()


@app.post("/score")
def score(request: ScoreRequest) -> ScoreAnswer:
    """Score the customers of the body."""
    frame = pd.DataFrame([customer.features.model_dump() for customer in request.customers], dtype=float)
    scores = model.score(frame)
    scores.insert(0, "customer_id", [customer.customer_id for customer in request.customers])
    return ScoreAnswer.model_validate({"results": scores.to_dict("records")})
