"""Positions: which partitions a consumer has, where each of them is read on, and how much of it is left.

How far a partition has been read is kept in the lake. The broker only shares out the partitions; where the two don't
agree, because messages are gone from the broker or a topic was made anew, it is noticed here.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource
from segmentation.streaming.batches import ReceivedMessage, channel

METADATA_S = 10
PAST_END_S = 3.0
"""How long a partition may end before the lake's position; for a moment, a new leader may not know its end."""

logger = logging.getLogger(__name__)


class Positions:
    """The partitions that a consumer was assigned, and how far each of them is in the lake."""

    def __init__(
        self,
        consumer: Consumer,
        source: KafkaSource,
        read_lake: Callable[[], Mapping[str, str] | None],
        *,
        skip_lost: bool,
    ) -> None:
        """Nothing is assigned yet.

        Args:
            consumer: Whose partitions they are.
            source: What is read.
            read_lake: The lake's position by channel; None once told to stop.
            skip_lost: Whether to go on with the oldest message there is where the next one is gone from the broker.
        """
        self._consumer, self._source, self._read_lake, self._skips_lost = consumer, source, read_lake, skip_lost
        self._in_lake: dict[int, str | None] = {}  # by partition, the lake's position
        self._next_offset: dict[int, int] = {}  # by partition, the first offset that is still to be read
        self._past_end_since: float | None = None

    def subscribe(self) -> None:
        """Join the consumer group; the broker assigns partitions from then on."""
        self._consumer.subscribe([self._source.topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def is_expected(self, message: ReceivedMessage) -> bool:
        """Whether a message is still to be read, and by this consumer; partitions change hands while it reads."""
        return message.partition in self._in_lake and message.offset >= self._next_offset[message.partition]

    def in_lake(self, partitions: Iterable[int]) -> dict[int, str | None]:
        """The lake's position of some partitions; None where one was never read."""
        return {number: self._in_lake[number] for number in partitions}

    def advance(self, after: Mapping[int, str]) -> None:
        """Take note of positions that the lake has been brought to."""
        self._in_lake.update(after)
        self._next_offset.update({number: int(offset) for number, offset in after.items()})

    def rewind(self) -> None:
        """Forget what was read ahead, and go on where the lake is."""
        positions = self._read_lake()
        if positions is None:  # told to stop
            return
        for number in list(self._in_lake):
            position = positions.get(channel(self._source.topic, number))
            self._in_lake[number] = position
            if position is not None:
                self._next_offset[number] = int(position)
                self._consumer.seek(TopicPartition(self._source.topic, number, int(position)))

    def lags(self) -> dict[int, int]:
        """How many messages wait, by partition; without partitions that nothing is known of yet."""
        return {number: max(lag, 0) for number in self._in_lake if (lag := self._lag(number)) is not None}

    def is_at_end(self) -> bool:
        """Whether every partition that this consumer has was read to its end."""
        return bool(self._in_lake) and all(self._lag(number) == 0 for number in self._in_lake)

    def check_ends(self) -> None:
        """Notice partitions that end before the lake's position.

        Raises:
            SourceError: They have for a while, and lost messages are not to be skipped.
        """
        past_end = [number for number in self._in_lake if (self._lag(number) or 0) < 0]
        if not past_end:
            self._past_end_since = None
        elif self._past_end_since is None:
            self._past_end_since = time.monotonic()
        elif time.monotonic() - self._past_end_since > PAST_END_S:
            if not self._skips_lost:
                raise self.lost(past_end[0], "it ends before them; the topic was made anew")
            self._restart(past_end)
            self._past_end_since = None

    def lost(self, number: int | None, why: str) -> SourceError:
        """What to say if messages of a partition are gone from the broker."""
        position = None if number is None else self._in_lake.get(number)
        return SourceError(
            f"Messages of {self._source.topic}/{number} from offset {position} on are gone from the broker, and never "
            f"came into the lake ({why}). Look for them elsewhere; to go on without them: segmentation stream "
            f"{self._source.name} --skip-lost"
        )

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition where the lake says that it was left."""
        positions = self._read_lake()
        if positions is None:  # told to stop
            return
        for partition in partitions:
            position = positions.get(channel(self._source.topic, partition.partition))
            self._in_lake[partition.partition] = position
            partition.offset = self._start(partition.partition, None if position is None else int(position))
            self._next_offset[partition.partition] = max(partition.offset, 0)
        logger.info("Assigned %s", {each.partition: each.offset for each in partitions})
        consumer.incremental_assign(partitions) if self._is_cooperative() else consumer.assign(partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._in_lake.pop(partition.partition, None)
        consumer.incremental_unassign(partitions) if self._is_cooperative() else consumer.unassign()

    def _is_cooperative(self) -> bool:
        return "cooperative" in str(self._source.options.get("partition.assignment.strategy", ""))

    def _start(self, number: int, position: int | None) -> int:
        """Where to begin a partition: at the lake's position, if the broker still has all messages from there on."""
        is_earliest = self._source.start == "earliest"
        try:
            partition = TopicPartition(self._source.topic, number)
            oldest, end = self._consumer.get_watermark_offsets(partition, timeout=METADATA_S)
        except KafkaException as error:  # it has just said that the partition is ours; what is gone shows when reading
            logger.warning("The broker doesn't say where %s begins: %s", channel(self._source.topic, number), error)
            return (OFFSET_BEGINNING if is_earliest else OFFSET_END) if position is None else position
        if position is None:
            return oldest if is_earliest else end
        if oldest > position and not self._skips_lost:
            raise self.lost(number, f"its oldest is {oldest}")
        return max(position, oldest)

    def _restart(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._next_offset[number] = 0
            self._consumer.seek(TopicPartition(self._source.topic, number, OFFSET_BEGINNING))

    def _lag(self, number: int) -> int | None:
        """Messages that wait in a partition, as of the last fetch; None before the first.

        Below zero if the partition ends before where it should be read on: its topic was made anew.
        """
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self._source.topic, number), cached=True)
        if high < 0:
            return None
        return high - max(low, self._next_offset[number])
