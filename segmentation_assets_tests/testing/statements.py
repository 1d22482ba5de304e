"""Changes of a lake in SQL."""

from functools import partial

import duckdb

from segmentation.warehouse import Commit, Lake


def change(lake: Lake, *statements: str) -> None:
    """Each statement is a commit."""
    with lake.cursor() as con:
        for statement in statements:
            lake.transaction(con, Commit("test"), partial(duckdb.DuckDBPyConnection.execute, query=statement))
