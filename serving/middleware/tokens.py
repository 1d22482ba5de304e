"""JSON Web Tokens (RFC 7519) of an issuer: signature by its published keys (JWKS), issuer, audience and expiry.

Scopes are those of the claim `scope` (RFC 9068), or `scp`, as some issuers write it.
"""

import json
import logging
import time
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import jwt
from anyio import Lock, fail_after, to_thread

from segmentation.settings import Settings
from serving.api.problems import ProblemError

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Asymmetric ones only: the scorer must not be able to make a token."""

LEEWAY_S = 30
"""By how much clocks may differ."""

REFRESH_S = 300
"""How old the issuer's keys may be."""

FETCH_S = 5
"""How long the issuer may take to send them."""

COOLDOWN_S = 10
"""How long an unknown key id, or a failure, waits until the issuer's keys are fetched again."""

logger = logging.getLogger(__name__)


class TokenIssuer:
    """Checks tokens of the issuer that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self._issuer = settings.jwt_issuer
        self._audience = settings.jwt_audience
        self._url = settings.jwt_jwks_url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._refreshed_at = -REFRESH_S * 1.0
        self._lock = Lock()

    async def verify(self, token: str) -> tuple[str, frozenset[str]]:
        """Subject and scopes of a token.

        Raises:
            ProblemError: It is no valid token of this issuer for this audience (401), or the issuer's keys can't be
                had (503).
        """
        try:
            key = await self._key(jwt.get_unverified_header(token).get("kid", ""))
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError) as error:
            raise ProblemError(HTTPStatus.UNAUTHORIZED, "unauthorized", f"The token is not valid: {error}.") from error
        return str(claims["sub"]), _scopes(claims)

    async def _key(self, key_id: str) -> jwt.PyJWK:
        known = self._keys.get(key_id)
        if known is not None and time.monotonic() - self._refreshed_at < REFRESH_S:
            return known
        async with self._lock:
            age = time.monotonic() - self._refreshed_at
            if age > REFRESH_S or (key_id not in self._keys and age > COOLDOWN_S):
                await self._refresh()
        if key_id in self._keys:
            return self._keys[key_id]
        if not self._keys:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "no-keys",
                "The token issuer's keys can't be had; the scorer's log says why.",
            )
        raise jwt.InvalidTokenError("its key is none of the issuer's")

    async def _refresh(self) -> None:
        self._refreshed_at = time.monotonic()
        try:
            with fail_after(FETCH_S):
                found = await to_thread.run_sync(_fetch, self._url, abandon_on_cancel=True)
            self._keys = {key.key_id or "": key for key in jwt.PyJWKSet.from_dict(found).keys}
        except Exception as error:  # whatever the issuer sends: the keys that it sent before stay
            logger.error(
                "The token issuer's keys can't be read from %s: %s", self._url, str(error) or "it takes too long"
            )


def _fetch(url: str) -> dict[str, Any]:
    try:
        with urlopen(url, timeout=FETCH_S) as answer:  # noqa: S310 (the setting allows http and https only)
            found = json.loads(answer.read(1_000_000))
    except HTTPError as error:
        error.close()  # or its connection stays open
        raise
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    given = claims.get("scope") or claims.get("scp")
    match given:
        case str():
            return frozenset(given.split())
        case list():
            return frozenset(map(str, given))
        case _:
            return frozenset()
