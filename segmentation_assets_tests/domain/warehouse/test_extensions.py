"""Extensions come from the wheels of the lock, and nothing else gets in afterwards."""

import shutil
from pathlib import Path

import duckdb
import pytest

from segmentation.warehouse.extensions import open_duckdb, wheel_path


def test_what_is_loaded_later_has_to_be_signed(tmp_path: Path) -> None:
    wheel = wheel_path("sqlite_scanner")
    assert wheel is not None
    forged = tmp_path / wheel.name
    shutil.copyfile(wheel, forged)
    with forged.open("r+b") as file:
        file.seek(-1, 2)  # the signature is at the end
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with open_duckdb(("ducklake",)) as con:
        with pytest.raises(duckdb.Error, match="signature"):
            con.load_extension(str(forged))
        with pytest.raises(duckdb.Error, match="allow_unsigned_extensions"):
            con.execute("SET GLOBAL allow_unsigned_extensions = true")
        con.load_extension(str(wheel))


def test_an_unknown_extension_is_an_error() -> None:
    with pytest.raises(duckdb.Error):
        open_duckdb(("no_such_extension",))
