"""How panels look: one function for each kind, so that the same kind of figure looks alike on every dashboard.

What a panel shows, and what it says about that, belongs to the dashboards' own modules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Protocol, Self, TypeVar

from grafana_foundation_sdk.builders import bargauge as bargauge_builder
from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as dashboard_builder
from grafana_foundation_sdk.builders import prometheus as prometheus_builder
from grafana_foundation_sdk.builders import stat as stat_builder
from grafana_foundation_sdk.builders import statetimeline as statetimeline_builder
from grafana_foundation_sdk.builders import table as table_builder
from grafana_foundation_sdk.builders import timeseries as timeseries_builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""Whatever the variable at the top of the dashboard says."""

GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"

SECONDS = "s"
COUNT = "short"
SHARE = "percentunit"
BYTES = "bytes"
PER_SECOND = "cps"
REQUESTS = "reqps"
PLAIN = "none"

Levels = Sequence[tuple[float | None, str]]
"""From which value on which colour; the first holds from minus infinity on, and says None."""

NEUTRAL: Levels = ((None, BLUE),)


def worse_above(bad: float, warn: float | None = None) -> Levels:
    """Green, orange from `warn` on, red from `bad` on."""
    return ((None, GREEN), *(() if warn is None else ((warn, ORANGE),)), (bad, RED))


def warns_above(warn: float) -> Levels:
    """Green, orange from `warn` on: worth a look, and nothing that has to be done at once."""
    return ((None, GREEN), (warn, ORANGE))


def worse_below(bad: float, warn: float | None = None) -> Levels:
    """Red below `bad`, orange below `warn`, else green."""
    return ((None, RED), *(() if warn is None else ((bad, ORANGE),)), (bad if warn is None else warn, GREEN))


@dataclass(frozen=True)
class Query:
    """A PromQL expression, and what its series are called (with labels as `{{label}}`)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class State:
    """What a value means."""

    text: str
    colour: str


@dataclass(frozen=True)
class Column:
    """A column of figures in a table."""

    title: str
    expression: str
    unit: str = COUNT
    levels: Levels = ()


class _Panel(Protocol):
    """What the SDK's builders of panels have in common; they have no common class."""

    def title(self, title: str, /) -> Self: ...
    def description(self, description: str, /) -> Self: ...
    def datasource(self, datasource: dashboard.DataSourceRef, /) -> Self: ...
    def span(self, w: int, /) -> Self: ...
    def height(self, h: int, /) -> Self: ...
    def unit(self, unit: str, /) -> Self: ...
    def thresholds(self, thresholds: Builder[dashboard.ThresholdsConfig], /) -> Self: ...
    def color_scheme(self, color: Builder[dashboard.FieldColor], /) -> Self: ...
    def targets(self, targets: list[Builder[Dataquery]], /) -> Self: ...


PanelT = TypeVar("PanelT", bound=_Panel)


def stat(
    title: str,
    description: str,
    expression: str,
    unit: str,
    levels: Levels = NEUTRAL,
    *,
    states: Mapping[int, State] | None = None,
    nothing: str = "–",
    width: int = 3,
    decimals: int | None = None,
) -> stat_builder.Panel:
    """One figure, coloured by what it means.

    Args:
        title: Of the panel.
        description: What it tells, and what is bad.
        expression: One series.
        unit: Grafana's name of it.
        levels: Colours.
        states: Words for values, with colours that go before those of `levels`.
        nothing: What stands there while there is no series.
        width: In columns of 24.
        decimals: If not as many as Grafana thinks fit.
    """
    panel = (
        _filled(stat_builder.Panel(), title, description, unit, (width, 4))
        .targets([_target(Query(expression), "A").instant()])
        .thresholds(_thresholds(levels))
        .color_scheme(_by_threshold())
        .color_mode(common.BigValueColorMode.BACKGROUND_SOLID if len(levels) > 1 or states else _COLOURED_VALUE)
        .graph_mode(common.BigValueGraphMode.NONE)
        .reduce_options(_last())
        .no_value(nothing)
    )
    if states:
        panel.mappings([_mapping(states)])
    if decimals is not None:
        panel.decimals(decimals)
    return panel


