"""The command `explain`: why a customer is where they are, or what sets a segment apart. Only reads the lake."""

from datetime import date
from typing import Annotated

import duckdb
import msgspec
import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.output import JsonFlag, console
from segmentation.errors import SegmentationError
from segmentation.explanations.customer_explanation import Contribution, CustomerExplanation
from segmentation.explanations.customers import read_explanation
from segmentation.explanations.segments import SegmentExplanation, pick, read_segments
from segmentation.explanations.wording import figure, noun
from segmentation.metadata.tables.segments import SEGMENT_EXPLANATIONS
from segmentation.settings import load_settings
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse import Lake


def explain(
    customer_id: Annotated[str | None, typer.Argument(help="The customer, as the source names them.")] = None,
    segment: Annotated[str | None, typer.Option(help="A segment instead: its id or its name.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="A snapshot date, `YYYY-MM-DD`; the newest one if left out.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say why a customer is in their segment and what would move them, or what sets a segment apart.

    For example: segmentation explain --segment 1
    """
    if (customer_id is None) == (segment is None):
        raise typer.BadParameter("Give either a customer or --segment.")
    day = _date(as_of)
    settings = load_settings()
    found: CustomerExplanation | SegmentExplanation
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        try:
            if customer_id is not None:
                found = read_explanation(con, customer_id, day, settings)
            else:
                latest = day or latest_date(con, SEGMENT_EXPLANATIONS, settings.quiet_days)
                found = pick(read_segments(con, latest), str(segment))
        except duckdb.CatalogException as error:
            raise SegmentationError(
                f"The lake is older than this release; `segmentation materialize` brings it up to date. ({error})"
            ) from error
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    elif isinstance(found, CustomerExplanation):
        _show_customer(found)
    else:
        _show_segment(found)


def _show_customer(found: CustomerExplanation) -> None:
    name = escape(found.segment_name)
    console.print(
        f"Customer [bold]{escape(found.customer_id)}[/] as of {found.as_of}: [bold cyan]{name}[/] "
        f"(confidence {found.confidence:.2f}, next {escape(found.runner_up_name)}; model {found.model_version})"
    )
    if found.held:
        console.print(f"[yellow]Note:[/] {escape(found.held)}")
    elif found.nearest_name != found.segment_name:
        console.print(f"[yellow]Note:[/] by their features they are nearest to {escape(found.nearest_name)} now.")
    own = found.segment_name if found.held else found.nearest_name
    typical = (f"typical: {escape(each)}" for each in (own, found.runner_up_name))
    table = Table("feature", "theirs", *typical, "speaks for")
    total = sum(abs(each.contribution) for each in found.contributions) or 1.0
    for each in found.contributions:
        side = own if each.contribution >= 0 else found.runner_up_name
        share = abs(each.contribution) / total
        verdict = f"{escape(side)} ({share:.0%})" if share >= 0.01 else "–"
        table.add_row(noun(each.feature), *_figures(each), verdict)
    console.print(table)
    if found.expectation:
        console.print(escape(found.expectation))
    for change in found.changes:
        console.print(f"• {escape(change.sentence)}")
    console.print(escape(found.reach.sentence))
    if found.reach.left_out:
        console.print(f"Left out, since they'd move them on paper only: {found.reach.left_out} of the steps tried.")


def _show_segment(found: SegmentExplanation) -> None:
    console.print(
        f"[bold cyan]{escape(found.segment_name)}[/] (id {found.segment_id}) as of {found.as_of}: {found.headline}"
    )
    console.print(escape(found.description))
    if found.advice:
        console.print(f"[bold]What to do with them:[/] {escape(found.advice)}")
    for title, sentences in found.sections():
        console.print(f"\n[bold]{title}[/]")
        for sentence in sentences:
            console.print(f"• {escape(sentence)}", soft_wrap=True)


def _figures(each: Contribution) -> list[str]:
    values = (each.value, each.segment_typical, each.runner_up_typical)
    return ["none" if value is None else figure(each.feature, value) for value in values]


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no date of the form YYYY-MM-DD.") from error
