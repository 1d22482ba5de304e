"""An outbox loses nothing, tells nobody twice, and doesn't flood."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from segmentation.notifications.channels import MOST_SUMMARIES, Message
from segmentation.notifications.outbox import BUDGET_S, MOST_ATTEMPTS, QUIET_S, Outbox, deliver

NOW = 1_700_000_000.0
ALONE = Message("success", "Model 2 is the new champion", "text")
FAILED = Message("failure", "Run failed", "text", topic="Runs failed", summaries=("cause",))


class Recipient:
    """Takes messages while it is there."""

    def __init__(self, key: str = "a", is_there: bool = True) -> None:
        self.name = self.key = key
        self.is_there = is_there
        self.asked = 0
        self.has: list[Message] = []

    def send(self, message: Message) -> str | None:
        self.asked += 1
        if not self.is_there:
            return f"{self.name} is away"
        self.has.append(message)
        return None


def _deliver(outbox: Outbox, recipients: Sequence[Recipient], now: float = NOW) -> Outbox:
    return deliver(outbox, recipients, now, clock=lambda: 0.0).outbox  # type: ignore[arg-type]


def test_messages_without_a_topic_are_told_one_by_one() -> None:
    recipient = Recipient()
    left = _deliver(Outbox().with_messages([ALONE, ALONE], NOW), [recipient])
    assert recipient.has == [ALONE, ALONE]
    assert left == Outbox()


def test_a_recipient_that_is_away_is_asked_once_a_delivery() -> None:
    recipient = Recipient(is_there=False)
    outbox = _deliver(Outbox().with_messages([ALONE] * 5, NOW), [recipient])
    assert (recipient.asked, len(outbox.pending_messages)) == (1, 5)


def test_what_takes_too_long_goes_on_next_time() -> None:
    moments = iter([0.0, 0.0, BUDGET_S + 1, BUDGET_S + 1])
    recipient = Recipient()
    outbox = Outbox().with_messages([ALONE] * 3, NOW)
    left = deliver(outbox, [recipient], NOW, clock=lambda: next(moments)).outbox  # type: ignore[list-item]
    assert (len(recipient.has), len(left.pending_messages)) == (1, 2)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_no_message_of_a_topic_is_lost_or_told_too_often(bursts: list[int]) -> None:
    recipient, outbox, told_at = Recipient(), Outbox(), []
    for step in range(len(bursts) + 25):
        now = NOW + step * 30
        fresh = [FAILED] * (bursts[step] if step < len(bursts) else 0)
        before = len(recipient.has)
        outbox = _deliver(outbox.with_messages(fresh, now), [recipient], now)
        told_at += [now] * (len(recipient.has) - before)
    assert sum(message.count for message in recipient.has) == sum(bursts)
    assert all(later - earlier >= QUIET_S for earlier, later in pairwise(told_at))
    assert all(len(message.summaries) <= MOST_SUMMARIES for message in recipient.has)


@given(st.lists(st.sets(st.sampled_from("ab")), min_size=1, max_size=MOST_ATTEMPTS))
def test_everybody_who_comes_back_in_time_has_every_message_once(presence: list[set[str]]) -> None:
    recipients = [Recipient(key) for key in "ab"]
    outbox = Outbox().with_messages([ALONE, replace(ALONE, title="another")], NOW)
    for step, present in enumerate([*presence[: MOST_ATTEMPTS - 1], {"a", "b"}, {"a", "b"}]):
        for recipient in recipients:
            recipient.is_there = recipient.key in present
        outbox = _deliver(outbox, recipients, NOW + step * 3600)
    assert all(
        sorted(message.title for message in each.has) == ["Model 2 is the new champion", "another"]
        for each in recipients
    )
    assert outbox.pending_messages == ()


def test_an_outbox_is_a_cursor() -> None:
    outbox = _deliver(
        Outbox().with_messages([ALONE, FAILED, FAILED], NOW), [Recipient(), Recipient("b", is_there=False)]
    )
    assert msgspec.json.decode(msgspec.json.encode(outbox), type=Outbox) == outbox
