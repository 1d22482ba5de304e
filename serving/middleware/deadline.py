"""How long an answer may take."""

import asyncio
from collections.abc import Coroutine, Generator
from http import HTTPStatus
from types import coroutine
from typing import Any, TypeVar

from litestar.types import ASGIApp, Receive, Scope, Send

from serving.api.problems import ProblemError

TIMEOUT_S = "timeout_s"
"""Key of a handler's `opt` for one that may take longer than others."""


T = TypeVar("T")


class Deadline:
    """ASGI middleware around every route: breaks off what takes too long."""

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in time, or with a problem (504)."""
        timeout_s = scope["route_handler"].opt.get(TIMEOUT_S, self._timeout_s)
        await in_time(self._answered(scope, receive, send), timeout_s)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def in_time(work: Coroutine[Any, Any, T], timeout_s: float) -> T:
    """What some work returns. A timer is made when it first waits for something, which most requests never do.

    Raises:
        ProblemError: It took too long (504).
    """
    try:
        first = work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    try:
        async with asyncio.timeout(timeout_s) as limit:
            return await _rest(work, first)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ProblemError(
            HTTPStatus.GATEWAY_TIMEOUT, "timeout", f"The answer took longer than {timeout_s:g} s; ask for less."
        ) from error


@coroutine
def _rest(work: Coroutine[Any, Any, T], waits_for: Any) -> Generator[Any, Any, T]:
    """Go on with work that has said what it waits for."""
    try:
        while True:
            try:
                came = yield waits_for
            except BaseException as error:
                waits_for = work.throw(error)
            else:
                waits_for = work.send(came)
    except StopIteration as done:
        result: T = done.value
        return result
