"""`segmentation snapshots`: which snapshots there are, whether they are current, and what can be done about it."""

import getpass
from datetime import date, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from segmentation.cli.lazy_group import LazyCommand, LazyGroup
from segmentation.cli.output import JsonFlag, console, print_json
from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.settings import load_settings
from segmentation.shop_calendar import UNIVERSAL
from segmentation.snapshots.dropping import drop_snapshots
from segmentation.snapshots.report import (
    LedgerReport,
    coverage_facts,
    date_facts,
    missing_tables,
    read_report,
    table_facts,
)
from segmentation.snapshots.states import State
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import open_current

PANEL = "Snapshots"
COLOURS: dict[State, str] = {"current": "green", "stale": "yellow", "ahead": "red"}


class _Commands(LazyGroup):
    lazy_commands = (
        LazyCommand(
            "list",
            "segmentation.cli.snapshots:list_snapshots",
            "List the dates that customers were looked at as of, and whether they are current.",
            PANEL,
        ),
        LazyCommand(
            "show",
            "segmentation.cli.snapshots:show_snapshot",
            "Show one date, table by table: what each was made of, by whom, and why it isn't current.",
            PANEL,
        ),
        LazyCommand(
            "refresh",
            "segmentation_assets.cli.commands:refresh_snapshots",
            "Make stale snapshots anew: features, segments and all that is made of them.",
            PANEL,
            needs="dagster",
        ),
        LazyCommand(
            "drop",
            "segmentation.cli.snapshots:drop",
            "Remove snapshots, all tables of a date in one commit.",
            PANEL,
        ),
    )


snapshots = typer.Typer(
    cls=_Commands,
    help="Which snapshots there are, whether they are current, and how to make them anew or remove them.\n\n"
    "For example: segmentation snapshots list",
    no_args_is_help=True,
)


@snapshots.callback()
def _group() -> None:
    """Commands are looked up when they are called."""


Wanted = Annotated[State | None, typer.Option("--state", help="Only dates in this state.")]


def list_snapshots(state: Wanted = None, as_json: JsonFlag = False) -> None:
    """List the dates that customers were looked at as of, and whether they are current.

    *current*: it would come out the same today. *stale*: lines, code or model have changed since. *ahead*: the data
    doesn't reach it.

    For example: segmentation snapshots list --state stale
    """
    report = _read()
    dates = [each for each in report.dates if state in (None, each.state)]
    if as_json:
        facts = {**coverage_facts(report.coverage), "latest": report.latest and str(report.latest)}
        print_json({"coverage": facts, "snapshots": [date_facts(each) for each in dates]})
        return
    if not report.dates:
        console.print("No snapshot yet; `segmentation materialize` makes the first one.")
        return
    table = Table("as of", "state", "customers", "model", "tables", "rows", "size", "made", "asked by", "why")
    for each in dates:
        facts = date_facts(each)
        table.add_row(
            f"{each.as_of}{' (latest)' if each.as_of == report.latest else ''}",
            f"[{COLOURS[each.state]}]{each.state}[/]",
            "" if each.customer_count is None else f"{each.customer_count:,}",
            "" if each.model_version is None else str(each.model_version),
            str(len(each.tables)),
            f"{facts['rows']:,}",
            _size(each.byte_size),
            f"{each.made_at:%Y-%m-%d %H:%M}",
            escape(each.asked_by or ""),
            escape(each.reasons[0] if each.reasons else ""),
        )
    console.print(table)
    console.print(_summary(report), soft_wrap=True)


def show_snapshot(
    as_of: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="The date, `YYYY-MM-DD`.", metavar="DATE")],
    as_json: JsonFlag = False,
) -> None:
    """Show one date, table by table: what each was made of, by whom, and why it isn't current.

    For example: segmentation snapshots show 2026-01-01
    """
    report = _read()
    found = next((each for each in report.dates if each.as_of == as_of.date()), None)
    if found is None:
        raise SegmentationError(_unknown(report, as_of.date()))
    if as_json:
        print_json({**date_facts(found), "tables": [table_facts(table) for table in found.tables]})
        return
    asked_by = escape(found.asked_by or "nobody")
    console.print(f"[bold]As of {found.as_of}[/]: [{COLOURS[found.state]}]{found.state}[/], asked by {asked_by}")
    table = Table("table", "state", "rows", "size", "lake version", "code", "model", "made", "why")
    for each in found.tables:
        entry = each.standing.entry
        table.add_row(
            entry.table_name,
            f"[{COLOURS[each.standing.state]}]{each.standing.state}[/]",
            f"{entry.row_count:,}",
            _size(each.byte_size),
            str(entry.lake_version),
            entry.code_version[:8],
            "" if entry.model_version is None else str(entry.model_version),
            f"{entry.made_at:%Y-%m-%d %H:%M}",
            escape("; ".join(each.standing.reasons)),
        )
    console.print(table)
    features = next((t.standing.entry for t in found.tables if t.standing.entry.window_start), None)
    if features:
        market = f", home market {features.home_market}" if features.home_market else ""
        zone = f", days of {features.timezone}" if features.timezone not in (None, UNIVERSAL) else ""
        console.print(f"Features look at {features.window_start} to before {found.as_of}{zone}{escape(market)}.")
    if missing_tables(found):
        console.print(f"Not made: {', '.join(missing_tables(found))}.", soft_wrap=True)


