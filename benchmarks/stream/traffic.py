"""Order lines sent at a steady rate, and when each was sent."""

import time
from collections.abc import Iterator
from threading import Event, Thread

import msgspec
from confluent_kafka import Producer

TICK_S = 0.01
LINES_PER_ORDER = 3
CUSTOMERS = 5_000
BAD_EVERY = 500
"""One message in so many can't be read."""


class Sender:
    """Sends lines in a thread until it is told to stop.

    Attributes:
        sent: By `line_id`, when the line was handed to the producer, in seconds since 1970.
        bad: Messages that can't be read.
    """

    def __init__(self, servers: str, topic: str, rate: float) -> None:
        self._topic, self._rate = topic, rate
        self.sent: dict[str, float] = {}
        self.bad = 0
        # A broker that stops answering must cost no message, and none may be sent twice.
        self._producer = Producer(
            {
                "bootstrap.servers": servers,
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "queue.buffering.max.messages": 1_000_000,
            }
        )
        self._stop = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Sender":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if left := self._producer.flush(120):
            raise RuntimeError(f"{left} messages never reached the broker")

    def _run(self) -> None:
        began, number = time.monotonic(), 0
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * self._rate)
            for each in range(number, due):
                self._send(each)
            number = max(due, number)
            self._producer.poll(0)
            self._stop.wait(TICK_S)

    def _send(self, number: int) -> None:
        customer = f"c{number // LINES_PER_ORDER % CUSTOMERS}"
        if number % BAD_EVERY == BAD_EVERY - 1:
            self.bad += 1
            self._producer.produce(self._topic, b'{"line_id": %d, "quantity": ' % number, key=customer)
            return
        line_id = f"s-{number}"
        body = {
            "line_id": line_id,
            "order_id": f"s-{number // LINES_PER_ORDER}",
            "customer_id": customer,
            "product_id": f"p{number % 200}",
            "category": f"k{number % 12}",
            "quantity": 1 + number % 3,
            "unit_price": 2.5,
            "ordered_at": int_time(),
        }
        self.sent[line_id] = time.time()
        self._producer.produce(self._topic, msgspec.json.encode(body), key=customer)


def int_time() -> str:
    """Now, as ISO 8601 in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def progress(seconds: float, every_s: float) -> Iterator[float]:
    """Ticks until some time is over."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield end - time.monotonic()
        time.sleep(every_s)
