"""Ports of this machine that servers are started on."""

import socket

from segmentation.errors import SegmentationError


def choose(asked: int | None, usual: int, *, option: str) -> int:
    """A port to start a server on, on the loopback address.

    Args:
        asked: What the user asks for; None for the usual one, or any that is free where that is taken.
        usual: The port that the server has as a rule.
        option: The option that the user asks with.

    Raises:
        SegmentationError: The port that is asked for is taken.
    """
    if asked is not None:
        require_free(asked, instead=f"choose another with {option}")
        return asked
    try:
        require_free(usual, instead="")
    except SegmentationError:
        return _any_free()
    return usual


def _any_free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def require_free(port: int, host: str = "127.0.0.1", *, instead: str) -> None:
    """Refuse a port before anything is started or announced.

    Args:
        port: The port.
        host: The address to listen on.
        instead: What the user can do otherwise, such as "use --no-serve".

    Raises:
        SegmentationError: It can't be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise SegmentationError(
            f"Can't listen on {host}:{port} ({error.strerror}), perhaps an earlier demo or server does. Stop that, or "
            f"{instead}."
        ) from error
