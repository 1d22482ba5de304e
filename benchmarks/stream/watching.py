"""Somebody who reads: when each line can first be seen with SQL, and each order in the scorer's fresh answer."""

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import httpx

from segmentation.settings import Settings
from segmentation.warehouse import Lake

POLL_S = 0.2
"""Between looks: who looks all the time takes the core from the one who is watched."""

PROBE_PAUSE_S = 1.0

# A line's `ingested_at` is from before its commit, and consumers commit in any order: so look back a while.
NEW_LINES = """
SELECT line_id, ingested_at
FROM raw.transactions
WHERE source = 'app' AND ingested_at > TIMESTAMP '{since}' - INTERVAL 5 SECOND
"""


class _Watcher:
    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self._stop = look, Event()
        self._thread = Thread(target=self._run, daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self.error:
            raise self.error

    def _run(self) -> None:
        try:
            while not self._stop.wait(POLL_S):
                self._look()
        except Exception as error:  # told where it is waited for
            self.error = error


class SqlWatcher(_Watcher):
    """Asks for new lines all the time, as an analyst's process would.

    Attributes:
        seen: By `line_id`, when it was first in an answer, in seconds since 1970.
        queries_s: How long each query took, in seconds.
    """

    def __init__(self, settings: Settings) -> None:
        self._lake = Lake(settings, read_only=True)
        self._con = self._lake.cursor()
        self._since = "2000-01-01"
        self.seen: dict[str, float] = {}
        self.queries_s: list[float] = []
        super().__init__(self._ask)

    def _ask(self) -> None:
        began = time.perf_counter()
        rows = self._con.execute(NEW_LINES.format(since=self._since)).fetchall()
        self.queries_s.append(time.perf_counter() - began)
        now = time.time()
        for line_id, ingested_at in rows:
            self.seen.setdefault(line_id, now)
            self._since = max(self._since, str(ingested_at))


class ScorerWatcher(_Watcher):
    """Sends an order of a customer of its own through the stream, waits until the scorer's features have it, and again.

    Attributes:
        waited_s: From sending an order to the features that know it, in seconds.
    """

    def __init__(self, client: httpx.Client, send: Callable[[str, int], None]) -> None:
        self._client, self._send = client, send
        self._orders = 0
        self.waited_s: list[float] = []
        super().__init__(self._probe)

    def _probe(self) -> None:
        self._orders += 1
        began = time.time()
        self._send("watched", self._orders)
        while self._known() < self._orders:
            time.sleep(POLL_S / 2)
        self.waited_s.append(time.time() - began)
        time.sleep(PROBE_PAUSE_S)

    def _known(self) -> float:
        query: dict[str, Any] = {"fresh": True, "include": ["segment", "features"]}
        answer = self._client.get("/v1/customers/watched", params=query)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return 0
        return float(answer.raise_for_status().json()["features"]["order_count"])
