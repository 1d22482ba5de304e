"""API keys: made, listed, rotated, revoked, and checked in constant time.

A key reads `seg_<id>_<secret>`. The lake keeps the id and a salted hash of the secret, so whoever reads the lake can't
call the scorer. A secret has 256 random bits, hence one round of SHA-256 is enough: guessing is hopeless, and checking
takes a microsecond.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import duckdb

from segmentation.errors import SegmentationError
from segmentation.metadata.tables.access import API_KEYS
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import exists, migrate

PREFIX = "seg_"
NAME = re.compile(r"[\w .@/-]{1,64}")


class Scope(StrEnum):
    """What a key allows; none of them includes another."""

    SCORE = "score"
    READ = "read"
    INGEST = "ingest"
    ADMIN = "admin"


@dataclass(frozen=True)
class ApiKey:
    """One row of `access.api_keys`; times are UTC.

    Attributes:
        key_id: The public part of the key.
        name: Who or what it is for.
        scopes: What it allows.
        salt: Hashed before the secret.
        digest: SHA-256 of salt and secret, in hexadecimal.
        created_at: When it was made.
        expires_at: From when on it is refused; None for never.
        revoked_at: When it was revoked, if it was.
    """

    key_id: str
    name: str
    scopes: tuple[Scope, ...]
    salt: str
    digest: str
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def opens_with(self, secret: str) -> bool:
        """Whether the secret is this key's, compared in constant time."""
        return hmac.compare_digest(self.digest, _digest(self.salt, secret))


@dataclass(frozen=True)
class NewKey:
    """A key as it is shown once, to whoever asked for it."""

    key: ApiKey
    text: str


