"""The platform as its users meet it: commands and servers in processes of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from segmentation.settings import Settings
from segmentation.synthetic import write
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.forked_commands import run_command
from segmentation_assets_tests.testing.made_once import made_once

START, END = date(2024, 1, 1), date(2026, 1, 1)
"""The days of the small shop."""
SMALL = {
    "SEGMENTATION_CUSTOMER_BUCKETS": "2",
    "SEGMENTATION_MAX_SEGMENTS": "5",
    "SEGMENTATION_SEARCH_TRIALS": "5",
    "SEGMENTATION_MIN_STABILITY": "0.5",  # a few hundred customers carry no more
    "SEGMENTATION_TRACKING_URI": "off",
    "SEGMENTATION_ALLOW_LOCAL_SOURCES": "true",
    "COLUMNS": "160",
}


def environment(home: Path, **extra: str) -> dict[str, str]:
    """The variables of a fresh shell, with a lake in `home`."""
    kept = {
        name: os.environ[name]
        for name in ("PATH", "PYTHONPATH", "HOME", "LANG", "OPENBLAS_CORETYPE")
        if name in os.environ
    }
    return {**kept, **SMALL, "SEGMENTATION_HOME": str(home), **extra}


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "segmentation.cli", *args]


def segmentation(home: Path, *args: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run `segmentation ARGS` to its end, away from the project's folder."""
    return run_command(args, environment(home, **extra), home.parent)


def sql(home: Path, query: str) -> str:
    """What `segmentation sql` answers, as CSV without its header, without starting a process."""
    with Lake(Settings(home=home), read_only=True) as lake, lake.cursor() as con:
        return con.execute(query).pl().write_csv(include_header=False).strip()


@contextmanager
def server(
    home: Path, *args: str, ready: str, timeout_s: float = 120, **extra: str
) -> Iterator["subprocess.Popen[bytes]"]:
    """A running `segmentation ARGS`, once `ready` answers; stopped by its process id."""
    log = home.parent / f"{args[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*args), env=environment(home, **extra), cwd=home.parent, stdout=output, stderr=output
        )
        try:
            _await(ready, process, log, timeout_s)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer in {timeout_s} s:\n{log.read_text()}")


def _make_shop(home: Path) -> None:
    """Two years of a small shop, loaded, and the one snapshot at their end with its model."""
    files = write(home / "demo", customers=400, start=START, end=END)
    for arguments in (
        ("ingest", str(files.transactions[0].parent), "--profile", "canonical", "--source", "synthetic"),
        ("materialize",),
    ):
        done = segmentation(home, *arguments)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def shop_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a small shop, made once for all workers; tests work on copies."""
    return made_once(tmp_path_factory, "shop", lambda folder: _make_shop(folder / "warehouse")) / "warehouse"


@pytest.fixture(scope="module")
def home(shop_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the small shop's home for the tests of one file."""
    copy = tmp_path_factory.mktemp("copy") / "warehouse"
    shutil.copytree(shop_home, copy)
    return copy


def _fill_year(folder: Path) -> None:
    """Ingest a year of a shop, a CSV a month, and make the newest snapshot."""
    home = folder / "warehouse"
    files = write(folder / "made", customers=250, start=date(2024, 1, 1), end=date(2025, 1, 1), seed=3)
    lines = pl.read_parquet(list(files.transactions)).with_columns(month=pl.col("ordered_at").dt.strftime("%Y-%m"))
    (folder / "months").mkdir()
    for (month,), of_month in lines.group_by("month"):
        of_month.drop("month").write_csv(folder / "months" / f"{month}.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    for arguments in (["ingest", str(folder / "months")], ["materialize"]):
        done = segmentation(home, *arguments)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def year_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a lake of twelve months of a shop's CSV, made once by two commands; tests work on copies."""
    return made_once(tmp_path_factory, "year of a shop", _fill_year) / "warehouse"
