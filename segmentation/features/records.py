"""Feature snapshots on record: what a run wrote, and which window and home market the ledger says of a date."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from segmentation.errors import NotEnoughDataError
from segmentation.features.windows import Window, window_of
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.metadata.tables.registry import SNAPSHOTS
from segmentation.settings import Settings
from segmentation.shop_calendar import UNIVERSAL, local_day
from segmentation.warehouse import Commit
from segmentation.warehouse.ledger import LEDGER
from segmentation.warehouse.schema import exists

CommitFor = Callable[[date], Commit]
"""What the lake's commit of a snapshot says about itself."""

SCOPES = f"""
SELECT as_of, window_start, home_market, COALESCE(timezone, '{UNIVERSAL}')
FROM {LEDGER}
WHERE table_name = '{CUSTOMER_FEATURES.name}'
ORDER BY as_of
"""

ZONE = f"SELECT timezone FROM {LEDGER} WHERE table_name = '{CUSTOMER_FEATURES.name}' AND as_of = $as_of"

BASES = f"SELECT DISTINCT lake_version FROM {SNAPSHOTS.name} WHERE table_name = '{CUSTOMER_FEATURES.name}'"


@dataclass(frozen=True)
class Snapshot:
    """What a feature snapshot holds.

    Attributes:
        window: Its lines.
        customer_count: Customers with a purchase in the window, each with one row.
        computed_count: Of them, those computed from lines in this run; the others have no line that matters since the
            snapshot that they were taken over from.
        base_as_of: The date of that snapshot; None if everybody was computed.
    """

    window: Window
    customer_count: int
    computed_count: int
    base_as_of: date | None = None


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
        settings: Of the lake. If they name no home market, it is that of the last snapshot before; for the time zone,
            see `zone_of`.

    Raises:
        OverflowError: The window would begin before all dates.
    """
    if as_of in recorded:
        return recorded[as_of]
    last = max((day for day in recorded if day < as_of), default=None)
    home_market = settings.home_market or (recorded[last][1] if last else None)
    return window_of(as_of, settings.lookback_days, zone_of(recorded, settings)), home_market


def zone_of(recorded: Mapping[date, tuple[Window, str | None]], settings: Settings) -> str:
    """The shop's time zone where it isn't on record for a date: the setting, else that of the newest snapshot."""
    newest = max(recorded, default=None)
    return settings.timezone or (recorded[newest][0].zone if newest else UNIVERSAL)


def recorded_scopes(con: duckdb.DuckDBPyConnection) -> dict[date, tuple[Window, str | None]]:
    """The window and the home market of every snapshot on record, by its date, in order."""
    found = con.execute(SCOPES).fetchall()
    return {as_of: (Window(as_of, start, zone), market) for as_of, start, market, zone in found}


def recorded_zone(con: duckdb.DuckDBPyConnection, as_of: date) -> str:
    """The time zone that the features of a date were made in; UTC also in a version of the lake before the ledger."""
    row = con.execute(ZONE, {"as_of": as_of}).fetchone() if exists(con, SNAPSHOTS) else None
    return (row and row[0]) or UNIVERSAL


def feature_bases(con: duckdb.DuckDBPyConnection) -> set[int]:
    """The versions of the lake that snapshots were made of: with them, only what changed since is computed anew."""
    return {version for (version,) in con.execute(BASES).fetchall()}


def refuse_empty(con: duckdb.DuckDBPyConnection, snapshots: Sequence[Snapshot]) -> None:
    """Raise a `NotEnoughDataError` that says what there is, if no customer has a purchase in one of the windows."""
    for snapshot in snapshots:
        if not snapshot.customer_count:
            raise NotEnoughDataError(_no_purchases(con, snapshot.window))


def _no_purchases(con: duckdb.DuckDBPyConnection, window: Window) -> str:
    moments = con.execute("SELECT MIN(ordered_at), MAX(ordered_at) FROM raw.transactions").fetchone() or (None, None)
    first, last = (moment and local_day(moment, window.zone) for moment in moments)
    there = f"the lake holds lines from {first} to {last}" if first else "the lake holds no lines yet"
    return (
        f"No customer has a purchase between {window.start} and {window.as_of}: {there}. Choose another as_of, widen "
        "SEGMENTATION_LOOKBACK_DAYS, or ingest more data."
    )
