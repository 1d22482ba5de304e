"""Errors as clients see them: `application/problem+json` (RFC 9457), whatever went wrong.

What is in a problem is meant for the client. Addresses, paths and tracebacks go to the log.
"""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap, Send

from segmentation.errors import WarehouseUnavailableError
from serving.api.contract import Problem
from serving.api.parameters import allowed_instead

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 2
FAILURE = "The scorer failed; its log says why."

logger = logging.getLogger(__name__)

Headers = Iterable[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case."""

AnyRequest = Request[Any, Any, Any]


class ProblemError(Exception):
    """A problem of a kind that clients can tell apart, such as `unknown-feature`."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail

    @property
    def type(self) -> str:
        """Tells kinds apart, for programs."""
        return f"urn:problem-type:{self.kind}"

    @property
    def title(self) -> str:
        """The kind, for people."""
        return self.kind.replace("-", " ").capitalize()

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer says besides: when to come back, or how to say who one is."""
        match self.status:
            case HTTPStatus.SERVICE_UNAVAILABLE:
                return {"retry-after": str(RETRY_AFTER_S)}
            case HTTPStatus.UNAUTHORIZED:
                return {"www-authenticate": 'Bearer realm="segmentation"'}
            case _:
                return {}


def unwritable() -> ProblemError:
    """The problem of a lake that can't take anything right now."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "warehouse-unavailable",
        "The warehouse can't be written right now; the scorer's log says why. Send it again.",
    )


def problem_responses(*statuses: HTTPStatus) -> dict[int, ResponseSpec]:
    """The problems that an operation may answer with, for its documentation."""
    return {
        int(status): ResponseSpec(Problem, generate_examples=False, description=status.phrase, media_type=MEDIA_TYPE)
        for status in statuses
    }


def refusals(*others: HTTPStatus) -> dict[int, ResponseSpec]:
    """The problems of an operation that isn't for everybody: those that any may have, and its own."""
    usual = (
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    )
    return problem_responses(*usual, *others)


def problem_body(scope: Any, status: int, kind: str, title: str, detail: str) -> bytes:
    """A problem as it is sent; `instance` is the path that was asked for."""
    path = scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
    return msgspec.json.encode(Problem(kind, title, status, detail, path))


async def send_problem(scope: Any, send: Send, problem: ProblemError) -> None:
    """Answer with a problem in raw ASGI."""
    body = problem_body(scope, problem.status, problem.type, problem.title, problem.detail)
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _answer(
    request: AnyRequest, status: int, kind: str, title: str, detail: str, headers: Mapping[str, str]
) -> Response[bytes]:
    body = problem_body(request.scope, status, kind, title, detail)
    return Response(body, status_code=status, media_type=MEDIA_TYPE, headers=dict(headers))


def _on_problem(request: AnyRequest, error: ProblemError) -> Response[bytes]:
    return _answer(request, error.status, error.type, error.title, error.detail, error.headers)


def _on_warehouse(request: AnyRequest, error: WarehouseUnavailableError) -> Response[bytes]:
    logger.error("Could not answer %s: %s", request.scope["path_template"], error)
    detail = "The warehouse can't be read right now; the scorer's log says why. Try again."
    return _on_problem(request, ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "warehouse-unavailable", detail))


def _on_http_error(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    phrase = HTTPStatus(error.status_code).phrase
    detail = _detail(request, error)
    return _answer(request, error.status_code, "about:blank", phrase, detail, error.headers or {})


def _detail(request: AnyRequest, error: HTTPException) -> str:
    match error.status_code:
        case HTTPStatus.NOT_FOUND:
            return "There is nothing at this path; /schema describes the API."
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return f"{request.method} is not possible here; /schema describes the API."
        case HTTPStatus.BAD_REQUEST:
            return allowed_instead(request.scope.get("route_handler"), error) or error.detail
        case _:
            return error.detail


def _on_unexpected(request: AnyRequest, error: Exception) -> Response[bytes]:
    logger.error("Failed to answer %s", request.scope.get("path_template", ""), exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _answer(request, status, "about:blank", status.phrase, FAILURE, {})


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    ProblemError: _on_problem,
    WarehouseUnavailableError: _on_warehouse,
    HTTPException: _on_http_error,
    Exception: _on_unexpected,
}
