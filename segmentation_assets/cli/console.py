"""What the commands show: progress bars and the table of segments."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from segmentation.quoting import MAX_VALUE, bounded
from segmentation.terminal import make_console
from segmentation_assets.progress import Listener

if TYPE_CHECKING:
    import polars as pl

    from segmentation.sources.dry_run import DryRun
    from segmentation.sources.reading import Reading

out = make_console(width=None if sys.stdout.isatty() else 120)

MAX_EXAMPLE = 1000
"""Characters of a refused line that are shown."""


@contextmanager
def progress() -> Iterator[Listener]:
    """A progress display; yields the listener that moves it. On a pipe, each finished step prints one line."""
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out) as bars:
        tasks = {}

        def listen(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield listen


def show_readings(readings: "Mapping[str, Reading]") -> None:
    """What declared sources brought."""
    table = Table("source", "files", "read", "new", "replaced", "repeated", "rejected", "days")
    for name, reading in readings.items():
        lines = [f"{count:,}" if reading.receipts else "" for count in reading.lines().values()]
        days = f"{reading.first_day} to {reading.last_day}" if reading.first_day else "nothing new"
        table.add_row(escape(name), f"{len(reading.files):,}" if reading.files else "", *lines, days)
    out.print(table)


def show_profiles(profiles: "pl.DataFrame") -> None:
    """The segments of a snapshot as a table; without any, where people learn why."""
    if profiles.is_empty():
        out.print("Nobody has a segment yet; `segmentation` without a command says what comes next.", highlight=False)
        return
    first = profiles.row(0, named=True)
    table = Table(
        title=f"Segments as of {first['as_of']} (model {first['model_version']})",
        title_style="bold",
        expand=False,
    )
    table.add_column("id", justify="right")
    table.add_column("segment", style="cyan")
    for name in ("customers", "share", "revenue", "share", "last order", "orders", "per order"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in profiles.iter_rows(named=True):
        table.add_row(
            str(row["segment_id"]),
            escape(row["segment_name"]),
            f"{row['customer_count']:,}",
            f"{row['customer_share']:.1%}",
            _short(row["revenue"]),
            "–" if row["revenue_share"] is None else f"{row['revenue_share']:.1%}",
            f"{row['median_recency_days']:.0f} d ago",
            f"{row['mean_order_count']:.1f}",
            f"{row['mean_order_value']:,.2f}",
        )
    out.print(table)


def show_notes(notes: Sequence[str]) -> None:
    """What a run wants to be known, such as a check that failed without blocking."""
    for note in notes:
        out.print(f"[yellow]Note:[/] {escape(note)}", highlight=False)


def show_told(notes: Sequence[str]) -> None:
    """What people are to know of files, though nothing is wrong with them."""
    for note in notes:
        out.print(escape(note), soft_wrap=True, highlight=False)


def show_refreshed(dates: Sequence[date]) -> None:
    """Which snapshots were made anew."""
    if not dates:
        out.print("All snapshots are current; nothing had to be made anew.")
        return
    noun = "date" if len(dates) == 1 else "dates"
    out.print(f"Made {len(dates)} {noun} anew: {', '.join(map(str, dates))}.", highlight=False, soft_wrap=True)


def show_rejected(reasons: list[tuple[str, int]], read: int) -> None:
    """Refused lines by reason."""
    rejected = sum(count for _, count in reasons)
    out.print(f"{read:,} lines read, {read - rejected:,} accepted, {rejected:,} rejected", highlight=False)
    for reason, count in reasons:
        out.print(f"  {count:>9,}  {escape(reason)}", highlight=False)


def show_joined(joined: int) -> None:
    """Physical lines that are no lines of their own, if there are any."""
    if joined:
        out.print(f"[yellow]{joined:,} physical lines were joined to others by quotations[/]", highlight=False)


def show_dry_run(found: "DryRun") -> None:
    """What a source would give: days, lines, why some are refused, and the first that are not."""
    files = f"{len(found.paths)} files" if len(found.paths) > 1 else escape("".join(found.paths) or "the first page")
    for problem in found.problems:
        out.print(f"[yellow]{escape(problem)}[/]", soft_wrap=True)
    show_told(found.notes)
    for stop in found.stops:
        out.print(f"[red]`ingest` would stop:[/] {escape(stop)}", soft_wrap=True, highlight=False)
    for warning in found.warnings:
        out.print(f"[yellow]Warning:[/] {escape(warning)}", soft_wrap=True, highlight=False)
    out.print(f"{files}: {found.first_day} to {found.last_day}, as the source {escape(found.source)}", highlight=False)
    show_rejected([(row["reason"], row["lines"]) for row in found.rejects.to_dicts()], found.report.lines_read)
    for remark in found.report.remarks:
        out.print(f"[yellow]{escape(remark)}[/]", soft_wrap=True, highlight=False)
    for row in found.rejects.to_dicts():
        out.print(
            f"[yellow]{escape(row['reason'])}[/], for example {escape(bounded(row['example'], MAX_EXAMPLE))}",
            soft_wrap=True,
        )
    table = Table(*found.preview.columns, title="The first lines that would be accepted", title_style="bold")
    for values in found.preview.iter_rows():
        table.add_row(*("" if value is None else escape(bounded(str(value), MAX_VALUE)) for value in values))
    if found.preview.height:
        out.print(table)
    out.print("Nothing was written.")


def _short(amount: float) -> str:
    """An amount in three digits or so: 27.0 M, 601 k, 950."""
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(amount) >= size:
            return f"{amount / size:.3g}{unit}"
    return f"{amount:.0f}"
