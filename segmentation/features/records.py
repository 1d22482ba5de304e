"""Feature snapshots on record: what a run wrote, and the row of `registry.feature_snapshots` that says so."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import duckdb

from segmentation.errors import NotEnoughDataError
from segmentation.features.stages import code_version
from segmentation.features.windows import Window, window_of
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.registry import FEATURE_SNAPSHOTS
from segmentation.provenance import git_commit
from segmentation.settings import Settings
from segmentation.warehouse import Commit

CommitFor = Callable[[date], Commit]
"""What the lake's commit of a snapshot says about itself."""


@dataclass(frozen=True)
class Snapshot:
    """What a feature snapshot holds.

    Attributes:
        window: Its lines.
        customer_count: Customers with a purchase in the window, each with one row.
        computed_count: Of them, those computed in this run; the others had no line changed since the last one.
    """

    window: Window
    customer_count: int
    computed_count: int


@dataclass(frozen=True)
class SnapshotRecord:
    """A row of `registry.feature_snapshots`."""

    as_of: date
    window_start: date
    home_market: str | None
    customer_count: int
    computed_count: int
    lake_version: int
    code_version: str
    git_commit: str | None
    engine: str
    computed_at: datetime
    run_id: str | None


def record_of(
    settings: Settings, snapshot: Snapshot, home_market: str | None, version: int, commit: Commit, now: datetime
) -> SnapshotRecord:
    """The record of a snapshot that is about to be written.

    Args:
        settings: Of the lake.
        snapshot: What it holds.
        home_market: The shop's home market in its window.
        version: The version of the lake whose lines were read.
        commit: The commit that writes it.
        now: When this happens (UTC).
    """
    return SnapshotRecord(
        as_of=snapshot.window.as_of,
        window_start=snapshot.window.start,
        home_market=home_market,
        customer_count=snapshot.customer_count,
        computed_count=snapshot.computed_count,
        lake_version=version,
        code_version=code_version(FEATURES),
        git_commit=git_commit(),
        engine=settings.feature_engine,
        computed_at=now,
        run_id=commit.run_id or None,
    )


def write_record(con: duckdb.DuckDBPyConnection, record: SnapshotRecord) -> None:
    """Replace the record of a snapshot, within the transaction that replaces the snapshot."""
    row = asdict(record)
    values = ", ".join(f"${name}" for name in row)
    con.execute(f"DELETE FROM {FEATURE_SNAPSHOTS.name} WHERE as_of = $as_of", {"as_of": record.as_of})
    con.execute(f"INSERT INTO {FEATURE_SNAPSHOTS.name} ({', '.join(row)}) VALUES ({values})", row)


def recorded_scope(con: duckdb.DuckDBPyConnection, as_of: date, settings: Settings) -> tuple[Window, str | None]:
    """The window and the home market that a snapshot was made with, as `scope_of` finds them."""
    return scope_of(recorded_scopes(con), as_of, settings)


def scope_of(
    recorded: Mapping[date, tuple[Window, str | None]], as_of: date, settings: Settings
) -> tuple[Window, str | None]:
    """The window and the home market of a date: as recorded, or else those that its snapshot would get.

    Args:
        recorded: What `recorded_scopes` read.
        as_of: The date.
        settings: Of the lake. If they name no home market, it is that of the last snapshot before.

    Raises:
        OverflowError: The window would begin before all dates.
    """
    if as_of in recorded:
        return recorded[as_of]
    last = max((day for day in recorded if day < as_of), default=None)
    home_market = settings.home_market or (recorded[last][1] if last else None)
    return window_of(as_of, settings.lookback_days), home_market


def recorded_scopes(con: duckdb.DuckDBPyConnection) -> dict[date, tuple[Window, str | None]]:
    """The window and the home market of every snapshot on record, by its date, in order."""
    rows = con.execute(
        f"SELECT as_of, window_start, home_market FROM {FEATURE_SNAPSHOTS.name} ORDER BY as_of"
    ).fetchall()
    return {as_of: (Window(as_of, start), market) for as_of, start, market in rows}


def feature_bases(con: duckdb.DuckDBPyConnection) -> set[int]:
    """The versions of the lake that snapshots were made of: with them, only what changed since is computed anew."""
    rows = con.execute(f"SELECT DISTINCT lake_version FROM {FEATURE_SNAPSHOTS.name}").fetchall()
    return {version for (version,) in rows}


def refuse_empty(con: duckdb.DuckDBPyConnection, snapshots: Sequence[Snapshot]) -> None:
    """Raise a `NotEnoughDataError` that says what there is, if no customer has a purchase in one of the windows."""
    for snapshot in snapshots:
        if not snapshot.customer_count:
            raise NotEnoughDataError(_no_purchases(con, snapshot.window))


def _no_purchases(con: duckdb.DuckDBPyConnection, window: Window) -> str:
    row = con.execute("SELECT MIN(ordered_at)::DATE, MAX(ordered_at)::DATE FROM raw.transactions").fetchone()
    first, last = row or (None, None)
    there = f"the lake holds lines from {first} to {last}" if first else "the lake holds no lines yet"
    return (
        f"No customer has a purchase between {window.start} and {window.as_of}: {there}. Choose another as_of, widen "
        "SEGMENTATION_LOOKBACK_DAYS, or ingest more data."
    )
