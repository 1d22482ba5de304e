"""What was received from a topic, as plain data: messages, and batches of lines made of them."""

from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from segmentation.sources.config import KafkaSource
from segmentation.sources.incremental.deliveries import Advance, Delivery, Malformed
from segmentation.sources.profiles.profile import Profile
from segmentation.sources.readers.records import Record


@dataclass(frozen=True)
class ReceivedMessage:
    """One message.

    Attributes:
        partition: Its partition.
        offset: Its offset there.
        sent_s: When it was sent, in seconds since 1970; None if the broker doesn't say.
        key: Its key.
        body: What it says.
    """

    partition: int
    offset: int
    sent_s: float | None
    key: bytes | None
    body: bytes | None


@dataclass(frozen=True)
class Batch:
    """Messages as lines.

    Attributes:
        records: The lines.
        messages: For each line, its message.
        before: By partition, the offset where the reading began; None for one that was never read.
        after: By partition, the next offset after the batch.
    """

    records: tuple[Record | Malformed, ...]
    messages: tuple[ReceivedMessage, ...]
    before: Mapping[int, str | None]
    after: Mapping[int, str]


def received(message: Message) -> ReceivedMessage:
    """A message of librdkafka that is no error."""
    kind, millis = message.timestamp()
    sent_s = None if kind == TIMESTAMP_NOT_AVAILABLE else millis / 1000
    partition, offset, key, body = message.partition(), message.offset(), message.key(), message.value()
    return ReceivedMessage(partition or 0, offset or 0, sent_s, _as_bytes(key), _as_bytes(body))


def channel(topic: str, partition: int) -> str:
    """What the lake calls a partition."""
    return f"{topic}/{partition}"


def place(topic: str, message: ReceivedMessage) -> str:
    """What the lake says about where a line was."""
    return f"{channel(topic, message.partition)}@{message.offset}"


def delivery(batch: Batch, source: KafkaSource, profile: Profile) -> Delivery:
    """A batch as the lake takes it: with its offsets, which are kept by the commit that writes its lines."""
    before = {channel(source.topic, number): offset for number, offset in batch.before.items() if offset is not None}
    after = {channel(source.topic, number): offset for number, offset in batch.after.items()}
    places = tuple(place(source.topic, message) for message in batch.messages)
    return Delivery(source.name, profile, batch.records, places, advance=Advance(before, after))


def _as_bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
