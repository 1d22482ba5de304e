"""The figures of a run as Markdown between two comments of a page, so that nobody copies them by hand.

`python -m benchmarks.features.page FIGURES.json PAGE.md` writes those that `--json` has kept.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.features.results import BASES, TITLES
from segmentation.errors import SegmentationError
from segmentation_assets.metadata import markdown_table

BEGIN = "<!-- Figures by `python -m benchmarks.features --markdown docs/scale.md`. Don't edit them: run that. -->"
END = "<!-- End of the figures. -->"

Report = Mapping[str, Any]
"""What `benchmarks.reporting.report` makes, or what is read of its JSON."""


def write_figures(page: Path, report: Report) -> None:
    """Replace the figures of a page.

    Args:
        page: A page that has both comments.
        report: The figures of a run.

    Raises:
        SegmentationError: The page lacks a comment.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SegmentationError(
            f"{page} has no place for figures; write these two lines where they belong:\n{BEGIN}\n{END}"
        )
    page.write_text(f"{before}{begin}\n\n{figures(report)}\n\n{end}{after}", "utf-8")


def figures(report: Report) -> str:
    """A report in Markdown: the machine, a table for each kind of case, and the targets."""
    parts = [f"On {report['machine']}; one run{_agreement(report['results'])}."]
    for kind, title in TITLES.items():
        own = [row for row in report["results"] if row["kind"] == kind]
        if own:
            parts += [f"**{title}**", _table(own, BASES.get(kind))]
    found = [
        (t["name"], t["target"], "not measured" if t["measured"] is None else _number(t["measured"]), _said(t["met"]))
        for t in report["targets"]
    ]
    return "\n\n".join([*parts, "**Targets**", markdown_table(("target", "wanted", "measured", "met"), found)])


def _agreement(results: Sequence[Report]) -> str:
    unequal = sorted({str(row["contender"]) for row in results if not row["is_equal"]})
    if unequal:
        return f"; unequal or missing answers: {', '.join(unequal)}"
    compared = [row["largest_difference"] for row in results if row["largest_difference"] is not None]
    if not compared:
        return ""
    return f", {len(compared)} answers compared: texts and counts equal, numbers apart by {max(compared):.1e} at most"


def _table(results: Sequence[Report], base: str | None) -> str:
    header = ("case", "contender", "wall, s", "CPU, s", "peak memory, MB", *([f"CPU ÷ {base}"] if base else []), "note")
    names = ("wall_s", "cpu_s", "peak_rss_mb", *(["cpu_ratio"] if base else []))
    return markdown_table(
        header,
        [(row["case"], row["contender"], *(_number(row[name]) for name in names), row["note"]) for row in results],
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _said(met: bool | None) -> str:
    return {True: "yes", False: "**no**", None: ""}[met]


def main() -> None:
    """Write the figures that the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.features.page", description="Figures into a page.")
    parser.add_argument("figures", type=Path, metavar="FIGURES.json")
    parser.add_argument("page", type=Path, metavar="PAGE.md")
    arguments = parser.parse_args()
    write_figures(arguments.page, json.loads(arguments.figures.read_text("utf-8")))


if __name__ == "__main__":
    main()
