"""Ports of this machine that servers are started on."""

import socket

from segmentation.errors import SegmentationError


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
