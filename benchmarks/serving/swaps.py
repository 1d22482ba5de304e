"""`python -m benchmarks.serving.swaps`: an hour's worth of requests while champions are swapped and keys change.

Every answer has to be of a version that was champion while it was asked for, with the scores that this version gives
when it is computed without a server. Prints how many answers there were, and the scorer's memory and descriptors.
"""

import argparse
import json
import math
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx

from segmentation.access.keys import Scope
from segmentation.modeling.artefact import Evaluator
from segmentation.modeling.registry import ModelVersion
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.schema import migrate
from segmentation_assets_tests.testing import shop
from segmentation_assets_tests.testing.raw_connections import descriptors, rss_mb
from segmentation_assets_tests.testing.running_scorer import RunningScorer, environment_of, running_scorer
from segmentation_assets_tests.testing.shop import ScoredCustomer
from segmentation_assets_tests.testing.waiting import eventually

REQUESTS = 36_000
"""An hour of ten a second."""

SWAPS = 120
CLIENTS = 4
CUSTOMERS_ASKED = 5
LAG_S = 2.0
"""How long a scorer that looks every 50 ms may still answer with the champion before, on a crowded machine."""

WARM_SHARE = 0.2
JSON_TYPE = {"content-type": "application/json"}
REVOKE = "UPDATE access.api_keys SET revoked_at = TIMESTAMP '2024-01-02' WHERE key_id = '{}'"

Expected = dict[int, list[tuple[int, float]]]


@dataclass
class Outcome:
    """What became of the requests.

    Attributes:
        by_status: Answers by status.
        by_version: Good answers by version of the model.
        wrong: Descriptions of answers that were none of these.
        swaps: How often another version became champion.
        seconds: How long it took.
        rss_mb: Memory of the scorer once it was warm, and at the end.
        open_files: Its descriptors, likewise.
    """

    by_status: Counter[int] = field(default_factory=Counter)
    by_version: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    swaps: int = 0
    seconds: float = 0.0
    rss_mb: list[float] = field(default_factory=list)
    open_files: list[int] = field(default_factory=list)

    @property
    def answers(self) -> int:
        """All that came."""
        return sum(self.by_status.values())


class _Reign:
    """Which versions were champion when: from the moment that a promotion begins until the next one has ended."""

    def __init__(self, first: int) -> None:
        self._since = [(first, 0.0)]
        self._until: list[float] = []

    def begin(self, version: int) -> None:
        """A version is about to become champion; it may be known before the promotion returns."""
        self._since.append((version, time.monotonic()))

    def end_last(self) -> None:
        """The one before it is champion no more."""
        self._until.append(time.monotonic())

    def between(self, start: float, end: float) -> set[int]:
        """Champions of a time, and those that a scorer may not have seen go yet."""
        until = [*self._until, math.inf, math.inf]
        spans = zip(list(self._since), until, strict=False)
        return {version for (version, since), gone in spans if since <= end and gone + LAG_S >= start}


def run(settings: Settings, log: Path, requests: int, swaps: int) -> Outcome:
    """Ask a scorer on a shop of two versions, and swap them all the while.

    Args:
        settings: Of the shop's lake.
        log: File for what the scorer says.
        requests: At least so many, from several clients.
        swaps: At least so many, each with a new key.
    """
    some = shop.scored_customers(settings, shop.JULY)[::40][:CUSTOMERS_ASKED]
    expected = {version: _expected(model, some) for version, model in shop.load_models(settings).items()}
    body = json.dumps(shop.request(some)).encode()
    with running_scorer(environment_of(settings), log, "--workers=1") as scorer:
        return _Run(settings, scorer, body, expected, requests, swaps).go()


