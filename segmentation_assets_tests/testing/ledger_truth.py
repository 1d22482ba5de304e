"""Whether the ledger of snapshots says what the tables hold."""

from segmentation.snapshots.code import SNAPSHOT_TABLES

COUNTS = " UNION ALL ".join(
    f"SELECT '{table.name}' AS table_name, as_of, COUNT(*) AS row_count FROM {table.name} GROUP BY as_of"
    for table in SNAPSHOT_TABLES
)
# Rows without a line in the ledger, lines without rows (but for tables that are empty), and counts that differ.
CONTRADICTIONS = f"""
SELECT table_name, as_of, counted.row_count, entry.row_count
FROM ({COUNTS}) AS counted FULL JOIN registry.snapshots AS entry USING (table_name, as_of)
WHERE COALESCE(counted.row_count, 0) IS DISTINCT FROM entry.row_count
"""
