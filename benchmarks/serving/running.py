"""Runs the rounds: all servers are up, and in every round each takes its turn in every case; answers are compared."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.serving.apps.model import Model
from benchmarks.serving.cases import Case
from benchmarks.serving.contenders import BY_NAME
from benchmarks.serving.environments import CannotRunError, python_for
from benchmarks.serving.load import OK, BadAnswerError, drive
from benchmarks.serving.pipeline import as_pipeline
from benchmarks.serving.servers import Server, ask, started
from benchmarks.serving.shop import Shop, environment
from benchmarks.serving.wire import JSON, Scores, http_request
from segmentation.modeling.artefact import Artefact

Announce = Callable[[str], None]
SAME = 1e-9
"""How far a distance may be from the pipeline's."""
CHUNK_ROWS = 100_000
UNAUTHORIZED = 401
WARM_UP_SHARE = 0.1
LATENCY_SHARE = 0.4


@dataclass(frozen=True)
class Sample:
    """What a server did in one round of a case.

    Attributes:
        latencies_s: Of one connection's requests, when no other sends the same.
        requests: Answered while throughput was measured; 0 if it was not.
        wall_s: How long that took.
        cpu_s: CPU of the server's processes meanwhile, user and system.
        peak_rss_mb: Their largest memory during both.
    """

    latencies_s: tuple[float, ...]
    requests: int
    wall_s: float
    cpu_s: float
    peak_rss_mb: float


@dataclass(frozen=True)
class Outcome:
    """What came of a contender in a case.

    Attributes:
        contender: Its name.
        case: The case.
        samples: One per round that had the case, in their order; none if it did not run.
        note: Why it did not run, or what is wrong with it; empty if all is well.
        is_right: False if its answer is wrong, or it failed after it had started.
    """

    contender: str
    case: Case
    samples: tuple[Sample, ...] = ()
    note: str = ""
    is_right: bool = True


class Requests:
    """The bytes that are sent and the answers that are expected; each is made once."""

    def __init__(self, shop: Shop, model: Model) -> None:
        self._shop, self._model = shop, model
        self.bytes_for = cache(self._bytes_for)
        self.expected = cache(self._expected)

    def _bytes_for(self, name: str, batch: int, media_type: str) -> bytes:
        contender = BY_NAME[name]
        wire = contender.wires[media_type]
        body = wire.body(self._shop.customers.drawn(batch))
        key = self._shop.key if contender.has_key else ""
        return http_request(contender.method, contender.path, wire, body, key)

    def _expected(self, batch: int) -> Scores:
        customers = self._shop.customers.drawn(batch)
        frame = pd.DataFrame(customers.values, columns=list(customers.features))
        parts = [self._model.score(frame[start : start + CHUNK_ROWS]) for start in range(0, batch, CHUNK_ROWS)]
        scores = pd.concat(parts)
        return Scores(scores["segment_id"].to_numpy(np.int64), scores["distance"].to_numpy(np.float64))


def run(
    shop: Shop,
    contenders: Sequence[str],
    cases: Sequence[Case],
    rounds: int,
    seconds: float,
    folder: Path,
    cache_folder: Path,
    announce: Announce,
) -> list[Outcome]:
    """Start every contender's server, compare the answers, and measure round by round.

    Args:
        shop: What is served.
        contenders: Names of those who take part.
        cases: What they are asked.
        rounds: How often.
        seconds: For each contender in each case of a round, about.
        folder: For what the servers write; empty.
        cache_folder: Where environments are made and kept.
        announce: Is told how it goes.
    """
    model = model_of(shop.artefact)
    model.save(folder / "model.joblib")
    requests = Requests(shop, model)
    with ExitStack() as stack:
        servers, reasons = _start_all(stack, shop, contenders, requests, folder, cache_folder, announce)
        outcomes: dict[tuple[str, Case], Outcome] = {}
        for number in range(rounds):
            announce(f"Round {number + 1} of {rounds}")
            for server, case in _turns(servers, [case for case in cases if number % case.every == 0]):
                key = server.contender.name, case
                before = outcomes.get(key) or _compared(server, case, requests, np.array(model.segment_ids))
                outcomes[key] = _measured(before, server, requests, seconds)
    absent = [_absent(name, case, why) for name, why in reasons.items() for case in cases if case.is_for(BY_NAME[name])]
    return [*outcomes.values(), *absent]


