"""`segmentation ARGS` in a process of its own that has the large libraries already.

Importing them takes a command seconds, which hundreds of commands pay in vain. Here one process imports them, and each
command is a fork of it that imports the project's own code anew, with the environment, the folder and the streams that
it is given. A command that is killed, or whose start is what a test is about, is started by `subprocess` instead.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

LIBRARIES = [
    "confluent_kafka",
    "dagster",
    "dagster_duckdb",
    "duckdb",
    "optuna",
    "polars",
    "pyarrow",
    "pydantic_settings",
    "rich.console",
    "scipy.stats",
    "sklearn.cluster",
    "sklearn.metrics",
    "typer",
]
"""What takes long to import; what is missing here only costs time."""

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(LIBRARIES)


def run_command(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path = Path(), timeout_s: float = 240
) -> "subprocess.CompletedProcess[str]":
    """Run `segmentation ARGUMENTS` to its end, with nothing to read; what it returned and said."""
    with tempfile.TemporaryDirectory(prefix="segmentation-command-") as streams:
        said, complained = Path(streams) / "stdout", Path(streams) / "stderr"
        process = start_command(arguments, environment, folder, said, complained)
        process.join(timeout_s)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(arguments, timeout_s, complained.read_bytes())
        assert process.exitcode is not None
        done = subprocess.CompletedProcess(
            arguments, process.exitcode, said.read_text("utf-8"), complained.read_text("utf-8")
        )
        process.close()
        return done


def start_command(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, stdout: Path, stderr: Path
) -> BaseProcess:
    """Start `segmentation ARGUMENTS`, with nothing to read and its streams in files; killing it is up to the caller."""
    process = _SERVER.Process(
        target=_be_command, args=(arguments, dict(environment), folder.absolute(), stdout, stderr)
    )
    process.start()
    return process


def _be_command(
    arguments: Sequence[str], environment: dict[str, str], folder: Path, stdout: Path, stderr: Path
) -> None:
    for descriptor, path, flags in (
        (0, Path(os.devnull), os.O_RDONLY),
        (1, stdout, os.O_WRONLY | os.O_CREAT),
        (2, stderr, os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(path, flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["segmentation", *arguments]
    runpy.run_module("segmentation.cli", run_name="__main__", alter_sys=True)
