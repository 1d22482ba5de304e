"""Arrow tables under a name that SQL can read, for a while. What they hold is not known here."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pyarrow as pa


@contextmanager
def holding(con: duckdb.DuckDBPyConnection, name: str, table: "pa.Table") -> Iterator[None]:
    """Let SQL on one connection read a table under a name, for a while."""
    con.register(name, table)
    try:
        yield
    finally:
        con.unregister(name)
