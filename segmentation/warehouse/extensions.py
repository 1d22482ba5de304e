"""DuckDB's extensions, loaded from the wheels of the lock so that nothing is downloaded at run time."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import duckdb


def open_duckdb(
    extensions: Sequence[str], config: Mapping[str, str | bool | int | float | list[str]] | None = None
) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with extensions, which downloads none by itself.

    Those of wheels are loaded without a look at their signature: pip has compared their hash with the lock's, like that
    of all code, and a look reads 35 MB, 0.17 s for each. Whatever is loaded later is looked at.

    Args:
        extensions: Their names, such as `ducklake`.
        config: More of DuckDB's options.

    Raises:
        duckdb.Error: An extension is missing, or an option is wrong.
    """
    options = {**(config or {}), "autoinstall_known_extensions": False, "allow_unsigned_extensions": True}
    con = duckdb.connect(":memory:", config=options)
    wheels = [name for name in extensions if wheel_path(name)]
    for name in wheels:
        load_extension(con, name)
    con.execute("SET GLOBAL allow_unsigned_extensions = false")  # there is no way back while it is open
    for name in extensions:
        if name not in wheels:
            load_extension(con, name)
    return con


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
