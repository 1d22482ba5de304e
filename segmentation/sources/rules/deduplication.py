"""Verdicts on lines that may be duplicates, and the tables that a load writes from: `accepted` and `rejected`.

Lines with the same inputs are told apart by their occurrence, 1, 2, …; the first is the one of the file that was
registered first. Ids that are made from the inputs count their occurrences for themselves, since the same value can
be written in two ways in files of two formats. A line counts as repeated only within its day, or without a date,
within its file, so that a day loaded alone and a day loaded with others come out the same.

Of lines with the same id, what the file says that was registered last is accepted (a correction replaces), from the
first file that says so (a repeat changes nothing).
"""

import duckdb

from segmentation.sources.profiles.contract import CLEANED_BY, DUPLICATE_LINE_ID, MALFORMED_LINE
from segmentation.sources.readers.text_parts import MALFORMED

COLUMNS = ", ".join(name for name in CLEANED_BY if name != "line_id")

SETTLED = f"""
CREATE OR REPLACE TEMP TABLE settled AS
WITH remarked AS (
    SELECT file_id, line_id, {COLUMNS}, customer_bucket, remark[1] AS remark, source, path, registered_at
    FROM judged JOIN input_files USING (file_id)
    WHERE remark IS NOT NULL
),
counted AS (
    SELECT *, row_number() OVER (
        PARTITION BY source, remark.fingerprint, CASE WHEN ordered_at IS NULL THEN file_id END
        ORDER BY registered_at, path
    ) AS occurrence, row_number() OVER (
        PARTITION BY source, line_id, CASE WHEN ordered_at IS NULL THEN file_id END
        ORDER BY registered_at, path, remark.fingerprint
    ) AS id_occurrence
    FROM remarked
    WHERE remark.fingerprint IS NOT NULL
    UNION ALL
    SELECT *, 1 AS occurrence, 1 AS id_occurrence FROM remarked WHERE remark.fingerprint IS NULL
),
judged_with_occurrence AS (
    SELECT *, CASE WHEN occurrence > 1 THEN remark.reason_if_repeated ELSE remark.reason END AS reason
    FROM counted
),
same_id AS (
    SELECT *, max((registered_at, path)) OVER (
        PARTITION BY source, line_id, CAST(ordered_at AS DATE), {COLUMNS}
    ) AS content_since
    FROM judged_with_occurrence
    WHERE reason IS NULL AND remark.has_own_id
),
with_rank AS (
    SELECT *, 1 AS rank_of_id FROM judged_with_occurrence WHERE reason IS NOT NULL OR NOT remark.has_own_id
    UNION ALL
    SELECT * EXCLUDE (content_since), row_number() OVER (
        PARTITION BY source, line_id, CAST(ordered_at AS DATE)
        ORDER BY content_since DESC, remark.original, registered_at, path
    ) AS rank_of_id
    FROM same_id
)
SELECT file_id,
    CASE WHEN id_occurrence > 1 AND NOT remark.has_own_id THEN line_id || '-' || id_occurrence ELSE line_id END
        AS line_id,
    {COLUMNS}, customer_bucket,
    CASE WHEN rank_of_id > 1 THEN '{DUPLICATE_LINE_ID}' ELSE reason END AS reason,
    remark.original AS original
FROM with_rank
"""

ACCEPTED = f"""
CREATE OR REPLACE TEMP VIEW accepted AS
SELECT file_id, line_id, {COLUMNS}, customer_bucket FROM judged WHERE remark IS NULL
UNION ALL
SELECT file_id, line_id, {COLUMNS}, customer_bucket FROM settled WHERE reason IS NULL
"""

REJECTED = f"""
CREATE OR REPLACE TEMP VIEW rejected AS
SELECT file_id, CAST(ordered_at AS DATE) AS ordered_on, reason, original FROM settled WHERE reason IS NOT NULL
UNION ALL
SELECT file_id, NULL, '{MALFORMED_LINE}', CAST(to_json(line) AS VARCHAR) FROM {MALFORMED}
"""


def deduplicate(con: duckdb.DuckDBPyConnection) -> None:
    """Decide on duplicates and define `accepted` and `rejected`; needs `judged`, `malformed` and `input_files`."""
    con.execute(SETTLED)
    con.execute(ACCEPTED)
    con.execute(REJECTED)
