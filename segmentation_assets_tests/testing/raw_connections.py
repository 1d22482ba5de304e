"""Clients that keep to no rules: bytes on sockets, as many as they like."""

import resource
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

Address = tuple[str, int]

CHUNK = b"a" * 65_536
SILENCE_S = 10.0


@dataclass(frozen=True)
class RawAnswer:
    """What came back on a connection.

    Attributes:
        data: All bytes.
        is_closed: Whether the server has closed its side.
        sent: Bytes that the server's system took.
    """

    data: bytes
    is_closed: bool
    sent: int

    @property
    def statuses(self) -> list[int]:
        """Of all answers."""
        lines = [part.partition(b" ")[2][:3] for part in self.data.split(b"HTTP/1.")[1:]]
        return [int(line) for line in lines if line.isdigit()]


def address_of(url: str) -> Address:
    """Where a server listens."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def converse(address: Address, parts: Iterator[bytes] | Sequence[bytes], silence_s: float = SILENCE_S) -> RawAnswer:
    """Send parts until the server closes, then read until it has closed or was silent for so long.

    Args:
        address: Of the server.
        parts: What is sent, in this order.
        silence_s: How long to wait for more bytes.
    """
    data, sent = b"", 0
    with socket.create_connection(address, silence_s) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                sent += len(part)
                if select.select([connection], [], [], 0)[0]:
                    break
        except OSError:
            pass  # it was closed; what it said before may still be there
        return _read(connection, data, sent)


def _read(connection: socket.socket, data: bytes, sent: int) -> RawAnswer:
    while True:
        try:
            received = connection.recv(65_536)
        except TimeoutError:
            return RawAnswer(data, False, sent)
        except OSError:
            return RawAnswer(data, True, sent)
        if not received:
            return RawAnswer(data, True, sent)
        data += received


def endless(first: bytes, chunk: bytes = CHUNK, total: int = 200_000_000) -> Iterator[bytes]:
    """A beginning, and so many bytes more."""
    yield first
    for _ in range(total // len(chunk)):
        yield chunk


def slowly(data: bytes, pause_s: float) -> Iterator[bytes]:
    """A byte at a time."""
    for byte in data:
        yield bytes([byte])
        time.sleep(pause_s)


@contextmanager
def many_connections(address: Address, count: int, first: bytes) -> Iterator[list[socket.socket]]:
    """Connections that stay open, on each of which the same bytes were sent, if they could be opened."""
    allow_descriptors(count + 256)
    opened: list[socket.socket] = []
    try:
        for _ in range(count):
            try:
                connection = socket.create_connection(address, 5)
                opened.append(connection)
                connection.sendall(first)
            except OSError:
                continue
        yield opened
    finally:
        for connection in opened:
            connection.close()


def allow_descriptors(count: int) -> None:
    """Let this process open so many files and sockets.

    Raises:
        ValueError: The system doesn't allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def rss_mb(pid: int) -> float:
    """Resident memory of a process, in MB."""
    return _status_kb(pid, "VmRSS:") / 1024


def peak_rss_mb(pid: int) -> float:
    """The most that it ever was, in MB."""
    return _status_kb(pid, "VmHWM:") / 1024


def descriptors(pid: int) -> int:
    """Files and sockets that a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _status_kb(pid: int, field: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
