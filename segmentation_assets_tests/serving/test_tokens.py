"""JSON Web Tokens of an issuer on loopback that publishes its keys, changes them, and can't be reached."""

import base64
import hmac
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jwt.algorithms import AllowedPrivateKeys
from litestar import Litestar
from litestar.testing import TestClient

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.shop import CREDENTIALS, problem
from segmentation_assets_tests.testing.waiting import eventually
from serving.app import create_app
from serving.middleware import tokens

Client = TestClient[Litestar]

AUDIENCE = "segmentation"
LONG_AGO, FAR_AHEAD = 1_700_000_000, 32_500_000_000
KEYS: dict[str, tuple[str, AllowedPrivateKeys]] = {
    "rsa": ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "pss": ("PS384", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
    "ec": ("ES256", ec.generate_private_key(ec.SECP256R1())),
    "ed": ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
}
"""The issuer's keys: algorithm and private key by key id."""

NEW_KEY = ec.generate_private_key(ec.SECP384R1())


class Issuer:
    """Publishes whatever it is told to, and counts who looks.

    Attributes:
        status: What it answers with.
        published: The body of its answer.
        looks: How often it was asked.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.status = 200
        self.published = key_set(KEYS)
        self.looks = 0

    @property
    def settings(self) -> dict[str, str]:
        """Of a scorer that trusts it."""
        return {"jwt_issuer": self.url, "jwt_audience": AUDIENCE, "jwt_jwks_url": f"{self.url}/jwks"}

    def token(self, key_id: str = "rsa", headers: Mapping[str, Any] | None = None, **changed: Any) -> str:
        """A token that is good for reading but for what is changed; None takes a claim out."""
        algorithm, key = KEYS[key_id]
        return jwt.encode(self.claims(**changed), key, algorithm, {"kid": key_id, **(headers or {})})

    def claims(self, **changed: Any) -> dict[str, Any]:
        """What a good token claims, but for what is changed."""
        now = time.time()
        good = {"iss": self.url, "aud": AUDIENCE, "sub": "checkout", "scope": "read", "iat": now, "exp": now + 300}
        return {name: value for name, value in {**good, **changed}.items() if value is not None}


@contextmanager
def _publishing() -> Iterator[Issuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            publisher.looks += 1
            self.send_response(publisher.status)
            self.end_headers()
            self.wfile.write(publisher.published)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        publisher = Issuer(server)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield publisher
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """An issuer that goes on as it is."""
    with _publishing() as publishing:
        yield publishing


@pytest.fixture(scope="module")
def trusting(shop_settings: Settings, issuer: Issuer) -> Iterator[Client]:
    """A scorer that trusts it; the client has no key of its own."""
    with _scorer(shop_settings, issuer) as client:
        yield client


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    """An issuer that a test may change."""
    with _publishing() as publishing:
        yield publishing


@contextmanager
def _scorer(settings: Settings, issuer: Issuer) -> Iterator[Client]:
    with TestClient(create_app(settings.model_copy(update=issuer.settings))) as client:
        eventually(lambda: client.get("/health/ready").status_code == 200)
        yield client


@pytest.mark.parametrize("key_id", KEYS)
def test_a_token_lets_in_whoever_it_names(trusting: Client, issuer: Issuer, key_id: str) -> None:
    assert _ask(trusting, issuer.token(key_id)).status_code == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": "read"},
        {"scope": "openid  read profile"},
        {"scope": ["read", "openid"]},
        {"scope": None, "scp": ["openid", "read"]},
        {"scope": None, "scp": "openid read"},
    ],
    ids=str,
)
def test_scopes_come_as_a_text_or_as_a_list(trusting: Client, issuer: Issuer, claims: dict[str, Any]) -> None:
    token = issuer.token(**claims)
    assert _ask(trusting, token).status_code == 200
    refused = _score(trusting, token)
    assert refused.status_code == 403
    assert "the scope `score`" in problem(refused)["detail"]


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": None},
        {"scope": ""},
        {"scope": "READ"},
        {"scope": "read,score"},
        {"scope": "readscore"},
        {"scope": 7},
        {"scope": {"read": True}},
        {"scope": [["read"], 7, None]},
        {"scope": None, "scp": 7},
        {"scope": None, "roles": ["read"]},
        {"scope": "openid", "scp": ["read"]},
    ],
    ids=str,
)
def test_a_token_without_the_scope_is_refused_whatever_else_it_says(
    trusting: Client, issuer: Issuer, claims: dict[str, Any]
) -> None:
    token = issuer.token(**claims)
    for response in (_ask(trusting, token), _score(trusting, token)):
        assert response.status_code == 403
        assert problem(response)["type"] == "urn:problem-type:missing-scope"


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "http://127.0.0.1:1"}, "issuer"),
        ({"iss": None}, "iss"),
        ({"aud": "somebody else"}, "udience"),
        ({"aud": []}, "aud"),
        ({"aud": None}, "aud"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "ubject"),
        ({"exp": None}, "exp"),
        ({"exp": LONG_AGO}, "expired"),
        ({"exp": "never"}, "xpiration"),
        ({"nbf": FAR_AHEAD}, "not yet valid"),
        ({"iat": FAR_AHEAD}, "not yet valid"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_token_whose_claims_will_not_do_is_refused(
    trusting: Client, issuer: Issuer, claims: dict[str, Any], reason: str
) -> None:
    assert reason in _refused(trusting, issuer.token(**claims))


def test_clocks_may_differ_a_little(trusting: Client, issuer: Issuer) -> None:
    now = time.time()
    slack = tokens.LEEWAY_S - 10
    assert _ask(trusting, issuer.token(exp=now - slack)).status_code == 200
    assert _ask(trusting, issuer.token(nbf=now + slack, iat=now + slack)).status_code == 200
    _refused(trusting, issuer.token(exp=now - tokens.LEEWAY_S - 10))


def test_one_of_several_audiences_is_enough(trusting: Client, issuer: Issuer) -> None:
    assert _ask(trusting, issuer.token(aud=["others", AUDIENCE])).status_code == 200


def test_an_unsigned_token_is_refused(trusting: Client, issuer: Issuer) -> None:
    for key_id in ("rsa", "none"):
        _refused(trusting, jwt.encode(issuer.claims(), "", "none", {"kid": key_id}))
    _refused(trusting, issuer.token().rpartition(".")[0] + ".")


def test_a_token_signed_with_the_public_key_as_a_password_is_refused(trusting: Client, issuer: Issuer) -> None:
    public = KEYS["rsa"][1].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, claims = (_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": "rsa"}, issuer.claims()))
    signature = hmac.digest(public, f"{head}.{claims}".encode(), "sha256")  # PyJWT refuses to sign with such a key
    _refused(trusting, f"{head}.{claims}.{_base64(signature)}")


def test_a_token_of_another_key_is_refused_whatever_key_id_it_names(trusting: Client, issuer: Issuer) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for key_id in KEYS:
        _refused(trusting, jwt.encode(issuer.claims(), stranger, "RS256", {"kid": key_id}))
    for headers in ({"kid": "unknown"}, {}, {"kid": ""}, {"kid": "../rsa"}):
        _refused(trusting, jwt.encode(issuer.claims(), stranger, "RS256", headers))


def test_a_token_that_brings_its_own_key_is_refused(trusting: Client, issuer: Issuer) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    own = {"jwk": _public("mine", "ES256", stranger), "jku": f"{issuer.url}/mine", "kid": "mine"}
    _refused(trusting, jwt.encode(issuer.claims(), stranger, "ES256", own))


def test_a_token_with_another_algorithm_than_its_key_is_refused(trusting: Client, issuer: Issuer) -> None:
    _refused(trusting, jwt.encode(issuer.claims(), KEYS["pss"][1], "RS256", {"kid": "pss"}))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_token_that_was_changed_is_refused(trusting: Client, issuer: Issuer, part: int) -> None:
    parts = issuer.token().split(".")
    parts[part] = parts[part][:10] + ("A" if parts[part][10] != "A" else "B") + parts[part][11:]
    _refused(trusting, ".".join(parts))


@hypothesis_settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=60).map(lambda text: text.replace(b"\n", b"").replace(b"\r", b"").replace(b"\0", b"")))
@example(b"..")
@example(b"a.b.c")
@example(b"eyJhbGciOiJSUzI1NiIsImtpZCI6N30.e30.x")
@example(b"eyJhbGciOiJSUzI1NiIsImtpZCI6bnVsbH0.e30.x")
@example(b"W10.e30.x")
@example(b"x" * 10_000)
def test_no_credential_makes_the_scorer_fail(trusting: Client, credential: bytes) -> None:
    for header in ((b"authorization", b"Bearer " + credential), (b"x-api-key", credential)):
        response = trusting.get("/v1/models", headers=[header])
        assert response.status_code == 401
        problem(response)


def test_keys_of_the_lake_work_beside_tokens(trusting: Client, issuer: Issuer) -> None:
    looks = issuer.looks
    assert trusting.get("/v1/models", headers=CREDENTIALS).status_code == 200
    assert trusting.get("/v1/models", headers={"x-api-key": "seg_ffffffffffff_no"}).status_code == 401
    assert issuer.looks == looks


def test_a_decision_is_on_record_as_the_subjects(own_settings: Settings, issuer: Issuer) -> None:
    with _scorer(own_settings, issuer) as client:
        token = issuer.token(sub="ci@example.com", scope="admin read")
        headers = {"authorization": f"Bearer {token}"}
        body = {"reason": "by token", "override": True}
        assert client.post("/v1/models/2/promote", json=body, headers=headers).status_code == 200
    with Lake(own_settings, read_only=True) as lake, lake.cursor() as con:
        last = con.execute("SELECT actor, reason FROM registry.promotions ORDER BY promotion_id DESC").fetchone()
    assert last is not None
    assert last[0] == "scorer/token:ci@example.com"
    assert last[1].startswith("by token")


def test_the_issuers_keys_are_read_once_and_again_when_they_change(
    shop_settings: Settings, own_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "COOLDOWN_S", 0)
    new = jwt.encode(own_issuer.claims(), NEW_KEY, "ES384", {"kid": "new"})
    with _scorer(shop_settings, own_issuer) as client:
        for _ in range(5):
            assert _ask(client, own_issuer.token()).status_code == 200
        assert own_issuer.looks == 1
        assert "none of the issuer's" in _refused(client, new)

        own_issuer.published = key_set({"new": ("ES384", NEW_KEY), "ec": KEYS["ec"]})
        assert _ask(client, new).status_code == 200
        assert _ask(client, own_issuer.token("ec")).status_code == 200
        _refused(client, own_issuer.token("rsa"))


def test_keys_that_the_issuer_withdrew_are_forgotten_in_time(
    shop_settings: Settings, own_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _scorer(shop_settings, own_issuer) as client:
        assert _ask(client, own_issuer.token("rsa")).status_code == 200
        own_issuer.published = key_set({"ec": KEYS["ec"]})
        assert _ask(client, own_issuer.token("rsa")).status_code == 200
        monkeypatch.setattr(tokens, "REFRESH_S", 0)
        _refused(client, own_issuer.token("rsa"))


def test_unknown_key_ids_do_not_make_the_scorer_ask_the_issuer_each_time(
    shop_settings: Settings, own_issuer: Issuer
) -> None:
    with _scorer(shop_settings, own_issuer) as client:
        for number in range(20):
            _refused(client, own_issuer.token(headers={"kid": f"guess {number}"}))
    assert own_issuer.looks == 1


@pytest.mark.parametrize(
    ("status", "published"),
    [
        (500, b"{}"),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": 7}'),
        (200, b'{"keys": [7, null, {}]}'),
        (200, b'{"keys": [{"kty": "RSA", "kid": "rsa", "n": 7, "e": []}]}'),
        (200, b'{"keys": [{"kty": "oct", "kid": [1], "k": "c2VjcmV0"}]}'),
        (200, b"[" * 100_000),
        (200, b'{"keys": "' + b"x" * 2_000_000),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_issuer_that_publishes_nonsense_is_told_as_such_and_keys_of_the_lake_go_on(
    shop_settings: Settings,
    own_issuer: Issuer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    status: int,
    published: bytes,
) -> None:
    monkeypatch.setattr(tokens, "COOLDOWN_S", 0)
    own_issuer.status, own_issuer.published = status, published
    with _scorer(shop_settings, own_issuer) as client:
        with caplog.at_level(logging.ERROR, "serving.middleware.tokens"):
            for response in (_ask(client, own_issuer.token()), _score(client, own_issuer.token())):
                assert response.status_code == 503
                assert problem(response)["type"] == "urn:problem-type:no-keys"
                assert own_issuer.url not in response.text
        assert own_issuer.url in caplog.text
        assert client.get("/v1/models", headers=CREDENTIALS).status_code == 200

        own_issuer.status, own_issuer.published = 200, key_set(KEYS)
        assert _ask(client, own_issuer.token()).status_code == 200


def test_an_issuer_that_cannot_be_reached_stops_tokens_but_no_keys(
    shop_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _publishing() as gone:
        pass
    with _scorer(shop_settings, gone) as client:
        response = _ask(client, gone.token())
        assert response.status_code == 503
        assert problem(response)["type"] == "urn:problem-type:no-keys"
        assert int(response.headers["retry-after"]) > 0
        assert client.get("/v1/models", headers=CREDENTIALS).status_code == 200


def test_the_keys_that_were_read_last_go_on_while_the_issuer_is_away(
    shop_settings: Settings, own_issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _scorer(shop_settings, own_issuer) as client:
        assert _ask(client, own_issuer.token()).status_code == 200
        monkeypatch.setattr(tokens, "REFRESH_S", 0)
        own_issuer.status = 503
        assert _ask(client, own_issuer.token()).status_code == 200
        assert own_issuer.looks == 2


def key_set(keys: Mapping[str, tuple[str, AllowedPrivateKeys]]) -> bytes:
    """The public halves of keys, as an issuer publishes them (RFC 7517)."""
    listed = [_public(key_id, algorithm, key) for key_id, (algorithm, key) in keys.items()]
    return json.dumps({"keys": listed}).encode()


def _public(key_id: str, algorithm: str, key: AllowedPrivateKeys) -> dict[str, Any]:
    described = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    return {**described, "kid": key_id, "alg": algorithm, "use": "sig"}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _ask(client: Client, token: str) -> httpx.Response:
    return client.get("/v1/models/current", headers={"authorization": f"Bearer {token}"})


def _score(client: Client, token: str) -> httpx.Response:
    return client.post("/v1/score", json={"customers": []}, headers={"x-api-key": token})


def _refused(client: Client, token: str) -> str:
    """Why a token is refused, by a route and by the express lane alike."""
    first, second = _ask(client, token), _score(client, token)
    assert first.status_code == second.status_code == 401
    assert first.headers["www-authenticate"] == second.headers["www-authenticate"]
    assert problem(first)["detail"] == problem(second)["detail"]
    return str(problem(first)["detail"])
