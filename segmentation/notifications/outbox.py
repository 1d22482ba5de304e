"""What is to be told and has not arrived yet: plain data that a sensor keeps as its cursor.

A message leaves the outbox when every service has taken it, or after hours of trying. Messages of one topic are told
at most every ten minutes: what comes in between waits and is told as one, so that a backfill of fifty runs that fail
is one message and not fifty.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from segmentation.notifications.channels import Message, Service

QUIET_S = 600.0
"""How long after a message another one of its topic has to wait."""

FIRST_RETRY_S, LONGEST_WAIT_S = 30.0, 3600.0
MOST_ATTEMPTS = 12
"""With waits that double up to an hour, this is five and a half hours."""

BUDGET_S = 30.0
"""How long one delivery may take; Dagster gives a tick a minute, and forgets all of it if it takes longer."""


@dataclass(frozen=True)
class PendingMessage:
    """A message on its way.

    Attributes:
        message: The message.
        not_before: When it may be sent, seconds since 1970.
        attempts: How often that failed.
        taken_by: Keys of the services that have it already.
    """

    message: Message
    not_before: float = 0.0
    attempts: int = 0
    taken_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outbox:
    """Parcels, oldest first, and when each topic was last told (seconds since 1970)."""

    pending_messages: tuple[PendingMessage, ...] = ()
    told_at: Mapping[str, float] = field(default_factory=dict)

    def with_messages(self, messages: Iterable[Message], now: float) -> "Outbox":
        """The outbox with more to tell; a message joins one of its topic that still waits."""
        told_at = {topic: at for topic, at in self.told_at.items() if at + QUIET_S > now}
        pending_messages = list(self.pending_messages)
        for message in messages:
            place = next((i for i, pending in enumerate(pending_messages) if _takes(pending, message)), None)
            if place is not None:
                pending_messages[place] = replace(
                    pending_messages[place], message=pending_messages[place].message.merged(message)
                )
            else:
                wait_until = told_at.get(message.topic, -QUIET_S) + QUIET_S
                pending_messages.append(PendingMessage(message, not_before=wait_until))
        return Outbox(tuple(pending_messages), told_at)


@dataclass(frozen=True)
class Dispatch:
    """What came of a look into the outbox.

    Attributes:
        outbox: What is still to be told.
        arrived: Titles of the messages that every service has now.
        problems: What went wrong, and will be tried again.
        given_up: What went wrong too often.
    """

    outbox: Outbox
    arrived: tuple[str, ...]
    problems: tuple[str, ...]
    given_up: tuple[str, ...]


def deliver(
    outbox: Outbox, services: Sequence[Service], now: float, clock: Callable[[], float] = time.monotonic
) -> Dispatch:
    """Send what is due. A service that fails is left alone until the next delivery.

    Args:
        outbox: What is to be told.
        services: Who is told.
        now: Seconds since 1970.
        clock: Measures how long this takes.
    """
    started, failing = clock(), set[str]()
    kept: list[PendingMessage] = []
    told_at = dict(outbox.told_at)
    arrived: list[str] = []
    problems: list[str] = []
    given_up: list[str] = []
    for pending in outbox.pending_messages:
        if pending.not_before > now or clock() - started > BUDGET_S:
            kept.append(pending)
            continue
        tried, failures = _send(pending, [service for service in services if service.key not in failing])
        failing |= failures.keys()
        title = tried.message.title
        if all(service.key in tried.taken_by for service in services):
            arrived.append(title)
            told_at[tried.message.topic] = now
        elif failures and tried.attempts + 1 >= MOST_ATTEMPTS:
            given_up += [f"{title!r} is given up after {MOST_ATTEMPTS} attempts: {each}" for each in failures.values()]
        else:
            problems += [f"{title!r} will be tried again: {each}" for each in failures.values()]
            kept.append(_later(tried, now) if failures else tried)
    told_at.pop("", None)
    return Dispatch(Outbox(tuple(kept), told_at), tuple(arrived), tuple(problems), tuple(given_up))


def _takes(pending: PendingMessage, message: Message) -> bool:
    is_fresh = pending.attempts == 0 and not pending.taken_by
    return is_fresh and bool(message.topic) and pending.message.topic == message.topic


def _send(pending: PendingMessage, services: Sequence[Service]) -> tuple[PendingMessage, dict[str, str]]:
    """The pending as it is after the services were tried that lack it, and by key what went wrong."""
    taken, failures = list(pending.taken_by), dict[str, str]()
    for service in services:
        if service.key in taken:
            continue
        problem = service.send(pending.message)
        if problem is None:
            taken.append(service.key)
        else:
            failures[service.key] = problem
    return replace(pending, taken_by=tuple(taken)), failures


def _later(pending: PendingMessage, now: float) -> PendingMessage:
    wait = min(FIRST_RETRY_S * 2**pending.attempts, LONGEST_WAIT_S)
    return replace(pending, attempts=pending.attempts + 1, not_before=now + wait)