class Keyring:
    """All keys of a lake, for look-ups."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys: Mapping[str, ApiKey] = {key.key_id: key for key in keys}

    def find(self, text: str, now: datetime) -> ApiKey | None:
        """The key that a text is, if it is one and valid at a moment (UTC). Takes as long for an unknown id."""
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        key = self._keys.get(key_id, NOBODYS) if f"{prefix}_" == PREFIX else NOBODYS
        return key if key.opens_with(secret) and key.is_valid(now) else None


def read_keys(con: duckdb.DuckDBPyConnection) -> tuple[ApiKey, ...]:
    """All keys, oldest first; none in a lake that an older release has written last."""
    if not exists(con, API_KEYS):
        return ()
    rows = con.execute(f"SELECT {API_KEYS.column_list} FROM {API_KEYS.name} ORDER BY created_at, key_id").fetchall()
    return tuple(_from_row(dict(zip(API_KEYS.column_names, row, strict=True))) for row in rows)


def create_key(
    lake: Lake, name: str, scopes: Iterable[Scope], *, now: datetime, expires_at: datetime | None = None
) -> NewKey:
    """Make a key.

    Args:
        lake: A writable lake.
        name: Who or what it is for: letters, digits and ` .@/-`, 64 at most.
        scopes: What it allows.
        now: When this happens (UTC).
        expires_at: From when on it is refused (UTC); None for never.

    Raises:
        SegmentationError: The name or the time will not do, or there is no scope.
    """
    new = _make(name, scopes, now, expires_at)
    _write(lake, Commit(f"keys create {new.key.key_id}", asset="access/api_keys"), lambda con: _insert(con, new.key))
    return new


def rotate_key(lake: Lake, key_id: str, *, now: datetime, grace: timedelta) -> NewKey:
    """Make a key with the name and the scopes of another one, which goes on working for a while.

    Args:
        lake: A writable lake.
        key_id: The key that is replaced.
        now: When this happens (UTC).
        grace: How long the old one still works.

    Raises:
        SegmentationError: There is no such key, it is revoked or expired, or it is being replaced already.
    """
    old = _valid(lake, key_id, now)
    _refuse_second_successor(lake, old, now)
    new = _make(old.name, old.scopes, now, old.expires_at and now + (old.expires_at - old.created_at))
    end = min(now + grace, old.expires_at or now + grace)

    def write(con: duckdb.DuckDBPyConnection) -> None:
        _insert(con, new.key)
        con.execute(
            f"UPDATE {API_KEYS.name} SET expires_at = $end WHERE key_id = $key_id", {"end": end, "key_id": key_id}
        )

    _write(lake, Commit(f"keys rotate {key_id}", asset="access/api_keys"), write)
    return new


def revoke_key(lake: Lake, key_id: str, *, now: datetime) -> ApiKey:
    """Refuse a key from now on (scorers know within their poll interval).

    Raises:
        SegmentationError: There is no such key, or it is revoked or expired already.
    """
    key = _valid(lake, key_id, now)
    statement = f"UPDATE {API_KEYS.name} SET revoked_at = $now WHERE key_id = $key_id"
    commit = Commit(f"keys revoke {key_id}", asset="access/api_keys")
    _write(lake, commit, lambda con: con.execute(statement, {"now": now, "key_id": key_id}))
    return key


def _valid(lake: Lake, key_id: str, now: datetime) -> ApiKey:
    with lake.cursor() as con:
        found = next((key for key in read_keys(con) if key.key_id == key_id), None)
    if found is None:
        raise SegmentationError(f"There is no key {key_id!r}; `segmentation keys list` shows them.")
    if not found.is_valid(now):
        raise SegmentationError(
            f"Key {key_id} ({found.name}) is {'revoked' if found.revoked_at else 'expired'} already."
        )
    return found


def _refuse_second_successor(lake: Lake, old: ApiKey, now: datetime) -> None:
    """A key in its grace period has one that took its place, and that has its whole life."""
    with lake.cursor() as con:
        alike = [key for key in read_keys(con) if (key.name, key.scopes) == (old.name, old.scopes)]
    successor = next((key for key in alike if key.created_at > old.created_at and key.is_valid(now)), None)
    if old.expires_at is not None and successor is not None:
        raise SegmentationError(f"Key {old.key_id} ({old.name}) is being replaced already, by {successor.key_id}.")


def _make(name: str, scopes: Iterable[Scope], now: datetime, expires_at: datetime | None) -> NewKey:
    allowed = tuple(sorted(set(scopes)))
    if not NAME.fullmatch(name):
        raise SegmentationError(f"{name!r} is no name for a key: use letters, digits and ' .@/-', 64 at most.")
    if not allowed:
        raise SegmentationError(f"A key needs a scope: {', '.join(Scope)}.")
    if expires_at is not None and expires_at <= now:
        raise SegmentationError("The key would be expired already.")
    key_id, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
    key = ApiKey(key_id, name, allowed, salt, _digest(salt, secret), now, expires_at)
    return NewKey(key, f"{PREFIX}{key_id}_{secret}")


def _insert(con: duckdb.DuckDBPyConnection, key: ApiKey) -> None:
    row = {**key.__dict__, "scopes": " ".join(key.scopes)}
    names = ", ".join(row)
    con.execute(f"INSERT INTO {API_KEYS.name} ({names}) VALUES ({', '.join(f'${name}' for name in row)})", row)


def _write(lake: Lake, commit: Commit, write: Callable[[duckdb.DuckDBPyConnection], object]) -> None:
    migrate(lake)
    with lake.cursor() as con:
        lake.transaction(con, commit, write)


def _from_row(row: dict[str, Any]) -> ApiKey:
    return ApiKey(**{**row, "scopes": tuple(Scope(scope) for scope in row["scopes"].split())})


def _digest(salt: str, secret: str) -> str:
    return hashlib.sha256(f"{salt}{secret}".encode(errors="replace")).hexdigest()


NOBODYS = ApiKey("", "", (), secrets.token_hex(16), "0" * 64, datetime(2000, 1, 1))  # noqa: DTZ001 (all are naive UTC)
"""Compared with where there is no key of that id; no secret opens it."""
