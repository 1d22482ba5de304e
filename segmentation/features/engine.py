"""What an engine of features is: the one interface behind which DuckDB and Spark compute the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import duckdb

from segmentation.features.records import Snapshot
from segmentation.features.windows import Window
from segmentation.progress import Progress
from segmentation.warehouse import Commit, Lake

Record = Callable[[duckdb.DuckDBPyConnection, bool], object]
"""Puts a snapshot on record, within the transaction that writes it; told whether its rows are as they were."""

ReplaceRows = Callable[[Commit, Record], object]
"""Replaces the rows of a snapshot, unless they are as they were, in one commit with its record."""


@dataclass(frozen=True)
class Computed:
    """A snapshot that is computed, but not in the lake yet.

    Attributes:
        snapshot: What it holds.
        home_market: The shop's home market in its window: the setting, else the country with the most lines.
        lake_version: The version of the lake whose lines were read.
        home_market_lead: By at least how many lines that country leads, if the engine counted so as to know.
    """

    snapshot: Snapshot
    home_market: str | None
    lake_version: int
    home_market_lead: int | None = None


class Engine(Protocol):
    """Computes snapshots of one version of the lake."""

    def __call__(
        self,
        lake: Lake,
        windows: Sequence[Window],
        write: Callable[[Computed, ReplaceRows], object],
        progress: Progress | None,
    ) -> None:
        """Compute the features of every customer in some windows.

        Args:
            lake: A writable lake.
            windows: The snapshots.
            write: Told of each snapshot, in order; what it is given holds until it returns.
            progress: Told of each step that is done.
        """
