"""`segmentation serve`: the scorer's command."""

import logging
import socket
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from segmentation.errors import SegmentationError
from segmentation.settings import load_settings


class LogLevel(StrEnum):
    """How much the scorer says."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def register(app: typer.Typer) -> None:
    """Add the scorer's commands to the command line."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of the machine's.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    log_level: Annotated[LogLevel, typer.Option(help="Least severe messages that are logged.")] = LogLevel.INFO,
) -> None:
    """Serve scores over HTTP from the champion model.

    A new champion is picked up without a restart.
    Without a lake or a model the scorer starts all the same, and is ready once there is one.
    Stop it with Ctrl-C.
    """
    # Other commands shall not wait for the web server's modules.
    import uvicorn

    from serving.app import create_app

    settings = load_settings()
    listener = _listener(host, port)
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    address = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
    Console().print(f"Scorer: {address}\nDocs:   {address}/schema", markup=False, highlight=False, soft_wrap=True)
    config = uvicorn.Config(create_app(settings), log_config=None, log_level=log_level.value, access_log=False)
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        return


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
