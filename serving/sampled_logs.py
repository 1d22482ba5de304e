"""Logs that no client can flood: of each kind of message, some a minute, and how many more there were."""

import logging
import time
from collections.abc import Callable
from threading import RLock

MOST = 10
"""Messages of a kind that are written within a window."""

WINDOW_S = 60.0

MAX_KINDS = 1_000
"""Kinds that are told apart in a window; all others together count as one."""

OTHER = ("", 0, "messages of other kinds")

Kind = tuple[object, ...]


class _Window:
    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.count = 0

    @property
    def left_out(self) -> int:
        return max(0, self.count - MOST)


class SampledHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error: warnings, errors and failed requests by kind and no more than so many, all else always.

    A kind is a logger, a level and a message before its values are put in; of requests, route and status as well.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[Kind, _Window] = {}
        self._lock = RLock()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, or count it."""
        is_failure = record.levelno >= logging.WARNING or getattr(record, "status", 0) >= 500
        if not is_failure or self._has_room(record):
            super().emit(record)

    def tell_left_out(self, *, all_windows: bool = False) -> None:
        """Write how many messages were left out in windows that are over, or in all."""
        now = self._clock()
        with self._lock:
            over = {kind: each for kind, each in self._windows.items() if all_windows or each.ends <= now}
            for kind, window in over.items():
                del self._windows[kind]
                if window.left_out:
                    super().emit(_summary(kind, window.left_out))

    def close(self) -> None:
        """Tell what was left out, and end."""
        self.tell_left_out(all_windows=True)
        super().close()

    def _has_room(self, record: logging.LogRecord) -> bool:
        self.tell_left_out()
        kind: Kind = (
            record.name,
            record.levelno,
            record.msg,
            getattr(record, "route", ""),
            getattr(record, "status", 0),
        )
        with self._lock:
            if kind not in self._windows and len(self._windows) >= MAX_KINDS:
                kind = OTHER
            window = self._windows.setdefault(kind, _Window(self._clock() + WINDOW_S))
            window.count += 1
            return window.count <= MOST


def _summary(kind: Kind, left_out: int) -> logging.LogRecord:
    name, level, message, *values = kind
    text = f"Left out within {WINDOW_S:g} s: %d more of %r"
    said = [str(value) for value in values if value]
    if said:
        text += f" ({' '.join(said)})"
    return logging.LogRecord(str(name), int(str(level)), __file__, 0, text, (left_out, str(message)), None)


def tell_left_out(*, all_windows: bool = False) -> None:
    """Have the log tell what it left out a while ago; or all of it, where nobody might ask again."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, SampledHandler):
            handler.tell_left_out(all_windows=all_windows)
