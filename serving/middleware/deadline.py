"""How long an answer may take."""

import asyncio
from http import HTTPStatus

from litestar.types import ASGIApp, Receive, Scope, Send

from serving.api.problems import ProblemError

TIMEOUT_S = "timeout_s"
"""Key of a handler's `opt` for one that may take longer than others."""


class Deadline:
    """ASGI middleware around every route: breaks off what takes too long."""

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer in time, or with a problem (504)."""
        timeout_s = scope["route_handler"].opt.get(TIMEOUT_S, self._timeout_s)
        try:
            async with asyncio.timeout(timeout_s) as limit:
                await self._app(scope, receive, send)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise late(timeout_s) from error


def late(timeout_s: float) -> ProblemError:
    """The problem of an answer that took too long."""
    return ProblemError(
        HTTPStatus.GATEWAY_TIMEOUT, "timeout", f"The answer took longer than {timeout_s:g} s; ask for less."
    )
