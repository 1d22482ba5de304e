"""The command `maintain`: the lake's housekeeping, by hand."""

import getpass
from typing import Annotated

import typer
from rich.table import Table

from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.clock import utc_now
from segmentation.housekeeping import keep_house
from segmentation.settings import load_settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Archive old models, let old snapshots of the lake expire, and tidy up its files.

    Snapshots that a kept model was trained on stay. Safe to interrupt, to repeat, and to run while others read and
    write.

    For example: segmentation maintain --dry-run
    """
    now = utc_now()
    with Lake(load_settings(), read_only=dry_run) as lake:
        if not dry_run:
            migrate(lake)
        figures = keep_house(lake, now=now, actor=getpass.getuser(), dry_run=dry_run).figures()
    if as_json:
        print_json(figures)
        return
    table = Table("would be done" if dry_run else "done", "")
    for name, figure in figures.items():
        table.add_row(name.replace("_", " "), "not known before" if figure is None else f"{figure:,}")
    console.print(table)
