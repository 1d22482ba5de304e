"""Which days a load changes: the lines that the lake has are compared with those that will take their place.

A day with more or fewer lines has changed; how many it has, `raw.changed_days` says. Only where the numbers are equal
are the lines themselves looked at, so that new days cost nothing.
"""

from collections.abc import Mapping

from segmentation.metadata.tables.raw import CHANGED_DAYS, TRANSACTIONS
from segmentation.sources.staging import Relation, Staging
from segmentation.warehouse.changed_days import CONTENT_HASH, note_changes
from segmentation.warehouse.lake import next_version

COMPARED_DAYS = f"""
WITH before AS (
    SELECT source, ordered_on, SUM(line_count_change) AS lines
    FROM {CHANGED_DAYS.name}
    WHERE source IN (SELECT unnest($sources)) AND ordered_on >= $start AND ordered_on < $end
    GROUP BY ALL
),
after AS (
    SELECT source, ordered_on, SUM(lines_accepted) AS lines
    FROM {Relation.DAY_COUNTS}
    WHERE ordered_on IS NOT NULL
    GROUP BY ALL
)
SELECT source, ordered_on, COALESCE(before.lines, 0) AS lines_before, COALESCE(after.lines, 0) AS lines_after
FROM before FULL JOIN after USING (source, ordered_on)
WHERE lines_before <> 0 OR lines_after <> 0
"""

DAYS_OF_EQUAL_COUNTS = f"""
SELECT MIN(ordered_on), MAX(ordered_on) + 1 FROM {Relation.COMPARED_DAYS} WHERE lines_before = lines_after
"""

CORRECTED_DAYS = f"""
WITH before AS (
    SELECT source, CAST(ordered_at AS DATE) AS ordered_on, {CONTENT_HASH} AS content
    FROM {TRANSACTIONS.name}
    WHERE source IN (SELECT unnest($sources)) AND ordered_at >= $first AND ordered_at < $last
    GROUP BY ALL
),
of_files AS (
    SELECT file_id, CAST(ordered_at AS DATE) AS ordered_on, {CONTENT_HASH} AS content
    FROM {Relation.ACCEPTED_LINES}
    WHERE ordered_at >= $first AND ordered_at < $last
    GROUP BY ALL
),
after AS (
    SELECT source, ordered_on, bit_xor(content) AS content
    FROM of_files JOIN {Relation.INPUT_FILES} USING (file_id)
    GROUP BY ALL
)
SELECT source, ordered_on, 0 AS line_count_change
FROM {Relation.COMPARED_DAYS}
    LEFT JOIN before USING (source, ordered_on)
    LEFT JOIN after USING (source, ordered_on)
WHERE lines_before = lines_after AND before.content IS DISTINCT FROM after.content
"""

DAYS_OF_OTHER_COUNTS = f"""
SELECT source, ordered_on, lines_after - lines_before AS line_count_change
FROM {Relation.COMPARED_DAYS}
WHERE lines_before <> lines_after
"""


def note_changed_days(staging: Staging, days: Mapping[str, object]) -> None:
    """Note the days that the open transaction is about to change, as long as it hasn't.

    Args:
        staging: With the accepted lines and their numbers.
        days: What is replaced: `sources`, and the days from `start` to before `end`.
    """
    staging.create(Relation.COMPARED_DAYS, COMPARED_DAYS, days)
    version = next_version(staging.con)
    note_changes(staging.con, DAYS_OF_OTHER_COUNTS, version=version)
    ((first, last),) = staging.con.execute(DAYS_OF_EQUAL_COUNTS).fetchall()
    if first is not None:
        values = {"sources": days["sources"], "first": first, "last": last}
        note_changes(staging.con, CORRECTED_DAYS, version=version, values=values)
