"""Saves the pipeline as an MLflow model, for `mlflow models serve`: `python -m …apps.mlflow_model FOLDER`."""

import sys

import mlflow.sklearn
import numpy as np
import pandas as pd
from mlflow.models import infer_signature

from benchmarks.serving.apps.model import load


def main() -> None:
    """Save it to the folder that the argument names; its `predict` gives the index of the nearest centroid."""
    model = load()
    example = pd.DataFrame(np.ones((1, len(model.features))), columns=list(model.features))
    signature = infer_signature(example, model.pipeline.predict(example))
    mlflow.sklearn.save_model(
        model.pipeline, sys.argv[1], signature=signature, pip_requirements=[], serialization_format="cloudpickle"
    )


if __name__ == "__main__":
    main()
