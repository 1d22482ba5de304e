"""What docs/metrics.md declares: the names, labels and types that alerts and dashboards rely on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from segmentation.metrics.families import MetricFamily

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
SECTION = re.compile(r"^## (?P<title>.*)\n(?P<text>(?:(?!^## ).*\n?)*)", re.MULTILINE)
ROW = re.compile(r"^\| (?P<names>`segmentation_[^|]*) \| (?P<type>\w+) \|", re.MULTILINE)
NAME = re.compile(r"`(?P<name>\w+)(?:\{(?P<labels>[\w,]+)\})?`")


@dataclass(frozen=True)
class SourceConfig:
    """One metric of the page."""

    type: str
    labels: frozenset[str]


def declared(*titles: str) -> dict[str, SourceConfig]:
    """The metrics of the sections with these titles, by name."""
    sections = {found["title"]: found["text"] for found in SECTION.finditer(PAGE.read_text(encoding="utf-8"))}
    return {
        name["name"]: SourceConfig(row["type"], frozenset((name["labels"] or "").split(",")) - {""})
        for title in titles
        for row in ROW.finditer(sections[title])
        for name in NAME.finditer(row["names"])
    }


def told(families: Iterable[MetricFamily]) -> dict[str, SourceConfig]:
    """The same of families, with or without samples."""
    return {
        f"{each.name}_total" if each.is_counter else each.name: SourceConfig(
            "counter" if each.is_counter else "gauge", frozenset(each.labels)
        )
        for each in families
    }
