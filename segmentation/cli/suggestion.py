"""`segmentation sources suggest`: a draft profile, its dry run, and what it isn't sure of."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from segmentation.cli.output import console, table_of
from segmentation.clock import utc_now
from segmentation.errors import SourceError
from segmentation.quoting import bounded
from segmentation.settings import load_settings
from segmentation.sources.dry_run import DryRun, dry_run_files
from segmentation.sources.suggestion.suggesting import Suggestion, suggest
from segmentation.terminal import make_console

MAX_EXAMPLE = 500
"""Characters of a refused line that are shown."""

Files = Annotated[list[str], typer.Argument(help="Files of one kind, a folder, or a glob in quotes.", metavar="FILE…")]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Where to write the profile; standard output if left out.")
]
Zone = Annotated[str | None, typer.Option(help="Zone of times that don't say their offset, such as `Europe/Berlin`.")]


def suggest_profile(files: Files, output: Output = None, timezone: Zone = None) -> None:
    """Write a draft profile for files that no profile describes yet, and show what it would bring in.

    Columns, dates, numbers, delimiter and encoding are guessed from a sample; what isn't sure is listed with the line
    to change. Where a bundled profile fits, it is that one. Without `--output`, all but the profile goes to standard
    error.

    For example: segmentation sources suggest orders.csv -o orders.yaml
    """
    if output is not None and output.exists():
        raise SourceError(f"{output} is there already. Name another file with -o, or remove it.")
    found = suggest(files, timezone=timezone)
    if output is None:
        typer.echo(found.text, nl=False)
    else:
        output.write_text(found.text, encoding="utf-8")
    out = make_console(stderr=True, width=None if sys.stderr.isatty() else 160) if output is None else console
    _show(out.print, found, files, output)


def _show(tell: Callable[..., None], found: Suggestion, files: Sequence[str], output: Path | None) -> None:
    settings, now = load_settings(), utc_now().replace(microsecond=0)
    try:
        for path in files:
            _show_dry_run(tell, dry_run_files(settings, path, found.profile, now=now))
    finally:
        _show_doubts(tell, found)
    profile = found.bundled or output or "PROFILE.yaml"
    if found.bundled:
        tell(f"The bundled profile {found.bundled} fits.", highlight=False)
    tell(f"Next: segmentation ingest {escape(files[0])} --profile {profile}", soft_wrap=True, highlight=False)


def _show_dry_run(tell: Callable[..., None], found: DryRun) -> None:
    report = found.report
    tell(
        f"{report.lines_read:,} lines read, {report.accepted:,} accepted, {report.rejected:,} rejected; "
        f"{found.first_day} to {found.last_day}",
        highlight=False,
    )
    for row in found.rejects.to_dicts():
        example = escape(bounded(row["example"], MAX_EXAMPLE))
        tell(f"  {row['lines']:>9,}  [yellow]{escape(row['reason'])}[/], for example {example}", soft_wrap=True)
    if found.preview.height:
        tell(table_of(found.preview[[column.name for column in found.preview if column.null_count() < column.len()]]))


def _show_doubts(tell: Callable[..., None], found: Suggestion) -> None:
    if found.doubts:
        tell("Not sure:", style="bold")
    for doubt in found.doubts:
        tell(f"  line {doubt.line}: {escape(doubt.text)}", soft_wrap=True, highlight=False)
