"""The transaction that upserts deliveries: what becomes of each line, by what the lake holds at that moment.

It works on the staging area's `STAGED_LINES`, which `upsert` fills.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

import duckdb

from segmentation.errors import SourceError
from segmentation.metadata.tables.raw import DELIVERIES, REJECTED, SOURCE_FILES, TRANSACTIONS
from segmentation.sources.incremental.deliveries import Delivery, Malformed, Receipt, UsedKeyError
from segmentation.sources.incremental.known_ids import KnownIds, hashes_of
from segmentation.sources.incremental.offsets import advance
from segmentation.sources.profiles.contract import CLEANED_BY, LINE_ID_OF_ANOTHER_SOURCE, MALFORMED_LINE
from segmentation.sources.staging import Relation, Staging
from segmentation.warehouse.changed_days import note_changes
from segmentation.warehouse.lake import CATALOG

if TYPE_CHECKING:
    pass

CONTENT = f"struct_pack({', '.join(f'{name} := {name}' for name in CLEANED_BY if name != 'line_id')})"
"""All that a line says, as one value; equal ones are the same line."""

EXISTING = f"""
SELECT line_id, source, customer_bucket, CAST(ordered_at AS DATE) AS day, {CONTENT} AS content
FROM {TRANSACTIONS.name}
WHERE {{condition}}
"""

IS_CANDIDATE = f"""
line_id IN (SELECT line_id FROM {Relation.STAGED_LINES} JOIN {Relation.CANDIDATE_HASHES} USING (id_hash))
"""

# A line that comes several times in one go is compared with the one before it, as if each had come alone.
OUTCOMES = f"""
WITH arrived AS (
    SELECT ordinal, delivery, staged.source, line_id, reason, CAST(ordered_at AS DATE) AS day,
        {CONTENT} AS content, existing.content AS before, existing.day AS day_before,
        coalesce(
            existing.source,
            first_value(staged.source) OVER (PARTITION BY line_id, reason IS NULL ORDER BY ordinal)
        ) AS owner
    FROM {Relation.STAGED_LINES} AS staged LEFT JOIN {Relation.EXISTING_LINES} AS existing USING (line_id)
    WHERE delivery NOT IN (SELECT unnest($replayed))
),
steps AS (
    SELECT *, coalesce(lag(content) OVER in_order, before) AS previous,
        ordinal = max(ordinal) OVER (PARTITION BY line_id) AS is_last
    FROM arrived
    WHERE reason IS NULL AND source = owner
    WINDOW in_order AS (PARTITION BY line_id ORDER BY ordinal)
)
SELECT ordinal, delivery, source, line_id, day, day_before, before IS NOT NULL AS was_there, NULL AS reason,
    CASE WHEN previous IS NULL THEN 'new' WHEN content = previous THEN 'repeated' ELSE 'replaced' END AS outcome,
    is_last AND (before IS NULL OR content <> before) AS is_written
FROM steps
UNION ALL
SELECT ordinal, delivery, source, line_id, day, NULL, false, coalesce(reason, '{LINE_ID_OF_ANOTHER_SOURCE}'),
    'rejected', false
FROM arrived
WHERE reason IS NOT NULL OR source <> owner
"""

REFUSED = f"SELECT delivery, ordinal, reason, day FROM {Relation.OUTCOMES} WHERE reason IS NOT NULL"

OUTCOME_COUNTS = f"SELECT delivery, outcome, count(*) FROM {Relation.OUTCOMES} GROUP BY ALL"

DAYS_OF_DELIVERIES = f"""
SELECT delivery, min(least(day, day_before)), max(greatest(day, day_before))
FROM {Relation.OUTCOMES}
WHERE is_written
GROUP BY delivery
"""

DAY_CHANGES = f"""
SELECT source, ordered_on, SUM(line_count) AS line_count_change
FROM (
    SELECT source, day AS ordered_on, 1 AS line_count FROM {Relation.OUTCOMES} WHERE is_written
    UNION ALL
    SELECT source, day_before, -1 FROM {Relation.OUTCOMES} WHERE is_written AND was_there
)
GROUP BY ALL
"""

OLD_BUCKETS = f"SELECT DISTINCT customer_bucket FROM {Relation.EXISTING_LINES}"

DELETE_OLD = f"""
DELETE FROM {TRANSACTIONS.name}
WHERE customer_bucket IN ({{buckets}})
    AND line_id IN (SELECT line_id FROM {Relation.OUTCOMES} WHERE is_written AND was_there)
