"""MLflow, which is not in the plain environment."""

import os
from importlib.util import find_spec

import pytest


def require_mlflow() -> None:
    """Skip a test where MLflow isn't installed, but not in CI."""
    if find_spec("mlflow") is None:
        reason = "needs MLflow: make .venv/tracking"
        assert "CI" not in os.environ, reason
        pytest.skip(reason)