class _Run:
    def __init__(
        self, settings: Settings, scorer: RunningScorer, body: bytes, expected: Expected, requests: int, swaps: int
    ) -> None:
        self._settings, self._scorer, self._body, self._expected = settings, scorer, body, expected
        self._requests, self._swaps = requests, swaps
        self._reign, self._outcome, self._lock = _Reign(1), Outcome(), Lock()
        self._key, self._swaps_done = shop.KEY, Event()

    def go(self) -> Outcome:
        began = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(self._ask) for _ in range(CLIENTS)]
            try:
                self._swap()
            finally:
                self._swaps_done.set()
            for each in asking:
                each.result()
        self._outcome.seconds = time.monotonic() - began
        self._measure()
        return self._outcome

    def _ask(self) -> None:
        with httpx.Client(base_url=self._scorer.address, timeout=shop.PATIENCE_S) as client:
            while self._outcome.answers < self._requests or not self._swaps_done.is_set():
                sent, key = time.monotonic(), self._key
                answer = client.post("/v1/score", content=self._body, headers=_headers(key))
                self._note(answer, sent)

    def _note(self, answer: httpx.Response, sent: float) -> None:
        champions = self._reign.between(sent, time.monotonic())
        with self._lock:
            self._outcome.by_status[answer.status_code] += 1
            if answer.status_code != httpx.codes.OK:
                self._outcome.wrong.append(answer.text)
                return
            told = answer.json()
            version = told["model_version"]
            self._outcome.by_version[version] += 1
            if version not in champions:
                self._outcome.wrong.append(f"version {version} answered while {champions} were champion")
            if [(each["segment_id"], each["distance"]) for each in told["results"]] != self._expected[version]:
                self._outcome.wrong.append(f"other scores than version {version} gives: {told}")

    def _swap(self) -> None:
        with Lake(self._settings) as lake:
            while self._outcome.swaps < self._swaps or self._outcome.answers < self._requests:
                version = 2 if self._outcome.swaps % 2 == 0 else 1
                self._reign.begin(version)
                shop.promote_on(lake, version)
                self._reign.end_last()
                self._outcome.swaps += 1
                self._change_key(lake)
                if len(self._outcome.rss_mb) == 0 and self._outcome.swaps >= WARM_SHARE * self._swaps:
                    self._measure()

    def _change_key(self, lake: Lake) -> None:
        """Clients take a new key once it is known; the old one is refused soon after it is revoked."""
        old, new = self._key, f"seg_{self._outcome.swaps:012x}_a-secret-of-swaps"
        shop.add_key(lake, new, Scope.SCORE)
        eventually(lambda: self._status(new) == httpx.codes.OK)
        self._key = new
        time.sleep(0.2)  # requests with the old one are over by then
        with lake.cursor() as con:
            lake.transaction(con, Commit("revoke"), lambda c: c.execute(REVOKE.format(old.split("_")[1])))
        eventually(lambda: self._status(old) == httpx.codes.UNAUTHORIZED)

    def _status(self, key: str) -> int:
        url = f"{self._scorer.address}/v1/score"
        return httpx.post(url, content=self._body, headers=_headers(key), timeout=shop.PATIENCE_S).status_code

    def _measure(self) -> None:
        self._outcome.rss_mb.append(rss_mb(self._scorer.process.pid))
        self._outcome.open_files.append(descriptors(self._scorer.process.pid))


def _headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", **JSON_TYPE}


def _expected(model: ModelVersion, customers: Sequence[ScoredCustomer]) -> list[tuple[int, float]]:
    found = Evaluator(model.artefact).assign(shop.matrix(list(customers), model.artefact))
    ids = [segment.id for segment in model.artefact.segments]
    distances: list[Any] = found.distance.tolist()
    return [(ids[index], distance) for index, distance in zip(found.segment, distances, strict=True)]


def main() -> None:
    """Make a shop, run, and print the figures; ends with 1 if an answer was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving.swaps", description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help=f"how many (default: {REQUESTS:,})")
    parser.add_argument("--swaps", type=int, default=SWAPS, help=f"of the champion, at least (default: {SWAPS})")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / "warehouse", customer_buckets=2, threads=1, tracking_uri="off")
        with Lake(settings, create=True) as lake:
            migrate(lake)
        shop.open_shop(settings)
        outcome = run(settings, Path(folder) / "log", wanted.requests, wanted.swaps)
    versions = ", ".join(f"{count:,} of version {version}" for version, count in sorted(outcome.by_version.items()))
    print(f"{outcome.answers:,} answers in {outcome.seconds:.0f} s: {dict(outcome.by_status)}; {versions}")
    print(f"{outcome.swaps} swaps, as many new keys; wrong answers: {len(outcome.wrong)} {outcome.wrong[:3]}")
    print(f"RSS {' → '.join(f'{each:.0f}' for each in outcome.rss_mb)} MB, descriptors {outcome.open_files}")
    raise SystemExit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
