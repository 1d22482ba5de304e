"""A copy of the source to which a feature was added as docs/features.md says."""

import shutil
from pathlib import Path

import segmentation
import segmentation_assets

NAME = "earliest_hour"

LINE = "    row.earliest_hour = min([order.hour for order in orders])\n"
ROW = """\
    Feature(
        name="earliest_hour",
        group="temporal",
        type="BIGINT",
        unit="0–23",
        description="Earliest hour of the day (UTC) of an order.",
        formula="min hour of tᵢ",
    ),
"""
MODELLED = """\
        transform="identity",
        is_modelled=True,
"""


def copy_with_feature(to: Path, *, is_modelled: bool = False) -> Path:
    """Copy the source and add `earliest_hour` to the copy.

    Args:
        to: A folder that is not there yet.
        is_modelled: Whether models use it.

    Returns:
        The folder, for `PYTHONPATH`.
    """
    for package in (segmentation, segmentation_assets):
        assert package.__file__
        source = Path(package.__file__).parent
        shutil.copytree(source, to / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    kernel = to / "segmentation" / "features" / "kernel"
    _insert(kernel / "temporal.py", "    row.preferred_hour = most_frequent(hours)\n", LINE)
    row = ROW.replace("        formula", f"{MODELLED}        formula") if is_modelled else ROW
    _insert(to / "segmentation" / "metadata" / "features" / "temporal.py", "TEMPORAL = (\n", row)
    return to


def _insert(path: Path, after: str, text: str) -> None:
    content = path.read_text("utf-8")
    assert content.count(after) == 1
    path.write_text(content.replace(after, after + text), "utf-8")
