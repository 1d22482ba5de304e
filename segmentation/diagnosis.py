"""What `segmentation doctor` looks at: versions, extensions, folders, the lake and what it holds."""

import os
import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import duckdb

import segmentation
from segmentation.errors import SegmentationError
from segmentation.failures import reason_of
from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.modeling import registry
from segmentation.notifications.channels import open_services
from segmentation.progress import Progress, no_progress
from segmentation.segmentations.config import declared_segmentations
from segmentation.settings import Settings
from segmentation.snapshots.latest import latest_date
from segmentation.snapshots.report import read_report
from segmentation.sources.config import declared_sources
from segmentation.sources.reading import check
from segmentation.warehouse import Lake
from segmentation.warehouse.extensions import wheel_path
from segmentation.warehouse.lake import EXTENSIONS_BY_SCHEME, without_password
from segmentation.warehouse.object_stores import extensions_of
from segmentation.warehouse.probing import probe_data_path
from segmentation.warehouse.schema import SCHEMA_VERSION
from segmentation.warehouse.shop_zone import shop_zone, zones_of_sources
from segmentation.warehouse.verification import damage_message, damaged_files, misplaced_files, verify_files

LEAST_FREE_BYTES = 1_000_000_000
SHOWN = 3
"""So many damaged files are named."""


@dataclass(frozen=True)
class CheckResult:
    """One thing that was looked at."""

    subject: str
    is_ok: bool
    detail: str


def diagnose(
    settings: Settings, now: datetime, *, verify: bool = False, progress: Progress = no_progress
) -> list[CheckResult]:
    """Look at everything; never raises for what it finds.

    Args:
        settings: Of the installation.
        now: The present moment (UTC).
        verify: Whether to read all data files of the lake and compare them with their checksums.
        progress: Is told how many bytes of them are done.
    """
    findings = [_versions(), *_extensions(settings), _folder(settings), _data_path(settings)]
    try:
        with Lake(settings, read_only=True) as lake:
            findings += _contents(lake, now)
            findings += _files(lake)
            if verify:
                findings += _verified(lake, progress)
    except SegmentationError as error:
        findings.append(CheckResult("lake", False, str(error)))
    return [*findings, *_sources(settings), _segmentations(settings), _notifications(settings)]


def _sources(settings: Settings) -> Iterator[CheckResult]:
    try:
        declared = declared_sources(settings)
    except SegmentationError as error:
        yield CheckResult("sources", False, str(error))
        return
    if not declared:
        yield CheckResult("sources", True, f"none declared; `segmentation sources list` says how ({settings.sources})")
    for source in declared.values():
        try:
            yield CheckResult(f"source {source.name}", True, check(settings, source))
        except SegmentationError as error:
            yield CheckResult(f"source {source.name}", False, str(error))


def _segmentations(settings: Settings) -> CheckResult:
    try:
        declared = declared_segmentations(settings)
    except SegmentationError as error:
        return CheckResult("segmentations", False, str(error))
    if not declared:
        return CheckResult("segmentations", True, f"the model's alone; {settings.segmentations} declares others")
    return CheckResult("segmentations", True, f"the model's, {', '.join(declared)}")


def _notifications(settings: Settings) -> CheckResult:
    try:
        names = [service.name for service in open_services(settings)]
    except SegmentationError as error:
        return CheckResult("notifications", False, str(error))
    told = (
        f"to {', '.join(names)}; `segmentation notify TEXT` tries them out" if names else "SEGMENTATION_NOTIFY is empty"
    )
    return CheckResult("notifications", True, told)


def _versions() -> CheckResult:
    versions = (
        f"segmentation {segmentation.__version__}, Python {platform.python_version()}, DuckDB {duckdb.__version__}"
    )
    return CheckResult("versions", True, versions)


def _extensions(settings: Settings) -> Iterator[CheckResult]:
    names = ["ducklake", EXTENSIONS_BY_SCHEME.get(settings.catalog_uri.partition(":")[0], "sqlite_scanner")]
    for name in (*names, *extensions_of(settings.data_uri)):
        path = wheel_path(name)
        detail = str(path) if path else "no wheel for this platform; DuckDB will download it at first use"
        yield CheckResult(f"extension {name}", True, detail)


def _folder(settings: Settings) -> CheckResult:
    home = settings.home.absolute()
    nearest = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(nearest).free
    if not os.access(nearest, os.W_OK):
        return CheckResult("home", False, f"{home} can't be written by this user; set SEGMENTATION_HOME")
    if free < LEAST_FREE_BYTES:
        return CheckResult("home", False, f"{home} has only {free / 1e9:.1f} GB free")
    return CheckResult("home", True, f"{home}, {free / 1e9:,.0f} GB free")


def _data_path(settings: Settings) -> CheckResult:
    try:
        return CheckResult("data", True, probe_data_path(settings))
    except SegmentationError as error:
        return CheckResult("data", False, str(error))


