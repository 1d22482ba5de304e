"""The page about the graph: its assets, checks, jobs, schedules and sensors, as the code location declares them."""

from collections.abc import Iterator

import dagster as dg

from segmentation.settings import Settings
from segmentation.snapshots.coverage import Coverage
from segmentation_assets.definitions import build_definitions
from segmentation_assets.metadata import markdown_table

INTRO = """\
# The graph, as it is declared

Assets, checks, jobs, schedules and sensors of the code location; [the asset graph in Dagster](dagster.md) says how they
work together. Each source in `sources.yaml` adds an asset `sources/<name>` with its checks
(`columns_are_expected`, `figures_are_usual` and, unless it is of files, `deliveries_add_up`) and, if it has one, its
schedule."""


def graph_parts() -> Iterator[str]:
    """The parts of the page, in Markdown."""
    definitions = build_definitions(Settings(), coverage=Coverage())
    yield INTRO
    yield from ("## Assets", _assets(definitions), "## Checks", _checks(definitions), "## Jobs", _jobs(definitions))
    yield from ("## Schedules (UTC; off until turned on)", _schedules(definitions), "## Sensors", _sensors(definitions))


def _assets(definitions: dg.Definitions) -> str:
    specs = sorted(definitions.resolve_all_asset_specs(), key=lambda spec: spec.key)
    rows = [
        (
            f"`{spec.key.to_user_string()}`",
            _partitions(spec),
            spec.owners[0].removeprefix("team:") if spec.owners else "",
            "yes" if spec.automation_condition else "",
            _first_paragraph(spec.description),
        )
        for spec in specs
    ]
    return markdown_table(["asset", "partitions", "owner", "follows by itself", "what it is"], rows)


def _partitions(spec: dg.AssetSpec) -> str:
    match spec.partitions_def:
        case None:
            return "–"
        case dg.MonthlyPartitionsDefinition():
            return "month (`as_of`)"
        case _:
            return "day"


def _checks(definitions: dg.Definitions) -> str:
    specs = [spec for checks in definitions.asset_checks or () for spec in _specs_of(checks)]
    rows = [
        (
            f"`{spec.name}`",
            f"`{spec.asset_key.to_user_string()}`",
            "yes" if spec.blocking else "no",
            _first_paragraph(spec.description),
        )
        for spec in sorted(specs, key=lambda spec: (spec.asset_key, spec.name))
    ]
    return markdown_table(["check", "on", "blocks", "what it says"], rows)


def _specs_of(checks: object) -> Iterator[dg.AssetCheckSpec]:
    if isinstance(checks, dg.AssetChecksDefinition):
        yield from checks.check_specs


def _jobs(definitions: dg.Definitions) -> str:
    rows = [(f"`{job.name}`", _first_paragraph(job.description)) for job in definitions.jobs or ()]
    return markdown_table(["job", "what it does"], rows)


def _schedules(definitions: dg.Definitions) -> str:
    rows = [
        (f"`{schedule.name}`", f"`{schedule.cron_schedule}`", _first_paragraph(schedule.description))
        for schedule in definitions.schedules or ()
        if isinstance(schedule, dg.ScheduleDefinition)
    ]
    return markdown_table(["schedule", "cron", "what it asks for"], rows)


def _sensors(definitions: dg.Definitions) -> str:
    rows = [(f"`{sensor.name}`", _first_paragraph(sensor.description)) for sensor in definitions.sensors or ()]
    return markdown_table(["sensor", "what it does"], rows)


def _first_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())
