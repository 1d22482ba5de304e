"""`python -m benchmarks.serving.attacks`: what the scorer's memory does while somebody attacks it.

One worker process with 1,024 descriptors: half-open connections, an endless header, unfinished bulk bodies with a
key, malformed requests. Prints a line of figures for each.
"""

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.serving.shop import Shop, command, environment, make_shop
from segmentation_assets_tests.testing.ports import free_port
from segmentation_assets_tests.testing.raw_connections import (
    Address,
    converse,
    descriptors,
    endless,
    many_connections,
    peak_rss_mb,
    rss_mb,
)

CUSTOMERS = 300
DESCRIPTORS = 1024
HALF_OPEN, BODIES, BODY_BYTES, MALFORMED = 1300, 6, 195_000_000, 5000
START_S, HEALTH_S, PROBE_S, CALM_S = 60.0, 2.0, 0.1, 1.0
LIMITED = ["sh", "-c", f'ulimit -n {DESCRIPTORS} && exec "$@"', "sh"]


@dataclass
class Target:
    """A scorer under attack."""

    address: Address
    pid: int
    log: Path
    key: str
    health: list[bool] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{self.address[0]}:{self.address[1]}"


def half_open(target: Target) -> str:
    """Connections on which half a request was sent."""
    with many_connections(target.address, HALF_OPEN, b"GET /health/live HTTP/1.1\r\nHo") as opened:
        time.sleep(2)
        return f"{len(opened)} connections, {descriptors(target.pid)} descriptors of the scorer"


def endless_header(target: Target) -> str:
    """A header of 200 MB without an end."""
    first = b"GET /health/live HTTP/1.1\r\nHost: x\r\nA: "
    answer = converse(target.address, endless(first), silence_s=2)
    return f"{answer.sent / 1e6:.1f} MB taken, answers {answer.statuses}"


def unfinished_bodies(target: Target) -> str:
    """Bulk bodies with a key, each of which lacks its end."""
    head = (
        f"POST /v1/score HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {target.key}\r\n"
        f"Content-Type: application/vnd.apache.arrow.stream\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n"
    ).encode()
    answers: list[list[int]] = []

    def send() -> None:
        answers.append(converse(target.address, endless(head, total=BODY_BYTES), silence_s=3).statuses)

    threads = [threading.Thread(target=send) for _ in range(BODIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return f"answers {sorted(answers)}"


def malformed(target: Target) -> str:
    """Requests that are no HTTP."""
    before = len(target.log.read_text().splitlines())
    for _ in range(MALFORMED):
        with socket.create_connection(target.address, 5) as connection:
            connection.sendall(b"no http\r\n\r\n")
    time.sleep(0.5)
    return f"{MALFORMED} requests, {len(target.log.read_text().splitlines()) - before} lines in the log"


ATTACKS: tuple[Callable[[Target], str], ...] = (half_open, endless_header, unfinished_bodies, malformed)


def main() -> None:
    """Attack a scorer anew with each, and print what became of it."""
    print(f"{'attack':<18} {'RSS before':>10} {'peak':>8} {'after':>8}  {'health':>13}  what happened")
    with tempfile.TemporaryDirectory() as folder:
        shop = make_shop(Path(folder), CUSTOMERS)
        for number, attack in enumerate(ATTACKS):
            with scorer(shop, Path(folder) / f"log {number}") as target, probed(target):
                before = rss_mb(target.pid)
                told = attack(target)
                time.sleep(CALM_S)
                health = f"{sum(target.health)} of {len(target.health)}"
                after, peak = rss_mb(target.pid), peak_rss_mb(target.pid)
            print(f"{attack.__name__:<18} {before:>7.0f} MB {peak:>5.0f} MB {after:>5.0f} MB  {health:>13}  {told}")


@contextmanager
def probed(target: Target) -> Iterator[None]:
    """Ask for its health all the while, each time on a new connection."""
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.wait(PROBE_S):
            try:
                target.health.append(
                    httpx.get(f"{target.url}/health/live", timeout=HEALTH_S).status_code == httpx.codes.OK
                )
            except httpx.TransportError:
                target.health.append(False)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def scorer(shop: Shop, log: Path) -> Iterator[Target]:
    """A scorer with one worker, the default limits and few descriptors."""
    port = free_port()
    words = [*LIMITED, *command("serve", "--workers", "1", "--port", str(port), "--log-format", "json")]
    variables = environment(shop.settings) | {"SEGMENTATION_MAX_BODY_BYTES": "16777216"}
    with log.open("wb") as output, subprocess.Popen(words, env=variables, stdout=output, stderr=output) as process:
        target = Target(("127.0.0.1", port), process.pid, log, shop.key)
        try:
            _wait(target)
            yield target
        finally:
            process.kill()


def _wait(target: Target) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if httpx.get(f"{target.url}/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"The scorer did not start: {target.log.read_text()}")


if __name__ == "__main__":
    main()
