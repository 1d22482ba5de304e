"""Whether what monitoring found calls for a new model: a decision over plain data, and the data read from the lake.

A champion is replaced where its figures are worse or customers behave otherwise, for several snapshots in a row. Where
data is in doubt it is not: a model that is trained on it would learn what is wrong with it; that is for a person.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta

import duckdb

from segmentation.metadata.tables.monitoring import FEATURE_DRIFT, MODEL_QUALITY
from segmentation.metadata.tables.registry import MODELS, TRAINING_SETS
from segmentation.modeling import registry
from segmentation.snapshots.latest import latest_date
from segmentation.warehouse.schema import exists

LAST_TRAINING = f"""
SELECT MAX(created_at)
FROM (SELECT created_at FROM {TRAINING_SETS.name} UNION ALL SELECT created_at FROM {MODELS.name})
"""

# Of a feature that drifts, the furthest measure; the furthest features first. A date without findings has a row too.
FINDINGS = f"""
WITH drifting AS (
    SELECT
        as_of,
        feature,
        cause,
        COALESCE(MAX(value / threshold), 0) AS excess,
        ARG_MAX(metric, value / threshold) AS metric,
        ARG_MAX(value, value / threshold) AS value
    FROM {FEATURE_DRIFT.name}
    WHERE model_version = $version AND is_drifting
    GROUP BY as_of, feature, cause
)
SELECT as_of, format('{{}} drifts ({{}} {{:.3g}})', feature, metric, value) AS finding, cause, excess
FROM drifting
UNION ALL
SELECT as_of, format('{{}} is {{:.3g}}', metric, COALESCE(value, 'nan')), 'behaviour', 'inf'
FROM {MODEL_QUALITY.name}
WHERE model_version = $version AND is_degraded
UNION ALL
SELECT DISTINCT as_of, NULL, NULL, 0
FROM {FEATURE_DRIFT.name}
WHERE model_version = $version
ORDER BY as_of, excess DESC, finding
"""

MOST_TOLD = 5
"""Findings that a reason names."""


@dataclass(frozen=True)
class Judgement:
    """What monitoring found of a champion as of a date, in words.

    Attributes:
        as_of: The date.
        findings: What calls for a new model.
        doubts: What is odd with the data.
    """

    as_of: date
    findings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What is known of the champion.

    Attributes:
        version: The champion; None if there is none.
        judgements: Of it, by date, the newest first.
        last_training: When a training set or a model was last recorded (UTC).
    """

    version: int | None
    judgements: tuple[Judgement, ...]
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


def read_state(con: duckdb.DuckDBPyConnection, quiet_days: int) -> State:
    """What the lake knows of the champion; one of an older release may have no tables of monitoring yet.

    Args:
        con: A cursor of the lake; may be read-only.
        quiet_days: The setting; dates ahead of the data don't count.
    """
    version = registry.resolve(con, "champion")
    is_monitored = all(exists(con, table) for table in (FEATURE_DRIFT, MODEL_QUALITY))
    latest = latest_date(con, FEATURE_DRIFT, quiet_days) if is_monitored else None
    rows = con.execute(FINDINGS, {"version": version}).fetchall() if latest else []
    judged: dict[date, tuple[list[str], list[str]]] = {}
    for as_of, finding, cause, _ in rows:
        if latest is None or as_of > latest:
            continue
        findings, doubts = judged.setdefault(as_of, ([], []))
        if finding and cause == "data_quality":
            doubts.append(finding)
        elif finding and cause == "behaviour":
            findings.append(finding)
    trained = con.execute(LAST_TRAINING).fetchone()
    return State(
        version=version,
        judgements=tuple(
            Judgement(as_of, tuple(findings), tuple(doubts))
            for as_of, (findings, doubts) in sorted(judged.items(), reverse=True)
        ),
        last_training=trained[0] if trained else None,
    )


def decide(state: State, asked: Request | None, *, now: datetime, cooldown_days: int, in_a_row: int) -> Request | str:
    """Whether to train a new model.

    A finding is answered once: the model that comes of it, or the gates that refuse it, have to do until monitoring
    has judged another date or another champion, and until the cool-down is over.

    Args:
        state: What is known of the champion.
        asked: The last request, if any.
        now: When this is decided (UTC).
        cooldown_days: How long after a training, or a request for one, there is none.
        in_a_row: In so many of the newest dates there must be a finding.

    Returns:
        The training to ask for, or why there is none.
    """
    if state.version is None:
        return "There is no champion yet."
    if not state.judgements:
        return f"Monitoring has not judged model {state.version} yet."
    newest = state.judgements[0]
    if newest.doubts:
        return (
            f"The data as of {newest.as_of} is in doubt, so no model is trained on it: {_told(newest.doubts)}. Mend "
            "it, and materialize features and monitoring of that date."
        )
    if not newest.findings:
        return f"Model {state.version} does well as of {newest.as_of}."
    finding = f"model {state.version} as of {newest.as_of}: {_told(newest.findings)}"
    if asked and (asked.version, asked.as_of) == (state.version, newest.as_of):
        return f"A training was asked for on {asked.asked_at:%Y-%m-%d} already because of {finding}."
    past = [moment for moment in (state.last_training, asked and asked.asked_at) if moment]
    if past and now < (ready := max(past) + timedelta(days=cooldown_days)):
        return f"Cooling down until {ready:%Y-%m-%d %H:%M} UTC after the last training; {finding}."
    bad = [judgement for judgement in state.judgements[:in_a_row] if judgement.findings and not judgement.doubts]
    if len(bad) < in_a_row:
        return f"It has to last for {in_a_row} snapshots in a row; {finding}."
    return Request(state.version, newest.as_of, now, finding)


def _told(findings: Sequence[str]) -> str:
    more = len(findings) - MOST_TOLD
    return "; ".join(findings[:MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")
