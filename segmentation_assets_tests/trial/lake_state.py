"""What a lake holds, read in one transaction by a process of its own, as plain data that an oracle can judge."""

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date

import duckdb

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError
from segmentation.settings import Settings, load_settings
from segmentation.snapshots.states import read_standings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.ledger_truth import CONTRADICTIONS

CONTENT = "line_id, order_id, customer_id, product_id, category, quantity, unit_price, amount, ordered_at"
MEASURES = "recency_days, order_count, gross_revenue, net_revenue, units_purchased"
FEATURES = "features.customer_features"

UNCOUNTED = """
SELECT source, ordered_on, changes.line_count, counted.line_count
FROM (SELECT source, ordered_on, SUM(line_count_change) AS line_count FROM raw.changed_days GROUP BY ALL) AS changes
FULL JOIN (
    SELECT source, CAST(ordered_at AS DATE) AS ordered_on, COUNT(*) AS line_count FROM raw.transactions GROUP BY ALL
) AS counted USING (source, ordered_on)
WHERE COALESCE(changes.line_count, 0) <> COALESCE(counted.line_count, 0)
UNION ALL
SELECT source, NULL, SUM(lines_read), SUM(lines_accepted + lines_rejected) FROM raw.loads GROUP BY source
HAVING SUM(lines_read) <> SUM(lines_accepted + lines_rejected)
"""
WITHOUT_SEGMENT = """
SELECT as_of, customer_id FROM features.customer_features
ANTI JOIN segments.customer_segments USING (as_of, customer_id)
WHERE as_of IN (SELECT unnest($dates))
"""

Content = tuple[object, ...]


@dataclass(frozen=True)
class LakeState:
    """What was read.

    Attributes:
        began_s: When reading began (monotonic).
        ended_s: When it ended.
        version: Of the lake.
        lines: By source and `line_id`, the rows; more than one for a doubled line.
        rejected: Refused lines by source and reason.
        positions: The next offset by channel.
        deliveries: Keys of the deliveries that the lake has.
        promotions: The ledger of aliases: number, alias, version, reason.
        models: Hash by version.
        states: By date, the states of its snapshots.
        features: Of the dates whose features are called current: by date and customer, the `MEASURES`.
        findings: What contradicts itself in the lake.
    """

    began_s: float
    ended_s: float
    version: int
    lines: dict[str, dict[str, list[Content]]]
    rejected: Counter[tuple[str, str]]
    positions: dict[str, int]
    deliveries: list[str]
    promotions: list[tuple[int, str, int, str]]
    models: dict[int, str]
    states: dict[date, set[str]]
    features: dict[date, dict[str, Content]]
    findings: list[str] = field(default_factory=list)

    def digest(self) -> tuple[object, ...]:
        """What must come out the same whenever this version of the lake is read."""
        lines = sorted((source, row) for source, by_id in self.lines.items() for rows in by_id.values() for row in rows)
        return (hash(tuple(lines)), tuple(sorted(self.rejected.items())), tuple(self.promotions))


def read_state() -> LakeState:
    """The lake that the environment names, as it is."""
    settings, began = load_settings(), time.monotonic()
    with Lake(settings, read_only=True) as lake, lake.cursor() as con:
        con.begin()
        return _read(con, settings, began)


def read_again(version: int) -> tuple[object, ...] | None:
    """What a version of the lake holds of lines, rejects and promotions; None if it has been expired."""
    with Lake(load_settings(), read_only=True) as lake:
        if not lake.has(version):
            return None
        try:
            with lake.at(version) as con:
                lines, rejected, promotions = _lines(con), _rejected(con), _promotions(con)
        except SegmentationError:  # it expired at this very moment
            if lake.has(version):
                raise
            return None
    rows = sorted((source, row) for source, by_id in lines.items() for rows in by_id.values() for row in rows)
    return (hash(tuple(rows)), tuple(sorted(rejected.items())), tuple(promotions))


def _read(con: duckdb.DuckDBPyConnection, settings: Settings, began: float) -> LakeState:
    (version,) = _one(con, "FROM ducklake_current_snapshot('lake')")
    standings = read_standings(con, settings, utc_now())
    states: dict[date, set[str]] = {}
    for standing in standings:
        states.setdefault(standing.entry.as_of, set()).add(standing.state)
    current = [s.entry.as_of for s in standings if s.entry.table_name == FEATURES and s.state == "current"]
    segmented = [
        s.entry.as_of
        for s in standings
        if s.entry.table_name == "segments.customer_segments" and s.state == "current" and s.entry.as_of in current
    ]
    positions = con.execute(
        "SELECT channel, arg_max(position, revision) FROM raw.positions GROUP BY channel"
    ).fetchall()
    keys = "SELECT delivery_key FROM raw.deliveries WHERE delivery_key IS NOT NULL ORDER BY delivery_key"
    findings = [f"ledger and table differ: {row}" for row in con.execute(CONTRADICTIONS).fetchall()]
    findings += [f"counted differently: {row}" for row in con.execute(UNCOUNTED).fetchall()]
    without = con.execute(WITHOUT_SEGMENT, {"dates": segmented}).fetchall()
    findings += [f"no segment though it is called current: {row}" for row in without[:3]]
    return LakeState(
        began_s=began,
        version=int(version),
        lines=_lines(con),
        rejected=_rejected(con),
        positions={channel: int(position) for channel, position in positions},
        deliveries=[key for (key,) in con.execute(keys).fetchall()],
        promotions=_promotions(con),
        models=dict(con.execute("SELECT version, model_hash || md5(artefact) FROM registry.models").fetchall()),
        states=states,
        features=_features(con, current),
        findings=findings,
        ended_s=time.monotonic(),
    )


def _lines(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, list[Content]]]:
    found: dict[str, dict[str, list[Content]]] = {}
    for source, *row in con.execute(f"SELECT source, {CONTENT} FROM raw.transactions").fetchall():
        found.setdefault(source, {}).setdefault(row[0], []).append(tuple(row))
    return found


def _rejected(con: duckdb.DuckDBPyConnection) -> Counter[tuple[str, str]]:
    query = "SELECT source, reason, COUNT(*) FROM raw.rejected_transactions GROUP BY ALL"
    return Counter({(source, reason): count for source, reason, count in con.execute(query).fetchall()})


def _promotions(con: duckdb.DuckDBPyConnection) -> list[tuple[int, str, int, str]]:
    query = "SELECT promotion_id, alias, version, reason FROM registry.promotions ORDER BY promotion_id, alias"
    return con.execute(query).fetchall()


def _features(con: duckdb.DuckDBPyConnection, dates: list[date]) -> dict[date, dict[str, Content]]:
    query = f"SELECT as_of, customer_id, {MEASURES} FROM {FEATURES} WHERE as_of IN (SELECT unnest($dates))"
    found: dict[date, dict[str, Content]] = {as_of: {} for as_of in dates}
    for as_of, customer_id, *measures in con.execute(query, {"dates": dates}).fetchall():
        found[as_of][customer_id] = tuple(measures)
    return found


def _one(con: duckdb.DuckDBPyConnection, query: str) -> tuple[int]:
    (row,) = con.execute(query).fetchall()
    return (int(row[0]),)