def _contents(lake: Lake, now: datetime) -> Iterator[CheckResult]:
    yield CheckResult("lake", True, f"{without_password(lake.settings.catalog_uri)}, snapshot {lake.version()}")
    looks: tuple[tuple[str, Callable[[duckdb.DuckDBPyConnection], str]], ...] = (
        ("schema", _schema),
        ("transactions", _transactions),
        ("time zone", partial(_time_zone, settings=lake.settings)),
        ("segments", partial(_segments, settings=lake.settings)),
        ("snapshots", partial(_snapshots, settings=lake.settings, now=now)),
        ("champion", _champion),
    )
    for subject, look in looks:
        with lake.cursor() as con:
            try:
                yield CheckResult(subject, True, look(con))
            except (duckdb.Error, SegmentationError) as error:
                yield CheckResult(subject, False, reason_of(error))


def _files(lake: Lake) -> Iterator[CheckResult]:
    """Whether the files that the catalog names are there: it alone would answer without them."""
    with lake.cursor() as con:
        try:
            count, wrong = misplaced_files(con, lake.settings.data_uri)
            wrong += [(entry.path, entry.damage) for entry in damaged_files(con) if entry.damage]
        except (OSError, duckdb.Error) as error:
            yield CheckResult("files", False, f"{lake.settings.data_uri} can't be listed: {str(error).splitlines()[0]}")
            return
    yield _judged("files", wrong, f"{count:,}, all there")


def _verified(lake: Lake, progress: Progress) -> Iterator[CheckResult]:
    try:
        found = verify_files(lake, progress=progress)
    except SegmentationError as error:
        yield CheckResult("checksums", False, str(error))
        return
    told = f"{found.files - found.without_sum:,} files are what they were ({found.bytes_read / 1e6:,.1f} MB read)"
    if found.without_sum:
        told += f"; {found.without_sum:,} have no checksum yet, `segmentation maintain` gives them one"
    yield _judged("checksums", [(entry.path, damage) for entry, damage in found.damaged], told)


def _judged(subject: str, wrong: list[tuple[str, str]], told: str) -> CheckResult:
    if not wrong:
        return CheckResult(subject, True, told)
    more = f" And {len(wrong) - SHOWN:,} more." if len(wrong) > SHOWN else ""
    return CheckResult(subject, False, " ".join(damage_message(*file) for file in wrong[:SHOWN]) + more)


def _schema(con: duckdb.DuckDBPyConnection) -> str:
    version = con.execute("SELECT MAX(version) FROM registry.schema_versions").fetchall()[0][0]
    if version != SCHEMA_VERSION:
        raise SegmentationError(f"version {version}, this release has {SCHEMA_VERSION}; any run migrates it")
    return f"version {version}"


def _transactions(con: duckdb.DuckDBPyConnection) -> str:
    lines, first, last = con.execute(
        f"SELECT COUNT(*), MIN(ordered_at)::DATE, MAX(ordered_at)::DATE FROM {TRANSACTIONS.name}"
    ).fetchall()[0]
    if not lines:
        raise SegmentationError("no lines yet; `segmentation ingest PATH --profile NAME` brings them in")
    return f"{lines:,} lines from {first} to {last}"


def _time_zone(con: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    """In which zone days begin, and who says so. That sources are of several is no fault, but worth a decision."""
    zone, named = shop_zone(con, settings), zones_of_sources(con)
    if settings.timezone:
        return f"{zone}, by SEGMENTATION_TIMEZONE"
    if len(named) > 1:
        return f"{zone}, since profiles name several ({', '.join(named)}); set SEGMENTATION_TIMEZONE to the shop's"
    return f"{zone}, as the sources' profiles say" if named else f"{zone}, since nobody says another"


def _segments(con: duckdb.DuckDBPyConnection, settings: Settings) -> str:
    as_of = latest_date(con, CUSTOMER_SEGMENTS, settings.quiet_days)
    if as_of is None:
        raise SegmentationError(
            "nobody has a segment as of a date that the data reaches; `segmentation materialize` makes them"
        )
    query = f"SELECT COUNT(*) FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = DATE '{as_of}'"
    customers = con.execute(query).fetchall()
    return f"{customers[0][0]:,} customers as of {as_of}"


def _snapshots(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> str:
    """How many dates are current. Stale ones still answer, so they are no fault; those ahead of the data are."""
    report = read_report(con, settings, now)
    current, stale, ahead = (report.count(state) for state in ("current", "stale", "ahead"))
    told = f"{current} current"
    if stale:
        told += f", {stale} stale; `segmentation snapshots refresh` makes them anew"
    if ahead:
        raise SegmentationError(
            f"{told}; {ahead} ahead of the data, which `segmentation snapshots drop --ahead` removes"
        )
    return told


def _champion(con: duckdb.DuckDBPyConnection) -> str:
    champion = registry.load_champion(con)
    return f"model {champion.version}, {len(champion.artefact.segments)} segments"
