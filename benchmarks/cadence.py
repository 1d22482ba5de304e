"""How old what people read becomes: who is in another segment than the last snapshot says, by cadence.

    SEGMENTATION_HOME=warehouse python -m benchmarks.cadence --until 2026-11-01 --days 55

It looks at a copy of a lake that has a champion, such as the demo's, day by day, and prints the table of decision 21.
"""

import argparse
import shutil
import tempfile
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from segmentation.clock import utc_now
from segmentation.features.snapshots import write_snapshots
from segmentation.metadata.tables.segments import CUSTOMER_SEGMENTS, of_model
from segmentation.segments.assignment import write_segments
from segmentation.settings import load_settings
from segmentation.snapshots.cadence import Cadence, last_date
from segmentation.warehouse import Commit, Lake

CADENCES: tuple[Cadence, ...] = ("daily", "weekly", "monthly")
LONGEST = timedelta(days=31)
"""Before the first day that is looked at: as far back as its last monthly date may lie."""

Segments = Mapping[date, Mapping[str, int]]
"""Segment by customer, by date."""


def main() -> None:
    """Make daily snapshots in a copy of the lake, and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--until", type=date.fromisoformat, required=True, help="the last day")
    parser.add_argument("--days", type=int, default=55, help="how many days are looked at")
    asked = parser.parse_args()
    days = [asked.until - timedelta(days=n) for n in reversed(range(asked.days))]
    table = Table("cadence", "mean age, days", "in another segment, mean", "most")
    with tempfile.TemporaryDirectory() as folder:
        segments = _daily(Path(folder) / "warehouse", days[0] - LONGEST, days[-1])
        for cadence in CADENCES:
            ages, shares = zip(*(_told(segments, day, cadence) for day in days), strict=True)
            table.add_row(
                cadence, f"{sum(ages) / len(ages):.1f}", f"{sum(shares) / len(shares):.1%}", f"{max(shares):.1%}"
            )
    Console().print(table)


def _daily(home: Path, first: date, last: date) -> Segments:
    """Segments as of every day, all by the champion, in a copy of the lake."""
    settings = load_settings()
    shutil.copytree(settings.home, home)
    dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    with Lake(settings.model_copy(update={"home": home})) as lake:
        write_snapshots(lake, dates, lambda as_of: Commit(f"features {as_of}"), now=utc_now())
        for as_of in dates:
            write_segments(lake, as_of, Commit(f"segments {as_of}"))
        query = f"SELECT customer_id, segment_id FROM {of_model(CUSTOMER_SEGMENTS)} WHERE as_of = $as_of"
        with lake.cursor() as con:
            return {as_of: dict(con.execute(query, {"as_of": as_of}).fetchall()) for as_of in dates}


def _told(segments: Segments, day: date, cadence: Cadence) -> tuple[int, float]:
    """How old the last snapshot before a day is, and the share of the day's customers whom it has elsewhere."""
    then = last_date(cadence, day - timedelta(days=1))
    others = sum(segments[then].get(customer) != segment for customer, segment in segments[day].items())
    return (day - then).days, others / len(segments[day])


if __name__ == "__main__":
    main()
