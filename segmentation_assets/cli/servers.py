"""The servers that commands start, Dagster's UI and the scorer: processes that end with the command."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from rich.markup import escape

from segmentation.errors import NoLakeError, SegmentationError
from segmentation.settings import Settings, load_settings
from segmentation.warehouse import Lake
from segmentation_assets.cli import console
from segmentation_assets.cli.code_location import PartitionsFollower, reload_code_location
from segmentation_assets.cli.ports import require_free
from segmentation_assets.cli.runs import dagster_home
from segmentation_assets.event_log import open_instance

STOP_TIMEOUT_S = 20
POLL_S = 0.5
LOOK_EVERY = 20
"""Of so many polls, one looks whether there are other days."""


def open_ui(port: int) -> None:
    """Run the Dagster UI and daemon until Ctrl-C."""
    require_free(port, instead="choose another with --port")
    settings = load_settings()
    with _until_stopped(), _dagster(settings, port) as process:
        console.out.print(f"Dagster UI: http://127.0.0.1:{port} (Ctrl-C to stop)", highlight=False)
        _warn_without_lake(settings)
        _follow_while(lambda: process.poll() is None, settings, port)


def _warn_without_lake(settings: Settings) -> None:
    """Say that runs wait for a lake: none of them makes one."""
    try:
        Lake(settings, read_only=True).close()
    except NoLakeError as error:
        console.out.print(f"[yellow]{escape(str(error))} Until then runs fail, and sensors wait.[/]", soft_wrap=True)


def serve(settings: Settings, ui_port: int, scorer_port: int, on_ready: Callable[[], None]) -> None:
    """Run the Dagster UI and an open scorer until Ctrl-C.

    Args:
        settings: Of the installation.
        ui_port: Where the UI listens.
        scorer_port: Where the scorer does.
        on_ready: Called once both answer.

    Raises:
        SegmentationError: One of them doesn't start.
    """
    with _until_stopped(), ExitStack() as stack:
        ui = stack.enter_context(_dagster(settings, ui_port))
        scorer = stack.enter_context(_scorer(scorer_port))
        with console.out.status("Starting the Dagster UI and the scorer…"):
            _await(f"http://127.0.0.1:{scorer_port}/health/ready", scorer)
            _await(f"http://127.0.0.1:{ui_port}/server_info", ui)
        on_ready()
        _follow_while(lambda: ui.poll() is None and scorer.poll() is None, settings, ui_port)


def _scorer(port: int) -> "AbstractContextManager[subprocess.Popen[bytes]]":
    """Without keys: what it shows is made up, or the user's own on their own machine."""
    options = ("--port", str(port), "--workers", "1", "--log-level", "warning")
    return _process([sys.executable, "-m", "segmentation.cli", "serve", *options], {"SEGMENTATION_AUTH": "off"})


def _follow_while(is_running: Callable[[], bool], settings: Settings, port: int) -> None:
    """Keep the partitions that the UI offers up to date for as long as it runs."""
    follower = PartitionsFollower(settings, partial(reload_code_location, f"http://127.0.0.1:{port}"))
    for tick in count():
        if not is_running():
            return
        if tick % LOOK_EVERY == 0:
            follower.look()
        time.sleep(POLL_S)


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Let Ctrl-C, `kill` and a closed terminal end the block in order, also for a command started in the background."""

    def stop(number: int, frame: object) -> None:  # noqa: ARG001 (Python's signature)
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        console.out.print("Stopped.")
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _dagster(settings: Settings, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    code = ["-w", str(workspace)] if workspace.exists() else ["-m", "segmentation_assets.definitions"]
    command = [sys.executable, "-m", "dagster", "dev", "-p", str(port), *code]
    folder = dagster_home(settings)
    with open_instance(folder):
        pass  # webserver and daemon, which start at once, shall find its files
    with _process(command, {"DAGSTER_HOME": str(folder)}, folder / "ui.log") as process:
        yield process


@contextmanager
def _process(
    command: list[str], environment: Mapping[str, str], log: Path | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A child process that ends, with its own children, when the block does."""
    with ExitStack() as stack:
        output = stack.enter_context(log.open("ab")) if log else None
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=output, start_new_session=True
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _await(url: str, process: "subprocess.Popen[bytes]", timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SegmentationError(f"The server of {url} ended with exit code {process.returncode}.")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 (our own loopback address)
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.3)
    raise SegmentationError(f"{url} did not answer within {timeout_s:.0f} s.")
