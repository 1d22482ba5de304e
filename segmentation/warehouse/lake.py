"""The lake: connections to it, whole-transaction writes, and its past.

One `Lake` holds one in-memory DuckDB with the catalog attached; every piece of work takes its own `cursor()`.
Several processes may hold the same lake at once, readers and writers alike.
"""

import getpass
import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import duckdb
from filelock import FileLock, Timeout

from segmentation.clock import utc_now
from segmentation.errors import NoLakeError, SegmentationError, WarehouseUnavailableError
from segmentation.failures import meaning_of_failure, reason_of
from segmentation.private_files import FILE_MODE, make_private_folder
from segmentation.settings import Settings
from segmentation.warehouse.checksums import create_entries, enter_new_files, has_entries
from segmentation.warehouse.commit import Commit
from segmentation.warehouse.extensions import open_duckdb
from segmentation.warehouse.identity import check_folder, refuse_data
from segmentation.warehouse.object_stores import create_secrets, is_object_store, meaning_of

T = TypeVar("T")

logger = logging.getLogger(__name__)

CATALOG = "lake"
METADATA = f"__ducklake_metadata_{CATALOG}"
"""Where DuckDB attaches the catalog's own tables."""
BUSY_TIMEOUT_MS = 30_000
GUARD = "guard"
LOCK_KEY = 7_236_842
"""Any number will do, as long as every writer of a lake uses the same."""
_QUERY_GUARD = f"FROM postgres_query('{GUARD}', $sql)"
MAX_ATTEMPTS = 8
RETRYABLE = (
    "conflict",
    "database is locked",
    "could not serialize",
    "deadlock",
    "concurrent",
    "duplicate key",
)
NOTHING_THERE = "does not exist - and creating a new DuckLake is explicitly disabled"
"""What DuckLake says to a reader of a database without a lake."""
CLOSING_S = 5.0
"""How long a process that ends waits for others to enter its last files; the next writer does it otherwise."""
LOOK_EVERY_S = 1.0
"""How often a process that commits all the time enters its new files, and looks for a newer release."""
NEWEST_SCHEMA = "SELECT COALESCE(MAX(version), 0) FROM registry.schema_versions"
EXTENSIONS_BY_SCHEME = {"sqlite": "sqlite_scanner", "postgres": "postgres_scanner"}


