"""How panels become a dashboard: rows, a data source to choose, links to the others, marks of new champions."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.builders.bargauge import Panel as BarGauge
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.statetimeline import Panel as StateTimeline
from grafana_foundation_sdk.builders.table import Panel as Table
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.models import dashboard

from scripts.dashboards.panels import DATASOURCE

DATASOURCE_UID = "segmentation-prometheus"
"""The data source that `deploy/grafana/provisioning/` sets up; a Grafana that has none of this name takes another."""

TAG = "segmentation"

AnyPanel = BarGauge | Stat | StateTimeline | Table | TimeSeries


@dataclass(frozen=True)
class Section:
    """A row of a dashboard: its heading, and its panels from left to right and downwards."""

    title: str
    panels: Sequence[AnyPanel]


@dataclass(frozen=True)
class Board:
    """What a dashboard shows.

    Attributes:
        uid: Its name in addresses, which never changes.
        title: Its name for people.
        description: What it is for.
        since: Beginning of the time that it shows first, as Grafana says it.
        refresh: How often it asks anew.
        sections: Its rows.
    """

    uid: str
    title: str
    description: str
    since: str
    refresh: str
    sections: Sequence[Section]


class _Annotation(dashboard.AnnotationQuery):
    """A query of Prometheus whose series are events; what it is called is missing in the SDK's class."""

    def to_json(self) -> dict[str, object]:
        """The query as Grafana reads it."""
        return {**super().to_json(), "step": "1m", "titleFormat": self.name}


class _ChampionChanges(builder.AnnotationQuery):
    """A mark wherever another version became champion."""

    def __init__(self) -> None:
        super().__init__()
        self._internal = _Annotation(
            name="New champion",
            datasource=DATASOURCE,
            icon_color="purple",
            expr="max(changes(segmentation_champion_version[2m])) > 0",
        )


def assemble(board: Board, boards: Sequence[Board]) -> dashboard.Dashboard:
    """A dashboard as Grafana reads it.

    Args:
        board: What it shows.
        boards: All of them, to which it leads.
    """
    made = (
        builder.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .timezone("browser")
        .time(board.since, "now")
        .refresh(board.refresh)
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(_datasource())
        .annotation(_ChampionChanges())
        .links([_link(other) for other in boards if other.uid != board.uid])
    )
    number = 0
    for section in board.sections:
        number += 1
        made.with_row(builder.Row(section.title).id(number))
        for panel in section.panels:
            number += 1
            made.with_panel(panel.id(number))
    return made.build()


def _datasource() -> builder.DatasourceVariable:
    provisioned = dashboard.VariableOption(selected=True, text="Prometheus", value=DATASOURCE_UID)
    return (
        builder.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that reads the scorer, the streams and the exporter.")
        .type("prometheus")
        .current(provisioned)
    )


def _link(board: Board) -> builder.DashboardLink:
    return (
        builder.DashboardLink(board.title)
        .type(dashboard.DashboardLinkType.LINK)
        .url(f"/d/{board.uid}")
        .icon("dashboard")
        .tooltip(board.description)
        .include_vars(True)
        .keep_time(True)
    )
