"""Full disks and damaged catalogues end a command in a message that says what to do, whoever tells of them."""

import errno
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from segmentation.errors import WarehouseUnavailableError
from segmentation.failures import meaning_of_failure, reason_of
from segmentation.settings import Settings
from segmentation.warehouse import Lake

pytestmark = pytest.mark.takes(25)


def _wrapped(error: BaseException) -> BaseException:
    try:
        try:
            raise error
        except BaseException as inner:
            raise RuntimeError("a step failed") from inner
    except RuntimeError as outer:
        return ExceptionGroup("two", [ValueError("other"), outer])


@pytest.mark.parametrize("wrap", [lambda error: error, _wrapped], ids=["bare", "wrapped"])
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "no space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
        (OSError(errno.EFBIG, "File too large"), "larger than"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (sqlite3.OperationalError("database or disk is full"), "no space left"),
        (sqlite3.OperationalError("disk I/O error"), "disk is full, or is failing"),
        (sqlite3.DatabaseError("database disk image is malformed"), "segmentation restore"),
        (duckdb.IOException('IO Error: Could not write file "x": No space left on device'), "no space left"),
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), "no space left"),
        (duckdb.InvalidInputException("Invalid Input Error: No snapshot found in DuckLake"), "segmentation restore"),
    ],
    ids=str,
)
def test_each_library_is_understood(
    error: BaseException, says: str, wrap: Callable[[BaseException], BaseException]
) -> None:
    meaning = meaning_of_failure(wrap(error))
    assert meaning
    assert says in meaning


def test_other_errors_mean_nothing_of_the_kind_and_every_error_has_a_reason() -> None:
    assert meaning_of_failure(ValueError("wrong")) is None
    assert reason_of(ValueError()) == "ValueError"
    assert reason_of(ValueError("\n\n  why. \nmore")) == "why"


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


def _random(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


def _scrambled(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:4096] + os.urandom(40_960))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _other(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE other (a)")
    database.close()


@pytest.mark.parametrize("damage", [_truncated, _random, _scrambled, _folder, _empty, _other])
def test_a_damaged_catalogue_has_a_reason_and_what_to_do(lake: Lake, damage: Callable[[Path], None]) -> None:
    catalogue = lake.settings.home / "catalog.sqlite"
    lake.close()
    for leftover in catalogue.parent.glob("catalog.sqlite-*"):
        leftover.unlink()
    damage(catalogue)
    with pytest.raises(WarehouseUnavailableError, match=r"(?s)sqlite': .{30,}(SEGMENTATION_|space left)"):
        Lake(lake.settings, read_only=True)


def _ingest(home: Path, orders: Path, bytes_a_file: int) -> "subprocess.CompletedProcess[str]":
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes_a_file}, {resource.RLIM_INFINITY}));"
    program = f"{limit} from segmentation.cli.app import main; main()"
    words = [sys.executable, "-c", program, "ingest", str(orders), "--profile", "canonical"]
    environment = {**os.environ, "SEGMENTATION_HOME": str(home), "SEGMENTATION_TRACKING_URI": "off"}
    return subprocess.run(
        words, capture_output=True, text=True, env=environment, timeout=120, check=False, cwd=home.parent
    )


def test_ingest_without_room_says_so_and_loses_nothing(tmp_path: Path) -> None:
    orders, home = tmp_path / "orders.csv", tmp_path / "warehouse"
    header = "order_id,customer_id,product_id,category,quantity,unit_price,discount,ordered_at,country,channel\n"
    lines = (
        f"o{i},c{i % 97},p{i % 7}{i},a,1,{i % 9 + 1},0,2024-01-{i % 28 + 1:02d} 10:00:00,UK,web\n"
        for i in range(20_000)
    )
    orders.write_text(header + "".join(lines))
    for bytes_a_file in (20_000, 150_000):
        failed = _ingest(home, orders, bytes_a_file)
        assert failed.returncode == 1
        assert "Traceback" not in failed.stderr
        assert "What was committed before is in the lake" in failed.stderr.replace("\n", " "), failed.stderr
    done = _ingest(home, orders, -1)
    assert done.returncode == 0, done.stderr
    with Lake(Settings(home=home), read_only=True) as lake, lake.cursor() as con:
        assert con.execute("SELECT COUNT(*) FROM raw.transactions").fetchall() == [(20_000,)]
