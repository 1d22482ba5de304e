"""`segmentation sources`: what sources.yaml declares, whether it can be reached, and which columns are expected."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.cli.suggestion import suggest_profile
from segmentation.clock import utc_now
from segmentation.errors import SegmentationError, SourceError
from segmentation.settings import Settings, load_settings
from segmentation.sources import reading
from segmentation.sources.config import EXAMPLE_OF, TYPES, SourceConfig, declared_source, declared_sources, plugins
from segmentation.sources.incremental.delivery_totals import DeliveryTotals, read_totals
from segmentation.sources.schema_drift import accept, read_drift
from segmentation.sources.source_samples import sample_of_source
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate

sources = typer.Typer(
    no_args_is_help=True,
    help="Where transactions come from, as sources.yaml declares it.\n\nFor example: segmentation sources list",
)


@sources.command("list")
def list_sources(as_json: JsonFlag = False) -> None:
    """List the declared sources, with what they have delivered; without any, say how to add one.

    For example: segmentation sources list
    """
    settings = load_settings()
    found = declared_sources(settings)
    if not found and not as_json:
        console.print(how_to_add(settings), soft_wrap=True)
        return
    totals = {total.source: total for total in _totals(settings, list(found))}
    if as_json:
        print_json([_facts(source, totals.get(name)) for name, source in found.items()])
        return
    table = Table("source", "type", "profile", "schedule", "deliveries", "lines", "rejected", "last delivery")
    for name, source in found.items():
        total = totals.get(name)
        counts = (f"{total.deliveries:,}", f"{total.lines_new:,}", f"{total.lines_rejected:,}") if total else ("",) * 3
        last = f"{total.last_at:%Y-%m-%d %H:%M} UTC" if total else ""
        table.add_row(*map(escape, (name, source.type, source.profile, source.schedule, *counts, last)))
    console.print(table)


@sources.command("check")
def check_sources(
    name: Annotated[str | None, typer.Argument(help="A declared source; all of them if left out.")] = None,
) -> None:
    """Try to reach each source, and read its first lines through its profile; exit code 1 if one can't be used.

    For example: segmentation sources check till
    """
    settings = load_settings()
    chosen = declared_sources(settings) if name is None else {name: declared_source(settings, name, SourceConfig)}
    failed = False
    for source in chosen.values():
        try:
            found = reading.check(settings, source)
            sample = sample_of_source(settings, source, now=utc_now().replace(microsecond=0))
            if sample and sample.lines_read and not sample.accepted:
                raise SourceError(f"{sample}. `segmentation ingest {source.name} --dry-run` shows examples.")
            told = f"{found}; {sample}" if sample else found
            console.print(f"[green]✓[/] {escape(source.name)}: {escape(told)}", soft_wrap=True)
        except SegmentationError as error:
            failed = True
            console.print(f"[red]✗[/] {escape(source.name)}: {escape(str(error))}", soft_wrap=True)
    if not chosen:
        console.print(how_to_add(settings), soft_wrap=True)
    if failed:
        raise typer.Exit(1)


@sources.command("accept")
def accept_columns(name: Annotated[str, typer.Argument(help="A declared source.")]) -> None:
    """Expect from now on the columns that a source delivered last.

    `segmentation sources drift` shows what is new about them.

    For example: segmentation sources accept till
    """
    settings = load_settings()
    source = declared_source(settings, name, SourceConfig)
    with Lake(settings) as lake:
        migrate(lake)
        drift = accept(lake, source.name, utc_now())
    console.print(f"Accepted: {escape(str(drift))}." if drift else "Those are expected already.")


@sources.command("drift")
def show_drift(name: Annotated[str, typer.Argument(help="A declared source.")]) -> None:
    """Show how the columns that a source delivers differ from those accepted; exit code 1 if they do.

    For example: segmentation sources drift till
    """
    settings = load_settings()
    source = declared_source(settings, name, SourceConfig)
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        drift = read_drift(con, source.name)
    if not drift:
        console.print("The columns are as expected.")
        return
    console.print(f"{escape(str(drift))} (since {escape(drift.seen_in)})", soft_wrap=True)
    raise typer.Exit(1)


sources.command("suggest")(suggest_profile)


def how_to_add(settings: Settings) -> str:
    """What to write into an empty sources.yaml."""
    known = ", ".join([*TYPES, *sorted(plugins())])
    return (
        f"No source is declared. Write {settings.sources} (or set SEGMENTATION_SOURCES); types are {known}. "
        f"For example:\n\n{EXAMPLE_OF['files']}"
    )


def _facts(source: SourceConfig, total: DeliveryTotals | None) -> dict[str, object]:
    counts = dict(total.named()) if total else {}
    last = {"last_delivery": total.last_at.isoformat()} if total else {}
    return {"name": source.name, "type": source.type, "profile": source.profile, **counts, **last}


def _totals(settings: Settings, names: list[str]) -> list[DeliveryTotals]:
    try:
        with Lake(settings, read_only=True) as lake, lake.cursor() as con:
            return read_totals(con, names)
    except SegmentationError:  # there is no lake yet, and so nothing was delivered
        return []
