"""`segmentation segmentations`: segmentations of one's own, as declared and as the lake has them. Only reads."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import duckdb
import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.errors import NoLakeError, SegmentationError
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS
from segmentation.segmentations.config import EXAMPLE, declared_segmentations
from segmentation.segmentations.definition import Definition
from segmentation.segmentations.inputs import columns_by_table
from segmentation.segmentations.versions import DefinitionVersion, read_versions, segment_ids, versions_in_force
from segmentation.segments.own_segments import SegmentCount, count_segments
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import open_current

segmentations = typer.Typer(
    no_args_is_help=True,
    help="Segmentations of your own, besides the model, as segmentations.yaml declares them.\n\n"
    "For example: segmentation segmentations list",
)

SIZES = f"""
SELECT segment_id, COUNT(*)
FROM {CUSTOMER_SEGMENTS.name}
WHERE as_of = DATE '{{as_of}}' AND segmentation_name = $name
GROUP BY segment_id
"""

AsOf = Annotated[
    str | None, typer.Option(help="A date with features, `YYYY-MM-DD`; the newest one with segments if left out.")
]


@segmentations.command("list")
def list_segmentations(as_json: JsonFlag = False) -> None:
    """List what is declared and what the lake has, with their versions; without any, say how to declare one.

    For example: segmentation segmentations list
    """
    settings = load_settings()
    declared, versions = declared_segmentations(settings), _versions(settings)
    last = {each.name: each for each in versions}
    if declared is None:
        declared = {name: each.definition for name, each in last.items() if each.definition is not None}
    names = sorted(declared.keys() | last.keys())
    if as_json:
        print_json([_facts(name, declared.get(name), last.get(name)) for name in names])
        return
    if not names:
        console.print(
            f"There is the model's segmentation alone. Write {escape(str(settings.segmentations))} (or set "
            f"SEGMENTATION_SEGMENTATIONS). For example:\n\n{escape(EXAMPLE)}",
            soft_wrap=True,
        )
        return
    table = Table("segmentation", "version", "segments", "state", "description")
    for name in names:
        facts = _facts(name, declared.get(name), last.get(name))
        table.add_row(*(escape(str("" if value is None else value)) for value in facts.values()))
    console.print(table)


@segmentations.command("check")
def check_segmentations(
    name: Annotated[str | None, typer.Argument(help="A declared segmentation; all of them if left out.")] = None,
    as_of: AsOf = None,
    as_json: JsonFlag = False,
) -> None:
    """Check what is declared, and say how many customers each segment would hold; nothing is written.

    For example: segmentation segmentations check loyalty
    """
    settings = load_settings()
    declared = declared_segmentations(settings)
    if declared is None:
        raise SegmentationError(
            f"There is no {settings.segmentations} (SEGMENTATION_SEGMENTATIONS); `segmentation segmentations list` "
            "shows an example."
        )
    chosen = declared if name is None else {name: _known(name, declared)}
    day, counts = _counts(settings, chosen, _date(as_of))
    if as_json:
        print_json({"as_of": day and str(day), "segmentations": {key: list(map(vars, c)) for key, c in counts.items()}})
        return
    console.print(f"[green]✓[/] {escape(str(settings.segmentations))} is right: {len(declared)} segmentations")
    if day is None:
        console.print(
            "There are no features yet, so that nobody can be counted; `segmentation materialize` makes some."
        )
    for key, found in counts.items():
        _show_counts(key, day, found)


@segmentations.command("show")
def show_segmentation(
    name: Annotated[str, typer.Argument(help="A segmentation.")],
    as_json: JsonFlag = False,
) -> None:
    """Show a segmentation of the lake: its segments with conditions, ids and customers, and its versions.

    For example: segmentation segmentations show loyalty
    """
    settings = load_settings()
    with open_current(settings) as lake, lake.cursor() as con:
        versions = [each for each in read_versions(con) if each.name == name]
        if not versions:
            there = (
                ", ".join(sorted(versions_in_force(con)))
                or "none yet; `segmentation materialize` takes over what is declared"
            )
            raise SegmentationError(f"The lake has no segmentation {name!r}. There are: {there}.")
        latest = latest_date(con, CUSTOMER_SEGMENTS, settings.quiet_days)
        sizes = _sizes(con, name, latest)
        ids = segment_ids(con)
    shown = next((each for each in reversed(versions) if each.definition is not None), versions[-1])
    segments = [
        {
            "segment_id": ids[name, segment.name],
            "segment_name": segment.name,
            "customers": sizes.get(ids[name, segment.name], 0),
            "when": segment.when,
            "description": segment.description,
            "advice": segment.advice,
        }
        for segment in (shown.definition.segments if shown.definition else ())
    ]
    history = [
        {"version": each.version, "defined_at": str(each.defined_at), "is_declared": each.definition is not None}
        for each in versions
    ]
    if as_json:
        print_json({"segmentation": name, "as_of": latest and str(latest), "segments": segments, "versions": history})
        return
    table = Table("id", "segment", f"customers as of {latest}", "when", "advice")
    for segment in segments:
        row = (segment["segment_id"], segment["segment_name"], f"{segment['customers']:,}")
        table.add_row(*map(escape, map(str, (*row, segment["when"] or "otherwise", segment["advice"]))))
    console.print(table)
    for each in versions:
        end = "" if each.definition is not None else ": no longer declared"
        console.print(f"version {each.version}, {each.defined_at:%Y-%m-%d %H:%M} UTC{end}", highlight=False)


@segmentations.command("columns")
def list_columns() -> None:
    """List the columns that conditions may look at: of features, of the model's segments, of predictions.

    For example: segmentation segmentations columns
    """
    table = Table("column", "type", "of", "what it is")
    for name, source in columns_by_table().items():
        column = next(column for column in source.columns if column.name == name)
        table.add_row(name, column.type, source.name, escape(column.comment))
    console.print(table)


def _facts(name: str, declared: Definition | None, last: DefinitionVersion | None) -> dict[str, object]:
    if declared is None:
        state = "no longer declared"
    elif last is None:
        state = "new; the next snapshot has it"
    else:
        state = "in force" if last.hash == declared.hash else "changed; the next snapshot follows"
    return {
        "segmentation": name,
        "version": last.version if last else None,
        "segments": len(declared.segments) if declared else 0,
        "state": state,
        "description": declared.description if declared else "",
    }


def _versions(settings: Settings) -> list[DefinitionVersion]:
    try:
        with Lake(settings, read_only=True) as lake, lake.cursor() as con:
            return read_versions(con)
    except NoLakeError:
        return []


def _known(name: str, declared: Mapping[str, Definition]) -> Definition:
    if name not in declared:
        raise SegmentationError(f"No segmentation is called {name!r}. Declared are: {', '.join(declared) or 'none'}.")
    return declared[name]


def _counts(
    settings: Settings, chosen: Mapping[str, Definition], as_of: date | None
) -> tuple[date | None, dict[str, list[SegmentCount]]]:
    """The date that is looked at, and what each definition would give; nothing without a lake or features."""
    try:
        with open_current(settings) as lake, lake.cursor() as con:
            tables = (CUSTOMER_SEGMENTS, CUSTOMER_FEATURES)
            newest = next(filter(None, (latest_date(con, table, settings.quiet_days) for table in tables)), None)
            day = as_of or newest
            if day is None:
                return None, {}
            return day, {name: count_segments(con, day, definition) for name, definition in chosen.items()}
    except NoLakeError:
        return None, {}


def _show_counts(name: str, as_of: date | None, counts: list[SegmentCount]) -> None:
    everybody = sum(each.customers for each in counts)
    table = Table("segment", "customers", "share", "meet the condition", "")
    for each in counts:
        meeting = "" if each.meeting is None else f"{each.meeting:,}"
        taken = 0 if each.meeting is None else each.meeting - each.customers
        note = "nobody" if not each.customers else f"{taken:,} of them are taken by segments before" if taken else ""
        share = f"{each.customers / everybody:.1%}" if everybody else ""
        table.add_row(escape(each.name), f"{each.customers:,}", share, meeting, note)
    console.print(f"\n[bold]{escape(name)}[/] as of {as_of}, {everybody:,} customers", highlight=False)
    console.print(table)


def _sizes(con: duckdb.DuckDBPyConnection, name: str, as_of: date | None) -> dict[int, int]:
    return dict(con.execute(SIZES.format(as_of=as_of), {"name": name}).fetchall()) if as_of else {}


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date of the form YYYY-MM-DD.") from error