def lines(
    title: str,
    description: str,
    queries: Sequence[Query],
    unit: str,
    *,
    levels: Levels = (),
    stacked: common.StackingMode | None = None,
    bars: bool = False,
    colours: Mapping[str, str] | None = None,
    dashed: str = "",
    steps: bool = False,
    log: bool = False,
    interval: str = "",
    width: int = 12,
    height: int = 8,
) -> timeseries_builder.Panel:
    """Figures over time.

    Args:
        title: Of the panel.
        description: What it tells, and what is bad.
        queries: Each with one or more series.
        unit: Grafana's name of it.
        levels: Where lines are drawn across, if anywhere.
        stacked: How series stand on each other, if they do.
        bars: Bars rather than lines.
        colours: Of series, by regular expressions of their names.
        dashed: Regular expression of the names of series that are limits rather than figures.
        steps: Whether values hold until the next one rather than change gradually.
        log: Whether the axis is logarithmic.
        interval: The shortest step.
        width: In columns of 24.
        height: In units of 30 pixels.
    """
    panel = (
        _filled(timeseries_builder.Panel(), title, description, unit, (width, height))
        .targets([_target(query, ref).range() for query, ref in zip(queries, ascii_uppercase, strict=False)])
        .color_scheme(dashboard_builder.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC_BY_NAME))
        .legend(_legend())
        .tooltip(_tooltip())
        .show_points(common.VisibilityMode.NEVER)
    )
    if unit in {SHARE, COUNT, SECONDS, BYTES, PER_SECOND, REQUESTS} and not log:
        panel.axis_soft_min(0)
    if levels:
        panel.thresholds(_thresholds(levels)).thresholds_style(_dashed_thresholds())
    if stacked:
        panel.stacking(common_builder.StackingConfig().mode(stacked)).fill_opacity(40)
    if bars:
        panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80)
    if steps:
        panel.line_interpolation(common.LineInterpolation.STEP_AFTER)
    if log:
        panel.scale_distribution(common_builder.ScaleDistributionConfig().type(common.ScaleDistribution.LOG).log(10))
    if interval:
        panel.interval(interval)
    if dashed:
        panel.override_by_regexp(dashed, [_property("custom.lineStyle", {"fill": "dash", "dash": [8, 8]})])
    for pattern, colour in (colours or {}).items():
        panel.override_by_regexp(pattern, [_property("color", {"mode": "fixed", "fixedColor": colour})])
    return panel


def table(
    title: str,
    description: str,
    keys: Mapping[str, str],
    columns: Sequence[Column],
    *,
    sort: str = "",
    descending: bool = True,
    width: int = 12,
    height: int = 8,
) -> table_builder.Panel:
    """Figures of now, a row for each combination of labels.

    Args:
        title: Of the panel.
        description: What it tells, and what is bad.
        keys: The labels by which all expressions are grouped, each with its heading.
        columns: The figures.
        sort: Heading of the column that rows are sorted by.
        descending: Whether the greatest comes first.
        width: In columns of 24.
        height: In units of 30 pixels.
    """
    values = dict(zip(ascii_uppercase, columns, strict=False))
    fields = {"Value" if len(columns) == 1 else f"Value #{ref}": column.title for ref, column in values.items()}
    names = {**keys, **fields}
    organize = {
        "excludeByName": {"Time": True},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": names,
    }
    panel = (
        _filled(table_builder.Panel(), title, description, COUNT, (width, height))
        .targets([_table_target(column.expression, ref) for ref, column in values.items()])
        .cell_height(common.TableCellHeight.SM)
        .filterable(True)
    )
    if len(columns) > 1:
        panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))
    panel.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=organize))
    for column in columns:
        panel.override_by_name(column.title, _column_look(column))
    if sort:
        panel.sort_by([common_builder.TableSortByFieldState().display_name(sort).desc(descending)])
    return panel


def matrix(
    title: str,
    description: str,
    expression: str,
    unit: str,
    levels: Levels,
    *,
    row: str,
    column: str,
    width: int = 12,
    height: int = 8,
) -> table_builder.Panel:
    """Figures of now, one label down and another across, on coloured ground.

    Args:
        title: Of the panel.
        description: What it tells, and what is bad.
        expression: Grouped by both labels.
        unit: Grafana's name of it.
        levels: Colours of the ground.
        row: The label that goes down.
        column: The label that goes across.
        width: In columns of 24.
        height: In units of 30 pixels.
    """
    pivot = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "null"}
    return (
        _filled(table_builder.Panel(), title, description, unit, (width, height))
        .targets([_table_target(expression, "A")])
        .with_transformation(dashboard.DataTransformerConfig(id_val="groupingToMatrix", options=pivot))
        .thresholds(_thresholds(levels))
        .color_scheme(_by_threshold())
        .cell_options(_COLOURED_GROUND)
        .override_by_field_type("string", [_property("custom.cellOptions", {"type": "auto"})])
        .cell_height(common.TableCellHeight.SM)
        .filterable(True)
    )


