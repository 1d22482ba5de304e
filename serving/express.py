"""The short way for the request that matters most: a small JSON body to `POST /v1/score`.

Litestar makes a request object, resolves dependencies and makes a response object, which takes several times as long as
scoring a customer. This middleware of the route answers small JSON bodies itself, in raw ASGI, and leaves all others
to the handler. Both call the same scorer.
"""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from serving.bodies import JSON
from serving.champion import LiveChampion
from serving.problems import Headers
from serving.scoring import SMALL_BYTES, Scorer

CONTENT_TYPE = (b"content-type", JSON.media_type.encode())


class ExpressLane:
    """ASGI middleware of the route that scores."""

    def __init__(self, app: ASGIApp, live: LiveChampion, scorer: Scorer, max_body_bytes: int) -> None:
        self._app = app
        self._most = min(SMALL_BYTES, max_body_bytes)
        self._live = live
        self._scorer = scorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if not _is_small_json(scope["headers"], self._most):
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        answer = self._scorer.at_once(self._live.champion(), body, JSON, JSON)
        headers = [CONTENT_TYPE, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})


def _is_small_json(headers: Headers, most: int) -> bool:
    """Whether a request says that its body is small, and JSON, and that JSON will do for the answer."""
    length, is_json = 0, False
    for name, value in headers:
        match name:
            case b"content-length":
                length = int(value) if value.isdigit() else 0
            case b"content-type":
                is_json = value == CONTENT_TYPE[1]
            case b"accept":
                if value not in (b"*/*", CONTENT_TYPE[1]):
                    return False
    return is_json and 0 < length <= most


async def _read(receive: Receive) -> bytes:
    """The body; servers see to it that it is no longer than announced."""
    body, more = b"", True
    while more:
        message: Any = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
