"""What every contender is given."""

from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Source:
    """The lines, as a lake and as the Parquet files that this lake is made of.

    Attributes:
        home: Folder of the lake; contenders that write work on a copy.
        files_by_bucket: The files of `raw.transactions`, one tuple for each customer bucket.
        as_ofs: Snapshot dates; only the engines take more than one.
        lookback_days: Days before `as_of` that count; None for all. Frames take all lines.
    """

    home: Path
    files_by_bucket: tuple[tuple[Path, ...], ...]
    as_ofs: tuple[date, ...]
    lookback_days: int | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files of the table."""
        return tuple(path for files in self.files_by_bucket for path in files)

    @property
    def as_of(self) -> datetime:
        """The only snapshot date, as a moment."""
        (day,) = self.as_ofs
        return datetime.combine(day, time.min)


def source_of(home: Path, as_ofs: tuple[date, ...], lookback_days: int | None = None) -> Source:
    """What a contender is given.

    Args:
        home: A shop's folder, or a copy of it.
        as_ofs: Snapshot dates.
        lookback_days: Days before them that count; None for all.
    """
    folders = (home / "data" / "raw" / "transactions").glob("customer_bucket=*")
    files = tuple(tuple(sorted(folder.glob("*.parquet"))) for folder in sorted(folders))
    return Source(home, files, as_ofs, lookback_days)


class Contender(Protocol):
    """One way to compute the features. Opening and importing happen when it is made and are not timed."""

    def compute(self) -> None:
        """Leave the answer in memory (or in the lake). This is what is measured."""

    def save(self, path: Path, /) -> None:
        """Write the answer as Parquet: `customer_id` and every feature, sorted by customer."""