def model_of(artefact: Artefact) -> Model:
    """The artefact as the other servers know it."""
    return Model(
        as_pipeline(artefact),
        artefact.feature_names,
        tuple(segment.id for segment in artefact.segments),
        tuple(segment.name for segment in artefact.segments),
        tuple(segment.cutoff for segment in artefact.segments),
    )


def difference(found: Scores, expected: Scores) -> str:
    """What is wrong with scores; empty if nothing is."""
    if len(found.segment_ids) != len(expected.segment_ids):
        return f"{len(found.segment_ids):,} scores for {len(expected.segment_ids):,} customers"
    others = int((found.segment_ids != expected.segment_ids).sum())
    if others:
        return f"{others:,} of {len(expected.segment_ids):,} customers are in another segment"
    if found.distances is None or expected.distances is None:
        return ""
    off = float(np.abs(found.distances - expected.distances).max())
    return "" if off <= SAME else f"distances are off by up to {off:.2g}"


def _absent(name: str, case: Case, why: str) -> Outcome:
    """Others may be missing where they can't be installed; what runs in the platform's own environment may not."""
    return Outcome(name, case, note=why, is_right=bool(BY_NAME[name].requirements))


def _start_all(
    stack: ExitStack,
    shop: Shop,
    contenders: Sequence[str],
    requests: Requests,
    folder: Path,
    cache_folder: Path,
    announce: Announce,
) -> tuple[list[Server], Mapping[str, str]]:
    """The servers that answer, and why others don't."""
    servers, reasons = [], {}
    for name in contenders:
        contender = BY_NAME[name]
        try:
            python = python_for(contender, cache_folder, announce)
            first = requests.bytes_for(name, 1, JSON)
            server = stack.enter_context(started(contender, python, environment(shop.settings), folder / name, first))
            _see_that_it_is_guarded(server, first, shop.key)
            servers.append(server)
            announce(f"{name} is up")
        except CannotRunError as error:
            reasons[name] = f"not run: {error}"
            announce(f"{name} {reasons[name]}")
    return servers, reasons


def _see_that_it_is_guarded(server: Server, request: bytes, key: str) -> None:
    """A scorer that answers everybody would be compared for less than what it does in production."""
    if server.contender.has_key:
        status, _ = ask(server.address, request.replace(key.encode(), b"of-nobody"))
        if status != UNAUTHORIZED:
            raise CannotRunError(f"it answers {status} to a key that nobody has")


def _turns(servers: Sequence[Server], cases: Sequence[Case]) -> Iterator[tuple[Server, Case]]:
    for case in cases:
        yield from ((server, case) for server in servers if case.is_for(server.contender))


def _compared(server: Server, case: Case, requests: Requests, segment_ids: np.ndarray) -> Outcome:
    """Ask once before anything is measured; whoever is wrong is not measured."""
    name = server.contender.name
    status, body = ask(server.address, requests.bytes_for(name, case.batch, case.media_type))
    read = server.contender.wires[case.media_type].scores
    if status != OK:
        wrong = f"it answers {status}: {body[:200].decode('utf-8', 'replace')}"
    else:
        wrong = difference(read(body, segment_ids), requests.expected(case.batch)) if read else ""
    return Outcome(name, case, note=wrong, is_right=not wrong)


def _measured(outcome: Outcome, server: Server, requests: Requests, seconds: float) -> Outcome:
    """The outcome with the sample of another round; with the trouble, if there is some."""
    if not outcome.is_right:
        return outcome
    try:
        sample = _sample(server, outcome.case, requests, seconds)
    except (BadAnswerError, OSError) as error:
        return Outcome(outcome.contender, outcome.case, outcome.samples, f"failed: {error}", is_right=False)
    return Outcome(outcome.contender, outcome.case, (*outcome.samples, sample))


def _sample(server: Server, case: Case, requests: Requests, seconds: float) -> Sample:
    name = server.contender.name
    request = requests.bytes_for(name, case.batch, case.media_type)
    server.forget_peaks()
    drive(server.address, [request], seconds * WARM_UP_SHARE)
    others = [requests.bytes_for(name, case.beside, JSON)] if case.beside else []
    share = LATENCY_SHARE if case.connections else 1 - WARM_UP_SHARE
    latencies_s = drive(server.address, [request, *others], seconds * share).latencies_s[0]
    if not case.connections:
        return Sample(latencies_s, 0, 0.0, 0.0, server.peak_rss_mb())
    before_s = server.cpu_s()
    load = drive(server.address, [request] * case.connections, seconds * (1 - share - WARM_UP_SHARE))
    return Sample(latencies_s, load.requests, load.wall_s, server.cpu_s() - before_s, server.peak_rss_mb())
