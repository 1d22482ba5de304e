"""Messages of a stream as records: JSON and Avro. What can't be decoded stays what it is, for the rejects."""

import json
import struct
from collections.abc import Callable
from http import HTTPStatus
from io import BytesIO
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, build_opener

import fastavro
import msgspec

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource
from segmentation.sources.incremental.deliveries import Malformed
from segmentation.sources.readers.records import Record, as_text

Decoded = list[Record | Malformed]
Decode = Callable[[bytes], Decoded]

MAGIC = 0
HEADER = struct.Struct(">bI")
"""What Confluent's registry puts before each message: a zero, and the id of its schema."""

REGISTRY_TIMEOUT_S = 10

_json = msgspec.json.Decoder()


def decoder(source: KafkaSource) -> Decode:
    """What turns a message of a declared source into lines, one or, for a list, several.

    Raises:
        SourceError: The schema of its Avro messages can't be read.
    """
    if source.format == "json":
        return from_json
    return _of_registry(source) if source.schema_registry else _of_schema(source)


def from_json(body: bytes) -> Decoded:
    """An object, or a list of objects."""
    try:
        return _lines_of(_json.decode(body), body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return [malformed(body)]


def malformed(body: bytes) -> Malformed:
    """A message that can't be decoded, as text."""
    return Malformed(as_text(body) or "")


def _lines_of(found: Any, body: bytes) -> Decoded:
    lines = found if isinstance(found, list) else [found]
    if all(isinstance(line, dict) for line in lines):
        return lines
    return [malformed(body)]


def _of_schema(source: KafkaSource) -> Decode:
    path = source.avro_schema
    try:
        schema = fastavro.parse_schema(json.loads(path.read_text(encoding="utf-8") if path else ""))
    except (OSError, ValueError, fastavro.schema.SchemaParseException) as error:
        raise SourceError(f"Can't read the Avro schema {path} of the source {source.name}: {error}") from error
    return lambda body: _from_avro(body, body, schema)


def _of_registry(source: KafkaSource) -> Decode:
    schemas: dict[int, Any] = {}

    def decode(body: bytes) -> Decoded:
        if len(body) < HEADER.size or body[0] != MAGIC:
            return [malformed(body)]
        number = HEADER.unpack_from(body)[1]
        if number not in schemas:
            schemas[number] = _registered_schema(source, number)
        schema = schemas[number]
        return [malformed(body)] if schema is None else _from_avro(body[HEADER.size :], body, schema)

    return decode


def _registered_schema(source: KafkaSource, number: int) -> Any:
    """A schema by its id; None if the registry has none."""
    url = f"{source.schema_registry.rstrip('/')}/schemas/ids/{number}"
    try:
        with build_opener(_NoRedirects).open(url, timeout=REGISTRY_TIMEOUT_S) as answer:
            return fastavro.parse_schema(json.loads(json.load(answer)["schema"]))
    except HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return None
        raise _no_registry(source, url, error) from error
    except (OSError, ValueError, KeyError, fastavro.schema.SchemaParseException) as error:
        raise _no_registry(source, url, error) from error


class _NoRedirects(HTTPRedirectHandler):
    """A registry doesn't send people elsewhere; what does may lead to a host that sources may not be at."""

    def redirect_request(self, *_: object) -> None:
        """None: the answer is an error then."""


def _no_registry(source: KafkaSource, url: str, error: Exception) -> SourceError:
    return SourceError(f"The schema registry of the source {source.name} doesn't answer as it should ({url}): {error}")


def _from_avro(payload: bytes, body: bytes, schema: Any) -> Decoded:
    stream = BytesIO(payload)
    try:
        found = fastavro.schemaless_reader(stream, schema, None)
    except Exception:  # fastavro raises whatever its reading of foreign bytes ran into
        return [malformed(body)]
    return [malformed(body)] if stream.read(1) else _lines_of(found, body)
