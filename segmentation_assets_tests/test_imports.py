"""What it costs to load a program: heavy libraries are imported by what uses them, and not before.

`import-linter` can't hold this: it also sees the imports inside functions, which are the remedy.
"""

import subprocess
import sys

import pytest

TRAINING = {"matplotlib", "mlflow", "optuna", "pandas", "pyspark", "scipy", "sklearn"}


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("segmentation_assets.definitions", TRAINING | {"apprise", "opentelemetry.sdk", "pyarrow"}),
        ("serving.app", TRAINING | {"dagster", "opentelemetry.sdk", "polars"}),
        ("segmentation.cli.app", TRAINING | {"dagster", "duckdb", "litestar", "numpy", "polars", "pyarrow"}),
        ("segmentation_assets.cli.commands", TRAINING | {"dagster", "duckdb", "numpy", "polars", "pyarrow"}),
    ],
)
def test_a_program_loads_without_what_it_may_never_need(module: str, heavy: set[str]) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not heavy & loaded
