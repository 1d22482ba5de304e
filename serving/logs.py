"""The scorer's log: one JSON object a line, or text for people. Nothing that names a customer is ever given to it."""

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from serving.middleware.requests import request_id, trace_id

OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"))
"""What every record has; all else was said by whoever logged it."""

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonFormatter(logging.Formatter):
    """A record as JSON: time (UTC), level, logger, message, ids of request and trace, and what was said besides."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get() or None,
            "trace_id": trace_id.get(),
            **{name: value for name, value in vars(record).items() if name not in OWN},
        }
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode({name: value for name, value in said.items() if value is not None}).decode()


def log_config(level: str, as_json: bool) -> dict[str, Any]:
    """What `logging.config.dictConfig` takes: everything to standard error, of errors of a kind some a minute."""
    formatter = {"()": JsonFormatter} if as_json else {"format": TEXT}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"scorer": formatter},
        "handlers": {"stderr": {"class": "serving.sampled_logs.SampledHandler", "formatter": "scorer"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }
