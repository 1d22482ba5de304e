"""Who may call what: every route says so, and every way in is tried with keys that will do and keys that won't."""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest
from litestar import Litestar, get
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from segmentation.access.keys import Scope, create_key, revoke_key, rotate_key
from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.shop import CREDENTIALS, KEY, ScoredCustomer, problem, request
from segmentation_assets_tests.testing.waiting import eventually
from serving.api.bodies import MSGPACK
from serving.app import create_app
from serving.middleware.auth import ACCESS, PUBLIC
from serving.services.arrow import MEDIA_TYPE as ARROW
from serving.services.scoring import SMALL_BYTES

Client = TestClient[Litestar]
Headers = Mapping[str, str]

PUBLIC_ROUTES = {
    "/",
    "/health/live",
    "/health/ready",
    "/schema",
    "/schema/assets/{name:str}",
    "/schema/oauth2-redirect.html",
    "/schema/openapi.json",
    "/schema/{path:str}",
}

SCOPES = {
    "score": Scope.SCORE,
    "scoreTransactions": Scope.SCORE,
    "pushTransactions": Scope.INGEST,
    "customer": Scope.READ,
    "whatIf": Scope.READ,
    "segments": Scope.READ,
    "segment": Scope.READ,
    "segmentCustomers": Scope.READ,
    "transitions": Scope.READ,
    "snapshots": Scope.READ,
    "snapshot": Scope.READ,
    "requestSnapshot": Scope.INGEST,
    "models": Scope.READ,
    "model": Scope.READ,
    "metrics": Scope.READ,
    "promote": Scope.ADMIN,
    "rollback": Scope.ADMIN,
}
"""What each operation of the document needs."""


@dataclass(frozen=True)
class Ask:
    """A request to a protected operation; those to decide about models are no good ones, since that takes seconds."""

    name: str
    method: str
    path: str
    body: bytes = b""
    kind: str = "application/json"
    operation: str = ""

    @property
    def scope(self) -> Scope:
        """What it needs."""
        return SCOPES[self.operation or self.name]

    def of(self, client: Client, headers: Headers) -> httpx.Response:
        """Ask."""
        sent = {"content-type": self.kind, **headers} if self.body else dict(headers)
        return client.request(self.method, self.path, content=self.body, headers=sent)


ASKS = [
    Ask("score", "POST", "/v1/score", b'{"customers":[]}'),
    Ask("score, charset", "POST", "/v1/score", b"{}", "application/json; charset=utf-8", operation="score"),
    Ask("score, large", "POST", "/v1/score", b"{}" + b" " * SMALL_BYTES, operation="score"),
    Ask("score, MessagePack", "POST", "/v1/score", b"\x80", MSGPACK.media_type, operation="score"),
    Ask("score, Arrow", "POST", "/v1/score", b"ARROW", ARROW, operation="score"),
    Ask("score, slash", "POST", "/v1/score/", b'{"customers":[]}', operation="score"),
    Ask("scoreTransactions", "POST", "/v1/score/transactions", b"{}"),
    Ask("pushTransactions", "POST", "/v1/transactions", b"{}"),
    Ask("customer", "GET", "/v1/customers/C-20"),
    Ask("whatIf", "POST", "/v1/customers/C-20/what-if", b"{}"),
    Ask("segments", "GET", "/v1/segments"),
    Ask("segment", "GET", "/v1/segments/1"),
    Ask("segmentCustomers", "GET", "/v1/segments/1/customers"),
    Ask("transitions", "GET", "/v1/transitions"),
    Ask("snapshots", "GET", "/v1/snapshots"),
    Ask("snapshot", "GET", "/v1/snapshots/2024-07-01"),
    Ask("requestSnapshot", "POST", "/v1/snapshots", b"{}"),
    Ask("models", "GET", "/v1/models"),
    Ask("model", "GET", "/v1/models/current"),
    Ask("model, detour", "GET", "/schema/../v1/models/current", operation="model"),
    Ask("metrics", "GET", "/metrics"),
    Ask("promote", "POST", "/v1/models/2/promote", b'{"who":"me"}'),
    Ask("rollback", "POST", "/v1/models/1/rollback", b'{"who":"me"}'),
]

NAMED = {ask.name: ask for ask in ASKS}
SOME = [NAMED["score"], NAMED["score, large"], NAMED["models"]]
"""The express lane, its route, and another route."""

THEN = datetime(2024, 7, 1)


@dataclass(frozen=True)
class Gate:
    """A scorer, and keys to try on it."""

    client: Client
    keys: Mapping[str, str]


@pytest.fixture(scope="module")
def gate(shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    """Keys `only SCOPE`, `all but SCOPE`, `expired` and `revoked`; the client has none of its own."""
    home = tmp_path_factory.mktemp("gate") / "warehouse"
    shutil.copytree(shop_settings.home, home)
    settings = shop_settings.model_copy(update={"home": home})
    with Lake(settings) as lake:
        keys = {f"only {scope}": create_key(lake, f"only {scope}", [scope], now=THEN).text for scope in Scope}
        for scope in Scope:
            others = [other for other in Scope if other is not scope]
            keys[f"all but {scope}"] = create_key(lake, f"all but {scope}", others, now=THEN).text
        keys["expired"] = create_key(lake, "expired", Scope, now=THEN, expires_at=THEN + timedelta(days=1)).text
        revoked = create_key(lake, "revoked", Scope, now=THEN)
        revoke_key(lake, revoked.key.key_id, now=THEN)
        keys["revoked"] = revoked.text
    with TestClient(create_app(settings)) as client:
        eventually(lambda: client.get("/health/ready").status_code == 200)
        yield Gate(client, keys)


@get("/undeclared")
async def _undeclared() -> str:
    return "the books"


def test_every_route_says_who_may_call_it_and_few_are_for_everybody() -> None:
    app = create_app(Settings())
    access = {
        (route.path, handler.opt.get(ACCESS))
        for route in app.routes
        for handler in (route.route_handlers if isinstance(route, HTTPRoute) else [route.route_handler])
        if handler.handler_name != "options_handler"  # Litestar's own, which tells the methods of a path
    }
    assert {path for path, who in access if who == PUBLIC} == PUBLIC_ROUTES
    assert all(isinstance(who, Scope) for path, who in access if path not in PUBLIC_ROUTES)


def test_what_the_document_says_about_access_is_so(gate: Gate) -> None:
    document = gate.client.get("/schema/openapi.json").json()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    protected = {each["operationId"] for each in operations if each["security"] == [{"key": []}, {"keyHeader": []}]}
    public = {each["operationId"] for each in operations if each["security"] == [{}]}

    assert protected == set(SCOPES) == {ask.operation or ask.name for ask in ASKS}
    assert public == {"live", "ready"}
    assert len(operations) == len(protected) + len(public)


def test_a_route_that_does_not_say_who_may_call_it_is_refused_to_all(shop_settings: Settings) -> None:
    app = create_app(shop_settings)
    app.register(_undeclared)
    with TestClient(app) as client:
        for headers in ({}, CREDENTIALS):
            response = client.get("/undeclared", headers=headers)
            assert response.status_code == 403
            assert problem(response)["type"] == "urn:problem-type:no-access"
            assert "books" not in response.text


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.name)
def test_nobody_gets_in_without_a_key_that_is_known_and_valid(gate: Gate, ask: Ask) -> None:
    wrong_secret = KEY[:-1] + "x"
    given = [
        wrong_secret,
        "seg_ffffffffffff_secret",
        gate.keys["expired"],
        gate.keys["revoked"],
        KEY.upper(),
        "seg_",
        "x",
    ]
    headers: list[Headers] = [{}, *({"authorization": f"Bearer {key}"} for key in given)]
    headers += [{"x-api-key": wrong_secret}, {"authorization": f"Basic {KEY}"}, {"authorization": KEY}]
    headers += [{"authorization": "Bearer"}, {"authorization": ""}, {"x-api-key": ""}, {"cookie": f"key={KEY}"}]
    for each in headers:
        response = ask.of(gate.client, each)
        assert response.status_code == 401, each
        assert response.headers["www-authenticate"] == 'Bearer realm="segmentation"'
        assert problem(response)["type"] == "urn:problem-type:unauthorized"


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.name)
def test_every_scope_but_the_needed_one_is_not_enough(gate: Gate, ask: Ask) -> None:
    response = ask.of(gate.client, _bearer(gate.keys[f"all but {ask.scope}"]))
    assert response.status_code == 403
    told = problem(response)
    assert told["type"] == "urn:problem-type:missing-scope"
    assert f"the scope `{ask.scope}`" in told["detail"]


@pytest.mark.parametrize("ask", ASKS, ids=lambda ask: ask.name)
def test_the_needed_scope_is_enough(gate: Gate, ask: Ask) -> None:
    response = ask.of(gate.client, _bearer(gate.keys[f"only {ask.scope}"]))
    assert response.status_code == (400 if ask.body else 200)


@pytest.mark.parametrize("padding", [0, SMALL_BYTES], ids=["small", "large"])
def test_a_score_needs_no_more_than_its_scope(gate: Gate, customers: list[ScoredCustomer], padding: int) -> None:
    body = json.dumps(request(customers[:2])).encode() + b" " * padding
    headers = {"content-type": "application/json", **_bearer(gate.keys["only score"])}
    assert len(gate.client.post("/v1/score", content=body, headers=headers).json()["results"]) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer {KEY}"},
        {"authorization": f"BEARER   {KEY} "},
        {"x-api-key": KEY},
        {"X-API-Key": f" {KEY} "},
        {"authorization": "Basic cHJveHk6cGFzcw==", "x-api-key": KEY},
    ],
    ids=str,
)
@pytest.mark.parametrize("ask", SOME, ids=lambda ask: ask.name)
def test_a_key_may_come_in_either_header(gate: Gate, ask: Ask, headers: Headers) -> None:
    assert ask.of(gate.client, headers).status_code not in {401, 403}


