"""Whether what monitoring found calls for a new model: a decision over plain data, and the data read from the lake."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

import duckdb

from segmentation.modeling import registry
from segmentation.warehouse.schema import FEATURE_DRIFT, MODEL_QUALITY, MODELS, TRAINING_SETS, exists

LAST_TRAINING = f"""
SELECT MAX(created_at)
FROM (SELECT created_at FROM {TRAINING_SETS.name} UNION ALL SELECT created_at FROM {MODELS.name})
"""

# Quality may need the future of a date, and then lags behind drift: each table has a newest date of its own.
FINDINGS = """
SELECT as_of, {finding}
FROM {table}
WHERE model_version = $version
    AND as_of = (SELECT MAX(as_of) FROM {table} WHERE model_version = $version)
ORDER BY ALL
"""

DRIFT = FINDINGS.format(
    table=FEATURE_DRIFT.name,
    finding="CASE WHEN is_drifting THEN format('{} drifts ({} {:.3g})', feature, metric, COALESCE(value, 'nan')) END",
)
QUALITY = FINDINGS.format(
    table=MODEL_QUALITY.name,
    finding="CASE WHEN is_degraded THEN format('{} is {:.3g}', metric, COALESCE(value, 'nan')) END",
)


@dataclass(frozen=True)
class State:
    """What is known of the champion.

    Attributes:
        version: The champion; None if there is none.
        judged_as_of: The newest date that monitoring has judged it at; None if there is none.
        findings: What is wrong with it, in words; empty if all is well.
        last_training: When a training set or a model was last recorded (UTC).
    """

    version: int | None
    judged_as_of: date | None
    findings: tuple[str, ...]
    last_training: datetime | None


@dataclass(frozen=True)
class Request:
    """A training that is asked for.

    Attributes:
        version: The champion that does badly.
        as_of: The newest date that monitoring has judged it at.
        asked_at: When (UTC).
        reason: What is wrong with it.
    """

    version: int
    as_of: date
    asked_at: datetime
    reason: str

    def to_json(self) -> str:
        """As text that `from_json` reads."""
        return json.dumps(asdict(self), default=str, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> "Request":
        """The request that `to_json` wrote."""
        found = json.loads(text)
        return cls(
            found["version"],
            date.fromisoformat(found["as_of"]),
            datetime.fromisoformat(found["asked_at"]),
            found["reason"],
        )


def read_state(con: duckdb.DuckDBPyConnection) -> State:
    """What the lake knows of the champion; one of an older release may have no tables of monitoring yet."""
    version = registry.resolve(con, "champion")
    queries = [query for table, query in ((FEATURE_DRIFT, DRIFT), (MODEL_QUALITY, QUALITY)) if exists(con, table)]
    rows = [row for query in queries for row in con.execute(query, {"version": version}).fetchall()]
    trained = con.execute(LAST_TRAINING).fetchone()
    return State(
        version=version,
        judged_as_of=max((as_of for as_of, _ in rows), default=None),
        findings=tuple(finding for _, finding in rows if finding),
        last_training=trained[0] if trained else None,
    )


def decide(state: State, asked: Request | None, *, now: datetime, cooldown_days: int) -> Request | str:
    """Whether to train a new model.

    A finding is answered once: the model that comes of it, or the gates that refuse it, have to do until monitoring
    has judged another date or another champion, and until the cool-down is over.

    Args:
        state: What is known of the champion.
        asked: The last request, if any.
        now: When this is decided (UTC).
        cooldown_days: How long after a training, or a request for one, there is none.

    Returns:
        The training to ask for, or why there is none.
    """
    if state.version is None:
        return "There is no champion yet."
    if state.judged_as_of is None:
        return f"Monitoring has not judged model {state.version} yet."
    if not state.findings:
        return f"Model {state.version} does well as of {state.judged_as_of}."
    finding = f"model {state.version} as of {state.judged_as_of}: {'; '.join(state.findings)}"
    if asked and (asked.version, asked.as_of) == (state.version, state.judged_as_of):
        return f"A training was asked for on {asked.asked_at:%Y-%m-%d} already because of {finding}."
    past = [moment for moment in (state.last_training, asked and asked.asked_at) if moment]
    if past and now < (ready := max(past) + timedelta(days=cooldown_days)):
        return f"Cooling down until {ready:%Y-%m-%d %H:%M} UTC after the last training; {finding}."
    return Request(state.version, state.judged_as_of, now, finding)
