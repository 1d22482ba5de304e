"""Who reads meanwhile: analysts in SQL, and clients of the scorer."""

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from segmentation_assets_tests.trial.lake_state import LakeState, read_again, read_state
from segmentation_assets_tests.trial.oracle import Oracle, features_of, is_close
from segmentation_assets_tests.trial.orders import CUSTOMERS
from segmentation_assets_tests.trial.steps import Actor, Step, TrialError, until_done
from segmentation_assets_tests.trial.zygote import command

SUMS = """
SELECT
    (SELECT COUNT(*) FROM raw.transactions) AS lines,
    (
        SELECT CAST(SUM(n) AS BIGINT)
        FROM (SELECT COUNT(*) AS n FROM raw.transactions GROUP BY customer_id)
    ) AS by_customer,
    (SELECT CAST(SUM(line_count_change) AS BIGINT) FROM raw.changed_days) AS by_day,
    (SELECT SUM(amount) FROM raw.transactions) AS amount,
    (SELECT SUM(quantity * unit_price) FROM raw.transactions) AS product
"""
FRESH_AS_OF = "2025-05-01"
SLACK_S = 4.0
"""A scorer looks for new snapshots ten times a second; so long it may take on a busy machine, or after a fault."""
VERSIONS = (
    "SELECT snapshot_id, epoch(CAST(snapshot_time AS TIMESTAMPTZ)) FROM {}.ducklake_snapshot ORDER BY snapshot_id"
)


def analysts(oracle: Oracle, check: Callable[[str, LakeState], None]) -> Actor:
    """Read all there is, in one transaction; read a version again; ask for sums in one statement."""
    seen: list[LakeState] = []
    for number in range(oracle.plan.rounds["analysts"]):
        read = yield from until_done(partial(Step, "read", read_state))
        state = read.child.result()
        assert isinstance(state, LakeState)
        check("analyst", state)
        seen.append(state)
        again = yield from until_done(partial(Step, "read again", partial(read_again, seen[number // 2].version)))
        found = again.child.result()
        if found is not None and found != seen[number // 2].digest():
            raise TrialError(f"version {seen[number // 2].version} reads otherwise than before")
        asked = yield from until_done(partial(Step, "sql", command("sql", SUMS, "--format", "json")))
        _check_sums(asked.child.told())


def _check_sums(text: str) -> None:
    (row,) = json.loads(text)
    if not (row["lines"] == row["by_customer"] == row["by_day"] and row["amount"] == row["product"]):
        raise TrialError(f"sums of one statement don't agree: {row}")


def clients(oracle: Oracle, address: str, key: str, count: Callable[[int], None]) -> Actor:
    """Ask the scorer about customers; each answer must be what some version of the lake held at the time."""
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
    """Ask about customers; for each answer what is wrong with it, or nothing."""
    import httpx

    from segmentation.settings import load_settings
    from segmentation.warehouse import Lake

    wrong = []
    with (
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=20) as http,
        Lake(load_settings(), read_only=True) as lake,
    ):
        for customer in customers:
            for parameters, judge in ((_SEGMENT, _judge_segment), (_FRESH, _judge_fresh)):
                since = time.time() - (SLACK_S if judge is _judge_segment else 0)
                before = lake.version()
                try:
                    response = http.get(f"/v1/customers/{customer}", params=parameters)
                except httpx.TransportError as error:
                    raise SystemExit(f"no answer: {error!r}") from error
                if response.status_code == 404:
                    continue
                if response.status_code != 200:
                    raise SystemExit(f"{response.status_code}: {response.text}")
                first = min(before, _version_at(lake, since))
                wrong.append(judge(lake, range(first, lake.version() + 1), customer, response.json()))
    return wrong


_SEGMENT = {"include": "segment"}
_FRESH = {"include": "features", "fresh": "true", "as_of": FRESH_AS_OF}


def _version_at(lake: Any, moment_s: float) -> int:
    """The version that the lake had at a moment, by the machine's clock."""
    from segmentation.warehouse.lake import METADATA

    with lake.cursor() as con:
        made = con.execute(VERSIONS.format(METADATA)).fetchall()
    return int(max((version for version, at in made if at <= moment_s), default=made[0][0]))


def _judge_segment(lake: Any, versions: range, customer: str, answer: dict[str, Any]) -> str:
    query = (
        "SELECT CAST(as_of AS VARCHAR), model_version, segment_id, distance FROM segments.customer_segments "
        "WHERE customer_id = $customer"
    )
    told = (answer["as_of"], answer["model_version"], answer["segment_id"])
    rows = list[Any]()
    for version in versions:
        if lake.has(version):
            with lake.at(version) as con:
                rows = con.execute(query, {"customer": customer}).fetchall()
            if any(row[:3] == told and abs(row[3] - answer["distance"]) < 1e-9 for row in rows):
                return ""
    return f"{customer}: {told} at {versions}, the last of which has {rows}" if rows else ""


def _judge_fresh(lake: Any, versions: range, customer: str, answer: dict[str, Any]) -> str:
    from datetime import datetime

    from segmentation_assets_tests.trial.lake_state import CONTENT, MEASURES

    told = tuple(answer["features"][name] for name in MEASURES.split(", "))
    expected = None
    for version in versions:
        if lake.has(version):
            with lake.at(version) as con:
                rows = con.execute(
                    f"SELECT {CONTENT} FROM raw.transactions WHERE customer_id = ?", [customer]
                ).fetchall()
            expected = features_of(rows, datetime.fromisoformat(FRESH_AS_OF))
            if expected is not None and is_close(expected, told):
                return ""
    return f"{customer}: fresh {told} at {versions}, the last of which gives {expected}" if expected else ""
