"""The code location of a user interface that is running: loaded again when there are other days or dates.

Runs and sensors know the days of the moment. What the interface offers was read when the code location was loaded, and
only loading it again shows days that came since.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import date

from segmentation.clock import utc_now
from segmentation.errors import WarehouseUnavailableError
from segmentation.settings import Settings
from segmentation.snapshots.coverage import Coverage, coverage_at
from segmentation.snapshots.due import due_dates
from segmentation_assets.partitions import start_of_days

RELOAD = "mutation { reloadWorkspace { __typename } }"
TIMEOUT_S = 60.0

logger = logging.getLogger(__name__)


class PartitionsFollower:
    """Has the code location loaded again whenever the partitions have changed."""

    def __init__(self, settings: Settings, reload: Callable[[], None]) -> None:
        """Follow an installation; call `reload` to load the code location again."""
        self._settings, self._reload = settings, reload
        self._loaded = self._find()

    def look(self) -> None:
        """Look once. An interface that doesn't answer, or a lake, is asked again at the next look."""
        try:
            found = self._find()
            if found == self._loaded:
                return
            self._reload()
        except (urllib.error.URLError, OSError, WarehouseUnavailableError) as error:
            logger.info("The code location could not be loaded again yet: %s", error)
        else:
            self._loaded = found

    def _find(self) -> tuple[date, date | None, date | None]:
        coverage = coverage_at(self._settings, utc_now())
        return offered(self._settings, coverage)


def offered(settings: Settings, coverage: Coverage) -> tuple[date, date | None, date | None]:
    """What partitions depend on: the first and the last day, and the last date."""
    return start_of_days(settings, coverage), coverage.last_day, max(due_dates(settings, coverage), default=None)


def reload_code_location(address: str) -> None:
    """Ask Dagster's webserver to load the code location again.

    Args:
        address: Of the webserver, such as `http://127.0.0.1:3000`.

    Raises:
        OSError: It doesn't answer, or not in time.
    """
    request = urllib.request.Request(  # noqa: S310 (our own loopback address)
        f"{address}/graphql", json.dumps({"query": RELOAD}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 (as above)
        pass
