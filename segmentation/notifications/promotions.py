"""What the ledger says was decided about the champion: promoted, waiting for a person, rolled back."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from segmentation.metadata.tables.registry import MODELS, PROMOTIONS, TRAINING_SETS
from segmentation.modeling.lifecycle import OVERRIDDEN, reason_given
from segmentation.modeling.registry import ROLLED_BACK

OF_A_RUN = "run "
"""What the actor of a line begins with that a run wrote; its id follows."""

MOST_DECISIONS = 100

DECISIONS = f"""
WITH ledger AS (
    SELECT
        *,
        LAG(alias) OVER (ORDER BY promotion_id) = '{ROLLED_BACK}' AS is_rollback,
        LAST_VALUE(CASE WHEN alias = 'champion' THEN version END IGNORE NULLS) OVER (
            ORDER BY promotion_id
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS champion_before
    FROM {PROMOTIONS.name}
),

trained AS (
    SELECT version, run_id, customer_count
    FROM {MODELS.name}
    LEFT JOIN (
        SELECT training_set_id, MAX(customer_count) AS customer_count
        FROM {TRAINING_SETS.name}
        GROUP BY training_set_id
    ) USING (training_set_id)
)

SELECT
    promotion_id,
    alias,
    COALESCE(is_rollback, FALSE),
    version,
    champion_before,
    decided_at,
    actor,
    reason,
    gates,
    run_id,
    customer_count
FROM ledger
LEFT JOIN trained USING (version)
WHERE alias IN ('champion', 'challenger')
    AND promotion_id > $after
    AND decided_at >= $since
ORDER BY promotion_id
LIMIT {MOST_DECISIONS}
"""

OF_RUN = f"""
SELECT 1
FROM {PROMOTIONS.name}
LEFT JOIN {MODELS.name} USING (version)
WHERE alias IN ('champion', 'challenger')
    AND (actor = $actor OR run_id = $run_id)
LIMIT 1
"""


@dataclass(frozen=True)
class RecordedPromotion:
    """A line of the ledger, with what explains it.

    Attributes:
        promotion_id: Of the line.
        alias: `champion` or `challenger`.
        is_rollback: Whether the version serves again since the one after it was taken out of service.
        version: The version.
        champion_before: The version that was champion before this line; None if none was.
        decided_at: When, UTC.
        actor: Who or what decided.
        deciding_run: The run that did, if it was one.
        training_run: The run that trained the version, if it was one.
        reason: What a person gave as the reason.
        is_override: Whether gates were set aside.
        gates: What they said, by gate, with `passed`, `measured`, `threshold` and `explanation`.
        customer_count: How many customers the version was trained on.
    """

    promotion_id: int
    alias: str
    is_rollback: bool
    version: int
    champion_before: int | None
    decided_at: datetime
    actor: str
    deciding_run: str
    training_run: str
    reason: str
    is_override: bool
    gates: Mapping[str, Mapping[str, Any]]
    customer_count: int | None


def read_promotions(con: duckdb.DuckDBPyConnection, after: int, since: datetime) -> list[RecordedPromotion]:
    """What was decided since a line and since a moment (UTC), oldest first."""
    rows = con.execute(DECISIONS, {"after": after, "since": since}).fetchall()
    return [
        RecordedPromotion(
            promotion_id=number,
            alias=alias,
            is_rollback=is_rollback,
            version=version,
            champion_before=before,
            decided_at=at,
            actor=actor,
            deciding_run=actor.removeprefix(OF_A_RUN) if actor.startswith(OF_A_RUN) else "",
            training_run=run_id or "",
            reason=reason_given(reason),
            is_override=OVERRIDDEN in reason,
            gates=json.loads(gates) if gates else {},
            customer_count=customers,
        )
        for number, alias, is_rollback, version, before, at, actor, reason, gates, run_id, customers in rows
    ]


def has_promotion(con: duckdb.DuckDBPyConnection, run_id: str) -> bool:
    """Whether a run, or what it trained, is told of as a decision."""
    return con.execute(OF_RUN, {"actor": f"{OF_A_RUN}{run_id}", "run_id": run_id}).fetchone() is not None
