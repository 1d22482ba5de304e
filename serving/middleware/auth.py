"""Who calls, and what they may do: keys of the lake, or tokens of an issuer. Every route says which scope it needs.

A route without such a word is refused, so that a new one can't be left open by accident.
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import Any, NamedTuple

from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as ASGIScope

from segmentation.access.keys import PREFIX, ApiKey, Keyring, Scope, read_keys
from segmentation.clock import Clock
from segmentation.settings import Settings
from serving.api.problems import Headers, ProblemError
from serving.live.values import LiveValue, LocalCopy
from serving.middleware.tokens import TokenIssuer

ACCESS = "access"
"""Key of a handler's `opt` that says who may call it."""

PUBLIC = "public"
"""What it says for everybody."""

KEY_HINT = "Send a key as `Authorization: Bearer …` or `X-API-Key: …`; `segmentation keys create` makes one."


def needs(scope: Scope, **opt: Any) -> dict[str, Any]:
    """What a route that needs a scope passes to its decorator; `opt` says more about it."""
    return {"opt": {ACCESS: scope, **opt}, "security": [{"key": []}, {"keyHeader": []}]}


def public() -> dict[str, Any]:
    """What a route for everybody passes to its decorator."""
    return {"opt": {ACCESS: PUBLIC}, "security": [{}]}


class Caller(NamedTuple):
    """Who calls: `key:NAME`, `token:SUBJECT`, or `anybody` where nobody is asked."""

    name: str
    scopes: Collection[str]


ANYBODY = Caller("anybody", tuple(Scope))


class LiveKeyring(LiveValue[tuple[ApiKey, ...], Keyring]):
    """The keys of the lake."""

    def __init__(self, settings: Settings) -> None:
        copy = LocalCopy(settings.home / "scorer" / "keys.json", tuple[ApiKey, ...])
        super().__init__("keys", read_keys, Keyring, copy)


class Authenticator:
    """Tells who calls from the headers of a request."""

    def __init__(self, keyring: LiveKeyring, tokens: TokenIssuer | None, clock: Clock) -> None:
        self._keyring = keyring
        self._tokens = tokens
        self._clock = clock

    async def caller(self, headers: Headers) -> Caller:
        """Who sent a request with these headers.

        Raises:
            ProblemError: Nobody that is known (401), or the keys can't be read (503).
        """
        credential = _credential(headers)
        if self._tokens is not None and not credential.startswith(PREFIX):
            subject, scopes = await self._tokens.verify(credential)
            return Caller(f"token:{subject}", scopes)
        keyring = self._keyring.value
        if keyring is None:
            raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "no-keys", self._keyring.reason)
        key = keyring.find(credential, self._clock())
        if key is None:
            raise unauthorized(f"The key is unknown, expired or revoked. {KEY_HINT}")
        return Caller(f"key:{key.name}", key.scopes)


class AuthMiddleware:
    """ASGI middleware around every route: lets in who has the scope that the route needs."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator | None) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: ASGIScope, receive: Receive, send: Send) -> None:
        """Refuse or pass on."""
        access = scope["route_handler"].opt.get(ACCESS)
        # A method that a path lacks is answered by Litestar; OPTIONS tells only which it has.
        if access != PUBLIC and scope.get("method") != "OPTIONS":
            if access is None:
                raise ProblemError(HTTPStatus.FORBIDDEN, "no-access", "This route doesn't say who may call it.")
            scope["user"] = await admitted(self._authenticator, scope["headers"], access)
        await self._app(scope, receive, send)


async def admitted(authenticator: Authenticator | None, headers: Headers, access: Scope) -> Caller:
    """Who sent a request with these headers, if they have a scope.

    Args:
        authenticator: Tells who it is; None if nobody is asked.
        headers: Of the request.
        access: The scope.

    Raises:
        ProblemError: It is nobody that is known (401), they lack the scope (403), or the keys can't be read (503).
    """
    if authenticator is None:
        return ANYBODY
    caller = await authenticator.caller(headers)
    if access not in caller.scopes:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "missing-scope",
            f"This needs the scope `{access}`; yours are: {', '.join(sorted(caller.scopes)) or 'none'}.",
        )
    return caller


def unauthorized(detail: str) -> ProblemError:
    """The problem of somebody who is not known."""
    return ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", detail)


def _credential(headers: Headers) -> str:
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip().decode("latin-1")
        if name == b"x-api-key":
            return value.strip().decode("latin-1")
    raise unauthorized(f"This needs a key. {KEY_HINT}")
