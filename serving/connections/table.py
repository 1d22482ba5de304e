"""All connections of a process by what they wait for, the longest wait first: which take too long, which must go."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from typing import Protocol

from serving.connections.limits import ConnectionLimits

SWEEP_S = 0.5
LEAVING_S = 5.0
"""How long a client has to read a refusal, or a part of an answer, before its connection is cut."""


class Phase(Enum):
    """What a connection waits for."""

    HEAD = auto()
    BODY = auto()
    ANSWER = auto()
    IDLE = auto()
    LEAVING = auto()


class Connection(Protocol):
    """What the table asks of a connection."""

    def expire(self, phase: Phase) -> None:
        """It has waited too long."""

    def stall(self) -> None:
        """Its client hasn't read for too long."""

    def cut(self) -> None:
        """It must make room for another."""


class ConnectionTable:
    """The connections of one process. Not for use by several threads."""

    def __init__(self, limits: ConnectionLimits, on_sweep: Callable[[], None]) -> None:
        self.limits = limits
        self._on_sweep = on_sweep
        self._waiting: dict[Phase, OrderedDict[Connection, float]] = {phase: OrderedDict() for phase in Phase}
        self._unread: OrderedDict[Connection, float] = OrderedDict()
        self._timeouts = {
            Phase.HEAD: limits.head_timeout_s,
            Phase.BODY: limits.body_timeout_s,
            Phase.IDLE: limits.keep_alive_s,
            Phase.LEAVING: LEAVING_S,
        }
        self._is_swept = False

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look for what takes too long from now on, if that isn't done yet."""
        if not self._is_swept:
            self._is_swept = True
            loop.call_later(SWEEP_S, self._sweep, loop)

    def move(self, connection: Connection, before: Phase | None, after: Phase | None, now: float) -> None:
        """Note what a connection waits for now; None: it has come, or gone."""
        if before is not None:
            self._waiting[before].pop(connection, None)
        if after is not None:
            self._waiting[after][connection] = now

    def is_read(self, connection: Connection) -> None:
        """The client takes its answer."""
        self._unread.pop(connection, None)

    def is_unread(self, connection: Connection, now: float) -> None:
        """The client doesn't take its answer for now."""
        self._unread[connection] = now

    def make_room(self, newcomer: Connection) -> bool:
        """Cut the connection that has been of no use for longest, if there are too many; False if none can be cut."""
        if len(self) <= self.limits.connections:
            return True
        idle = [self._oldest(phase) for phase in (Phase.HEAD, Phase.IDLE, Phase.LEAVING)]
        candidates = [each for each in idle if each and each[1] is not newcomer]
        oldest = min(candidates, key=lambda each: each[0], default=None) or self._oldest(Phase.BODY)
        if oldest is None:
            return False
        oldest[1].cut()
        return True

    def _oldest(self, phase: Phase) -> tuple[float, Connection] | None:
        waiting = self._waiting[phase]
        if not waiting:
            return None
        connection = next(iter(waiting))
        return waiting[connection], connection

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for phase, timeout in self._timeouts.items():
            while (oldest := self._oldest(phase)) and oldest[0] + timeout <= now:
                oldest[1].expire(phase)
        self._sweep_unread(now)
        self._on_sweep()
        loop.call_later(SWEEP_S, self._sweep, loop)

    def _sweep_unread(self, now: float) -> None:
        while self._unread:
            connection = next(iter(self._unread))
            if self._unread[connection] + self.limits.body_timeout_s > now:
                return
            del self._unread[connection]
            connection.stall()
