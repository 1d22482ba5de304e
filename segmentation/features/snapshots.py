"""Feature snapshots: what every customer looked like as of a date, computed from the lake and written to it.

By which engine is a setting. What a snapshot sees, what is put on record and what is refused is the same for all.
"""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial

import duckdb

from segmentation.features.definitions import code_version
from segmentation.features.engine import Computed, Engine, ReplaceRows
from segmentation.features.records import CommitFor, Snapshot, refuse_empty
from segmentation.features.windows import window_of
from segmentation.metadata.features import FEATURES
from segmentation.metadata.tables.features import CUSTOMER_FEATURES
from segmentation.progress import Progress
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.ledger import MadeOf, record
from segmentation.warehouse.shop_zone import shop_zone


def write_snapshots(
    lake: Lake,
    dates: Sequence[date],
    commit_for: CommitFor,
    progress: Progress | None = None,
    *,
    now: datetime,
    from_scratch: bool = False,
) -> list[Snapshot]:
    """Compute the features of every customer as of some dates and replace those snapshots in the lake.

    All dates see the same version of the lake, whatever is written meanwhile. If the same code made a snapshot of the
    date, or of one a few days before, DuckDB computes only customers with a line that changed, or that matters between
    the dates, and takes the others over; Spark computes everybody.

    Args:
        lake: A writable lake.
        dates: Per snapshot, its date: lines at or after this day, as it begins in the shop's time zone, do not count.
        commit_for: What the lake's commit of a snapshot says about itself.
        progress: Told of each step that is done: a bucket with DuckDB, a date with Spark.
        now: When this happens (UTC), for the record.
        from_scratch: Whether to compute every customer in any case.

    Returns:
        What was written, in the order of the dates.

    Raises:
        NotEnoughDataError: No customer has a purchase in one of the windows; the other snapshots are written.
        SegmentationError: Spark doesn't start, or can't read the lake's files.
    """
    written: list[Snapshot] = []

    def write(computed: Computed, replace_rows: ReplaceRows) -> None:
        snapshot = computed.snapshot
        written.append(snapshot)
        if snapshot.customer_count:
            commit = commit_for(snapshot.window.as_of)
            made_of = _made_of(lake.settings, computed)

            def put_on_record(con: duckdb.DuckDBPyConnection, is_unchanged: bool) -> None:
                unchanged = [CUSTOMER_FEATURES] if is_unchanged else []
                record(con, [CUSTOMER_FEATURES], snapshot.window.as_of, made_of, commit, now, unchanged=unchanged)

            replace_rows(commit, put_on_record)

    with lake.cursor() as con:
        zone = shop_zone(con, lake.settings)
    windows = [window_of(as_of, lake.settings.lookback_days, zone) for as_of in dates]
    _engine(lake.settings, from_scratch)(lake, windows, write, progress)
    with lake.cursor() as con:
        refuse_empty(con, written)
    return written


def _made_of(settings: Settings, computed: Computed) -> MadeOf:
    return MadeOf(
        lake_version=computed.lake_version,
        code_version=code_version(FEATURES),
        window_start=computed.snapshot.window.start,
        home_market=computed.home_market,
        computed_count=computed.snapshot.computed_count,
        engine=settings.feature_engine,
        timezone=computed.snapshot.window.zone,
        ends_at=computed.snapshot.window.ends_at,
        home_market_lead=computed.home_market_lead,
    )


def _engine(settings: Settings, from_scratch: bool) -> Engine:
    """Imported here, since both need PyArrow, which is heavy."""
    if settings.feature_engine == "spark":
        from segmentation.features import spark_engine

        return spark_engine.compute_snapshots
    from segmentation.features import duckdb_engine

    return partial(duckdb_engine.compute_snapshots, from_scratch=from_scratch)
