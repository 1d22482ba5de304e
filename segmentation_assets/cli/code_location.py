"""The code location of a user interface that is running: loaded again when data begins on another day.

Runs and sensors know the first day of the moment. What the interface offers was read when the code location was
loaded, and only loading it again shows days that lie before.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import date

from segmentation.settings import Settings
from segmentation.sources.first_day import first_day

RELOAD = "mutation { reloadWorkspace { __typename } }"
TIMEOUT_S = 60.0

logger = logging.getLogger(__name__)


class PartitionsFollower:
    """Has the code location loaded again whenever the first day of data has changed."""

    def __init__(self, settings: Settings, reload: Callable[[], None]) -> None:
        """Follow an installation; call `reload` to load the code location again."""
        self._settings, self._reload = settings, reload
        self._loaded = first_day(settings)

    def look(self) -> None:
        """Look once. An interface that doesn't answer is asked again at the next look."""
        found: date | None = first_day(self._settings)
        if found == self._loaded:
            return
        try:
            self._reload()
        except (urllib.error.URLError, OSError) as error:
            logger.info("The code location could not be loaded again yet: %s", error)
        else:
            self._loaded = found


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
