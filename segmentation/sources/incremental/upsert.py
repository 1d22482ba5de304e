"""Upserting: lines that a source delivers (a push, a batch of a stream, a page of a table) go into the lake at once.

Each line ends up in the lake once, or in the rejects with its reason. A `line_id` that the lake has already takes the
place of the earlier line if anything differs, and changes nothing if not. Everything that a delivery changes, and how
far the source has been read, is one commit; so a delivery that was acknowledged is never lost, and one that is sent
again doubles nothing. Files aren't upserted; their days are loaded as a whole (`loading`).
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate, groupby

from segmentation.metadata.tables.raw import TRANSACTIONS
from segmentation.sources.incremental.deliveries import Delivery, Malformed, Receipt
from segmentation.sources.incremental.known_ids import KnownIds
from segmentation.sources.incremental.offsets import reached
from segmentation.sources.incremental.upsert_transaction import UpsertTransaction
from segmentation.sources.profiles.contract import DELIVERED_RULES, NO_EXCHANGE_RATE
from segmentation.sources.profiles.profile import Profile, require_line_ids, require_single_lines
from segmentation.sources.readers.records import Record, as_lines, as_table
from segmentation.sources.rules.mapping import profile_errors
from segmentation.sources.schema_drift import columns_of, last_columns, observe
from segmentation.sources.staging import Relation, Staging
from segmentation.warehouse import Commit, Lake

STAGED_LINES = f"""
SELECT validated.* EXCLUDE (file_id, remark), file_id AS ordinal, delivery, source, hash(line_id) AS id_hash,
    coalesce(
        remark[1].reason,
        CASE WHEN currency <> $reporting AND exchange_rate IS NULL THEN '{NO_EXCHANGE_RATE}' END
    ) AS reason
FROM {Relation.VALIDATED_LINES} AS validated
JOIN {Relation.DELIVERY_SPANS} ON file_id BETWEEN first_ordinal AND last_ordinal
"""

FIRST_CURRENCY = f"""
SELECT currency FROM {Relation.VALIDATED_LINES} WHERE currency IS NOT NULL AND remark IS NULL ORDER BY file_id LIMIT 1
"""

CURRENCY_OF_LAKE = f"""
SELECT currency FROM {TRANSACTIONS.name} WHERE currency IS NOT NULL AND exchange_rate IS NULL LIMIT 1
"""


class Upserter:
    """Upserts deliveries. One per thread; several processes may work on the same lake at once."""

    def __init__(self, lake: Lake) -> None:
        """Prepare to write to a writable lake; open it with `inline_rows`, or each delivery becomes files."""
        self._lake = lake
        self._staging = Staging(lake.cursor(), lake.settings)
        self._known = KnownIds()
        self._columns: dict[str, dict[str, str]] = {}
        self._known.catch_up(self._staging.con, lake.version())

    def positions(self, source: str) -> dict[str, str]:
        """How far a source has been read, by channel."""
        return reached(self._staging.con, source).positions

    def upsert(self, deliveries: Sequence[Delivery], *, now: datetime) -> list[Receipt]:
        """Write deliveries as one commit.

        Args:
            deliveries: In the order in which they count; of lines with the same id, the last one stays.
            now: When they arrived, in UTC.

        Returns:
            A receipt for each; all of them are durable.

        Raises:
            StalePositionsError: A delivery begins where its source isn't any more. Nothing has been written.
            UsedKeyError: A key was used before, for something else. Nothing has been written.
            SourceError: A source gets its lines from files, or its profile doesn't work or gives no line ids.
        """
        for delivery in deliveries:
            require_line_ids(delivery.profile)
            require_single_lines(delivery.profile)
        starts = [0, *accumulate(len(delivery.records) for delivery in deliveries)]
        self._stage(deliveries, starts, now)
        sources = sorted({delivery.source for delivery in deliveries})
        commit = Commit(f"Land {starts[-1]} lines of {', '.join(sources)}", asset="raw/transactions")
        work = UpsertTransaction(self._staging, self._known, deliveries, starts, now)
        receipts = self._lake.transaction(self._staging.con, commit, work.write)
        self._known.add(work.hashes, work.version + 1)
        self._observe(deliveries, now)
        return receipts

    def _observe(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Take note of columns that a source didn't have before."""
        for delivery in deliveries:
            if delivery.source not in self._columns:
                self._columns[delivery.source] = last_columns(self._staging.con, delivery.source) or {}
            known = self._columns[delivery.source]
            records = (record for record in delivery.records if not isinstance(record, Malformed))
            found = delivery.columns or columns_of(records, known, delivery.unused_columns)
            if found and found != known:
                observe(self._lake, delivery.source, found, delivery.place(0), now)
                self._columns[delivery.source] = dict(found)

    def _stage(self, deliveries: Sequence[Delivery], starts: Sequence[int], now: datetime) -> None:
        """Fill `STAGED_LINES` with the validated lines of all deliveries."""
        self._staging.begin(now)
        numbered = list(zip(deliveries, starts, strict=False))
        for (source, profile), group in groupby(numbered, key=lambda item: (item[0].source, item[0].profile)):
            self._validate(source, profile, list(group))
        import pyarrow as pa  # heavy, and only who upserts needs it

        spans = pa.table(
            {
                "delivery": pa.array(range(len(deliveries)), pa.int32()),
                "source": pa.array([delivery.source for delivery in deliveries], pa.string()),
                "first_ordinal": pa.array(starts[:-1], pa.int32()),
                "last_ordinal": pa.array([start - 1 for start in starts[1:]], pa.int32()),
            }
        )
        with self._staging.holding(Relation.DELIVERY_SPANS, spans):
            self._staging.create(Relation.STAGED_LINES, STAGED_LINES, {"reporting": self._reporting_currency()})

    def _reporting_currency(self) -> str | None:
        """The one that lines without a rate have to be in: as is set, else as in the lake, else that of the first."""
        if self._lake.settings.currency:
            return self._lake.settings.currency
        first = self._staging.con.execute(FIRST_CURRENCY).fetchone()
        of_lake = self._staging.con.execute(CURRENCY_OF_LAKE).fetchone() if first else None
        found = of_lake or first
        return None if found is None else str(found[0])

    def _validate(self, source: str, profile: Profile, numbered: Sequence[tuple[Delivery, int]]) -> None:
        records: list[Record] = []
        ordinals: list[int] = []
        for delivery, start in numbered:
            for ordinal, record in enumerate(delivery.records, start):
                if not isinstance(record, Malformed):
                    records.append(record)
                    ordinals.append(ordinal)
        self._staging.use_profile(profile)
        lines, table = as_lines(profile, Relation.DELIVERED_RECORDS), as_table(profile, records, ordinals)
        with profile_errors(profile, source), self._staging.holding(Relation.DELIVERED_RECORDS, table):
            self._staging.validate(profile, source, [lines], finds_duplicates=False, rules=DELIVERED_RULES)
