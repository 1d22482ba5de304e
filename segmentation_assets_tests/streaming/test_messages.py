"""Messages as records: JSON and Avro, with and without a schema registry."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource
from segmentation.sources.incremental.deliveries import Malformed
from segmentation.streaming.messages import HEADER, decoder, from_json

SCHEMA = {
    "type": "record",
    "name": "Line",
    "fields": [
        {"name": "line_id", "type": "string"},
        {"name": "quantity", "type": "double"},
        {"name": "country", "type": ["null", "string"], "default": None},
        {"name": "ordered_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
    ],
}


class Registry(BaseHTTPRequestHandler):
    """Has one schema, number 7; number 500 makes it fail."""

    def do_GET(self) -> None:
        number = self.path.rpartition("/")[2]
        self.send_response({"7": 200, "500": 500}.get(number, 404))
        self.end_headers()
        self.wfile.write(json.dumps({"schema": json.dumps(SCHEMA)}).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def registry() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Registry)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def source(**options: object) -> KafkaSource:
    return KafkaSource(name="app", type="kafka", servers="x", topic="t", **options)


def avro(record: dict[str, Any]) -> bytes:
    stream = BytesIO()
    fastavro.schemaless_writer(stream, SCHEMA, record)
    return stream.getvalue()


LINE = {"line_id": "1", "quantity": 2.0, "country": None, "ordered_at": 1748599200000}


def test_avro_with_a_registry_is_decoded_by_the_schema_that_the_message_names(registry: str) -> None:
    decode = decoder(source(format="avro", schema_registry=registry))
    [found] = decode(HEADER.pack(0, 7) + avro(LINE))
    assert isinstance(found, dict)
    assert (found["line_id"], found["ordered_at"].isoformat()) == ("1", "2025-05-30T10:00:00+00:00")


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"{}", HEADER.pack(0, 7), HEADER.pack(0, 7) + avro(LINE) + b"!", HEADER.pack(0, 9) + avro(LINE)],
)
def test_what_is_no_such_avro_is_malformed(registry: str, body: bytes) -> None:
    [found] = decoder(source(format="avro", schema_registry=registry))(body)
    assert isinstance(found, Malformed)


def test_a_registry_that_fails_stops_the_stream_rather_than_rejecting(registry: str) -> None:
    for url in (registry, "http://127.0.0.1:1"):
        with pytest.raises(SourceError, match="schema registry"):
            decoder(source(format="avro", schema_registry=url))(HEADER.pack(0, 500) + avro(LINE))


def test_avro_without_a_registry_is_decoded_by_a_schema_file(tmp_path: Path) -> None:
    path = tmp_path / "line.avsc"
    path.write_text(json.dumps(SCHEMA))
    [found] = decoder(source(format="avro", avro_schema=path))(avro(LINE))
    assert isinstance(found, dict)
    path.write_text("{")
    with pytest.raises(SourceError, match="Can't read the Avro schema"):
        decoder(source(format="avro", avro_schema=path))


@given(st.binary(max_size=60) | st.text().map(str.encode))
def test_whatever_the_bytes_are_they_are_lines_or_malformed(body: bytes) -> None:
    assert all(isinstance(each, dict | Malformed) for each in from_json(body))
