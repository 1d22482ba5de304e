"""Whether a declared topic can be reached."""

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from segmentation.errors import SourceError
from segmentation.sources.config import KafkaSource

TIMEOUT_S = 5


def describe(source: KafkaSource) -> str:
    """A topic and its partitions, as the broker tells them.

    Raises:
        SourceError: The broker doesn't answer, or has no such topic.
    """
    try:
        client = AdminClient({**source.options, "bootstrap.servers": source.servers})
        found = client.list_topics(source.topic, timeout=TIMEOUT_S).topics[source.topic]
    except (KafkaException, ValueError, TypeError) as error:
        raise SourceError(f"Can't reach the broker {source.servers} of the source {source.name}: {error}") from error
    if found.error is not None or not found.partitions:
        raise SourceError(f"The broker {source.servers} has no topic {source.topic}: {found.error}")
    return f"topic {source.topic}, {len(found.partitions)} partitions"
