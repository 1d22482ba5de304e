"""Progress of long steps: into Dagster's log now and then, and to whoever listens (the command line's bar)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from segmentation.progress import Narrator, Progress

if TYPE_CHECKING:
    import dagster as dg

Listener = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""

listener: ContextVar[Listener | None] = ContextVar("listener", default=None)

LOG_EVERY_S = 10.0


def reporter(context: "dg.AssetExecutionContext", what: str) -> Progress:
    """A progress callback for a domain function."""
    last_logged = time.monotonic()

    def report(done: int, total: int) -> None:
        nonlocal last_logged
        listen = listener.get()
        if listen:
            listen(what, done, total)
        if time.monotonic() - last_logged >= LOG_EVERY_S:
            last_logged = time.monotonic()
            context.log.info(f"{what}: {done} of {total}")

    return report


@contextmanager
def narrator(context: "dg.AssetExecutionContext") -> Iterator[Narrator]:
    """A callback for a domain function that tells what it is doing; each thing told is a step, done at the next."""
    doing: list[str] = []
    listen = listener.get() or (lambda *_: None)

    def tell(what: str) -> None:
        finish()
        doing.append(what)
        listen(what, 0, 1)
        context.log.info(what)

    def finish() -> None:
        if doing:
            listen(doing.pop(), 1, 1)

    yield tell
    finish()
