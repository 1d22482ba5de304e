"""Files in object stores: copied into the platform's home once, and again when they change.

Days are loaded from files that have to stay, and buckets forget; so what was fetched stays here, whatever becomes of
the object. The copies are registered like any other files.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.readers.object_keys import copy_of, is_hidden, oddity_of
from segmentation.sources.readers.object_keys import matches as matches
from segmentation.sources.readers.object_listing import Listing, Problems, first_line, left_alone, list_objects
from segmentation.warehouse.object_stores import s3_service

SCHEMES = ("s3://", "gs://", "gcs://", "az://", "abfs://", "abfss://")
INDEX = "_objects.json"
URL = re.compile(r"(?P<bucket>[a-z0-9]+://[^/]+)/(?P<key>.*)", re.S)
CHUNK_BYTES = 8 << 20
TIMEOUT = "20s"
MOST_FAILURES = 5
"""After so many objects in a row that can't be fetched, the store is taken to be the problem."""


@dataclass(frozen=True)
class Fetched:
    """The copies of a source's objects.

    Attributes:
        paths: Of all that were ever fetched, but product lists and hidden ones.
        problems: Objects that are left alone.
    """

    paths: tuple[Path, ...]
    problems: Problems


def is_remote(path: str) -> bool:
    """Whether a path is in an object store."""
    return path.startswith(SCHEMES)


def fetch(
    settings: Settings,
    source: str,
    path: str,
    *,
    product_lists: tuple[str, ...] = (),
    on_file: Callable[[str], object] = lambda _: None,
) -> Fetched:
    """Copy the objects of a source that are new or have changed. One that can't be read is told, and holds up no other.

    Args:
        settings: Where copies are kept, and the keys of the store.
        source: Name of the source.
        path: A bucket's URL with a key, a prefix or a glob (`*`, `**`, `?`).
        product_lists: Names of files that are product lists, not transactions.
        on_file: Told the key of each object that is copied.

    Raises:
        SourceError: The store can't be reached or refuses, or there is no such object.
    """
    folder = settings.home / "fetched" / source
    folder.mkdir(parents=True, exist_ok=True)
    names = frozenset(Path(name).name for name in product_lists)
    known = _read_index(folder)
    _rename_copies(folder, known, names)
    store, listing = _listing(settings, path, f"{path} of the source {source}")
    if not listing.marks and not listing.problems:
        raise SourceError(f"There is nothing to read at {path}, which the source {source} names.")
    problems, failures = dict(listing.problems), 0
    for key, mark in listing.marks.items():
        target = folder / copy_of(key, names)
        if known.get(key) == mark and target.exists():
            continue
        on_file(key)
        try:
            _copy(store, key, target)
        except (BaseError, OSError, ValueError) as error:
            problems[key] = left_alone(key, first_line(error))
            failures += 1
            if failures == MOST_FAILURES:
                raise SourceError(f"Can't read {path} of the source {source}: {first_line(error)}") from error
            continue
        failures = 0
        known[key] = mark
        _write_index(folder, known)
    return Fetched(_copies(folder, known, names), problems)


def count_objects(settings: Settings, path: str) -> tuple[int, Problems]:
    """How many objects a path names, and those that can't be read, for `segmentation doctor`.

    Raises:
        SourceError: The store can't be reached or refuses.
    """
    _, listing = _listing(settings, path, path)
    return len(listing.marks), listing.problems


def _listing(settings: Settings, path: str, what: str) -> tuple[ObjectStore, Listing]:
    bucket, pattern = _split(path)
    try:
        store = _store(settings, bucket)
        return store, list_objects(settings, store, bucket, pattern)
    except (BaseError, OSError, ValueError) as error:
        raise SourceError(f"Can't read {what}: {first_line(error)}") from error


def _copies(folder: Path, known: Mapping[str, str], names: frozenset[str]) -> tuple[Path, ...]:
    keys = [key for key in known if key.rpartition("/")[2] not in names and not is_hidden(key)]
    return tuple(sorted(path.resolve() for key in keys if (path := folder / copy_of(key, names)).is_file()))


def _rename_copies(folder: Path, known: Mapping[str, str], names: frozenset[str]) -> None:
    """Earlier releases kept copies under the keys themselves."""
    for key in known:
        before, after = folder / key, folder / copy_of(key, names)
        if oddity_of(key) is None and before != after and before.is_file() and not after.exists():
            after.parent.mkdir(parents=True, exist_ok=True)
            before.replace(after)


def _split(path: str) -> tuple[str, str]:
    found = URL.fullmatch(path)
    if found is None:
        raise SourceError(f"{path} is no address of an object; write it as s3://bucket/folder/*.csv.")
    return found["bucket"], found["key"]


def _copy(store: ObjectStore, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{os.getpid()}.part")
    with draft.open("wb") as file:
        for chunk in obstore.get(store, key).stream(min_chunk_size=CHUNK_BYTES):
            file.write(chunk)
    draft.replace(target)


def _store(settings: Settings, bucket: str) -> ObjectStore:
    address, config = _access(settings, bucket)
    return from_url(address, config=config or None, client_options={"timeout": TIMEOUT, "allow_http": True})


def _access(settings: Settings, bucket: str) -> tuple[str, Any]:
    """A bucket's address and keys as obstore names them; without keys, it looks where the cloud's own tools do."""
    scheme, _, name = bucket.partition("://")
    if scheme == "s3":
        return bucket, _given(
            aws_access_key_id=settings.s3_key_id,
            aws_secret_access_key=settings.s3_secret.get_secret_value(),
            aws_region=settings.s3_region or ("us-east-1" if settings.s3_endpoint else ""),
            aws_endpoint=_s3_url(settings),
        )
    if scheme in ("gs", "gcs") and settings.gcs_key_id:  # HMAC keys are for the interface that is like S3's
        return f"s3://{name}", _given(
            aws_access_key_id=settings.gcs_key_id,
            aws_secret_access_key=settings.gcs_secret.get_secret_value(),
            aws_region="auto",
            aws_endpoint="https://storage.googleapis.com",
        )
    if scheme.startswith("az") or scheme.startswith("abfs"):
        parts = dict(part.split("=", 1) for part in _azure(settings).split(";") if "=" in part)
        return bucket, _given(
            azure_storage_account_name=parts.get("AccountName", ""),
            azure_storage_account_key=parts.get("AccountKey", ""),
            azure_storage_endpoint=parts.get("BlobEndpoint", ""),
        )
    return bucket, {}


def _s3_url(settings: Settings) -> str:
    service = s3_service(settings)
    return (
        f"{'https' if service.get('USE_SSL', True) else 'http'}://{service['ENDPOINT']}"
        if "ENDPOINT" in service
        else ""
    )


def _azure(settings: Settings) -> str:
    return settings.azure_connection_string.get_secret_value()


def _given(**options: str) -> dict[str, str]:
    return {name: value for name, value in options.items() if value}


def _read_index(folder: Path) -> dict[str, str]:
    path = folder / INDEX
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _write_index(folder: Path, marks: Mapping[str, str]) -> None:
    draft = folder / f"{INDEX}.{os.getpid()}.part"
    draft.write_text(json.dumps(marks), encoding="utf-8")
    draft.replace(folder / INDEX)