class Lake:
    """An open DuckLake. Use it as a context manager, or call `close()`.

    Attributes:
        settings: The settings it was opened with.
        read_only: Whether writes are refused.
        inline_rows: Inserts of up to so many rows go to the catalog; None for DuckLake's own limit.
        clock: Says what time it is (UTC), for what the lake records about itself.
        schema_version: The one that this release keeps the books of, once it has migrated the lake.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        read_only: bool = False,
        create: bool = False,
        inline_rows: int | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Attach the lake, for writing only if its catalog and its data folder belong together.

        Args:
            settings: Where it is.
            read_only: Whether writes are refused.
            create: Whether to make it if there is none, and no data lies in its folder. For commands that begin a lake
                only: elsewhere, that there is none means that the settings are wrong.
            inline_rows: Inserts of up to so many rows go to the catalog instead of to files, until maintenance or
                the writer itself flushes them; None for DuckLake's own limit of a few rows.
            clock: Says what time it is (UTC), for what the lake records about itself, such as its schema's versions.

        Raises:
            NoLakeError: There is none, and none is to be made.
            ForeignDataError: The data folder is another lake's, or one is to be made where data lies.
            WarehouseUnavailableError: The catalog can't be reached, or is no lake.
        """
        self.settings = settings
        self.read_only = read_only
        self.inline_rows = inline_rows
        self.clock = clock
        self._is_sqlite = settings.catalog_uri.startswith("sqlite:")
        _check_location(settings, create)
        self._versions: set[int] = set()
        self.schema_version: int | None = None
        self._has_new_files, self._entered_at, self._asked_at = False, -LOOK_EVERY_S, -LOOK_EVERY_S
        try:
            self._con = _connect(settings, read_only=read_only)
            if not self._is_sqlite and not read_only:
                self._attach_guard()
            if read_only:
                self._attach(CATALOG, "READ_ONLY")
            else:
                with self._writer_lock():
                    self._open_to_write(create)
        except OSError as error:
            raise WarehouseUnavailableError(f"Can't use the data folder {settings.data_uri}: {error}") from error
        except duckdb.Error as error:
            if NOTHING_THERE in str(error):
                raise NoLakeError(_no_lake(without_password(settings.catalog_uri), "SEGMENTATION_CATALOG")) from error
            if is_object_store(settings.data_uri) and (meaning := meaning_of(error)):
                raise WarehouseUnavailableError(_refused(settings.data_uri, meaning)) from error
            raise WarehouseUnavailableError(_unreachable(settings, error, read_only)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; open cursors end with it."""
        if self._has_new_files:
            try:
                with self._writer_lock(CLOSING_S):
                    self._enter_new_files()
            except (SegmentationError, duckdb.Error) as error:
                logger.info("Checksums of new files are left to the next writer: %s", error)
        self._con.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection of its own (with its own transaction and temporary tables) whose default is the lake."""
        cursor = self._con.cursor()
        cursor.execute(f"USE {CATALOG}")
        return cursor

    def version(self) -> int:
        """The number of the newest snapshot."""
        return _one(self._con.execute(f"FROM ducklake_current_snapshot('{CATALOG}')"))

    def has(self, version: int) -> bool:
        """Whether there is such a snapshot, and it has not been expired."""
        query = f"SELECT 1 FROM {METADATA}.ducklake_snapshot WHERE snapshot_id = $version"
        with self.cursor() as con:
            return con.execute(query, {"version": version}).fetchone() is not None

    @contextmanager
    def at(self, version: int) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection whose default is the lake as it was at snapshot `version`.

        Raises:
            SegmentationError: There is no such snapshot, or it has been expired.
        """
        if not self.has(version):  # also if it is attached: files of an expired snapshot may be gone, without an error
            raise self._no_snapshot(version)
        name = f"{CATALOG}_v{version}"
        cursor = self._con.cursor()
        try:
            if version not in self._versions:
                self._attach(name, f"READ_ONLY, SNAPSHOT_VERSION {version}")
                self._versions.add(version)
            cursor.execute(f"USE {name}")
        except duckdb.InvalidInputException as error:  # maintenance let it expire at this very moment
            cursor.close()
            raise self._no_snapshot(version) from error
        try:
            yield cursor
        finally:
            cursor.close()

    def _no_snapshot(self, version: int) -> SegmentationError:
        return SegmentationError(
            f"The lake has no snapshot {version} (the newest is {self.version()}; old ones expire)."
        )

    def transaction(
        self, con: duckdb.DuckDBPyConnection, commit: Commit, write: Callable[[duckdb.DuckDBPyConnection], T]
    ) -> T:
        """Run `write` as one transaction, as a whole again if another writer came first.

        `write` may run several times, so it must do nothing but change the lake; keep it short by inserting what
        temporary tables of `con` already hold. One writer works at a time: a lock between processes (a file beside an
        SQLite catalog, an advisory lock in PostgreSQL) is held from begin to commit. Without it, DuckLake would let
        two transactions insert the same key, since inserts alone never conflict.

        Args:
            con: A cursor of this lake.
            commit: What the snapshot says about itself.
            write: Changes the lake through the connection that it is given.

        Returns:
            What `write` returned in the attempt that was committed.

        Raises:
            SegmentationError: Other writers kept the lake busy beyond the limits.
            WarehouseUnavailableError: The object store with the lake's files refuses, or can't be reached.
            duckdb.Error: Whatever else `write` ran into; nothing has been changed then.
        """
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with self._writer_lock():
                    self._refuse_newer_release()
                    result = _attempt(con, commit, write)
                    self._note_commit()
                    return result
            except duckdb.Error as error:
                if not any(sign in str(error).lower() for sign in RETRYABLE):
                    self._explain(error)
                    raise
                if attempt == MAX_ATTEMPTS:
                    raise SegmentationError(
                        f"Could not commit {commit.message!r} after {attempt} attempts, since other writers changed "
                        f"the same rows each time. Nothing was written; run it again. Last conflict: {error}"
                    ) from error
                time.sleep(min(0.05 * 2**attempt, 5) * random.uniform(0.5, 1.0))  # noqa: S311 (jitter)
        raise AssertionError("unreachable")  # pragma: no cover

    def _open_to_write(self, create: bool) -> None:
        """Attach the catalog, make it if there is none and that is wanted, and see whose the data folder is."""
        data_uri = self.settings.data_uri
        if create and self._is_sqlite and not sqlite_path(self.settings).exists():
            self._create()
        else:
            try:
                self._attach(CATALOG, "CREATE_IF_NOT_EXISTS false")
            except duckdb.Error as error:
                if not create or NOTHING_THERE not in str(error):
                    raise
                self._create()
        was_marked = has_entries(self._con, METADATA)
        check_folder(self._con, METADATA, data_uri, was_marked=was_marked)
        if not was_marked:
            create_entries(self._con, METADATA, data_uri)

    def _create(self) -> None:
        refuse_data(self._con, self.settings.data_uri, without_password(self.settings.catalog_uri))
        _make_private(self.settings)
        self._attach(CATALOG)

    def enter_new_files(self) -> None:
        """Enter the files that commits have written, with their checksums.

        Raises:
            SegmentationError: Other writers kept the lake busy beyond the limit.
        """
        with self._writer_lock():
            self._enter_new_files()

    def _refuse_newer_release(self) -> None:
        """Stop writing once a newer release has migrated the lake: this one wouldn't keep its books."""
        if self.schema_version is None or time.monotonic() - self._asked_at < LOOK_EVERY_S:
            return
        with self.cursor() as con:
            ((found,),) = con.execute(NEWEST_SCHEMA).fetchall()
        self._asked_at = time.monotonic()
        if found > self.schema_version:
            raise SegmentationError(
                f"A newer release has brought the lake to schema version {found} while this process, of version "
                f"{self.schema_version}, was running. Nothing was written; restart it with the new release."
            )

    def _note_commit(self) -> None:
        """Enter the files of the commit that has just been made; of many in a second, those of all of them at once."""
        self._has_new_files = True
        if time.monotonic() - self._entered_at >= LOOK_EVERY_S:
            self._enter_new_files()

    def _enter_new_files(self) -> None:
        """Give each new file its checksum, which costs several milliseconds; the writer lock is held.

        The commits stand, whatever happens here: what is left out now is entered by the next writer.
        """
        try:
            with self._con.cursor() as con:
                enter_new_files(con, METADATA, self.settings.data_uri, self.clock())
        except (OSError, duckdb.Error) as error:
            logger.warning("Checksums of new files are left to the next writer: %s", error)
        self._has_new_files, self._entered_at = False, time.monotonic()

    def _explain(self, error: duckdb.Error) -> None:
        """Raise an error of the object store in words that say what to do."""
        location = self.settings.data_uri
        if is_object_store(location) and (meaning := meaning_of(error)):
            raise WarehouseUnavailableError(_refused(location, meaning)) from error

    def _writer_lock(self, timeout_s: float | None = None) -> AbstractContextManager[object]:
        wait_s = self.settings.write_timeout_s if timeout_s is None else timeout_s
        if not self._is_sqlite:
            return self._advisory_lock(wait_s)
        return _file_lock(sqlite_path(self.settings).with_suffix(".lock"), wait_s)

    @contextmanager
    def _advisory_lock(self, wait_s: float) -> Iterator[None]:
        """Held by a transaction on a connection of its own, so that PostgreSQL frees it if this process dies."""
        guard = self._con.cursor()
        guard.begin()
        try:
            timeout_ms = round(wait_s * 1000)
            guard.execute(_QUERY_GUARD, {"sql": f"SELECT set_config('lock_timeout', '{timeout_ms}', true) AS done"})
            try:
                guard.execute(_QUERY_GUARD, {"sql": f"SELECT 1 AS done FROM pg_advisory_xact_lock({LOCK_KEY})"})
            except duckdb.Error as error:
                if "lock timeout" not in str(error):
                    raise
                raise SegmentationError(_too_long("PostgreSQL's advisory lock", wait_s)) from error
            yield
        finally:
            guard.close()

    def _attach_guard(self) -> None:
        dsn = self.settings.catalog_uri.partition(":")[2]
        self._con.execute(f"ATTACH {_quoted(dsn)} AS {GUARD} (TYPE postgres, READ_ONLY)")

    def _attach(self, name: str, options: str = "") -> None:
        settings = self.settings
        chosen = [f"DATA_PATH {_quoted(settings.data_uri)}", "OVERRIDE_DATA_PATH true"]
        if self.inline_rows is not None:
            chosen.append(f"DATA_INLINING_ROW_LIMIT {self.inline_rows}")
        if self._is_sqlite:
            chosen += ["META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {BUSY_TIMEOUT_MS}"]
        if options:
            chosen.append(options)
        uri = settings.read_catalog_uri if self.read_only else settings.catalog_uri
        self._con.execute(f"ATTACH {_quoted('ducklake:' + uri)} AS {name} ({', '.join(chosen)})")


def next_version(con: duckdb.DuckDBPyConnection) -> int:
    """The version of the lake that the transaction open on `con` makes: nobody else commits until it has."""
    (row,) = con.execute(f"FROM ducklake_current_snapshot('{CATALOG}')").fetchall()
    return int(row[0]) + 1


def sqlite_path(settings: Settings) -> Path:
    """The file of an SQLite catalog."""
    return Path(settings.catalog_uri.removeprefix("sqlite:"))


def _attempt(con: duckdb.DuckDBPyConnection, commit: Commit, write: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
    con.begin()
    try:
        result = write(con)
        commit.attach(con, CATALOG, getpass.getuser())
        con.commit()
    except BaseException:
        _roll_back(con)
        raise
    return result


def _roll_back(con: duckdb.DuckDBPyConnection) -> None:
    try:
        con.rollback()
    except duckdb.TransactionException as error:
        if "no transaction is active" not in str(error):
            raise


@contextmanager
def _file_lock(path: Path, wait_s: float) -> Iterator[None]:
    try:
        with FileLock(path, timeout=wait_s):
            yield
    except Timeout as error:
        raise SegmentationError(_too_long(f"lock {path}", wait_s)) from error


def _too_long(lock: str, wait_s: float) -> str:
    return (
        f"Another process has been writing to the lake for {wait_s:.0f} s ({lock}). "
        "Wait for it, or raise SEGMENTATION_WRITE_TIMEOUT_S."
    )


def _connect(settings: Settings, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    options: dict[str, str | bool | int | float | list[str]] = {
        "preserve_insertion_order": False,
        "temp_directory": str((settings.home / "tmp").absolute()),
    }
    if settings.memory_limit:
        options["memory_limit"] = settings.memory_limit
    if settings.threads:
        options["threads"] = settings.threads
    con = open_duckdb(("ducklake", EXTENSIONS_BY_SCHEME[settings.catalog_uri.partition(":")[0]]), options)
    con.execute("SET GLOBAL TimeZone = 'UTC'")  # a plain SET would not reach the cursors
    create_secrets(con, settings, settings.data_uri)
    if read_only and (password := settings.read_catalog_password.get_secret_value()):
        con.execute("CREATE TEMPORARY SECRET (TYPE postgres, PASSWORD $password)", {"password": password})
    if read_only and is_object_store(settings.data_uri):
        # Else every look-up in a known file asks whether it has changed. Writers read sources as well, and those do.
        con.execute("SET GLOBAL enable_http_metadata_cache = true")
    return con


def _check_location(settings: Settings, create: bool) -> None:
    scheme = settings.catalog_uri.partition(":")[0]
    if scheme not in EXTENSIONS_BY_SCHEME:
        raise WarehouseUnavailableError(
            f"SEGMENTATION_CATALOG is {settings.catalog!r}; it must begin with one of "
            f"{', '.join(f'`{s}:`' for s in EXTENSIONS_BY_SCHEME)}."
        )
    if scheme == "sqlite" and not create and not sqlite_path(settings).exists():
        raise NoLakeError(_no_lake(str(sqlite_path(settings)), "SEGMENTATION_HOME"))
    if create:
        try:
            make_private_folder(settings.home)
            if scheme == "sqlite":
                make_private_folder(sqlite_path(settings).parent)
        except OSError as error:
            raise WarehouseUnavailableError(
                f"Can't create the folder for the lake ({error}). Set SEGMENTATION_HOME to a folder that "
                "this user may write."
            ) from error


def _make_private(settings: Settings) -> None:
    """Make what the lake will be kept in, for nobody else to read: lines are people's."""
    if not is_object_store(settings.data_uri):
        make_private_folder(Path(settings.data_uri))
    if settings.catalog_uri.startswith("sqlite:"):
        sqlite_path(settings).touch(mode=FILE_MODE)


def _no_lake(location: str, setting: str) -> str:
    return (
        f"There is no lake at {location} yet. Make one with `segmentation init`, `segmentation ingest` or "
        f"`segmentation demo`, or point {setting} to where it is."
    )


def _refused(location: str, meaning: str) -> str:
    return f"Can't write to {location}: {meaning}; `segmentation doctor` tries it out. Nothing was written."


def _unreachable(settings: Settings, error: duckdb.Error, read_only: bool) -> str:
    catalog = without_password(settings.read_catalog_uri if read_only else settings.catalog_uri)
    if meaning := meaning_of_failure(error):
        return f"Can't open the lake's catalogue {catalog!r}: {without_password(meaning)}."
    return (
        f"Can't open the lake's catalogue {catalog!r}: {without_password(reason_of(error))}. Check "
        "SEGMENTATION_CATALOG and SEGMENTATION_HOME, and that the database is up; `segmentation doctor` tells more."
    )


def without_password(text: str) -> str:
    """A catalog address, or a message that quotes one, fit to be shown: passwords become `***`."""
    text = re.sub(r"(password\s*=\s*)('[^']*'|\S+)", r"\1***", text, flags=re.IGNORECASE)
    return re.sub(r"(\w+://[^:/@\s]+:)[^@\s]+@", r"\1***@", text)


def _one(con: duckdb.DuckDBPyConnection) -> int:
    rows = con.fetchall()  # to the end, or the catalog's transaction stays open
    if not rows:
        raise SegmentationError("The lake has no snapshot at all; its catalogue is damaged.")
    return int(rows[0][0])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
