"""Flask, for gunicorn."""

import pandas as pd
from flask import Flask, Response, jsonify, request

from benchmarks.serving.apps.model import load

app = Flask(__name__)
model = load()


@app.post("/score")
def score() -> Response:
    """Score the customers of the body."""
    customers = request.get_json()["customers"]
    frame = pd.DataFrame([customer["features"] for customer in customers], columns=model.features, dtype=float)
    scores = model.score(frame)
    scores.insert(0, "customer_id", [customer["customer_id"] for customer in customers])
    return jsonify(results=scores.to_dict("records"))
