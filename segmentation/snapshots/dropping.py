"""Dropping snapshots: by hand, or because old ones become fewer with age."""

from collections.abc import Sequence
from datetime import date

import duckdb

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.registry import MODELS, PROMOTIONS, TRAINING_SETS
from segmentation.settings import Settings
from segmentation.snapshots.cadence import thinned
from segmentation.snapshots.code import SNAPSHOT_TABLES
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.ledger import Entry, erase, read_entries

# An archived version is one whose own last line in the ledger of promotions says so.
IN_USE = f"""
WITH archived AS (
    SELECT version FROM {PROMOTIONS.name} GROUP BY version HAVING arg_max(alias, promotion_id) = 'archived'
)
SELECT DISTINCT version, unnest([as_of, judged_as_of, learned_as_of]) AS used
FROM {MODELS.name} JOIN {TRAINING_SETS.name} USING (training_set_id)
WHERE version NOT IN (SELECT version FROM archived)
ORDER BY version
"""


def dates_in_use(con: duckdb.DuckDBPyConnection) -> dict[date, list[int]]:
    """The dates that kept model versions were trained on, and which versions."""
    found: dict[date, list[int]] = {}
    for version, used in con.execute(IN_USE).fetchall():
        if used is not None:
            found.setdefault(used, []).append(version)
    return found


def drop_snapshots(lake: Lake, dates: Sequence[date], commit: Commit, *, even_in_use: bool = False) -> list[Entry]:
    """Remove all tables as of some dates, rows and record, in one commit.

    Files stay as long as a version of the lake needs them, and models stay reproducible, since training sets are pinned
    to such versions.

    Args:
        lake: A writable lake.
        dates: Which.
        commit: What the lake's commit says about itself.
        even_in_use: Whether to drop dates that a kept model was trained on, too.

    Returns:
        What the ledger said of them.

    Raises:
        SegmentationError: There is no snapshot as of one of the dates, or a kept model was trained on it.
    """

    def write(con: duckdb.DuckDBPyConnection) -> list[Entry]:
        found = [entry for entry in read_entries(con) if entry.as_of in dates]
        unknown = sorted(set(dates) - {entry.as_of for entry in found})
        if unknown:
            raise SegmentationError(
                f"There is no snapshot as of {', '.join(map(str, unknown))}; `segmentation snapshots list` shows those "
                "that there are."
            )
        in_use = {as_of: versions for as_of, versions in dates_in_use(con).items() if as_of in dates}
        if in_use and not even_in_use:
            said = "; ".join(f"{as_of} (model {', '.join(map(str, v))})" for as_of, v in sorted(in_use.items()))
            raise SegmentationError(
                f"Models that are kept were trained on {said}. Drop the other dates, or these too with `--force`: the "
                "models stay, and so does the version of the lake that they were trained on."
            )
        erase(con, SNAPSHOT_TABLES, dates)
        return found

    with lake.cursor() as con:
        return lake.transaction(con, commit, write) if dates else []


def dates_to_thin(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[date]:
    """The dates that may go for their age, in order: none that a kept model needs, or that was asked for."""
    entries = read_entries(con)
    dates = sorted({entry.as_of for entry in entries})
    if not dates:
        return []
    kept = {*dates_in_use(con), *(entry.as_of for entry in entries if entry.is_requested)}
    return thinned(
        dates,
        dates[-1],
        keep_daily_days=settings.keep_daily_days,
        keep_weekly_days=settings.keep_weekly_days,
        kept=sorted(kept),
    )
