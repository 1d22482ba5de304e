"""A lake that is looked at again and again, and may be gone, replaced or restarted between two looks."""

from collections.abc import Sequence

import duckdb

from segmentation.clock import Clock, utc_now
from segmentation.errors import WarehouseUnavailableError
from segmentation.failures import reason_of
from segmentation.metrics.cache import MarkerCache
from segmentation.metrics.families import MetricFamily
from segmentation.metrics.lake import lake_families
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation.warehouse.lake import sqlite_path, without_password


class LakeCollector:
    """Looks at a lake, through a connection that is kept as long as it works: opening one takes most of a second."""

    def __init__(self, settings: Settings, now: Clock = utc_now) -> None:
        self._settings = settings.model_copy(update={"threads": settings.threads or 1})
        self._now = now
        self._lake: Lake | None = None
        self._memory = MarkerCache()
        self._seen: tuple[int, int] | None = None

    def look(self) -> Sequence[MetricFamily]:
        """What the lake tells now.

        Raises:
            WarehouseUnavailableError: There is no lake, or it can't be read; the next look opens it anew.
        """
        try:
            if self._is_replaced():
                self.close()
            if self._lake is None:
                self._memory = MarkerCache()
                self._lake = Lake(self._settings, read_only=True)
            with self._lake.cursor() as con:
                return lake_families(con, self._memory, self._settings, self._now())
        except Exception as error:
            self.close()
            if isinstance(error, duckdb.Error):
                reason = without_password(reason_of(error))
                raise WarehouseUnavailableError(f"{reason} (`segmentation doctor` tells more)") from error
            raise

    def close(self) -> None:
        """Close the lake if it is open."""
        if self._lake is not None:
            self._lake.close()
        self._lake = None

    def _is_replaced(self) -> bool:
        """Whether an SQLite catalog is gone, or another one than at the last look: an open file would be read on."""
        if not self._settings.catalog_uri.startswith("sqlite:"):
            return False
        path = sqlite_path(self._settings)
        found = path.stat() if path.exists() else None
        seen, self._seen = self._seen, (found.st_dev, found.st_ino) if found else None
        return seen != self._seen