"""

INSERT_LINES = f"""
INSERT INTO {TRANSACTIONS.name} BY NAME
SELECT staged.* EXCLUDE (ordinal, delivery, id_hash, reason), CAST($now AS TIMESTAMP) AS ingested_at
FROM {Relation.STAGED_LINES} AS staged JOIN {Relation.OUTCOMES} USING (ordinal)
WHERE is_written
"""

KNOWN_REJECTS = f"""
SELECT source, source_file, original
FROM {REJECTED.name}
WHERE source IN (SELECT unnest($sources)) AND source_file IN (SELECT unnest($files))
    AND original IN (SELECT unnest($originals))
"""

INSERT_REJECTED = f"INSERT INTO {REJECTED.name} BY NAME FROM {Relation.REFUSED_LINES}"

KNOWN_DELIVERIES = f"""
SELECT source, delivery_key, content_hash, lines_read, lines_new, lines_replaced, lines_repeated, rejected_by_reason
FROM {DELIVERIES.name}
WHERE source IN (SELECT unnest($sources)) AND delivery_key IN (SELECT unnest($keys))
"""

INSERT_DELIVERIES = f"INSERT INTO {DELIVERIES.name} BY NAME FROM {Relation.ACKNOWLEDGED_DELIVERIES}"

HASHES = f"SELECT id_hash AS id FROM {Relation.STAGED_LINES} WHERE reason IS NULL"

OF_FILES = f"SELECT DISTINCT source FROM {SOURCE_FILES.name} WHERE source IN (SELECT unnest($sources))"

VERSION = f"FROM ducklake_current_snapshot('{CATALOG}')"


@dataclass
class _Refusals:
    """Rows for the rejects, and how many of each delivery are there already."""

    rows: list[tuple[int, int, str, date | None]] = field(default_factory=list)
    repeated: Counter[int] = field(default_factory=Counter)


class UpsertTransaction:
    """One transaction, which may be tried several times."""

    def __init__(
        self,
        staging: Staging,
        known: KnownIds,
        deliveries: Sequence[Delivery],
        starts: Sequence[int],
        now: datetime,
    ) -> None:
        self._staging, self._known, self._deliveries, self._starts, self._now = staging, known, deliveries, starts, now
        self.hashes = hashes_of(staging.con, HASHES)
        self.version = -1

    def write(self, con: duckdb.DuckDBPyConnection) -> list[Receipt]:
        """Decide about each line by what the lake holds now, and write."""
        self._refuse_sources_of_files(con)
        replays = self._replays(con)
        for index, delivery in enumerate(self._deliveries):
            if index not in replays:
                advance(con, delivery, self._now)
        self._find_existing(con)
        self._staging.create(Relation.OUTCOMES, OUTCOMES, {"replayed": list(replays)})
        refusals = self._refusals(con, replays)
        self._write_lines(con)
        self._write_rejects(con, refusals)
        receipts = self._receipts(con, refusals, replays)
        self._acknowledge(con, [i for i in range(len(receipts)) if i not in replays], receipts)
        return receipts

    def _refuse_sources_of_files(self, con: duckdb.DuckDBPyConnection) -> None:
        row = con.execute(OF_FILES, {"sources": [delivery.source for delivery in self._deliveries]}).fetchone()
        if row:
            raise SourceError(
                f"The source {row[0]} gets its lines from files, whose days are loaded as a whole. Give what is "
                "delivered otherwise a source name of its own."
            )

    def _replays(self, con: duckdb.DuckDBPyConnection) -> dict[int, Receipt]:
        """Deliveries that were taken before, by index."""
        keyed = {index: delivery for index, delivery in enumerate(self._deliveries) if delivery.key is not None}
        if not keyed:
            return {}
        found = {
            row[:2]: (row[2], Receipt(row[3], row[4], row[5], row[6], json.loads(row[7]), is_replay=True))
            for row in con.execute(
                KNOWN_DELIVERIES,
                {
                    "sources": [delivery.source for delivery in keyed.values()],
                    "keys": [delivery.key for delivery in keyed.values()],
                },
            ).fetchall()
        }
        replays: dict[int, Receipt] = {}
        for index, delivery in keyed.items():
            content_hash, receipt = found.get((delivery.source, delivery.key or ""), (delivery.content_hash, None))
            if content_hash != delivery.content_hash:
                raise UsedKeyError(
                    f"The key {delivery.key!r} was used before, for a delivery of another content. Use a new key for "
                    "each delivery, and the same one only to send the same again."
                )
            if receipt is not None:
                replays[index] = receipt
        return replays

    def _find_existing(self, con: duckdb.DuckDBPyConnection) -> None:
        row = con.execute(VERSION).fetchone()
        self.version = int(row[0]) if row else 0
        self._known.catch_up(con, self.version)
        candidates = self.hashes[self._known.may_have(self.hashes)]
        if not len(candidates):
            self._staging.create(Relation.EXISTING_LINES, EXISTING.format(condition="false"))
            return
        import pyarrow as pa  # heavy, and only who upserts needs it

        hashes = pa.table({"id_hash": pa.array(candidates, pa.uint64())})
        with self._staging.holding(Relation.CANDIDATE_HASHES, hashes):
            self._staging.create(Relation.EXISTING_LINES, EXISTING.format(condition=IS_CANDIDATE))

    def _refusals(self, con: duckdb.DuckDBPyConnection, replays: Mapping[int, Receipt]) -> _Refusals:
        """Which lines are refused, in order, but for those that the rejects have already."""
        found = con.execute(REFUSED).fetchall()
        rows = [(delivery, ordinal - self._starts[delivery], reason, day) for delivery, ordinal, reason, day in found]
        rows += [
            (number, index, MALFORMED_LINE, None)
            for number, delivery in enumerate(self._deliveries)
            if number not in replays
            for index, record in enumerate(delivery.records)
            if isinstance(record, Malformed)
        ]
        known = self._known_rejects(con, rows)
        refusals = _Refusals()
        for row in sorted(rows, key=lambda row: row[:2]):
            if self._reject_key(*row[:2]) in known:
                refusals.repeated[row[0]] += 1
            else:
                refusals.rows.append(row)
        return refusals

    def _known_rejects(
        self, con: duckdb.DuckDBPyConnection, rows: Sequence[tuple[int, int, str, date | None]]
    ) -> set[tuple[str, str, str]]:
        # What has a position of its own in a stream can't come again; all other lines may.
        keys = [
            self._reject_key(number, index)
            for number, index, _, _ in rows
            if isinstance(self._deliveries[number].places, str)
        ]
        if not keys:
            return set()
        sources, files, originals = (sorted(set(part)) for part in zip(*keys, strict=True))
        found = con.execute(KNOWN_REJECTS, {"sources": sources, "files": files, "originals": originals})
        return {(source, file, original) for source, file, original in found.fetchall()}

    def _reject_key(self, number: int, index: int) -> tuple[str, str, str]:
        delivery = self._deliveries[number]
        return delivery.source, delivery.place(index), delivery.original(index)

    def _write_lines(self, con: duckdb.DuckDBPyConnection) -> None:
        buckets = ", ".join(str(row[0]) for row in con.execute(OLD_BUCKETS).fetchall())
        if buckets:
            con.execute(DELETE_OLD.format(buckets=buckets))
        ((written,),) = con.execute(INSERT_LINES, {"now": self._now}).fetchall()
        if written:
            note_changes(con, DAY_CHANGES, version=self.version + 1)

    def _write_rejects(self, con: duckdb.DuckDBPyConnection, refusals: _Refusals) -> None:
        if not refusals.rows:
            return
        import pyarrow as pa  # heavy, and only who upserts needs it

        keys = [self._reject_key(number, index) for number, index, _, _ in refusals.rows]
        refused = pa.table(
            {
                "source": [key[0] for key in keys],
                "source_file": [key[1] for key in keys],
                "ordered_on": pa.array([day for _, _, _, day in refusals.rows], pa.date32()),
                "reason": [reason for _, _, reason, _ in refusals.rows],
                "original": [key[2] for key in keys],
                "ingested_at": pa.array([self._now] * len(keys), pa.timestamp("us")),
            }
        )
        with self._staging.holding(Relation.REFUSED_LINES, refused):
            con.execute(INSERT_REJECTED)

    def _receipts(
        self, con: duckdb.DuckDBPyConnection, refusals: _Refusals, replays: Mapping[int, Receipt]
    ) -> list[Receipt]:
        counts = Counter({(row[0], row[1]): row[2] for row in con.execute(OUTCOME_COUNTS).fetchall()})
        days = {row[0]: row[1:] for row in con.execute(DAYS_OF_DELIVERIES).fetchall()}
        rejects: dict[int, list[tuple[int, str]]] = {}
        for number, index, reason, _ in refusals.rows:
            rejects.setdefault(number, []).append((index, reason))
        return [
            replays.get(number)
            or Receipt(
                lines_read=len(delivery.records),
                lines_new=counts[number, "new"],
                lines_replaced=counts[number, "replaced"],
                lines_repeated=counts[number, "repeated"] + refusals.repeated[number],
                rejected_by_reason=dict(Counter(reason for _, reason in rejects.get(number, ())).most_common()),
                rejects=tuple(rejects.get(number, ())),
                first_day=days.get(number, (None, None))[0],
                last_day=days.get(number, (None, None))[1],
            )
            for number, delivery in enumerate(self._deliveries)
        ]

    def _acknowledge(self, con: duckdb.DuckDBPyConnection, numbers: Sequence[int], receipts: Sequence[Receipt]) -> None:
        if not numbers:
            return
        import pyarrow as pa  # heavy, and only who upserts needs it

        rows = [(self._deliveries[number], receipts[number]) for number in numbers]
        acknowledged = pa.table(
            {
                "source": [delivery.source for delivery, _ in rows],
                "delivery_key": pa.array([delivery.key for delivery, _ in rows], pa.string()),
                "content_hash": pa.array([delivery.content_hash for delivery, _ in rows], pa.string()),
                "received_at": pa.array([self._now] * len(rows), pa.timestamp("us")),
                "lines_read": [receipt.lines_read for _, receipt in rows],
                "lines_new": [receipt.lines_new for _, receipt in rows],
                "lines_replaced": [receipt.lines_replaced for _, receipt in rows],
                "lines_repeated": [receipt.lines_repeated for _, receipt in rows],
                "lines_rejected": [receipt.lines_rejected for _, receipt in rows],
                "rejected_by_reason": [json.dumps(receipt.rejected_by_reason) for _, receipt in rows],
                "first_day": pa.array([receipt.first_day for _, receipt in rows], pa.date32()),
                "last_day": pa.array([receipt.last_day for _, receipt in rows], pa.date32()),
            }
        )
        with self._staging.holding(Relation.ACKNOWLEDGED_DELIVERIES, acknowledged):
            con.execute(INSERT_DELIVERIES)
