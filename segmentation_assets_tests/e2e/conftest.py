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
from pathlib import Path

import pytest

from segmentation.settings import Settings
from segmentation.warehouse import Lake
from segmentation_assets_tests.testing.forked_commands import run_command
from segmentation_assets_tests.testing.made_once import made_once

DEMO = ("demo", "--customers", "400", "--no-serve")
PRINTED = "printed"
SMALL = {
    "SEGMENTATION_CUSTOMER_BUCKETS": "2",
    "SEGMENTATION_MAX_SEGMENTS": "5",
    "SEGMENTATION_SEARCH_TRIALS": "5",
    "SEGMENTATION_MIN_STABILITY": "0.5",  # a few hundred customers carry no more
    "SEGMENTATION_TRACKING_URI": "off",
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


def _run_demo(home: Path) -> None:
    """Run a small demo to its table, which goes to a file; from the very start, as a user does."""
    done = subprocess.run(
        command(*DEMO),
        env=environment(home),
        cwd=home.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    home.with_name(PRINTED).write_text(done.stdout)


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a small demo, made once for all workers; tests work on copies."""
    return made_once(tmp_path_factory, "demo", lambda folder: _run_demo(folder / "warehouse")) / "warehouse"


@pytest.fixture(scope="session")
def demo_printed(demo_home: Path) -> str:
    """What the demo printed."""
    return demo_home.with_name(PRINTED).read_text()


@pytest.fixture(scope="module")
def home(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo's home for the tests of one file."""
    copy = tmp_path_factory.mktemp("copy") / "warehouse"
    shutil.copytree(demo_home, copy)
    return copy
