"""One consumer of a topic: reads messages, lands them in the lake, and goes on where the lake says it was left.

How far each partition has been read is kept in the lake, in the commit that writes the lines. So a consumer that is
killed at any moment loses nothing and doubles nothing; one that lost a partition to another consumer notices when it
tries to commit, and gives its batch up. The broker only shares out the partitions, and is told the offsets for the
sake of its own tools.
"""

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TypeVar

import duckdb
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from segmentation.clock import utc_now
from segmentation.errors import SegmentationError, SourceError
from segmentation.metadata.tables.raw import STREAMED_TABLES
from segmentation.sources.config import KafkaSource
from segmentation.sources.incremental.deliveries import Advance, Delivery, Malformed, Receipt, StalePositionsError
from segmentation.sources.incremental.upsert import Upserter
from segmentation.sources.readers.records import Record
from segmentation.streaming.messages import Decode, malformed
from segmentation.streaming.metrics import StreamMetrics
from segmentation.warehouse import Lake
from segmentation.warehouse.maintenance import flush
from segmentation.warehouse.schema import identity

QUEUED_KB = 16 * 1024
"""What librdkafka reads ahead; while the lake is slow, no more than this is fetched."""

METADATA_S = 10
BEYOND_S = 3.0
DEAD_LETTER_S = 10
LONGEST_PAUSE_S = 30.0
FLUSH_LINES = 15_000
"""Lines in the catalogue that are flushed at once: others wait for half a second meanwhile."""

