"""The limits of a scorer process's connections, from the settings and from the system's limit of descriptors."""

import resource
from dataclasses import dataclass

from segmentation.settings import Settings

MAX_RESERVE = 256
"""Descriptors kept back for the lake's files and sockets, logs, and connections that were just accepted."""

MAX_BACKLOG = 2048


@dataclass(frozen=True)
class ConnectionLimits:
    """What one scorer process allows.

    Attributes:
        connections: Open ones at a time.
        wanted: As many as the settings allow.
        backlog: Those that the system keeps until they are accepted.
        head_bytes: Of a request: its first line and headers, or its trailers.
        headers: Of a request, trailers included.
        head_timeout_s: From a connection's start, or a head's first byte, until the head is complete.
        body_timeout_s: From then on until the body is complete.
        keep_alive_s: How long a connection may stay open without a request.
    """

    connections: int
    wanted: int
    backlog: int
    head_bytes: int
    headers: int
    head_timeout_s: float
    body_timeout_s: float
    keep_alive_s: float


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The limits of each process, after raising the soft limit of descriptors as far as they need and is allowed."""
    descriptors = _raised(settings.max_connections + MAX_RESERVE + MAX_BACKLOG)
    reserve = min(MAX_RESERVE, descriptors // 2)
    connections = min(settings.max_connections, descriptors - reserve)
    return ConnectionLimits(
        connections=connections,
        wanted=settings.max_connections,
        backlog=min(MAX_BACKLOG, descriptors - connections - reserve // 2),  # all of it may be accepted at once
        head_bytes=settings.max_head_bytes,
        headers=settings.max_headers,
        head_timeout_s=settings.head_timeout_s,
        body_timeout_s=settings.request_timeout_s + 1,  # the answer that says so (504) comes first
        keep_alive_s=settings.keep_alive_s,
    )


def _raised(wanted: int) -> int:
    """The soft limit of descriptors, raised to what is wanted if the hard limit allows it; inherited by workers."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
