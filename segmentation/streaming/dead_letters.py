"""Dead letters: messages with refused lines, copied to a topic of their own for whoever can mend them."""

import logging

from confluent_kafka import Producer

from segmentation.sources.config import KafkaSource
from segmentation.sources.incremental.deliveries import Receipt
from segmentation.streaming.batches import Batch, ReceivedMessage, place

FLUSH_S = 10

logger = logging.getLogger(__name__)


class DeadLetters:
    """Sends refused messages to the dead-letter topic of a source, if it declares one."""

    def __init__(self, source: KafkaSource) -> None:
        """Open a producer.

        Raises:
            KafkaException: The options of the source are none that librdkafka knows.
        """
        self._topic, self._dead_letter_topic = source.topic, source.dead_letter_topic
        options = {**source.options, "bootstrap.servers": source.servers, "enable.idempotence": True}
        self._producer = Producer(options) if source.dead_letter_topic else None

    def send(self, batch: Batch, receipt: Receipt) -> None:
        """Copy the refused messages of a batch, with the reason; the rejects have them in any case."""
        if self._producer is None or not receipt.rejects:
            return
        for index, reason in receipt.rejects:
            self._produce(self._producer, batch.messages[index], reason)
        if left := self._producer.flush(FLUSH_S):
            logger.error("%d refused messages did not reach the dead-letter topic; the rejects have them", left)

    def _produce(self, producer: Producer, message: ReceivedMessage, reason: str) -> None:
        headers: dict[str, str | bytes | None] = {"reason": reason, "place": place(self._topic, message)}
        producer.produce(self._dead_letter_topic, message.body, key=message.key, headers=headers)
