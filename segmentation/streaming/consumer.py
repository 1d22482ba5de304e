"""One consumer of a topic: reads messages, upserts them into the lake, and goes on where the lake says it was left.

How far each partition has been read is kept in the lake, in the commit that writes the lines. So a consumer that is
killed at any moment loses nothing and doubles nothing; one that lost a partition to another consumer notices when it
tries to commit, and gives its batch up. The broker only shares out the partitions, and is told the offsets for the
sake of its own tools.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource
from segmentation.sources.incremental.deliveries import Malformed, Receipt, StalePositionsError
from segmentation.sources.readers.records import Record
from segmentation.streaming.batches import Batch, ReceivedMessage, delivery, received
from segmentation.streaming.dead_letters import DeadLetters
from segmentation.streaming.lake_writer import LakeWriter
from segmentation.streaming.messages import Decode, malformed
from segmentation.streaming.metrics import StreamMetrics
from segmentation.streaming.positions import Positions
from segmentation.warehouse import Lake
from segmentation.warehouse.schema import identity

QUEUED_KB = 16 * 1024
"""What librdkafka reads ahead; while the lake is slow, no more than this is fetched."""

MIN_LINGER_S = 0.02
LOST = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}
UNREADABLE = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED}

logger = logging.getLogger(__name__)


class StreamConsumer:
    """Reads one declared topic. Not for use by several threads."""

    def __init__(
        self,
        source: KafkaSource,
        lake: Lake,
        decode: Decode,
        metrics: StreamMetrics,
        stop: Event,
        *,
        skip_lost: bool = False,
        on_batch: Callable[[Receipt, float], object] = lambda *_: None,
    ) -> None:
        """Prepare to read; the consumer group is joined by `run`.

        Args:
            source: What to read.
            lake: Where to; opened with `inline_rows`.
            decode: Turns messages into lines.
            metrics: Is told what happens.
            stop: Ends the reading; the batch in hand is finished first.
            skip_lost: Whether to go on with the oldest message there is where the next one is gone from the broker.
            on_batch: Is told of each batch that was committed, with the seconds that it took.

        Raises:
            SourceError: The options are none that librdkafka knows, or the profile gives no line ids.
        """
        self._source, self._decode, self._metrics, self._stop, self._on_batch = source, decode, metrics, stop, on_batch
        self._profile = source.read_profile()
        self._lake_writer = LakeWriter(lake, stop, source.flush_s, metrics.commit_failed)
        self._last_upsert_s = 0.0
        self._fatal_error: str | None = None
        try:
            self._consumer = Consumer(_options(source, lake, skip_lost, self._on_error), logger=logger)
            self._dead_letters = DeadLetters(source)
        except (KafkaException, ValueError, TypeError) as error:
            raise SourceError(f"The options of the source {source.name} can't be used: {error}") from error
        self._positions = Positions(self._consumer, source, self._positions_in_lake, skip_lost=skip_lost)

    def run(self, *, until_empty: bool = False) -> None:
        """Read until told to stop, or until nothing is left.

        Raises:
            SourceError: Messages that were not read yet are gone from the broker, or the topic can't be read.
            SegmentationError: The lake can't be written at all.
        """
        self._positions.subscribe()
        try:
            while not self._stop.is_set():
                batch = self._read_batch()
                if batch is not None:
                    self._upsert(batch)
                else:
                    self._metrics.idle(time.time())
                self._lake_writer.flush_if_due()
                self._metrics.lag(self._positions.lags())
                self._positions.check_ends()
                if until_empty and batch is None and self._positions.is_at_end():
                    return
        finally:
            self._consumer.close()

    def close(self) -> None:
        """Close the lake."""
        self._lake_writer.close()

    def _positions_in_lake(self) -> Mapping[str, str] | None:
        return self._lake_writer.positions(self._source.name)

    def _on_error(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._metrics.broker(False)
        logger.warning("Kafka: %s", error)
        if error.fatal():
            self._fatal_error = str(error)

    def _read_batch(self) -> Batch | None:
        """What is waiting, up to a batch; None if that is nothing."""
        messages = [message for message in self._receive() if self._positions.is_expected(message)]
        if not messages:
            return None
        self._metrics.broker(True)
        lines = [(record, message) for message in messages for record in self._decoded(message)]
        after = {message.partition: str(message.offset + 1) for message in messages}
        return Batch(
            tuple(record for record, _ in lines),
            tuple(message for _, message in lines),
            self._positions.in_lake(after),
            after,
        )

    def _receive(self) -> list[ReceivedMessage]:
        linger_s = max(self._source.linger_s - self._last_upsert_s, MIN_LINGER_S)  # messages gathered meanwhile
        found, self._last_upsert_s = self._consumer.consume(self._source.batch_lines, linger_s), 0.0
        if self._fatal_error:
            raise SourceError(
                f"The broker of the source {self._source.name} refuses this consumer: {self._fatal_error}"
            )
        for message in found:
            if (error := message.error()) is not None:
                self._raise_if_final(error, message)
        return [received(message) for message in found if message.error() is None]

    def _raise_if_final(self, error: KafkaError, message: Message) -> None:
        if error.code() in LOST:
            raise self._positions.lost(message.partition(), str(error))
        if error.code() in UNREADABLE:
            raise SourceError(
                f"The topic {self._source.topic} of the source {self._source.name} can't be read: {error}"
            )
        logger.warning("Kafka: %s", error)

    def _decoded(self, message: ReceivedMessage) -> Sequence[Record | Malformed]:
        return [malformed(b"")] if message.body is None else self._decode(message.body)

    def _upsert(self, batch: Batch) -> None:
        """Commit a batch; for as long as the lake can't be written, keep it and try again."""
        lines, began = delivery(batch, self._source, self._profile), time.monotonic()
        try:
            receipt = self._lake_writer.upsert(lines)
        except StalePositionsError:
            logger.info("Another consumer was first; going on from where the lake is")
            self._positions.rewind()
            return
        if receipt is not None:
            self._after_commit(batch, receipt, time.monotonic() - began)

    def _after_commit(self, batch: Batch, receipt: Receipt, took_s: float) -> None:
        self._positions.advance(batch.after)
        self._last_upsert_s = took_s
        sent_s = {(message.partition, message.offset): message.sent_s for message in batch.messages}
        self._metrics.committed(receipt, took_s, [sent for sent in sent_s.values() if sent is not None], time.time())
        self._dead_letters.send(batch, receipt)
        self._commit_offsets(batch)
        self._on_batch(receipt, took_s)

    def _commit_offsets(self, batch: Batch) -> None:
        """Tell the broker, for its own tools; what counts are the offsets in the lake."""
        offsets = [TopicPartition(self._source.topic, number, int(offset)) for number, offset in batch.after.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            logger.info("The broker was not told the offsets, which are in the lake: %s", error)


def _options(
    source: KafkaSource, lake: Lake, skip_lost: bool, on_error: Callable[[KafkaError], None]
) -> dict[str, str | int | float | bool | Callable[..., object]]:
    return {
        "session.timeout.ms": 6_000,
        "queued.max.messages.kbytes": QUEUED_KB,
        **source.options,
        "bootstrap.servers": source.servers,
        "group.id": source.group or _group(source, lake),
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest" if skip_lost else "error",
        "enable.partition.eof": False,
        "error_cb": on_error,
    }


def _group(source: KafkaSource, lake: Lake) -> str:
    """A group of this lake's own: two lakes that shared one would get half of the messages each."""
    with lake.cursor() as con:
        return f"segmentation-{source.name}-{source.topic}-{identity(con)}"
