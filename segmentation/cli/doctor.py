"""The command `doctor`: whether installation, settings and lake are as they should be."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.byte_bar import byte_bar
from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.clock import utc_now
from segmentation.diagnosis import diagnose
from segmentation.settings import load_settings


def doctor(
    verify: Annotated[
        bool, typer.Option("--verify", help="Also read all data files and compare them with their checksums.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check the installation, the settings and the lake; say what to do about what is wrong.

    Exit code 1 if something is. With --verify it reads the whole lake.

    For example: segmentation doctor
    """
    with byte_bar("Verifying", is_shown=verify) as progress:
        findings = diagnose(load_settings(), utc_now(), verify=verify, progress=progress)
    if as_json:
        print_json([finding.__dict__ for finding in findings])
    else:
        table = Table(box=None, show_header=False)
        for finding in findings:
            mark = "[green]ok[/]" if finding.is_ok else "[red]bad[/]"
            table.add_row(mark, escape(finding.subject), escape(finding.detail))
        console.print(table)
    if not all(finding.is_ok for finding in findings):
        raise typer.Exit(1)
