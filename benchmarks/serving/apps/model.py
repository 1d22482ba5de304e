"""The model that the servers unpickle when they start, and what they all do with a frame of customers."""

import os
from dataclasses import dataclass
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

VARIABLE = "BENCHMARK_MODEL"
"""Environment variable that says where the model is."""


@dataclass(frozen=True)
class Model:
    """What is needed to answer.

    Attributes:
        pipeline: From features to distances; see `benchmarks.serving.pipeline`.
        features: Its columns.
        segment_ids: By index of the centroid.
        segment_names: By index of the centroid.
        cutoffs: Confidence below which it is low, by index of the centroid.
    """

    pipeline: Pipeline
    features: tuple[str, ...]
    segment_ids: tuple[int, ...]
    segment_names: tuple[str, ...]
    cutoffs: tuple[float, ...]

    def save(self, path: Path) -> None:
        """Write it to a file."""
        joblib.dump(self, path)

    def score(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A score for every row of features, NaN where missing."""
        distances = self.pipeline.transform(frame)
        nearest_first = np.argsort(distances, axis=1)
        first, second = nearest_first[:, 0], nearest_first[:, 1]
        rows = np.arange(len(frame))
        distance = distances[rows, first]
        confidence = 1 - distance / distances[rows, second]
        ids, names = np.array(self.segment_ids), np.array(self.segment_names)
        return pd.DataFrame(
            {
                "segment_id": ids[first],
                "segment_name": names[first],
                "distance": distance,
                "runner_up_id": ids[second],
                "runner_up_name": names[second],
                "confidence": confidence,
                "is_low_confidence": confidence < np.array(self.cutoffs)[first],
            }
        )


def load() -> Model:
    """The model that the environment names."""
    model = joblib.load(os.environ[VARIABLE])
    assert isinstance(model, Model)  # noqa: S101 - for the type checker; we wrote the file
    return model
