"""Files in object stores: copied into the platform's home once, and again when they change.

Days are loaded from files that have to stay, and buckets forget; so what was fetched stays here, whatever becomes of
the object. The copies are registered like any other files.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from segmentation.errors import SourceError
from segmentation.settings import Settings
from segmentation.sources.readers.paths import format_of
from segmentation.warehouse.object_stores import s3_service

SCHEMES = ("s3://", "gs://", "gcs://", "az://", "abfs://", "abfss://")
INDEX = "_objects.json"
URL = re.compile(r"(?P<bucket>[a-z0-9]+://[^/]+)/(?P<key>.*)", re.S)
CHUNK_BYTES = 8 << 20
TIMEOUT = "20s"


def is_remote(path: str) -> bool:
    """Whether a path is in an object store."""
    return path.startswith(SCHEMES)


def fetch(settings: Settings, source: str, path: str, *, on_file: Callable[[str], object] = lambda _: None) -> Path:
    """Copy the objects of a source that are new or have changed; returns the folder with all copies.

    Args:
        settings: Where copies are kept, and the keys of the store.
        source: Name of the source.
        path: A bucket's URL with a key, a prefix or a glob (`*`, `**`, `?`).
        on_file: Told the key of each object that is copied.

    Raises:
        SourceError: The store can't be reached or refuses, or there is no such object.
    """
    bucket, pattern = _split(path)
    folder = settings.home / "fetched" / source
    folder.mkdir(parents=True, exist_ok=True)
    known = _read_index(folder)
    marks: dict[str, str] = {}
    try:
        store = _store(settings, bucket)
        for key, mark in _listed(store, pattern):
            marks[key] = mark
            if known.get(key) != mark or not (folder / key).exists():
                on_file(key)
                _copy(store, key, folder / key)
                _write_index(folder, known | marks)
    except (BaseError, OSError, ValueError) as error:
        raise SourceError(f"Can't read {path} of the source {source}: {_first_line(error)}") from error
    if not marks:
        raise SourceError(f"There is nothing to read at {path}, which the source {source} names.")
    return folder


def count_objects(settings: Settings, path: str) -> int:
    """How many objects a path names, for `segmentation doctor`.

    Raises:
        SourceError: The store can't be reached or refuses.
    """
    bucket, pattern = _split(path)
    try:
        return sum(1 for _ in _listed(_store(settings, bucket), pattern))
    except (BaseError, OSError, ValueError) as error:
        raise SourceError(f"Can't read {path}: {_first_line(error)}") from error


def matches(key: str, pattern: str) -> bool:
    """Whether a key is what a pattern means: itself, all below a prefix, or what a glob says."""
    if not set(pattern) & set("*?["):
        return key == pattern or key.startswith(pattern.rstrip("/") + "/") or not pattern
    return re.fullmatch(_as_regex(pattern), key) is not None


def _as_regex(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(parts.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern))


def _split(path: str) -> tuple[str, str]:
    found = URL.fullmatch(path)
    if found is None:
        raise SourceError(f"{path} is no address of an object; write it as s3://bucket/folder/*.csv.")
    return found["bucket"], found["key"]


def _listed(store: ObjectStore, pattern: str) -> Iterator[tuple[str, str]]:
    """Keys that a pattern names and whose format can be read, each with what changes when the object does."""
    literal = re.split(r"[*?\[]", pattern)[0]
    prefix = literal if literal == pattern else literal.rpartition("/")[0]
    for batch in store.list(prefix=prefix or None):
        for each in batch:
            key = each["path"]
            if matches(key, pattern) and format_of(Path(key)) is not None:
                yield key, f"{each['size']}:{each['e_tag'] or each['last_modified'].isoformat()}"


def _copy(store: ObjectStore, key: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.part")
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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
