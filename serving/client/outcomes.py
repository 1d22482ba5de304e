"""How calls become HTTP, and what comes of them: an answer, an error, or a reason to try again. Pure functions."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import Parameter, Signature, signature
from typing import Any, TypeVar

import httpx
import msgspec

from serving.api.contract import Problem
from serving.client.calls import Call

F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
"""The scorer has not seen the request."""

BROKEN = (*UNSENT, httpx.NetworkError, httpx.RemoteProtocolError)
"""It may have seen it. A timeout is none of them: asking again would only add to the scorer's work."""

PASSING = frozenset({502, 503, 504})
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
QUOTED = 200
"""Characters of an answer that is no problem, in an error."""

Outcome = httpx.Response | httpx.TransportError


@dataclass(eq=False)
class ScorerError(Exception):
    """The scorer refused a request, or failed.

    Attributes:
        status: Of HTTP.
        type: The kind for programs, such as `urn:problem-type:unknown-customer`.
        title: The kind for people.
        detail: What was wrong, and what to do about it.
        request_id: Under which the scorer's log has it; empty if something before the scorer answered.
    """

    status: int
    type: str
    title: str
    detail: str
    request_id: str

    def __str__(self) -> str:
        return f"{self.status} {self.title}: {self.detail}" + (f" (request {self.request_id})" * bool(self.request_id))


def headers(key: str) -> Mapping[str, str]:
    """What every request says."""
    return {"authorization": f"Bearer {key}"}


def presented_as(method: F, make: Callable[..., Call[Any]]) -> F:
    """A client's method with the name, the documentation and the parameters of the function that makes its calls."""
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY), *signature(make).parameters.values()]
    copied = {"__name__": make.__name__, "__doc__": make.__doc__, "__signature__": Signature(parameters)}
    for name, value in copied.items():
        setattr(method, name, value)
    return method


def request_of(http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """A call as a request."""
    usual = http.timeout
    return http.build_request(
        call.method,
        call.path,
        params=[(name, str(value)) for name, value in call.query if value is not None],
        content=call.body,
        headers={**({} if call.body is None else {"content-type": call.kind}), **_trace(), **call.headers},
        timeout=httpx.Timeout(
            connect=usual.connect, read=call.timeout_s or usual.read, write=usual.write, pool=usual.pool
        ),
    )


def _trace() -> dict[str, str]:
    """`traceparent` of the program's own span, if it uses OpenTelemetry and is inside one."""
    carrier: dict[str, str] = {}
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry import propagate

        propagate.inject(carrier)
    return carrier


def is_passing(call: Call[Any], outcome: Outcome) -> bool:
    """Whether another try may succeed and can do no harm."""
    if isinstance(outcome, httpx.Response):
        return call.is_repeatable and outcome.status_code in PASSING
    return isinstance(outcome, BROKEN if call.is_repeatable else UNSENT)


def pause_s(outcome: Outcome, attempt: int, jitter: float) -> float:
    """How long to wait after a try: what the scorer asks for, and a little that doubles with each try.

    Args:
        outcome: Of the try.
        attempt: Its number, from 0.
        jitter: From 0 to 1; spreads clients that were refused together.
    """
    asked: str = outcome.headers.get("retry-after", "") if isinstance(outcome, httpx.Response) else ""
    least = int(asked) if asked.isdecimal() else 0
    return float(min(least + FIRST_PAUSE_S * 2**attempt * (0.5 + jitter / 2), LONGEST_PAUSE_S))


def answer_of(call: Call[T], outcome: Outcome) -> T:
    """The answer.

    Raises:
        ScorerError: The scorer refused, or failed.
        httpx.TransportError: It could not be reached, or not in time.
    """
    if isinstance(outcome, httpx.TransportError):
        raise outcome
    if outcome.is_success:
        return call.decode(outcome.content)
    problem = _problem(outcome)
    identity = outcome.headers.get("x-request-id", "")
    raise ScorerError(outcome.status_code, problem.type, problem.title, problem.detail + call.hint, identity)


def _problem(response: httpx.Response) -> Problem:
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except (msgspec.DecodeError, UnicodeDecodeError):  # something before the scorer answered
        detail = response.text[:QUOTED] or "The answer is empty."
        return Problem("about:blank", response.reason_phrase, response.status_code, detail, response.url.path)
