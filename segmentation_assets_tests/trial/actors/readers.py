"""Who reads in SQL meanwhile: analysts."""

import json
from collections.abc import Callable
from functools import partial

from segmentation_assets_tests.trial.lake_state import LakeState, read_again, read_state
from segmentation_assets_tests.trial.oracle import Oracle
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
