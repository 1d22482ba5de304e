"""What files that mean harm do to the real command: it ends soon, says what is wrong with each, and loads nothing."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from segmentation_assets_tests.e2e.conftest import command, environment, sql
from segmentation_assets_tests.testing.hostile_files import HOSTILE_FILES, write_hostile_files
from segmentation_assets_tests.testing.made_once import made_once
from segmentation_assets_tests.testing.raw_connections import peak_rss_mb

pytestmark = pytest.mark.takes(30)

WITHIN_S = 90
"""All of them take less than 15 seconds; what hangs hangs for ever."""

MEMORY_MB = 1_000


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_once(tmp_path_factory, "hostile files", write_hostile_files)


def _ingest(folder: Path, *words: str) -> tuple["subprocess.CompletedProcess[str]", float]:
    """Run the command in a process of its own, which really ends; also its peak memory in MB."""
    with (folder / "told.txt").open("w+") as told:
        process = subprocess.Popen(
            command("ingest", *words),
            env=environment(folder / "warehouse", SEGMENTATION_SOURCES=str(folder / "sources.yaml")),
            cwd=folder,
            stdout=told,
            stderr=subprocess.STDOUT,
        )
        try:
            peak_mb = _peak_mb(process, until=time.monotonic() + WITHIN_S)
        finally:
            process.kill()
            code = process.wait()
        told.seek(0)
        return subprocess.CompletedProcess(process.args, code, told.read()), peak_mb


def _peak_mb(process: "subprocess.Popen[bytes]", until: float) -> float:
    """The most that a process has held while it ran; `ru_maxrss` would begin with what its parent held."""
    peak = 0.0
    while process.poll() is None:
        assert time.monotonic() < until, f"no end within {WITHIN_S} seconds"
        with suppress(OSError, StopIteration):  # it may end just now
            peak = max(peak, peak_rss_mb(process.pid))
        time.sleep(0.05)
    return peak


def test_every_hostile_file_is_named_and_the_command_ends(hostile: Path, tmp_path: Path) -> None:
    sources = "".join(
        f"  s{number}: {{type: files, path: '{hostile / name}'}}\n" for number, name in enumerate(HOSTILE_FILES)
    )
    (tmp_path / "sources.yaml").write_text(f"sources:\n{sources}")

    done, peak_mb = _ingest(tmp_path)

    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout
    told = done.stdout.partition("Error: ")[2].splitlines()
    for number, (name, (_, message)) in enumerate(HOSTILE_FILES.items()):
        assert any(line.startswith(f"s{number}: ") and name in line and message in line for line in told), (name, told)
    assert max(map(len, told)) < 2_000
    assert peak_mb < MEMORY_MB
    for table in ("raw.source_files", "raw.transactions", "raw.rejected_transactions"):
        assert sql(tmp_path / "warehouse", f"SELECT COUNT(*) FROM {table}") == "0"


@pytest.mark.parametrize("name", ["zeros_below_header.csv.gz", "open_quote_later.csv"])
def test_a_command_that_has_met_one_ends(hostile: Path, tmp_path: Path, name: str) -> None:
    done, _ = _ingest(tmp_path, os.fspath(hostile / name))
    assert done.returncode == 1
    assert HOSTILE_FILES[name][1] in done.stdout
