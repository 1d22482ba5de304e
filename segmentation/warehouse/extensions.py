"""DuckDB's extensions, loaded from the wheels of the lock so that nothing is downloaded at run time."""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import duckdb


def load_extension(con: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load an extension into a connection: from its wheel, else from DuckDB's own extension folder.

    Args:
        con: The connection to load into.
        name: The extension's name, such as `ducklake`.

    Raises:
        duckdb.Error: There is no wheel for this platform and DuckDB could not install the extension either.
    """
    path = wheel_path(name)
    if path is None:
        con.install_extension(name)
        con.load_extension(name)
    else:
        con.load_extension(str(path))


def wheel_path(name: str) -> Path | None:
    """The extension's file inside its wheel for the running DuckDB version, or None without such a wheel."""
    module = f"duckdb_extension_{name}"
    if find_spec(module) is None:
        return None
    path = Path(str(files(module))) / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
    return path if path.exists() else None
