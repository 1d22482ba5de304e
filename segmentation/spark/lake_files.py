"""The lake's Parquet files as Spark reads and writes them: pinned to a snapshot, handed over in one commit."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import uuid4

import duckdb
from pyarrow import fs

from segmentation.errors import SegmentationError
from segmentation.metadata.table import Column, Table
from segmentation.settings import Settings
from segmentation.warehouse import Commit, Lake
from segmentation.warehouse.lake import CATALOG
from segmentation.warehouse.object_stores import cloud_of, s3_service

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ATTEMPTS = 5
FILE_ROWS = 250_000
"""Customers in one file, so that a look-up reads little."""
SNAPSHOT_COLUMN = "_ducklake_internal_snapshot_id"
"""In files that hold rows of several snapshots, the one that brought the row."""
HADOOP_SCHEMES = ("s3", "gs")
"""Of the addresses of buckets that DuckDB knows, those that mean the same to Spark."""
TYPES = {"VARCHAR": "STRING", "INTEGER": "INT", "TIMESTAMP": "TIMESTAMP_NTZ"}
"""Spark's names of DuckDB's types, where they differ."""


@dataclass(frozen=True)
class PinnedFiles:
    """The files that are a table, complete, as of one version of the lake.

    Attributes:
        version: The version of the lake.
        paths: Their paths or URLs.
        row_count: Rows in all of them.
    """

    version: int
    paths: tuple[str, ...]
    row_count: int


def pin(lake: Lake, table: Table) -> PinnedFiles:
    """The files that hold a table, all of it and nothing else, so that any reader of Parquet may read it.

    Rows and deletions that the catalog holds are flushed to files first, and files with deletions are rewritten, in
    commits of their own. The version is the newest one for which this is so.

    Raises:
        SegmentationError: It can't be done: the lake is read-only or encrypted, or others keep deleting.
    """
    scheme, separator, _ = lake.settings.data_uri.partition("://")
    if separator and scheme not in HADOOP_SCHEMES:
        raise SegmentationError(
            f"Spark knows no {scheme}:// addresses, and has to know the lake's files by the same names as DuckDB; it "
            f"knows {', '.join(f'{known}://' for known in HADOOP_SCHEMES)}. Use the DuckDB engine."
        )
    if lake.read_only:
        raise SegmentationError(
            f"Spark reads {table.name} as Parquet files, and what its catalogue holds has to be written to files "
            "first, for which the lake has to be writable. Open it for writing, or use the DuckDB engine."
        )
    with Lake(lake.settings) as own, own.cursor() as con:  # its last commit is then one of those below
        for _ in range(ATTEMPTS):
            version = _flush(own, con, table)
            paths = _plain_files(con, table, version)
            if paths is not None:
                return PinnedFiles(version, paths, _rows_in(con, paths))
            _rewrite(own, con, table)
    raise SegmentationError(
        f"Others keep deleting from {table.name}: after {ATTEMPTS} attempts its Parquet files still hold rows that "
        "don't count, so that Spark can't read it. Run it again when they are through."
    )


def _flush(lake: Lake, con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Write what the catalog holds of a table to files; returns a version whose catalog holds nothing of it."""
    schema, name = table.name.split(".")
    call = f"CALL ducklake_flush_inlined_data('{CATALOG}', schema_name => '{schema}', table_name => '{name}')"

    def flush(c: duckdb.DuckDBPyConnection) -> int:
        base = _number(c, f"FROM ducklake_current_snapshot('{CATALOG}')")
        c.execute(call).fetchall()
        return base

    before = lake.transaction(con, Commit(f"Flush {table.name} for Spark"), flush)
    # Without anything to flush there is no commit.
    return max(before, _number(con, f"FROM ducklake_last_committed_snapshot('{CATALOG}')"))


def _plain_files(con: duckdb.DuckDBPyConnection, table: Table, version: int) -> tuple[str, ...] | None:
    """The files of a table, or None if some of their rows are deleted."""
    schema, name = table.name.split(".")
    rows = con.execute(
        "SELECT data_file, delete_file, data_file_encryption_key "
        f"FROM ducklake_list_files('{CATALOG}', '{name}', schema => '{schema}', snapshot_version => {version})"
    ).fetchall()
    if any(key for _, _, key in rows):
        raise SegmentationError(
            f"The files of {table.name} are encrypted; Spark can't read them. Use the DuckDB engine."
        )
    return None if any(delete_file for _, delete_file, _ in rows) else tuple(row[0] for row in rows)


