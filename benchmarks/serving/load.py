"""The load generator: one thread, kept-alive sockets, requests that are bytes already.

It shares the machine with the server, so it does as little as it can: it looks for the end of an answer and its
status, and never at its content.
"""

import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httptools

Address = tuple[str, int]
OK = 200
CHUNK_BYTES = 1 << 20
PATIENCE_S = 120.0
"""How long no server may be silent."""


class BadAnswerError(Exception):
    """A server refused a request, or said nothing."""


@dataclass(frozen=True)
class Load:
    """What came of sending requests for a while.

    Attributes:
        wall_s: From the first request to the last answer.
        latencies_s: By connection, of each of its requests in order.
    """

    wall_s: float
    latencies_s: tuple[tuple[float, ...], ...]

    @property
    def requests(self) -> int:
        """How many were answered, on all connections."""
        return sum(len(latencies) for latencies in self.latencies_s)


def drive(address: Address, requests: Sequence[bytes], seconds: float, *, least: int = 1) -> Load:
    """Send requests, one connection for each of `requests`, each again as soon as it is answered.

    Args:
        address: Of the server.
        requests: Whole HTTP requests, head and body.
        seconds: No request is sent later than this; those that are under way are waited for.
        least: Every connection gets so many answers all the same.

    Raises:
        BadAnswerError: An answer is not 200, or does not come.
    """
    began = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        connections = [_Connection(address, request, selector) for request in requests]
        try:
            for connection in connections:
                connection.send()
            busy = len(connections)
            while busy:
                for connection in _answered(selector):
                    if time.perf_counter() - began < seconds or len(connection.latencies_s) < least:
                        connection.send()
                    else:
                        busy -= 1
        finally:
            for connection in connections:
                connection.close()
    return Load(time.perf_counter() - began, tuple(tuple(one.latencies_s) for one in connections))


def _answered(selector: selectors.BaseSelector) -> "list[_Connection]":
    """Wait until something can be sent or received, do so, and tell whose answers are complete."""
    events = selector.select(PATIENCE_S)
    if not events:
        raise BadAnswerError(f"no answer within {PATIENCE_S:g} s")
    return [key.data for key, mask in events if key.data.go_on(mask)]


class _Connection:
    """One client, which has at most one request under way.

    Servers that close after every answer get a new connection for each request, within its latency.
    """

    def __init__(self, address: Address, request: bytes, selector: selectors.BaseSelector) -> None:
        self.latencies_s: list[float] = []
        self._address, self._request, self._selector = address, memoryview(request), selector
        self._is_open = False

    def send(self) -> None:
        """Begin the next request."""
        self._is_answered, self._sent, self._began = False, 0, time.perf_counter()
        if not self._is_open:
            self._open()
        if not self._write():
            self._selector.modify(self._socket, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def go_on(self, mask: int) -> bool:
        """Send and receive what can be; whether the answer is complete now."""
        if mask & selectors.EVENT_WRITE and self._write():
            self._selector.modify(self._socket, selectors.EVENT_READ, self)
        return bool(mask & selectors.EVENT_READ) and self._read()

    def on_message_complete(self) -> None:
        """The parser calls this at the end of an answer; only now does it know whether the connection stays open."""
        self._is_answered, self._stays_open = True, self._parser.should_keep_alive()

    def close(self) -> None:
        """Hang up."""
        if self._is_open:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._is_open = False

    def _open(self) -> None:
        self._socket = socket.create_connection(self._address, PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._parser = httptools.HttpResponseParser(self)
        self._selector.register(self._socket, selectors.EVENT_READ, self)
        self._is_open = True

    def _write(self) -> bool:
        """Send what the system takes; whether that was the rest."""
        try:
            while self._sent < len(self._request):
                self._sent += self._socket.send(self._request[self._sent :])
        except BlockingIOError:
            return False
        return True

    def _read(self) -> bool:
        received = self._socket.recv(CHUNK_BYTES)
        if not received:
            raise BadAnswerError("the server hung up")
        self._parser.feed_data(received)
        if not self._is_answered:
            return False
        self.latencies_s.append(time.perf_counter() - self._began)
        if self._parser.get_status_code() != OK:
            raise BadAnswerError(f"status {self._parser.get_status_code()} under load")
        if not self._stays_open:
            self.close()
        return True
