"""A bucket with any keys: an S3 service in memory that looks at no signature. SeaweedFS refuses most of them."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "odd"
PAGE_KEYS = 5
"""Few, so that lists have several pages."""


@contextmanager
def running_odd_bucket(objects: Mapping[str, bytes]) -> Iterator[str]:
    """The endpoint of a service whose one bucket has these objects."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            key = unquote(url.path.removeprefix(f"/{BUCKET}").removeprefix("/"))
            query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
            if "list-type" in query:
                self._answer(200, _listing(objects, query).encode())
            elif key in objects:
                self._answer(200, objects[key])
            else:
                self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", _etag(body))
            self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _listing(objects: Mapping[str, bytes], query: Mapping[str, str]) -> str:
    encoded = query.get("encoding-type") == "url"
    keys = sorted(key for key in objects if key.startswith(query.get("prefix", "")))
    after = query.get("continuation-token", "")
    rest = [key for key in keys if key > after]
    page = rest[:PAGE_KEYS]
    contents = "".join(
        f"<Contents><Key>{quote(key) if encoded else escape(key)}</Key><LastModified>2025-01-01T00:00:00.000Z"
        f"</LastModified><ETag>{escape(_etag(objects[key]))}</ETag><Size>{len(objects[key])}</Size></Contents>"
        for key in page
    )
    more = len(rest) > len(page)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>{BUCKET}</Name>'
        f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{contents}</ListBucketResult>"
    )


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'
