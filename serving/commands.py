"""`segmentation serve`: the scorer's command."""

import math
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from uvicorn.supervisors import Multiprocess

from segmentation.errors import SegmentationError
from segmentation.settings import Settings, load_settings
from segmentation.terminal import make_console
from segmentation.tracing.otlp import wants_traces
from serving.connections.limits import connection_limits
from serving.connections.server import LimitedConfig
from serving.logs import log_config

SHARED_MEMORY = "/dev/shm"  # noqa: S108 (a folder of one's own is made in it)
CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")
APP = "serving.app:create_app_from_environment"


class LogLevel(StrEnum):
    """How much the scorer says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How the scorer says it."""

    JSON = "json"
    TEXT = "text"


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of the machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Processes; one per core if left out.")
    ] = None,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe messages that are logged.")] = LogLevel.INFO,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="How messages are written; text on a terminal, JSON elsewhere.")
    ] = None,
) -> None:
    """Serve scores over HTTP from the champion model.

    A new champion is picked up without a restart, and so are new and revoked keys.
    Without a lake or a model the scorer starts all the same, and is ready once there is one.
    Stop it with Ctrl-C; what is being answered is finished first.

    For example: segmentation serve --port 8080 --workers 2
    """
    settings = load_settings()
    wants_traces()  # a worker that finds out what lacks would be started again and again
    listener = _listener(host, port)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    make_console().print(f"Scorer: {address}\nDocs:   {address}/schema", markup=False, highlight=False, soft_wrap=True)
    if settings.auth == "off":
        _warn(host)
    as_json = log_format is LogFormat.JSON if log_format else not sys.stderr.isatty()
    _run(settings, listener, workers or _cores(), log_level.value, as_json)


def _run(settings: Settings, listener: socket.socket, workers: int, log_level: str, as_json: bool) -> None:
    config = LimitedConfig(
        APP,
        connection_limits(settings),
        factory=True,
        workers=workers,
        log_config=log_config(log_level, as_json),
        log_level=log_level,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=round(settings.request_timeout_s),
    )
    try:
        if workers == 1:
            uvicorn.Server(config).run(sockets=[listener])
        else:
            with _shared_metrics():
                Multiprocess(config, sockets=[listener]).run()
    except KeyboardInterrupt:
        return


def _cores() -> int:
    """Cores that this process may use: those it may run on, and no more than a container's limit (cgroup v2)."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = CPU_LIMIT.read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else min(cores, math.ceil(int(quota) / int(period)))


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """An empty folder in which worker processes share their metrics; those of an earlier start must not count."""
    given = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None  # a full disk must not stop a count
    folder = given or tempfile.mkdtemp(prefix="segmentation-figures-", dir=memory)
    shutil.rmtree(folder, ignore_errors=True)
    Path(folder).mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _warn(host: str) -> None:
    where = "this machine" if host in {"127.0.0.1", "::1", "localhost"} else "the network"
    make_console(stderr=True).print(
        f"[bold red]Warning:[/] nobody is asked for a key (SEGMENTATION_AUTH=off): everybody who reaches the scorer "
        f"from {where} may read all customers and change the champion.",
        highlight=False,
        soft_wrap=True,
    )


def _listener(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port that is taken is told before anything is announced."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return _bound(socket.socket(family, kind, protocol), address)
    except OSError as error:
        raise SegmentationError(
            f"Can't listen on {host}:{port} ({error.strerror}). Stop what uses it, or choose another with --port."
        ) from error


def _bound(listener: socket.socket, address: Any) -> socket.socket:
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    return listener
