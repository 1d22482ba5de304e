"""The DuckDB engine: snapshots from the lake's lines and from the snapshots that are there.

What has to be computed is planned first (`refresh.planning`). Slices (`slices`) leave it as Parquet parts in a
folder, so that memory does not grow with the number of customers. Scores, which compare customers, and the short
transaction that replaces a snapshot come last.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from segmentation.features.engine import Computed, ReplaceRows
from segmentation.features.records import Snapshot
from segmentation.features.refresh.planning import Plan, make_plans
from segmentation.features.refresh.replacing import replace_snapshot
from segmentation.features.refresh.scores import Scored, compare_customers
from segmentation.features.slices import Task, compute_slices
from segmentation.features.windows import Window
from segmentation.private_files import make_private_folder
from segmentation.progress import Progress
from segmentation.warehouse import Lake

SPOOL_PREFIX = "features-"
STALE_S = 2 * 24 * 3600


def compute_snapshots(
    lake: Lake,
    windows: Sequence[Window],
    write: Callable[[Computed, ReplaceRows], object],
    progress: Progress | None,
    *,
    from_scratch: bool,
) -> None:
    """Compute the features of every customer in some windows, in one pass over the lines of those from scratch.

    Args:
        lake: A writable lake.
        windows: The snapshots; all are of one time zone.
        write: Told of each snapshot, in order; what it is given holds until it returns.
        progress: Told of each bucket that is done.
        from_scratch: Whether to compute every customer in any case.
    """
    version = lake.version()
    with _spool(lake) as spool, lake.cursor() as con:
        plans = make_plans(con, version, windows, lake.settings.home_market, spool, from_scratch=from_scratch)
        _compute_parts(lake, version, plans, progress)
        for plan in plans:
            scored = None if plan.is_idle else compare_customers(con, plan)
            market = plan.home_market
            computed = Computed(_snapshot(plan, scored), market.country, version, market.lead)
            write(computed, partial(replace_snapshot, lake, con, plan, scored))


def _compute_parts(lake: Lake, version: int, plans: Sequence[Plan], progress: Progress | None) -> None:
    """Compute those who have to be: all customers of all dates in one pass, touched ones date by date."""
    together = [plan for plan in plans if plan.base is None]
    alone = [[plan] for plan in plans if plan.touched.count]
    for group in [together, *alone] if together else alone:
        task = Task(
            version,
            tuple(plan.window for plan in group),
            tuple(plan.home_market.country for plan in group),
            tuple(plan.folder for plan in group),
            group[0].touched.file,
        )
        compute_slices(lake, task, progress)


def _snapshot(plan: Plan, scored: Scored | None) -> Snapshot:
    base = plan.base
    customers = scored.customer_count if scored else base.row_count if base and plan.is_idle else 0
    return Snapshot(plan.window, customers, scored.computed_count if scored else 0, base.window.as_of if base else None)


@contextmanager
def _spool(lake: Lake) -> Iterator[Path]:
    """A folder for parts. What killed runs left behind goes first, once it is old enough to be nobody's."""
    parent = lake.settings.home / "tmp"
    make_private_folder(parent)
    for stale in parent.glob(f"{SPOOL_PREFIX}*"):
        if time.time() - stale.stat().st_mtime > STALE_S:
            shutil.rmtree(stale, ignore_errors=True)
    folder = Path(mkdtemp(prefix=SPOOL_PREFIX, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