def test_an_unknown_key_is_told_the_same_as_one_with_a_wrong_secret(gate: Gate) -> None:
    keys = ["seg_ffffffffffff_secret", f"{KEY}x", gate.keys["expired"], gate.keys["revoked"]]
    answers = [gate.client.get("/v1/models", headers=_bearer(key)).content for key in keys]
    assert len(set(answers)) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_a_method_that_a_path_lacks_tells_only_which_it_has(gate: Gate, method: str) -> None:
    response = gate.client.request(method, "/v1/score")
    if method == "OPTIONS":
        assert response.status_code == 204
        assert response.content == b""
    else:
        assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"POST", "OPTIONS"}


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["/nothing", "/v1/nothing", "/V1/models", "//v1/models", "/v1/models%2Fcurrent", "/v1"]
)
def test_a_path_that_leads_nowhere_tells_nothing(gate: Gate, method: str, path: str) -> None:
    response = gate.client.request(method, path)
    assert response.status_code == 404
    if method != "HEAD":
        assert problem(response)["type"] == "about:blank"


@pytest.mark.parametrize(
    "name", ["..%2f..%2fpyproject.toml", "%2e%2e/%2e%2e/etc/passwd", "swagger-ui.css%00", "nothing"]
)
def test_no_other_file_than_those_of_the_page_is_public(gate: Gate, name: str) -> None:
    assert gate.client.get(f"/schema/assets/{name}").status_code == 404


def test_a_key_is_in_no_log_and_in_no_answer(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    secret = gate.keys["only read"].split("_", 2)[2]  # which may have another underscore in it
    with caplog.at_level(logging.DEBUG):
        for key in (gate.keys["only read"], gate.keys["only read"] + "x"):
            for ask in ASKS:
                assert secret not in ask.of(gate.client, _bearer(key)).text
    assert secret not in caplog.text


def test_where_nobody_is_asked_everybody_gets_in(shop_settings: Settings) -> None:
    with TestClient(create_app(shop_settings.model_copy(update={"auth": "off"}))) as client:
        eventually(lambda: client.get("/health/ready").status_code == 200)
        for ask in ASKS:
            assert ask.of(client, {}).status_code == (400 if ask.body else 200)


def test_where_keys_cannot_be_read_nobody_gets_in_but_to_what_is_public(
    shop_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = shop_settings.model_copy(update={"home": tmp_path_factory.mktemp("none") / "warehouse"})
    with TestClient(create_app(settings)) as client:
        for ask in ASKS:
            response = ask.of(client, CREDENTIALS)
            assert response.status_code == 503
            assert problem(response)["type"] == "urn:problem-type:no-keys"
            assert int(response.headers["retry-after"]) > 0
            assert ask.of(client, {}).status_code == 401
        assert client.get("/health/live").status_code == 200


def test_a_key_works_once_it_is_made_and_no_more_once_it_is_revoked(own_client: Client, own_settings: Settings) -> None:
    with Lake(own_settings) as lake:
        new = create_key(lake, "new", [Scope.READ, Scope.SCORE], now=THEN)
        eventually(lambda: _statuses(own_client, new.text) == {200, 400})
        revoke_key(lake, new.key.key_id, now=THEN + timedelta(days=1))
        eventually(lambda: _statuses(own_client, new.text) == {401})
    assert _statuses(own_client, KEY) == {200, 400}


def test_a_rotated_key_works_beside_the_new_one_until_its_grace_is_over(own_settings: Settings) -> None:
    today = [datetime(2024, 7, 1, 12)]
    grace = timedelta(hours=2)
    with Lake(own_settings) as lake, TestClient(create_app(own_settings, lambda: today[0])) as client:
        old = create_key(lake, "till", [Scope.READ, Scope.SCORE], now=today[0])
        eventually(lambda: _statuses(client, old.text) == {200, 400})
        new = rotate_key(lake, old.key.key_id, now=today[0], grace=grace)
        eventually(lambda: _statuses(client, new.text) == {200, 400})

        today[0] += grace - timedelta(seconds=1)
        assert _statuses(client, old.text) == _statuses(client, new.text) == {200, 400}
        today[0] += timedelta(seconds=1)
        assert _statuses(client, old.text) == {401}
        assert _statuses(client, new.text) == {200, 400}


@pytest.mark.parametrize("ask", SOME, ids=lambda ask: ask.name)
@pytest.mark.parametrize("headers", [{}, CREDENTIALS], ids=["nobody", "all scopes"])
def test_pages_of_the_allowed_origin_alone_may_read_what_is_answered(
    shop_settings: Settings, ask: Ask, headers: Headers
) -> None:
    ours, theirs = "https://shop.example", "https://other.example"
    settings = shop_settings.model_copy(update={"cors_origins": ours})
    with TestClient(create_app(settings)) as client:
        allowed = [
            ask.of(client, {**headers, "origin": origin}).headers.get("access-control-allow-origin")
            for origin in (ours, theirs)
        ]
    assert allowed == [ours, None]


def _bearer(key: str) -> Headers:
    return {"authorization": f"Bearer {key}"}


def _statuses(client: Client, key: str) -> set[int]:
    """What a key for reading and scoring gets: 200 for a question, and 400 for bodies that are no good."""
    return {ask.of(client, _bearer(key)).status_code for ask in SOME}
