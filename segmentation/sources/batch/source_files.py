"""The files that have been registered, as the lake's table `raw.source_files` knows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from segmentation.metadata.tables.raw import SOURCE_FILES

SELECT = f"SELECT {SOURCE_FILES.column_list} FROM {SOURCE_FILES.name} ORDER BY source, path"
DELETE = f"DELETE FROM {SOURCE_FILES.name} WHERE source = $source AND path IN (SELECT unnest($paths))"
INSERT = f"INSERT INTO {SOURCE_FILES.name} SELECT " + ", ".join(
    f"unnest(CAST(${column.name} AS {column.type}[]))" for column in SOURCE_FILES.columns
)


@dataclass(frozen=True)
class SourceFile:
    """One row of `raw.source_files`; the fields are its columns, in order."""

    source: str
    path: str
    profile: str
    line_count: int
    first_day: date | None
    last_day: date | None
    byte_size: int
    modified_at: datetime | None
    registered_at: datetime

    def covers(self, start: date, end: date) -> bool:
        """Whether the file may have lines in the days from `start` to before `end`."""
        if self.first_day is None or self.last_day is None:
            return False
        return self.first_day < end and self.last_day >= start

    def is_table(self) -> bool:
        """Whether the file holds tables that lines are joined with, and no lines."""
        return self.first_day is None

    def is_there(self) -> bool:
        """Whether the file still is where it was registered."""
        return Path(self.path).is_file()


def state_of(path: Path) -> tuple[int, datetime]:
    """A file's size, and when it was last changed, UTC."""
    status = path.stat()
    return status.st_size, datetime.fromtimestamp(status.st_mtime, UTC).replace(tzinfo=None)


def read_source_files(con: duckdb.DuckDBPyConnection) -> list[SourceFile]:
    """All registered files, by source and path."""
    return [SourceFile(*row) for row in con.execute(SELECT).fetchall()]


def replace_source_files(
    con: duckdb.DuckDBPyConnection, source: str, gone: Sequence[SourceFile], new: Sequence[SourceFile]
) -> None:
    """Put rows of one source in the place of others, within the open transaction."""
    if gone:
        con.execute(DELETE, {"source": source, "paths": [file.path for file in gone]})
    if new:
        con.execute(INSERT, {name: [getattr(file, name) for file in new] for name in SOURCE_FILES.column_names})
