"""The command `maintain`: the lake's housekeeping, by hand."""

import getpass
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.clock import utc_now
from segmentation.housekeeping import keep_house
from segmentation.settings import load_settings
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import migrate


def maintain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done; change nothing.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Delete files that no commit mentions also if they are many.")
    ] = False,
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
        done = keep_house(lake, now=now, actor=getpass.getuser(), force=force, dry_run=dry_run)
    figures = done.figures()
    if as_json:
        print_json({**figures, "warnings": list(done.warnings)})
        return
    table = Table("would be done" if dry_run else "done", "")
    for name, figure in figures.items():
        table.add_row(name.replace("_", " "), "not known before" if figure is None else f"{figure:,}")
    console.print(table)
    for warning in done.warnings:
        console.print(f"[bold yellow]Warning:[/] {escape(warning)}", soft_wrap=True)
