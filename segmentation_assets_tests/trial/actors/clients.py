"""Who asks the scorer meanwhile: each answer must be what some version of the lake gave at the time."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import httpx

from segmentation.settings import load_settings
from segmentation.warehouse import Lake
from segmentation.warehouse.lake import METADATA
from segmentation_assets_tests.trial.lake_state import CONTENT, MEASURES
from segmentation_assets_tests.trial.oracle import Oracle, features_of, is_close
from segmentation_assets_tests.trial.orders import CUSTOMERS
from segmentation_assets_tests.trial.steps import Actor, Step, TrialError, until_done

FRESH_AS_OF = "2025-05-01"
SEGMENT = {"include": "segment"}
FEATURES = {"include": "features"}
FRESH = {"include": "features", "fresh": "true", "as_of": FRESH_AS_OF}
SNAPSHOT_SLACK_S, CHAMPION_SLACK_S = 4.0, 10.0
"""A scorer looks a few times a second; so long it may take on a busy machine, and with a catalogue that was away."""

VERSIONS = (
    "SELECT snapshot_id, epoch(CAST(snapshot_time AS TIMESTAMPTZ)) "
    f"FROM {METADATA}.ducklake_snapshot ORDER BY snapshot_id"
)
SEGMENTS = """
SELECT CAST(as_of AS VARCHAR), model_version, segment_id, distance
FROM segments.customer_segments
WHERE customer_id = $customer
"""
CHAMPIONS = "SELECT version FROM registry.promotions WHERE alias = 'champion' ORDER BY promotion_id"


def clients(oracle: Oracle, address: str, key: str, count: Callable[[int], None]) -> Actor:
    """Ask about a few customers at a time, and have one scored."""
    for number in range(oracle.plan.rounds["clients"]):
        customers = [f"C{(7 * number + 11 * each + oracle.plan.seed) % CUSTOMERS:02}" for each in range(3)]
        work = partial(ask, address, key, customers)
        outcome = yield from until_done(partial(Step, "ask", work, is_killable=False))
        found = outcome.child.result()
        assert isinstance(found, list)
        count(len(found))
        wrong = [each for each in found if each]
        if wrong:
            raise TrialError(f"the scorer's answers are of no version of the lake: {wrong}")


def ask(address: str, key: str, customers: list[str]) -> list[str]:
    """Ask the scorer; for each answer what is wrong with it, or nothing.

    Raises:
        SystemExit: It didn't answer, or not with an answer.
    """
    found = []
    with (
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=20) as http,
        Lake(load_settings(), read_only=True) as lake,
    ):
        for customer in customers:
            path = f"/v1/customers/{customer}"
            found.append(_asked(http, lake, path, SEGMENT, SNAPSHOT_SLACK_S, partial(_is_segment, customer)))
            found.append(_asked(http, lake, path, FRESH, 0, partial(_is_fresh, customer)))
        known = _get(http, f"/v1/customers/{customers[0]}", FEATURES)
        if known:
            found.append(_scored(http, lake, known["features"]))
    return [each for each in found if each is not None]


def _asked(
    http: httpx.Client,
    lake: Lake,
    path: str,
    parameters: dict[str, str],
    slack_s: float,
    is_true: Callable[[Any, dict[str, Any]], bool],
) -> str | None:
    """What is wrong with an answer; None if there is none, or if what it may be of has expired meanwhile."""
    first = _version_at(lake, time.time() - slack_s)
    answer = _get(http, path, parameters)
    if answer is None or first is None:
        return None
    for version in range(first, lake.version() + 1):
        if not lake.has(version):
            return None
        with lake.at(version) as con:
            if is_true(con, answer):
                return ""
    return f"{path} {parameters}: {answer} at versions {first} to {lake.version()}"


def _scored(http: httpx.Client, lake: Lake, features: dict[str, Any]) -> str | None:
    """What is wrong with the model that scored: it must have been champion a moment ago, or since."""
    first = _version_at(lake, time.time() - CHAMPION_SLACK_S)
    known = {name: value for name, value in features.items() if value is not None}
    answer = _answer(lambda: http.post("/v1/score", json={"customers": [{"features": known}]}))
    if answer is None or first is None or not lake.has(first):
        return None
    with lake.at(first) as con:
        before = con.execute(CHAMPIONS).fetchall()
    with lake.cursor() as con:
        since = con.execute(CHAMPIONS).fetchall()[len(before) - 1 :]
    champions = [version for (version,) in since]
    return "" if answer["model_version"] in champions else f"scored by {answer['model_version']}, not {champions}"


def _is_segment(customer: str, con: Any, answer: dict[str, Any]) -> bool:
    told = (answer["as_of"], answer["model_version"], answer["segment_id"])
    rows = con.execute(SEGMENTS, {"customer": customer}).fetchall()
    return any(row[:3] == told and abs(row[3] - answer["distance"]) < 1e-9 for row in rows)


def _is_fresh(customer: str, con: Any, answer: dict[str, Any]) -> bool:
    told = tuple(answer["features"][name] for name in MEASURES.split(", "))
    rows = con.execute(f"SELECT {CONTENT} FROM raw.transactions WHERE customer_id = ?", [customer]).fetchall()
    expected = features_of(rows, datetime.fromisoformat(FRESH_AS_OF))
    return expected is not None and is_close(expected, told)


def _version_at(lake: Lake, moment_s: float) -> int | None:
    """The version that the lake had at a moment, by the machine's clock; None if it has expired."""
    with lake.cursor() as con:
        made = con.execute(VERSIONS).fetchall()
    return max((int(version) for version, at in made if at <= moment_s), default=None)


def _get(http: httpx.Client, path: str, parameters: dict[str, str]) -> dict[str, Any] | None:
    return _answer(lambda: http.get(path, params=parameters))


def _answer(send: Callable[[], httpx.Response]) -> dict[str, Any] | None:
    """The answer; None for a customer whom nobody knows."""
    try:
        response = send()
    except httpx.TransportError as error:
        raise SystemExit(f"no answer: {error!r}") from error
    if response.status_code == 404:
        return None
    if response.status_code != 200:
        raise SystemExit(f"{response.status_code}: {response.text}")
    found: dict[str, Any] = response.json()
    return found
