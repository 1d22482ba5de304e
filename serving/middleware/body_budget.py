"""How many bytes of request bodies a process holds at a time, whoever sends them.

Counted as they arrive, and until the request is answered or its client gone: so nobody can take the budget with a
promise. A limit for each body alone would let a few clients fill the memory.
"""

from http import HTTPStatus
from typing import Any

from litestar.types import Receive

from serving.api.limits import too_large
from serving.api.problems import ProblemError

SETTING = "SEGMENTATION_MAX_BODY_BYTES_IN_FLIGHT"


class BodyBudget:
    """The budget of a process.

    Attributes:
        most: Bytes that may be held.
        held: Bytes that are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0


class CountedBody:
    """The body of one request, counted."""

    __slots__ = ("_budget", "_own", "_receive", "_scope")

    def __init__(self, budget: BodyBudget, scope: Any, receive: Receive) -> None:
        self._budget = budget
        self._scope = scope
        self._receive = receive
        self._own = 0

    async def receive(self) -> Any:
        """The next part, as ASGI has it.

        Raises:
            ProblemError: It doesn't fit with those of others (503), or not even alone (413).
        """
        message: Any = await self._receive()
        if body := message.get("body"):
            is_first = self._own == 0
            self._take(len(body))
            if is_first and message.get("more_body"):
                self._expect(_announced(self._scope["headers"]))
        return message

    def release(self) -> None:
        """The request is over."""
        self._budget.held -= self._own
        self._own = 0

    def _take(self, size: int) -> None:
        self._expect(self._own + size)
        self._own += size
        self._budget.held += size

    def _expect(self, total: int) -> None:
        """Refuse a body of so many bytes in all as soon as it is known that they won't fit."""
        if total > self._budget.most:
            raise too_large(self._budget.most, SETTING)
        if self._budget.held - self._own + total > self._budget.most:
            raise _spent()


def _announced(headers: Any) -> int:
    for name, value in headers:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 0
    return 0


def _spent() -> ProblemError:
    """Made anew each time: one that is raised keeps the frames that it passed, and so the body that was refused."""
    detail = f"The scorer holds all the bodies that it may ({SETTING}); come back."
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", detail)
