"""SQL of people who may only read: what is let through, and the locked connection that it runs on.

Two walls. A statement is parsed by DuckDB and looked at before it runs: its type, every function, every relation. Then
it runs where settings can't be changed, and files beside the lake's own can't be opened. The second wall alone isn't
enough: an SQLite scanner opens files past DuckDB, and a second `ATTACH` of the lake is writable.
"""

from segmentation.warehouse.read_only_sql.session import ReadOnlySql

__all__ = ["ReadOnlySql"]