LEAST_LINGER_S = 0.02
FATAL = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sent:
    """One message as it was sent.

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
    messages: tuple[Sent, ...]
    before: Mapping[int, str | None]
    after: Mapping[int, str]


class StreamConsumer:
    """Reads one declared topic. Not for use by several threads."""

    def __init__(
        self,
        source: KafkaSource,
        lake: Lake,
        decode: Decode,
        figures: StreamMetrics,
        *,
        skip_lost: bool = False,
        on_batch: Callable[[Receipt, float], object] = lambda *_: None,
    ) -> None:
        """Join the consumer group.

        Args:
            source: What to read.
            lake: Where to; opened with `inline_rows`.
            decode: Turns messages into lines.
            figures: Is told what happens.
            skip_lost: Whether to go on with the oldest message there is where the next one is gone from the broker.
            on_batch: Is told of each batch that was committed, with the seconds that it took.

        Raises:
            SourceError: The options are none that librdkafka knows, or the profile gives no line ids.
        """
        self._source, self._lake, self._decode, self._figures, self._on_batch = source, lake, decode, figures, on_batch
        self._profile = source.read_profile()
        self._upserter = Upserter(lake)
        self._skips_lost = skip_lost
        self._took_s = 0.0
        self._beyond_since: float | None = None
        self._next: dict[int, str | None] = {}  # by partition, the lake's position
        self._least: dict[int, int] = {}  # by partition, the first offset that is still to be landed
        self._unflushed, self._flushed_at = 0, time.monotonic()
        self._fatal: str | None = None
        self._stop = Event()
        try:
            self._consumer = Consumer(self._options(), logger=logger)
            self._dead_letters = self._producer() if source.dead_letter_topic else None
        except (KafkaException, ValueError, TypeError) as error:
            raise SourceError(f"The options of the source {source.name} can't be used: {error}") from error

    def run(self, stop: Event, *, until_empty: bool = False) -> None:
        """Read until told to stop, or until nothing is left.

        Raises:
            SourceError: Messages that were not read yet are gone from the broker, or the topic can't be read.
            SegmentationError: The lake can't be written at all.
        """
        self._stop = stop
        self._consumer.subscribe([self._source.topic], on_assign=self._assigned, on_revoke=self._revoked)
        try:
            while not stop.is_set():
                batch = self._read()
                if batch is not None:
                    self._land(batch)
                else:
                    self._figures.idle(time.time())
                self._flush_in_time()
                self._tell_lag()
                self._check_ends()
                if until_empty and batch is None and self._is_at_end():
                    return
        finally:
            self._consumer.close()

    def close(self) -> None:
        """Close the lake."""
        self._lake.close()

    def _options(self) -> dict[str, str | int | float | bool | Callable[..., object]]:
        source = self._source
        return {
            "session.timeout.ms": 6_000,
            "queued.max.messages.kbytes": QUEUED_KB,
            **source.options,
            "bootstrap.servers": source.servers,
            "group.id": source.group or self._group(),
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest" if self._skips_lost else "error",
            "enable.partition.eof": False,
            "error_cb": self._heard,
        }

    def _group(self) -> str:
        """A group of this lake's own: two lakes that shared one would get half of the messages each."""
        with self._lake.cursor() as con:
            return f"segmentation-{self._source.name}-{self._source.topic}-{identity(con)}"

    def _producer(self) -> Producer:
        return Producer({**self._source.options, "bootstrap.servers": self._source.servers, "enable.idempotence": True})

    def _heard(self, error: KafkaError) -> None:
        if error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._figures.broker(False)
        logger.warning("Kafka: %s", error)
        if error.fatal():
            self._fatal = str(error)

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin each partition where the lake says that it was left."""
        positions = self._patiently(lambda: self._upserter.positions(self._source.name))
        if positions is None:  # told to stop
            return
        for partition in partitions:
            position = positions.get(self._channel(partition.partition))
            self._next[partition.partition] = position
            partition.offset = self._start(partition.partition, None if position is None else int(position))
            self._least[partition.partition] = max(partition.offset, 0)
        logger.info("Assigned %s", {each.partition: each.offset for each in partitions})
        consumer.incremental_assign(partitions) if self._is_cooperative() else consumer.assign(partitions)

    def _start(self, number: int, position: int | None) -> int:
        """Where to begin a partition: at the lake's position, if the broker still has all messages from there on."""
        is_earliest = self._source.start == "earliest"
        try:
            partition = TopicPartition(self._source.topic, number)
            oldest, end = self._consumer.get_watermark_offsets(partition, timeout=METADATA_S)
        except KafkaException as error:  # it has just said that the partition is ours; what is gone shows when reading
            logger.warning("The broker doesn't say where %s begins: %s", self._channel(number), error)
            return (OFFSET_BEGINNING if is_earliest else OFFSET_END) if position is None else position
        if position is None:
            return oldest if is_earliest else end
        if oldest > position and not self._skips_lost:
            raise self._lost(number, f"its oldest is {oldest}")
        return max(position, oldest)

    def _lost(self, number: int | None, why: str) -> SourceError:
        position = None if number is None else self._next.get(number)
        return SourceError(
            f"Messages of {self._source.topic}/{number} from offset {position} on are gone from the broker, and never "
            f"came into the lake ({why}). Look for them elsewhere; to go on without them: segmentation stream "
            f"{self._source.name} --skip-lost"
        )

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        for partition in partitions:
            self._next.pop(partition.partition, None)
        consumer.incremental_unassign(partitions) if self._is_cooperative() else consumer.unassign()

    def _is_cooperative(self) -> bool:
        return "cooperative" in str(self._source.options.get("partition.assignment.strategy", ""))

    def _channel(self, partition: int) -> str:
        return f"{self._source.topic}/{partition}"

    def _read(self) -> Batch | None:
        """What is waiting, up to a batch; None if that is nothing."""
        linger_s = max(self._source.linger_s - self._took_s, LEAST_LINGER_S)  # while landing, messages have gathered
        found, self._took_s = self._consumer.consume(self._source.batch_lines, linger_s), 0.0
        if self._fatal:
            raise SourceError(f"The broker of the source {self._source.name} refuses this consumer: {self._fatal}")
        for message in found:
            if (error := message.error()) is not None:
                self._refuse_if_fatal(error, message)
        messages = [_sent(message) for message in found if message.error() is None]
        messages = [message for message in messages if self._is_next(message)]
        if not messages:
            return None
        self._figures.broker(True)
        lines = [(record, message) for message in messages for record in self._decoded(message)]
        after = {message.partition: str(message.offset + 1) for message in messages}
        return Batch(
            tuple(record for record, _ in lines),
            tuple(message for _, message in lines),
            {number: self._next[number] for number in after},
            after,
        )

    def _is_next(self, message: Sent) -> bool:
        """Whether a message is still to be landed, and by this consumer; partitions change hands while it reads."""
        return message.partition in self._next and message.offset >= self._least[message.partition]

    def _decoded(self, message: Sent) -> Sequence[Record | Malformed]:
        return [malformed(b"")] if message.body is None else self._decode(message.body)

    def _delivery(self, batch: Batch) -> Delivery:
        before = {self._channel(number): offset for number, offset in batch.before.items() if offset is not None}
        after = {self._channel(number): offset for number, offset in batch.after.items()}
        places = tuple(f"{self._channel(message.partition)}@{message.offset}" for message in batch.messages)
        return Delivery(self._source.name, self._profile, batch.records, places, advance=Advance(before, after))

    def _refuse_if_fatal(self, error: KafkaError, message: Message) -> None:
        if error.code() in FATAL:
            raise self._lost(message.partition(), str(error))
        if error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED):
            raise SourceError(
                f"The topic {self._source.topic} of the source {self._source.name} can't be read: {error}"
            )
        logger.warning("Kafka: %s", error)

    def _land(self, batch: Batch) -> None:
        """Commit a batch; for as long as the lake can't be written, keep it and try again."""
        delivery, began = self._delivery(batch), time.monotonic()
        try:
            receipts = self._patiently(lambda: self._upserter.upsert([delivery], now=utc_now()))
        except StalePositionsError:
            logger.info("Another consumer was first; going on from where the lake is")
            self._go_back()
            return
        if receipts is not None:
            self._committed(batch, receipts[0], time.monotonic() - began)

    def _patiently(self, work: Callable[[], T]) -> T | None:
        """Do something with the lake, again and again while the lake can't be reached; None once told to stop."""
        pause = 0.5
        while True:
            try:
                return work()
            except SourceError:
                raise
            except (duckdb.Error, SegmentationError) as error:
                logger.error("The lake can't be used; trying again in %.0f s: %s", pause, error)
                self._figures.failed()
                if self._stop.wait(pause * random.uniform(0.5, 1.0)):  # noqa: S311 (jitter)
                    return None
                pause = min(pause * 2, LONGEST_PAUSE_S)
                self._reopen()

    def _committed(self, batch: Batch, receipt: Receipt, took_s: float) -> None:
        self._next.update(batch.after)
        self._least.update({number: int(offset) for number, offset in batch.after.items()})
        self._took_s = took_s
        sent_s = {(message.partition, message.offset): message.sent_s for message in batch.messages}
        self._figures.landed(receipt, took_s, [sent for sent in sent_s.values() if sent is not None], time.time())
        self._bury(batch, receipt)
        self._tell_broker(batch)
        self._unflushed += receipt.lines_new + receipt.lines_replaced
        self._on_batch(receipt, took_s)

    def _tell_broker(self, batch: Batch) -> None:
        offsets = [TopicPartition(self._source.topic, number, int(offset)) for number, offset in batch.after.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            logger.info("The broker was not told the offsets, which are in the lake: %s", error)

    def _bury(self, batch: Batch, receipt: Receipt) -> None:
        """Copy refused messages to the dead-letter topic, with the reason; the rejects have them in any case."""
        if self._dead_letters is None or not receipt.rejects:
            return
        for index, reason in receipt.rejects:
            message = batch.messages[index]
            headers: dict[str, str | bytes | None] = {
                "reason": reason,
                "place": f"{self._channel(message.partition)}@{message.offset}",
            }
            self._dead_letters.produce(self._source.dead_letter_topic, message.body, key=message.key, headers=headers)
        if left := self._dead_letters.flush(DEAD_LETTER_S):
            logger.error("%d refused messages did not reach the dead-letter topic; the rejects have them", left)

    def _go_back(self) -> None:
        """Forget what was read ahead, and go on where the lake is."""
        positions = self._patiently(lambda: self._upserter.positions(self._source.name))
        if positions is None:  # told to stop
            return
        for number in list(self._next):
            position = positions.get(self._channel(number))
            self._next[number] = position
            if position is not None:
                self._least[number] = int(position)
                self._consumer.seek(TopicPartition(self._source.topic, number, int(position)))

    def _reopen(self) -> None:
        """A DuckDB that met a fatal error doesn't recover; a new one may."""
        try:
            fresh = Lake(self._lake.settings, inline_rows=self._lake.inline_rows)
        except SegmentationError as error:
            logger.warning("%s", error)
            return
        try:
            self._upserter = Upserter(fresh)
        except (duckdb.Error, SegmentationError) as error:
            fresh.close()
            logger.warning("%s", error)
            return
        self._lake.close()
        self._lake = fresh

    def _flush_in_time(self) -> None:
        """Bring lines from the catalogue to files, now and then, so that reading them stays quick."""
        since = time.monotonic() - self._flushed_at
        if self._unflushed and (since >= self._source.flush_s or self._unflushed >= FLUSH_LINES):
            try:
                flush(self._lake, STREAMED_TABLES)
            except (duckdb.Error, SegmentationError) as error:
                logger.warning("Could not flush; it is tried again: %s", error)
            else:
                self._unflushed = 0
            self._flushed_at = time.monotonic()

    def _tell_lag(self) -> None:
        self._figures.lag({number: max(lag, 0) for number in self._next if (lag := self._lag_of(number)) is not None})

    def _lag_of(self, number: int) -> int | None:
        """Messages that wait in a partition, as of the last fetch; None before the first.

        Below zero if the partition ends before where it should be read on: its topic was made anew.
        """
        low, high = self._consumer.get_watermark_offsets(TopicPartition(self._source.topic, number), cached=True)
        if high < 0:
            return None
        return high - max(low, self._least[number])

    def _check_ends(self) -> None:
        """Notice partitions that end before the lake's position; for a moment, a new leader may not know its end."""
        beyond = [number for number in self._next if (self._lag_of(number) or 0) < 0]
        if not beyond:
            self._beyond_since = None
        elif self._beyond_since is None:
            self._beyond_since = time.monotonic()
        elif time.monotonic() - self._beyond_since > BEYOND_S:
            if not self._skips_lost:
                raise self._lost(beyond[0], "it ends before them; the topic was made anew")
            for number in beyond:
                self._least[number] = 0
                self._consumer.seek(TopicPartition(self._source.topic, number, OFFSET_BEGINNING))
            self._beyond_since = None

    def _is_at_end(self) -> bool:
        """Whether every partition that this consumer has was read to its end."""
        return bool(self._next) and all(self._lag_of(number) == 0 for number in self._next)


def _sent(message: Message) -> Sent:
    kind, millis = message.timestamp()
    sent_s = None if kind == TIMESTAMP_NOT_AVAILABLE else millis / 1000
    partition, offset, key, body = message.partition(), message.offset(), message.key(), message.value()
    return Sent(partition or 0, offset or 0, sent_s, _bytes(key), _bytes(body))


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
