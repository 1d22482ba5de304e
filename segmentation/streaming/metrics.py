"""What a stream consumer tells Prometheus."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from segmentation.sources.incremental.deliveries import Receipt

SECONDS = (0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300)


class StreamMetrics:
    """The metrics of one consumer process; `source` is the only unbounded label, and sources are declared by hand."""

    def __init__(self, source: str, registry: CollectorRegistry) -> None:
        self._source = source
        self._lines = Counter(
            "segmentation_stream_lines", "Lines that were landed.", ["source", "outcome"], registry=registry
        )
        self._lag = Gauge(
            "segmentation_stream_lag_messages",
            "Messages in the topic that are not in the lake yet.",
            ["source", "partition"],
            registry=registry,
        )
        self._batch = Histogram(
            "segmentation_stream_batch_seconds",
            "Time to judge and commit one batch.",
            ["source"],
            registry=registry,
            buckets=SECONDS,
        ).labels(source)
        self._visible = Histogram(
            "segmentation_stream_visible_seconds",
            "Time from a message's timestamp to the commit that made its line visible.",
            ["source"],
            registry=registry,
            buckets=SECONDS,
        ).labels(source)
        self._landed_at = Gauge(
            "segmentation_stream_last_commit_timestamp_seconds",
            "When the last batch was committed, or found nothing to commit.",
            ["source"],
            registry=registry,
        ).labels(source)
        self._is_up = Gauge(
            "segmentation_stream_broker_up", "Whether a broker can be reached.", ["source"], registry=registry
        ).labels(source)
        self._failures = Counter(
            "segmentation_stream_failed_commits",
            "Batches that could not be committed at once and were tried again.",
            ["source"],
            registry=registry,
        ).labels(source)
        self._is_up.set(1)

    def committed(self, receipt: Receipt, took_s: float, sent_s: Sequence[float], now_s: float) -> None:
        """Count a batch.

        Args:
            receipt: What became of it.
            took_s: How long validating and committing took, in seconds.
            sent_s: When its messages were sent, in seconds since 1970.
            now_s: The time of now, the same way.
        """
        for outcome, lines in (
            ("new", receipt.lines_new),
            ("replaced", receipt.lines_replaced),
            ("repeated", receipt.lines_repeated),
            ("rejected", receipt.lines_rejected),
        ):
            self._lines.labels(self._source, outcome).inc(lines)
        self._batch.observe(took_s)
        for sent in sent_s:
            self._visible.observe(now_s - sent)
        self._landed_at.set(now_s)

    def idle(self, now_s: float) -> None:
        """Nothing was waiting."""
        self._landed_at.set(now_s)

    def commit_failed(self) -> None:
        """A batch could not be committed."""
        self._failures.inc()

    def lag(self, by_partition: Mapping[int, int]) -> None:
        """How many messages are waiting, by partition; partitions of other consumers are not told."""
        self._lag.clear()
        for partition, messages in by_partition.items():
            self._lag.labels(self._source, str(partition)).set(messages)

    def broker(self, is_up: bool) -> None:
        """Whether a broker can be reached."""
        self._is_up.set(is_up)
