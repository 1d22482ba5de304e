"""When the client asks again, when it doesn't, and what it says in the end. No scorer: transports that misbehave."""

import pickle
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import httpx
import pytest

from segmentation_assets_tests.serving.asking import KINDS, Ask, Kind, asking
from serving.client import ScorerError

READY = {"status": "ready", "model_version": 3, "is_stale": False, "detail": ""}
DECIDED = {"champion": 3, "is_new": True, "detail": "Model 3 is champion."}
BUSY = httpx.Response(
    503, json={"type": "urn:problem-type:busy", "title": "Busy", "status": 503, "detail": "Come back.", "instance": "/"}
)

Outcome = httpx.Response | Exception


class Transport(httpx.MockTransport):
    """Answers with one outcome after another, and with the last one from then on; remembers what was asked."""

    def __init__(self, *outcomes: Outcome) -> None:
        super().__init__(self._next)
        self.asked: list[httpx.Request] = []
        self._outcomes = list(outcomes)

    def _next(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        outcome = self._outcomes[min(len(self.asked), len(self._outcomes)) - 1]
        if isinstance(outcome, Exception):
            raise outcome
        return httpx.Response(outcome.status_code, headers=outcome.headers, content=outcome.content)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """With and without `await`."""
    found: Kind = request.param
    return found


def answer(body: object = READY) -> httpx.Response:
    return httpx.Response(200, json=body)


def refusal(status: int, retry_after: str | None = None) -> httpx.Response:
    headers = {} if retry_after is None else {"retry-after": retry_after}
    return httpx.Response(status, headers={"x-request-id": "id-1", **headers}, json={**BUSY.json(), "status": status})


def through(kind: Kind, transport: Transport, **options: Any) -> Ask:
    return asking(kind, "http://scorer/below", "seg_key", transport=transport, jitter=lambda: 0.5, **options)


@pytest.mark.parametrize(
    ("retry_after", "pause_s"),
    [("7", 7.15), (None, 0.15), ("0", 0.15), ("86400", 10.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.15)],
)
def test_a_scorer_that_is_busy_is_asked_again_when_it_says(kind: Kind, retry_after: str | None, pause_s: float) -> None:
    transport = Transport(refusal(503, retry_after), answer())
    pauses: list[float] = []
    assert through(kind, transport, pauses=pauses)("ready").model_version == 3
    assert pauses == pytest.approx([pause_s])


@pytest.mark.parametrize(
    "outcome",
    [
        refusal(502),
        refusal(503),
        refusal(504),
        httpx.ConnectError(""),
        httpx.ConnectTimeout(""),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
    ],
)
def test_what_passes_is_waited_for_longer_each_time_and_then_told(kind: Kind, outcome: Outcome) -> None:
    transport = Transport(outcome)
    pauses: list[float] = []
    with pytest.raises((ScorerError, httpx.TransportError)) as caught:
        through(kind, transport, pauses=pauses)("score", [])
    assert isinstance(caught.value, ScorerError) == isinstance(outcome, httpx.Response)
    assert pauses == pytest.approx([0.15, 0.3, 0.6])
    assert len(transport.asked) == 4
    assert {request.content for request in transport.asked} == {b'{"customers":[]}'}


def test_a_client_may_be_told_never_to_ask_again(kind: Kind) -> None:
    transport = Transport(refusal(503))
    with pytest.raises(ScorerError, match=r"^503 Busy: Come back\. \(request id-1\)$"):
        through(kind, transport, retries=0)("ready")
    assert len(transport.asked) == 1


@pytest.mark.parametrize(
    "outcome",
    [
        *map(refusal, (301, 400, 401, 403, 404, 406, 409, 413, 415, 500)),
        httpx.ReadTimeout(""),
        httpx.UnsupportedProtocol(""),
    ],
)
def test_what_would_happen_again_is_told_at_once(kind: Kind, outcome: Outcome) -> None:
    transport = Transport(outcome, answer())
    with pytest.raises((ScorerError, httpx.TransportError)):
        through(kind, transport)("ready")
    assert len(transport.asked) == 1


@pytest.mark.parametrize("decision", ["promote", "rollback"])
@pytest.mark.parametrize(
    "outcome",
    [
        refusal(502),
        refusal(503, "1"),
        refusal(504),
        httpx.ReadError(""),
        httpx.RemoteProtocolError(""),
        httpx.ReadTimeout(""),
    ],
)
def test_a_decision_that_may_have_arrived_is_not_sent_again(kind: Kind, decision: str, outcome: Outcome) -> None:
    transport = Transport(outcome, answer(DECIDED))
    with pytest.raises((ScorerError, httpx.TransportError)):
        through(kind, transport)(decision, 3)
    assert len(transport.asked) == 1


@pytest.mark.parametrize("decision", ["promote", "rollback"])
def test_a_decision_that_found_nobody_is_sent_again_and_waited_for(kind: Kind, decision: str) -> None:
    transport = Transport(httpx.ConnectError(""), answer(DECIDED))
    assert through(kind, transport, timeout_s=3.0)(decision, 3, "a reason").champion == 3
    request = transport.asked[1]
    assert request.extensions["timeout"] == {"connect": 3.0, "read": 610.0, "write": 3.0, "pool": 3.0}
    assert request.content == b'{"reason":"a reason","override":false}'


def test_a_scorer_behind_a_path_is_asked_there_with_the_key(kind: Kind) -> None:
    transport = Transport(refusal(404))
    ask = through(kind, transport)
    for customer_id in ("a/b", "..", "50%", "?", "é"):
        with pytest.raises(ScorerError):
            ask("customer", customer_id)
    assert [request.url.raw_path for request in transport.asked] == [
        b"/below/v1/customers/" + escaped for escaped in (b"a%2Fb", b"%2E%2E", b"50%25", b"%3F", b"%C3%A9")
    ]
    assert {request.headers["authorization"] for request in transport.asked} == {"Bearer seg_key"}


def test_an_answer_that_is_no_problem_is_quoted(kind: Kind) -> None:
    page = httpx.Response(502, html=f"<h1>Bad gateway</h1>{'x' * 500}")
    with pytest.raises(ScorerError) as caught:
        through(kind, Transport(page), retries=0)("ready")
    error = caught.value
    assert (error.status, error.type, error.title, error.request_id) == (502, "about:blank", "Bad Gateway", "")
    assert error.detail.startswith("<h1>Bad gateway</h1>xxx")
    assert len(error.detail) == 200
    assert str(error) == f"502 Bad Gateway: {error.detail}"


def test_an_error_survives_the_way_between_processes() -> None:
    error = ScorerError(404, "urn:problem-type:unknown-customer", "Unknown customer", "Nobody.", "id-1")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(copy), vars(copy)) == (str(error), vars(error))


@pytest.fixture
def late_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """An address where nobody listens, and what makes somebody listen."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with ExitStack() as stack:

        def start() -> None:
            server = stack.enter_context(HTTPServer(("127.0.0.1", port), _Ready))
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            thread.start()

        yield f"http://127.0.0.1:{port}", start


def test_a_scorer_that_comes_up_is_found(kind: Kind, late_server: tuple[str, Callable[[], None]]) -> None:
    address, start = late_server
    pauses: list[float] = []
    assert asking(kind, address, "seg_key", pauses=pauses, on_pause=start)("ready").model_version == 3
    assert len(pauses) == 1


class _Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = answer().content
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""
