"""`segmentation models migration`: what becomes of each segment where another version takes over."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.modeling import registry
from segmentation.settings import load_settings
from segmentation.warehouse import Lake


def show_migration(
    before: Annotated[str, typer.Argument(help="A version number, or an alias.")] = "champion",
    after: Annotated[str, typer.Argument(help="Another one.")] = "candidate",
    as_json: JsonFlag = False,
) -> None:
    """Show what becomes of each segment of a version in another one, by the customers of the newest snapshot.

    For example: segmentation models migration champion candidate
    """
    from segmentation.modeling.movement import mappings, movement

    with Lake(load_settings(), read_only=True) as lake:
        with lake.cursor() as con:
            numbers = registry.number_of(con, before), registry.number_of(con, after)
            stopped = registry.stopped_since_promotion(con)
        found = mappings(movement(lake, *numbers))
        most = lake.settings.migrate_after
    if as_json:
        print_json({"before": numbers[0], "after": numbers[1], "segments": [asdict(each) for each in found]})
        return
    table = Table("id", f"segment of model {numbers[0]}", "customers", "net revenue", f"in model {numbers[1]}")
    for each in found:
        heirs = ", ".join(f"{heir.share:.0%} {heir.segment_name} ({heir.segment_id})" for heir in each.heirs)
        cells = (str(each.segment_id), each.segment_name, f"{each.customers:,}", f"{each.revenue:,.0f}", heirs)
        table.add_row(*map(escape, cells))
    console.print(table)
    if most and stopped:
        console.print(
            f"{len(stopped)} candidate{'s' if len(stopped) > 1 else ''} in a row didn't serve; after {most}, the best "
            "one takes over if it is better than the champion.",
            highlight=False,
        )
