"""uvicorn's configuration with limits on connections."""

import logging
from functools import partial
from typing import Any

import uvicorn

from serving.connections.limits import ConnectionLimits
from serving.connections.protocol import LimitedProtocol
from serving.connections.table import ConnectionTable
from serving.sampled_logs import tell_left_out

logger = logging.getLogger(__name__)


class LimitedConfig(uvicorn.Config):
    """What uvicorn takes; worker processes get it as a copy, and each has connections of its own."""

    def __init__(self, app: str, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(
            app,
            http=LimitedProtocol,
            ws="none",
            backlog=limits.backlog,
            timeout_keep_alive=limits.keep_alive_s,  # type: ignore[arg-type]  # seconds for `call_later`
            **options,
        )
        self._limits = limits
        if limits.connections < limits.wanted:  # told once the log is set up
            logger.info(
                "Descriptors (ulimit -n) allow %d connections a process rather than %d (SEGMENTATION_MAX_CONNECTIONS).",
                limits.connections,
                limits.wanted,
            )

    def load(self) -> None:
        """Load the application, in the process that serves it."""
        super().load()
        table = ConnectionTable(self._limits, tell_left_out)
        self.http_protocol_class = partial(LimitedProtocol, table=table)  # type: ignore[assignment]
