"""Trying a source out: what its files would give, without registering or loading anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import polars as pl

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import REJECTED, TRANSACTIONS
from segmentation.settings import Settings
from segmentation.sources.batch.copies import without_copies
from segmentation.sources.batch.currencies import notes_on, totals_of
from segmentation.sources.batch.file_roles import find_tables
from segmentation.sources.batch.inspection import inspect
from segmentation.sources.batch.line_warnings import line_warnings
from segmentation.sources.batch.loading import LoadReport, validate_files
from segmentation.sources.batch.registration import as_source_file, as_table_file, files_at, source_name
from segmentation.sources.batch.source_files import SourceFile
from segmentation.sources.config import FilesSource, SourceConfig
from segmentation.sources.incremental.deliveries import Delivery
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.addresses import require_allowed
from segmentation.sources.readers.paths import Located
from segmentation.sources.reading import files_of, paged
from segmentation.sources.staging import Relation, Staging
from segmentation.warehouse import Lake
from segmentation.warehouse.lake import sqlite_path
from segmentation.warehouse.schema import migrate

PREVIEW_LINES = 5

PREVIEW = """
CAST(ordered_at AS VARCHAR) AS ordered_at, customer_id, order_id, product_id, quantity, amount, discount, category,
country, channel, line_id
"""

REJECTS = "reason, COUNT(*) AS lines, MIN(original) AS example"


@dataclass(frozen=True)
class DryRun:
    """What files would give.

    Attributes:
        source: Name of the source.
        paths: The files, absolute.
        first_day: Day (UTC) of the earliest line; None if there is none.
        last_day: Day (UTC) of the latest line.
        report: How many lines were read, accepted and rejected.
        rejects: `reason`, `lines`, and an `example`: a line as it was, as JSON.
        preview: The first accepted lines, in columns of the transaction contract.
        problems: Why what lies beside the files can't be read.
        notes: What else people are to know, such as which files are copies of others.
        stops: Why a load would stop, with the setting that is lacking; it writes nothing then.
        warnings: What people should look at.
    """

    source: str
    paths: tuple[str, ...]
    first_day: date | None
    last_day: date | None
    report: LoadReport
    rejects: pl.DataFrame
    preview: pl.DataFrame
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def dry_run_files(
    settings: Settings, path: str | None, profile: Profile, *, source: str | None = None, now: datetime
) -> DryRun:
    """Read and validate files as a load would, by themselves, and write nothing.

    Args:
        settings: Of the lake, which need not be there yet; it is asked whether ids are taken on other days.
        path: A file, folder or glob; None for the profile's own location.
        profile: How to read it.
        source: Name of the source; None for the profile's name.
        now: The time of registration that lines would get.

    Raises:
        SourceError: Something can't be read as it stands.
    """
    with _lake(settings) as lake:
        return dry_run_on(lake, path, profile, source=source, now=now)


def dry_run_on(lake: Lake, path: str | None, profile: Profile, *, source: str | None = None, now: datetime) -> DryRun:
    """`dry_run_files` with a lake that is open already; it may be read-only."""
    return _dry_run(lake, files_at(path, profile), profile, source_name(profile, source), now)


def _dry_run(lake: Lake, at_hand: Located, profile: Profile, name: str, now: datetime) -> DryRun:
    paths, text = at_hand.files, profile.to_yaml()
    if not paths:
        raise SourceError(" ".join(at_hand.problems.values()))
    with Staging.opened(lake) as staging:
        paths, notes = without_copies(staging.con, name, paths)
        beside: list[SourceFile] = []
        facts = inspect(
            staging,
            profile,
            name,
            paths,
            now=now,
            tables=find_tables(profile, paths),
            on_table=lambda found: beside.append(as_table_file(name, text, now, found)),
        )
        files = [*(as_source_file(name, text, now, found) for found in facts), *beside]
        first, last = min(found.first_day for found in facts), max(found.last_day for found in facts)
        found = validate_files(staging, files, first, last + timedelta(days=1), now=now)
        notes = (*notes, *notes_on(totals_of(staging.con, Relation.ACCEPTED_LINES), lake.settings.currency))
        rejects, preview = _rejects(found.rejected), _preview(found.accepted)
        headers = {header for each in facts for header in each.columns}
        odd = line_warnings(found.accepted, staging.con, profile, found.report.rejected_by_reason, headers)
    return DryRun(
        source=name,
        paths=tuple(str(each.path) for each in facts),
        first_day=first,
        last_day=last,
        report=found.report,
        rejects=rejects,
        preview=preview,
        problems=tuple(at_hand.problems.values()),
        notes=notes,
        stops=tuple(f"{each.path}: {stop}" for each in facts for stop in each.stops),
        warnings=(*(f"{each.path}: {warning}" for each in facts for warning in each.warnings), *odd),
    )


def dry_run_source(settings: Settings, source: SourceConfig, *, now: datetime) -> DryRun:
    """What a declared source would give: of files all, of a database or plug-in the first page.

    Raises:
        SourceError: It can't be read as it stands, or comes by itself.
    """
    profile = source.read_profile()
    if isinstance(source, FilesSource):
        with _lake(settings) as lake:
            return _dry_run(lake, files_of(settings, source, profile), profile, source.name, now)
    require_allowed(settings, source)
    page = next(iter(paged(source).pages(None)), None)
    records = page.records if page else ()
    with TemporaryDirectory(prefix="segmentation-found-") as folder:
        passing = settings.model_copy(update={"home": Path(folder), "catalog": "", "data_path": ""})
        with Lake(passing, create=True) as lake:
            migrate(lake)
            (receipt,) = Upserter(lake).upsert([Delivery(source.name, profile, records, source.name)], now=now)
            with lake.cursor() as con:
                rejects = _rejects(con.sql(f"FROM {REJECTED.name}"))
                preview = _preview(con.sql(f"FROM {TRANSACTIONS.name}"))
                notes = notes_on(totals_of(con, TRANSACTIONS.name), settings.currency)
    accepted = receipt.lines_read - receipt.lines_rejected
    report = LoadReport(receipt.lines_read, accepted, dict(receipt.rejected_by_reason), 0, (source.name,))
    return DryRun(source.name, (), receipt.first_day, receipt.last_day, report, rejects, preview, notes=tuple(notes))


def _rejects(lines: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    return lines.aggregate(REJECTS, "reason").order("lines DESC, reason").pl()


def _preview(lines: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    return lines.project(PREVIEW).order("ordered_at, line_id").limit(PREVIEW_LINES).pl().drop("line_id")


@contextmanager
def _lake(settings: Settings) -> Iterator[Lake]:
    """The lake, read-only; an empty one for the time being where none has been made."""
    if settings.catalog_uri.startswith("sqlite:") and not sqlite_path(settings).exists():
        with TemporaryDirectory(prefix="segmentation-found-") as folder:
            passing = settings.model_copy(update={"home": Path(folder), "catalog": "", "data_path": ""})
            with Lake(passing, create=True) as lake:
                migrate(lake)
                yield lake
    else:
        with Lake(settings, read_only=True) as lake:
            yield lake


def facts_of(found: DryRun) -> dict[str, object]:
    """A found as plain data, for programs."""
    return {
        "source": found.source,
        "files": list(found.paths),
        "first_day": str(found.first_day),
        "last_day": str(found.last_day),
        "lines_read": found.report.lines_read,
        "lines_accepted": found.report.accepted,
        "lines_rejected": found.report.rejected,
        "lines_joined": found.report.lines_joined,
        "remarks": list(found.report.remarks),
        "rejects": found.rejects.to_dicts(),
        "preview": found.preview.to_dicts(),
        "problems": list(found.problems),
        "stops": list(found.stops),
        "warnings": [*found.stops, *found.warnings],
        "notes": list(found.notes),
    }
