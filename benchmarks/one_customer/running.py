"""Runs the rounds: in each, every checkout takes its turn, in process and over REST; answers are compared."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.one_customer.lines import AS_OF, lines_of_one_customer
from benchmarks.serving.contenders import BY_NAME, OURS
from benchmarks.serving.load import OK, drive
from benchmarks.serving.servers import Server, ask, started
from benchmarks.serving.wire import RECORDS, http_request

HERE = Path(__file__).parent
SAME = 1e-9
PATH = "/v1/score/transactions"
CUSTOMERS = 500


@dataclass
class Figures:
    """What a checkout's code took; the best of all rounds.

    Attributes:
        checkout: Its folder.
        opening_ms: CPU of importing and opening a calculator.
        opening_mb: Memory that this takes.
        in_process_ms: CPU of computing a customer, by number of lines.
        rest_ms: CPU of the server per request, by number of lines.
        answers: What the calculator said, by number of lines.
        rest_answers: What the server said of features.
    """

    checkout: Path
    opening_ms: float = math.inf
    opening_mb: float = math.inf
    in_process_ms: dict[int, float] = field(default_factory=dict)
    rest_ms: dict[int, float] = field(default_factory=dict)
    answers: dict[int, dict[str, Any]] = field(default_factory=dict)
    rest_answers: dict[int, dict[str, Any]] = field(default_factory=dict)


def run(
    checkouts: Sequence[Path],
    sizes: Sequence[int],
    rest_sizes: Sequence[int],
    rounds: int,
    seconds: float,
    folder: Path,
) -> list[Figures]:
    """Measure every checkout as often as there are rounds, in turn.

    Args:
        checkouts: Folders with the code.
        sizes: Numbers of lines, in process.
        rest_sizes: Those over REST; none to start no server.
        rounds: How often.
        seconds: For each number of lines in a round, about.
        folder: For what is made; empty.
    """
    lines = {count: lines_of_one_customer(count) for count in {*sizes, *rest_sizes}}
    asked = folder / "lines.json"
    asked.write_text(json.dumps({"as_of": AS_OF.isoformat(), "lines": {n: lines[n] for n in sizes}}), "utf-8")
    found = [Figures(checkout) for checkout in checkouts]
    with ExitStack() as stack:
        servers = [_serving(stack, each.checkout, lines, rest_sizes, folder / str(n)) for n, each in enumerate(found)]
        for _ in range(rounds):
            for figures, server in zip(found, servers, strict=True):
                _compute(figures, asked, seconds)
                if server:
                    _ask(figures, *server, seconds)
    return found


def differences(one: Figures, other: Figures) -> list[str]:
    """Where two checkouts' answers differ: numbers by more than 1e-9 (of themselves, or of 1), anything else at all."""
    pairs = [(one.answers, other.answers, "in process"), (one.rest_answers, other.rest_answers, "over REST")]
    return [
        f"{count} lines {how}: {name} is {mine.get(name)!r} and {theirs.get(name)!r}"
        for ours, others, how in pairs
        for count, mine in ours.items()
        for theirs in [others[count]]
        for name in sorted(mine.keys() | theirs.keys())
        if not _same(mine.get(name), theirs.get(name))
    ]


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=SAME, abs_tol=SAME)
    return one == other


def _compute(figures: Figures, asked: Path, seconds: float) -> None:
    printed = _script("in_process.py", figures.checkout, str(asked), str(seconds))
    figures.opening_ms = min(figures.opening_ms, printed["opened"]["cpu_ms"])
    figures.opening_mb = min(figures.opening_mb, printed["opened"]["rss_mb"])
    for text, each in printed["found"].items():
        count = int(text)
        figures.in_process_ms[count] = min(figures.in_process_ms.get(count, math.inf), each["cpu_ms"])
        figures.answers[count] = each["answer"]


def _serving(
    stack: ExitStack, checkout: Path, lines: Mapping[int, object], sizes: Sequence[int], folder: Path
) -> tuple[Server, dict[int, bytes]] | None:
    """A server of a checkout, and what it is asked, by number of lines; None if it isn't asked anything."""
    if not sizes:
        return None
    folder.mkdir()
    shop = _script("make_shop.py", checkout, str(folder / "shop"), str(CUSTOMERS))
    requests = {count: _request(lines[count], shop["key"]) for count in sizes}
    others = {name: value for name, value in os.environ.items() if not name.startswith("SEGMENTATION_")}
    variables, first = {**others, **shop["variables"]}, requests[min(sizes)]
    running = started(BY_NAME[OURS], sys.executable, variables, folder / "server", first, checkout=checkout)
    return stack.enter_context(running), requests


def _request(lines: object, key: str) -> bytes:
    body = json.dumps({"transactions": lines, "as_of": AS_OF.isoformat()}).encode()
    return http_request("POST", PATH, RECORDS, body, key)


def _ask(figures: Figures, server: Server, requests: Mapping[int, bytes], seconds: float) -> None:
    for count, request in requests.items():
        status, body = ask(server.address, request)
        if status != OK:
            raise RuntimeError(f"{figures.checkout} answers {status} to {count} lines: {body[:300]!r}")
        (result,) = json.loads(body)["results"]
        figures.rest_answers[count] = result["features"]
        before_s = server.cpu_s()
        load = drive(server.address, [request], seconds, least=3)
        cpu_ms = (server.cpu_s() - before_s) / load.requests * 1000
        figures.rest_ms[count] = min(figures.rest_ms.get(count, math.inf), cpu_ms)


def _script(name: str, checkout: Path, *words: str) -> dict[str, Any]:
    """What one of the scripts prints, run by the code of a checkout."""
    # -P: the script's own folder is no place to import from.
    command = [sys.executable, "-P", str(HERE / name), *words]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed with the code of {checkout}: {done.stderr.strip()[-1000:]}")
    printed: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return printed