def _rewrite(lake: Lake, con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Write files with deleted rows anew."""
    schema, name = table.name.split(".")
    call = f"CALL ducklake_rewrite_data_files('{CATALOG}', '{name}', schema => '{schema}', delete_threshold => 0)"
    commit = Commit(f"Rewrite deletions of {table.name} for Spark")
    lake.transaction(con, commit, lambda c: c.execute(call).fetchall())


def _rows_in(con: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> int:
    if not paths:
        return 0
    literal = [re.sub(r"([\[*?])", r"[\1]", path) for path in paths]
    return _number(con, "SELECT SUM(num_rows) FROM parquet_file_metadata($paths)", {"paths": literal})


def _number(con: duckdb.DuckDBPyConnection, query: str, values: Mapping[str, object] | None = None) -> int:
    row = con.execute(query, values and dict(values)).fetchone()
    return int(row[0] or 0) if row else 0


def spark_type(column: Column) -> str:
    """The type of a column, as Spark names it."""
    return TYPES.get(column.type, column.type)


def read_table(spark: "SparkSession", table: Table, files: PinnedFiles) -> "DataFrame":
    """A table as of the version that its files are pinned to; columns that older files lack are NULL."""
    columns = [f"{column.name} {spark_type(column)}" for column in table.columns]
    schema = ", ".join([*columns, f"{SNAPSHOT_COLUMN} BIGINT"])
    if not files.paths:
        frame = spark.createDataFrame([], schema)
    else:
        frame = spark.read.schema(schema).parquet(*(re.sub(r"([\[\]{}*?\\])", r"\\\1", path) for path in files.paths))
    of_version = f"{SNAPSHOT_COLUMN} IS NULL OR {SNAPSHOT_COLUMN} <= {files.version}"
    return frame.where(of_version).drop(SNAPSHOT_COLUMN)


def persisted(frame: "DataFrame", held: ExitStack) -> "DataFrame":
    """A frame that is computed once, until `held` ends. Others may share the Spark, so nothing else is let go.

    It is on disk, since it is read once or twice only, and memory is needed for other work.
    """
    from pyspark import StorageLevel

    kept = frame.persist(StorageLevel.DISK_ONLY)
    held.callback(kept.unpersist)
    return kept


def in_files(frame: "DataFrame", row_count: int) -> "DataFrame":
    """A frame of customers, cut into one partition per file of the lake, each with a range of customers in order."""
    files = -(-row_count // FILE_ROWS)
    return frame.repartitionByRange(files, "customer_id").sortWithinPartitions("customer_id")


def hand_over(
    lake: Lake,
    tables: Sequence[Table],
    as_of: date,
    commit: Commit,
    write: Callable[[Mapping[str, str]], None],
    record: Callable[[duckdb.DuckDBPyConnection], object] = lambda _: None,
) -> None:
    """Replace a snapshot of several tables by files that Spark writes, in one commit and without copying them.

    The files are written into the tables' own folders, where they don't count before the commit. If anything fails,
    they are removed.

    Args:
        lake: A writable lake.
        tables: Tables partitioned by `as_of`.
        as_of: The snapshot date.
        commit: What the lake's snapshot says about itself.
        write: Told the folder of each table (by its name), writes Parquet files with all of its columns into it.
        record: What else the commit changes.
    """
    run = f"spark-{uuid4()}"
    folders = {t.name: f"{lake.settings.data_uri}{t.name.replace('.', '/')}/as_of={as_of}/{run}" for t in tables}
    try:
        write(folders)
        written = {name: _data_files(lake.settings, folder) for name, folder in folders.items()}
        with lake.cursor() as con:
            lake.transaction(con, commit, lambda c: _replace(c, written, as_of, record))
    except BaseException:
        _discard(lake, folders)
        raise


def _replace(
    con: duckdb.DuckDBPyConnection,
    written: Mapping[str, Sequence[str]],
    as_of: date,
    record: Callable[[duckdb.DuckDBPyConnection], object],
) -> None:
    for name, paths in written.items():
        con.execute(f"DELETE FROM {name} WHERE as_of = $as_of", {"as_of": as_of})
        schema, table = name.split(".")
        con.execute(
            f"CALL ducklake_add_data_files('{CATALOG}', '{table}', $paths, schema => '{schema}', "
            "hive_partitioning => true)",
            {"paths": list(paths)},
        )
    record(con)


def _data_files(settings: Settings, folder: str) -> list[str]:
    """The Parquet files that Spark left in a folder; checksums and markers beside them are removed."""
    system, path = _file_system(settings, folder)
    names = []
    for found in system.get_file_info(fs.FileSelector(path)):
        if found.base_name.endswith(".parquet") and not found.base_name.startswith((".", "_")):
            names.append(f"{folder}/{found.base_name}")
        elif found.is_file:
            system.delete_file(found.path)
        else:
            system.delete_dir(found.path)
    return sorted(names)


def _file_system(settings: Settings, location: str) -> tuple[fs.FileSystem, str]:
    """What PyArrow reads and writes an address with, and the path of the address in there.

    The settings of S3 count; for other clouds, PyArrow asks for the credentials of the machine.
    """
    if cloud_of(location) != "s3":
        system, path = fs.FileSystem.from_uri(location)
        return system, str(path)
    service = s3_service(settings)
    system = fs.S3FileSystem(
        access_key=settings.s3_key_id or None,
        secret_key=settings.s3_secret.get_secret_value() or None,
        region=service.get("REGION"),
        endpoint_override=service.get("ENDPOINT"),
        scheme="https" if service.get("USE_SSL", True) else "http",
        force_virtual_addressing=service["URL_STYLE"] == "vhost",
    )
    return system, location.partition("://")[2]


def _discard(lake: Lake, folders: Mapping[str, str]) -> None:
    """Remove the folders of a failed hand-over, unless the commit was made all the same."""
    with lake.cursor() as con:
        for name, folder in folders.items():
            schema, table = name.split(".")
            query = f"SELECT data_file FROM ducklake_list_files('{CATALOG}', '{table}', schema => '{schema}')"
            if any(path.startswith(folder) for (path,) in con.execute(query).fetchall()):
                return
    for folder in folders.values():
        system, path = _file_system(lake.settings, folder)
        if system.get_file_info(path).type is not fs.FileType.NotFound:
            system.delete_dir(path)
