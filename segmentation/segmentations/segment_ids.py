"""Ids of segments: one sequence for models and definitions, so that an id alone says which segment is meant."""

import duckdb

from segmentation.metadata.tables.registry import SEGMENTATION_SEGMENTS, SEGMENTS

NEXT = f"""
SELECT COALESCE(MAX(segment_id), 0) + 1
FROM (SELECT segment_id FROM {SEGMENTS.name} UNION ALL SELECT segment_id FROM {SEGMENTATION_SEGMENTS.name})
"""


def next_segment_id(con: duckdb.DuckDBPyConnection) -> int:
    """The smallest id that no segment has ever had, of any model version or definition."""
    return int(con.execute(NEXT).fetchall()[0][0])
