"""The locked connection to a lake that people's queries run on."""

import threading
from types import TracebackType
from typing import Self

import duckdb
import polars as pl
import pyarrow as pa

from segmentation.errors import RefusedQueryError, SegmentationError
from segmentation.settings import Settings
from segmentation.warehouse.lake import CATALOG, Lake
from segmentation.warehouse.read_only_sql.statements import check
from segmentation.warehouse.sql import literal

_MACROS = "SELECT DISTINCT lower(function_name) FROM duckdb_functions() WHERE database_name = $catalog"


class ReadOnlySql:
    """A lake that queries of people can be put to, and that they can do nothing but read.

    Use it as a context manager, or call `close()`. One query at a time.
    """

    def __init__(self, settings: Settings, *, allow_files: bool = False) -> None:
        """Open the lake and lock the connection.

        Args:
            settings: Where it is, and how long a query may take.
            allow_files: Whether queries may read files beside the lake, with the rights of this process.

        Raises:
            WarehouseUnavailableError: The catalogue can't be reached, is no lake, or is missing.
        """
        self._allow_files = allow_files
        self._timeout_s = settings.query_timeout_s
        self._lake = Lake(settings, read_only=True)
        try:
            with self._lake.cursor() as con:
                self._macros = {name for (name,) in con.execute(_MACROS, {"catalog": CATALOG}).fetchall()}
                _lock(con, settings, allow_files)
        except BaseException:
            self._lake.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection to the lake."""
        self._lake.close()

    def frame(self, query: str) -> pl.DataFrame:
        """The result of a query.

        Raises:
            RefusedQueryError: It may do something else than read; nothing of it was run.
            SegmentationError: It is wrong, takes longer than `SEGMENTATION_QUERY_TIMEOUT_S`, or has a result that no
                frame can hold.
        """
        with self._lake.cursor() as con:
            check(con, query, allow_files=self._allow_files, macros=self._macros)
            timer = threading.Timer(self._timeout_s, con.interrupt)
            timer.daemon = True
            timer.start()
            try:
                return con.execute(query).pl()
            except duckdb.InterruptException as error:
                raise SegmentationError(
                    f"The query was stopped after {self._timeout_s:g} s. Ask for less, or raise "
                    "SEGMENTATION_QUERY_TIMEOUT_S."
                ) from error
            except duckdb.PermissionException as error:
                raise RefusedQueryError(
                    f"The query needs files that it may not read: {error}. `segmentation sql --allow-files` lets it."
                ) from error
            except duckdb.Error as error:
                raise SegmentationError(f"The query failed: {error}") from error
            except pl.exceptions.DuplicateError as error:
                raise SegmentationError(f"Columns of the result share a name; name them with AS. ({error})") from error
            except (pl.exceptions.PolarsError, pa.ArrowException) as error:
                raise SegmentationError(
                    f"The result has a column that can't be shown, such as an INTERVAL; cast it to VARCHAR. ({error})"
                ) from error
            finally:
                timer.cancel()


def _lock(con: duckdb.DuckDBPyConnection, settings: Settings, allow_files: bool) -> None:
    """Let nothing but the lake's own files be opened, and no setting be changed; there is no way back."""
    con.execute("SET GLOBAL python_enable_replacements = false")  # else variables of this process are tables
    con.execute("SET GLOBAL autoload_known_extensions = false")
    if not allow_files:
        con.execute(f"SET GLOBAL allowed_directories = [{literal(settings.data_uri)}]")
        con.execute("SET GLOBAL enable_external_access = false")
    con.execute("SET GLOBAL lock_configuration = true")