def drop(
    dates: Annotated[
        list[datetime] | None,
        typer.Argument(formats=["%Y-%m-%d"], help="Which, `YYYY-MM-DD`.", metavar="[DATE]...", show_default=False),
    ] = None,
    ahead: Annotated[bool, typer.Option("--ahead", help="All that are ahead of the data.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Although a kept model was trained on them.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Remove snapshots, all tables of a date in one commit.

    They are gone from the latest date in SQL and scorer at once. The past of the lake keeps them for a while (see
    `SEGMENTATION_KEEP_SNAPSHOT_DAYS`), and `segmentation materialize --as-of DATE` makes one again.

    For example: segmentation snapshots drop 2026-11-01
    """
    chosen = {each.date() for each in dates or ()}
    if not chosen and not ahead:
        raise typer.BadParameter("name dates, or `--ahead` for all that the data doesn't reach.")
    settings = load_settings()
    report = _read()
    if ahead:
        chosen |= {each.as_of for each in report.dates if each.state == "ahead"}
    for as_of in sorted(chosen - {each.as_of for each in report.dates}):
        raise SegmentationError(_unknown(report, as_of))
    facts = [date_facts(each) for each in report.dates if each.as_of in chosen]
    if not dry_run:
        message = f"snapshots drop {', '.join(map(str, sorted(chosen)))}"
        commit = Commit(message, "registry/snapshots", asked_by=getpass.getuser())
        with Lake(settings) as lake:
            drop_snapshots(lake, sorted(chosen), commit, even_in_use=force)
    if as_json:
        print_json({"dropped": [] if dry_run else facts, "would_drop": facts if dry_run else []})
        return
    if not facts:
        console.print("No snapshot is ahead of the data; nothing was dropped.")
        return
    verb = "Would drop" if dry_run else "Dropped"
    listed = ", ".join(str(fact["as_of"]) for fact in facts)
    rows = sum(table.standing.entry.row_count for each in report.dates if each.as_of in chosen for table in each.tables)
    console.print(f"{verb} {len(facts)} {'date' if len(facts) == 1 else 'dates'} ({listed}), {rows:,} rows.")
    if not dry_run:
        after = _read()
        stale = after.count("stale")
        if stale:
            console.print(
                f"{stale} {'date is' if stale == 1 else 'dates are'} stale now, such as movement that was counted from "
                "what is gone; `segmentation snapshots refresh` makes them anew.",
                soft_wrap=True,
            )


def _read() -> LedgerReport:
    settings = load_settings()
    with open_current(settings) as lake, lake.cursor() as con:
        return read_report(con, settings, utc_now())


def _summary(report: LedgerReport) -> str:
    coverage = report.coverage
    last = coverage.until and coverage.until - timedelta(days=1)
    newest = f"The data is complete up to {last}, its end included." if last else "The lake holds no lines."
    late = ", ".join(f"{each.source} (to {each.last_day})" for each in coverage.late_sources())
    zone = "" if coverage.zone == UNIVERSAL else f"Days are those of {coverage.zone}."
    parts = [newest, zone, f"Late: {escape(late)}." if late else ""]
    if report.count("stale"):
        parts.append("`segmentation snapshots refresh` makes stale ones anew.")
    if report.count("ahead"):
        parts.append("`segmentation snapshots drop --ahead` removes those ahead of the data.")
    return " ".join(part for part in parts if part)


def _unknown(report: LedgerReport, as_of: date) -> str:
    there = ", ".join(str(each.as_of) for each in report.dates[-5:]) or "none"
    return (
        f"There is no snapshot as of {as_of} (the newest: {there}); `segmentation materialize --as-of {as_of}` makes "
        "it, and `segmentation snapshots list` shows all."
    )


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 50_000 else f"{size / 1e3:,.0f} kB"
