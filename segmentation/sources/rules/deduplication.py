"""Deduplication: which of the lines that may be duplicates are accepted, as SQL. Nothing is executed here.

Lines with the same inputs are told apart by their occurrence within their file, 1, 2, …; without ids of the source's,
the second of a file is the second in every file. So exports that overlap give a line as often as the one that has it
most often, in whatever order they come: an occurrence that an earlier file has is rejected. `is_duplicate` is told by
the occurrence over all files; the first is the one of the file that was registered first. A line counts as repeated
only within its day, or without a date, within its file, so that a day loaded alone and a day loaded with others come
out the same.

Of lines with the same id, what the file says that was registered last is accepted (a correction replaces), from the
first file that says so (a repeat changes nothing).
"""

from segmentation.sources.profiles.contract import (
    CONTRACT_COLUMNS,
    DUPLICATE_LINE_ID,
    MALFORMED_LINE,
    REPEATED_IN_OTHER_FILE,
)

COLUMNS = ", ".join(name for name in CONTRACT_COLUMNS if name != "line_id")

DEDUPLICATED = f"""
WITH remarked AS (
    SELECT file_id, line_id, {COLUMNS}, customer_bucket, remark[1] AS remark, source, path, registered_at
    FROM {{validated}} JOIN {{files}} USING (file_id)
    WHERE remark IS NOT NULL
),
counted AS (
    SELECT *, row_number() OVER (PARTITION BY source, remark.fingerprint, file_id) AS occurrence_in_file
    FROM remarked
    WHERE remark.fingerprint IS NOT NULL
),
compared AS (
    SELECT *, row_number() OVER (
        PARTITION BY source, remark.fingerprint, CASE WHEN ordered_at IS NULL THEN file_id END
        ORDER BY registered_at, path, occurrence_in_file
    ) AS occurrence, row_number() OVER (
        PARTITION BY source, remark.fingerprint, occurrence_in_file, CASE WHEN ordered_at IS NULL THEN file_id END
        ORDER BY registered_at, path
    ) AS occurrence_over_files
    FROM counted
    UNION ALL
    SELECT *, 1 AS occurrence_in_file, 1 AS occurrence, 1 AS occurrence_over_files
    FROM remarked
    WHERE remark.fingerprint IS NULL
),
with_occurrence AS (
    SELECT *, coalesce(
        CASE WHEN occurrence > 1 THEN remark.reason_if_repeated ELSE remark.reason END,
        CASE WHEN occurrence_over_files > 1 AND NOT remark.has_own_id THEN '{REPEATED_IN_OTHER_FILE}' END
    ) AS reason
    FROM compared
),
same_id AS (
    SELECT *, max((registered_at, path)) OVER (
        PARTITION BY source, line_id, CAST(ordered_at AS DATE), {COLUMNS}
    ) AS content_since
    FROM with_occurrence
    WHERE reason IS NULL AND remark.has_own_id
),
with_rank AS (
    SELECT *, 1 AS rank_of_id FROM with_occurrence WHERE reason IS NOT NULL OR NOT remark.has_own_id
    UNION ALL
    SELECT * EXCLUDE (content_since), row_number() OVER (
        PARTITION BY source, line_id, CAST(ordered_at AS DATE)
        ORDER BY content_since DESC, remark.original, registered_at, path
    ) AS rank_of_id
    FROM same_id
)
SELECT file_id,
    CASE
        WHEN occurrence_in_file > 1 AND NOT remark.has_own_id THEN line_id || '-' || occurrence_in_file ELSE line_id
    END AS line_id,
    {COLUMNS}, customer_bucket,
    CASE WHEN rank_of_id > 1 THEN '{DUPLICATE_LINE_ID}' ELSE reason END AS reason,
    remark.original AS original
FROM with_rank
"""
"""The lines of `{validated}` (`validation.COLUMNS`) that have a remark, with the `reason` for which one is rejected and
the line as it was. `{files}` has the `file_id`, `source`, `path` and `registered_at` of their files."""

ACCEPTED = f"""
SELECT file_id, line_id, {COLUMNS}, customer_bucket FROM {{validated}} WHERE remark IS NULL
UNION ALL
SELECT file_id, line_id, {COLUMNS}, customer_bucket FROM {{deduplicated}} WHERE reason IS NULL
"""
"""The accepted lines: those of `{validated}` without a remark, and those of `{deduplicated}` without a reason."""

REJECTED = f"""
SELECT file_id, CAST(ordered_at AS DATE) AS ordered_on, reason, original FROM {{deduplicated}} WHERE reason IS NOT NULL
UNION ALL
SELECT file_id, NULL, '{MALFORMED_LINE}', CAST(to_json(line) AS VARCHAR) FROM {{malformed}}
UNION ALL
SELECT file_id, NULL, reason, original FROM {{table_rows}}
"""
"""The rejected lines: those of `{deduplicated}` with a reason, those of `{malformed}`, and refused rows of tables."""
