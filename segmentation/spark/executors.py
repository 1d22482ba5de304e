"""What goes wrong on Spark's executors, told without a stack trace of theirs."""

from collections.abc import Iterator
from contextlib import contextmanager

from segmentation.errors import SegmentationError


@contextmanager
def failures_told() -> Iterator[None]:
    """Tell what Python raised on an executor as a `SegmentationError`."""
    from pyspark.errors import PythonException

    try:
        yield
    except PythonException as error:
        raise SegmentationError(
            f"Python failed on Spark's executors: {_raised(str(error))}. They need the segmentation-platform of the "
            "driver, with NumPy, PyArrow and msgspec (docs/scale.md)."
        ) from error


def _raised(told: str) -> str:
    """What was raised: the last line of a traceback that begins the message, and that stacks of Java follow."""
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    python = [line for line in lines if not line.startswith(("at ", "..."))]
    return python[-1].rstrip(".")
