"""The short way for the request that matters most: a small JSON body to `POST /v1/score`.

Litestar finds a route, makes a request object, resolves dependencies and makes a response object, which takes several
times as long as scoring a customer. This layer around it answers small JSON bodies itself, in raw ASGI, and leaves all
others to the route. Both ask the same authenticator and the same scorer.
"""

from http import HTTPStatus
from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send

from segmentation.access.keys import Scope as Access
from segmentation.settings import Settings
from serving.api.bodies import JSON
from serving.api.problems import Headers, ProblemError, send_problem
from serving.live.champion import LiveChampion
from serving.middleware.auth import Authenticator, admitted
from serving.middleware.deadline import in_time
from serving.services.scoring import SMALL_BYTES, Scorer

PATH = "/v1/score"
CONTENT_TYPE = (b"content-type", JSON.media_type.encode())


class FastPath:
    """ASGI application around Litestar."""

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        authenticator: Authenticator | None,
        live: LiveChampion,
        scorer: Scorer,
    ) -> None:
        self._app = app
        self._timeout_s = settings.request_timeout_s
        self._max_bytes = min(SMALL_BYTES, settings.max_body_bytes)
        self._authenticator = authenticator
        self._live = live
        self._scorer = scorer

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        is_plain = scope["path"] == PATH and scope["method"] == "POST" and not scope["query_string"]
        if not is_plain or not _is_small_json(scope["headers"], self._max_bytes):
            await self._app(scope, receive, send)
            return
        scope["path_template"] = PATH
        try:
            answer = await self._answer(scope, receive)
        except ProblemError as problem:
            await send_problem(scope, send, problem)
            return
        headers = [CONTENT_TYPE, (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
        await send({"type": "http.response.body", "body": answer, "more_body": False})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        body = await in_time(self._admitted_body(scope, receive), self._timeout_s)  # scoring is never slow
        return self._scorer.at_once(self._live.champion(), body, JSON, JSON)

    async def _admitted_body(self, scope: Scope, receive: Receive) -> bytes:
        scope["user"] = await admitted(self._authenticator, scope["headers"], Access.SCORE)
        return await _read(receive)


def _is_small_json(headers: Headers, max_bytes: int) -> bool:
    """Whether a request says that its body is small, and JSON, and that plain JSON will do for the answer."""
    length, is_json = 0, False
    for name, value in headers:
        match name:
            case b"content-length":
                length = int(value) if value.isdigit() and len(value) < 10 else 0
            case b"content-type":
                is_json = value == CONTENT_TYPE[1]
            case b"accept":
                if value not in (b"*/*", CONTENT_TYPE[1]):
                    return False
            case b"origin":  # a browser's page, whose answer needs the CORS headers that Litestar adds
                return False
    return is_json and 0 < length <= max_bytes


async def _read(receive: Receive) -> bytes:
    """The body; servers see to it that it is no longer than announced."""
    body, more = b"", True
    while more:
        message: Any = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body