def timeline(
    title: str,
    description: str,
    queries: Sequence[Query],
    states: Mapping[int, State],
    *,
    width: int = 12,
    height: int = 8,
) -> statetimeline_builder.Panel:
    """States over time, a band for each series.

    Args:
        title: Of the panel.
        description: What it tells, and what is bad.
        queries: Whose values are those of `states`.
        states: What a value means.
        width: In columns of 24.
        height: In units of 30 pixels.
    """
    return (
        _filled(statetimeline_builder.Panel(), title, description, PLAIN, (width, height))
        .targets([_target(query, ref).range() for query, ref in zip(queries, ascii_uppercase, strict=False)])
        .mappings([_mapping(states)])
        .thresholds(_thresholds(NEUTRAL))
        .color_scheme(_by_threshold())
        .show_value(common.VisibilityMode.NEVER)
        .fill_opacity(80)
        .line_width(1)
        .merge_values(True)
        .legend(_legend())
        .tooltip(_tooltip())
    )


def gauges(
    title: str,
    description: str,
    query: Query,
    unit: str,
    levels: Levels = NEUTRAL,
    *,
    width: int = 8,
    height: int = 8,
) -> bargauge_builder.Panel:
    """Figures of now as bars beside each other, which share a scale.

    Args:
        title: Of the panel.
        description: What it tells, and what is bad.
        query: A bar for each series.
        unit: Grafana's name of it.
        levels: Colours.
        width: In columns of 24.
        height: In units of 30 pixels.
    """
    return (
        _filled(bargauge_builder.Panel(), title, description, unit, (width, height))
        .targets([_target(query, "A").instant()])
        .thresholds(_thresholds(levels))
        .color_scheme(_by_threshold())
        .min(0)
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .reduce_options(_last())
    )


_COLOURED_VALUE = common.BigValueColorMode.VALUE
_COLOURED_GROUND = common.TableColoredBackgroundCellOptions(mode=common.TableCellBackgroundDisplayMode.BASIC)


def _filled(panel: PanelT, title: str, description: str, unit: str, size: tuple[int, int]) -> PanelT:
    width, height = size
    return panel.title(title).description(description).datasource(DATASOURCE).unit(unit).span(width).height(height)


def _target(query: Query, ref: str) -> prometheus_builder.Dataquery:
    target = prometheus_builder.Dataquery().expr(query.expression).ref_id(ref).datasource(DATASOURCE)
    return target.legend_format(query.legend) if query.legend else target


def _table_target(expression: str, ref: str) -> prometheus_builder.Dataquery:
    return _target(Query(expression), ref).instant().format(PromQueryFormat.TABLE)


def _thresholds(levels: Levels) -> dashboard_builder.ThresholdsConfig:
    steps = [dashboard.Threshold(value=value, color=colour) for value, colour in levels]
    return dashboard_builder.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def _dashed_thresholds() -> common_builder.GraphThresholdsStyleConfig:
    return common_builder.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)


def _by_threshold() -> dashboard_builder.FieldColor:
    return dashboard_builder.FieldColor().mode(dashboard.FieldColorModeId.THRESHOLDS)


def _last() -> common_builder.ReduceDataOptions:
    return common_builder.ReduceDataOptions().calcs(["lastNotNull"])


def _legend() -> common_builder.VizLegendOptions:
    return (
        common_builder.VizLegendOptions()
        .show_legend(True)
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
    )


def _tooltip() -> common_builder.VizTooltipOptions:
    return common_builder.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)


def _mapping(states: Mapping[int, State]) -> dashboard.ValueMap:
    return dashboard.ValueMap(
        options={
            str(value): dashboard.ValueMappingResult(text=state.text, color=state.colour, index=index)
            for index, (value, state) in enumerate(states.items())
        }
    )


def _column_look(column: Column) -> list[dashboard.DynamicConfigValue]:
    look = [_property("unit", column.unit)]
    if column.levels:
        steps = [{"value": value, "color": colour} for value, colour in column.levels]
        look += [
            _property("thresholds", {"mode": "absolute", "steps": steps}),
            _property("color", {"mode": "thresholds"}),
            _property("custom.cellOptions", _COLOURED_GROUND),
        ]
    return look


def _property(name: str, value: object) -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val=name, value=value)
