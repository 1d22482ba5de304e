"""Tables and queries of PostgreSQL and MySQL as pages, ordered by a cursor column. DuckDB's scanners read them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import duckdb

from segmentation.errors import SourceError
from segmentation.sources.config import DatabaseSource
from segmentation.sources.readers.pages import Page
from segmentation.sources.readers.records import as_text
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.lake import without_password
from segmentation.warehouse.sql import brief_error, identifier, literal

DATABASE = "source_database"
EXTENSIONS = {"postgres": "postgres_scanner", "mysql": "mysql_scanner"}
NUMBER = re.compile(r"[+-]?[0-9]+")

PAGE = "SELECT * FROM ({query}) AS source_lines {condition} ORDER BY {cursor} LIMIT {limit}"
UNREACHABLE_LINES = "SELECT COUNT(*) AS lost FROM ({query}) AS source_lines WHERE {cursor} IS NULL"


class DatabasePages:
    """A declared table or query, as a `PagedSource`."""

    def __init__(self, source: DatabaseSource) -> None:
        self._source = source
        self._query = source.query or f"SELECT * FROM {self._identifier(*(source.table or '').split('.'))}"
        self._cursor = self._identifier(source.cursor)

    def check(self) -> str:
        """Read one line.

        Raises:
            SourceError: The database can't be reached, or lacks what is declared.
        """
        with self._connected() as con:
            self._run(con, PAGE.format(query=self._query, condition="", cursor=self._cursor, limit=1))
        return f"{self._source.type}, {self._source.table or 'a query'} by {self._source.cursor}"

    def pages(self, position: str | None) -> Iterator[Page]:
        """Lines from a little before the position on, oldest first.

        Raises:
            SourceError: The database can't be reached, lacks what is declared, or has lines without a cursor.
        """
        source = self._source
        with self._connected() as con:
            self._refuse_lines_without_cursor(con)
            begin, limit = moved_back(position, source.overlap), source.page_lines
            while True:
                condition = "" if begin is None else f"WHERE {self._cursor} >= {self._value(begin)}"
                sql = PAGE.format(query=self._query, condition=condition, cursor=self._cursor, limit=limit)
                found = self._run(con, sql)
                names = [column[0] for column in found.description]
                types = {column[0]: str(column[1]) for column in found.description}
                rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
                end = as_text(rows[-1][self._cursor_in(names)]) if rows else begin
                if len(rows) == limit and end == begin:  # more lines than a page have this cursor
                    limit *= 2
                    continue
                if rows:
                    yield Page(rows, end, types)
                if len(rows) < limit:
                    return
                begin = end

    def _refuse_lines_without_cursor(self, con: duckdb.DuckDBPyConnection) -> None:
        row = self._run(con, UNREACHABLE_LINES.format(query=self._query, cursor=self._cursor)).fetchone()
        if row and row[0]:
            raise SourceError(
                f"{row[0]} lines of the source {self._source.name} have no {self._source.cursor}, so nobody could tell "
                "when they come. Choose another `cursor`, or a `query` that leaves them out."
            )

    def _cursor_in(self, names: list[str]) -> str:
        return next(name for name in names if name.casefold() == self._source.cursor.casefold())

    def _identifier(self, *parts: str) -> str:
        if self._source.type == "mysql":
            return ".".join("`" + part.replace("`", "``") + "`" for part in parts)
        return ".".join(identifier(part) for part in parts)

    def _value(self, position: str) -> str:
        # PostgreSQL takes a text for a value of the column's type; MySQL would compare it with a number as a float.
        return position if self._source.type == "mysql" and NUMBER.fullmatch(position) else literal(position)

    def _run(self, con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return con.execute(f"FROM {self._source.type}_query('{DATABASE}', {literal(sql)})")
        except duckdb.Error as error:
            raise SourceError(
                f"Reading the source {self._source.name} failed: {without_password(brief_error(error))}"
            ) from error

    @contextmanager
    def _connected(self) -> Iterator[duckdb.DuckDBPyConnection]:
        kind = self._source.type
        with open_duckdb((EXTENSIONS[kind],)) as con:
            con.execute("SET TimeZone = 'UTC'")
            try:
                address = literal(self._source.connection)
                con.execute(f"ATTACH {address} AS {DATABASE} (TYPE {kind}, READ_ONLY)")
            except duckdb.Error as error:
                reason = without_password(brief_error(error))
                raise SourceError(f"Can't reach the database of the source {self._source.name}: {reason}") from error
            yield con


def moved_back(position: str | None, overlap: float) -> str | None:
    """A position, earlier by so many seconds or, for a number, by so much; other positions as they are."""
    if position is None or not overlap:
        return position
    if NUMBER.fullmatch(position):
        return str(int(position) - round(overlap))
    try:
        return (datetime.fromisoformat(position) - timedelta(seconds=overlap)).isoformat()
    except ValueError:
        return position
