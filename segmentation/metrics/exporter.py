"""The exporter: parts that are looked at by themselves again and again, and what Prometheus reads of them.

What a part measures is its own; here it is called, timed and kept. A part that fails keeps its last figures and says
so, and no other part waits for it.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event, Thread

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from segmentation.errors import SegmentationError
from segmentation.metrics.families import MetricFamily, by_one

ReadMetrics = Callable[[], Sequence[MetricFamily]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LastReading:
    """What came of the last look at a part.

    Attributes:
        families: Of the last look that worked.
        is_up: Whether the last look worked.
        took_s: How long it took, in seconds.
        succeeded_at: When the last look that worked was over, in seconds since 1970; None if none has worked yet.
    """

    families: Sequence[MetricFamily]
    is_up: bool
    took_s: float
    succeeded_at: float | None


class MetricSource:
    """Something that is looked at.

    Attributes:
        name: As the label `part` has it.
        seen: What came of the last look; None before the first one.
    """

    def __init__(self, name: str, look: ReadMetrics) -> None:
        self.name = name
        self.seen: LastReading | None = None
        self._look = look
        self._trouble = ""

    def look(self) -> bool:
        """Look once; whether it worked. Trouble is logged, once each time that it changes, and never raised."""
        before, began = self.seen, time.monotonic()
        try:
            families = self._look()
        except Exception as error:  # whatever it is, the figures of before stand and the next look may work
            self._note(error)
            took_s = time.monotonic() - began
            self.seen = (
                LastReading(before.families, False, took_s, before.succeeded_at)
                if before
                else LastReading((), False, took_s, None)
            )
            return False
        if self._trouble:
            logger.info("The %s can be read again.", self.name)
        self._trouble = ""
        self.seen = LastReading(families, True, time.monotonic() - began, time.time())
        return True

    def _note(self, error: Exception) -> None:
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._trouble:
            expected = isinstance(error, SegmentationError)
            logger.error("The %s can't be read: %s", self.name, error, exc_info=None if expected else error)
        self._trouble = trouble


class MetricsCollector(Collector):
    """What Prometheus reads: the figures of all parts as last seen, and how the looks went."""

    def __init__(self, parts: Sequence[MetricSource], always: ReadMetrics) -> None:
        """Collect from parts that others look at.

        Args:
            parts: Of which the last figures are told.
            always: Looked at whenever somebody asks; it must be quick and never fail.
        """
        self._parts = parts
        self._always = always

    def collect(self) -> Iterator[Metric]:
        """All families, as the client library wants them."""
        seen = {part.name: part.seen for part in self._parts if part.seen}
        families = [family for each in seen.values() for family in each.families]
        for family in (*families, *self._always(), *_own(seen.items())):
            kind = CounterMetricFamily if family.is_counter else GaugeMetricFamily
            metric = kind(family.name, family.meaning, labels=family.labels)
            for labels, value in family.samples.items():
                metric.add_metric(labels, value)
            yield metric


def _own(seen: Iterable[tuple[str, LastReading]]) -> Iterator[MetricFamily]:
    told = list(seen)
    figures: tuple[tuple[str, str, list[tuple[str, float | None]]], ...] = (
        ("up", "1 if the last look at a part worked; else its last figures stand.", [(n, s.is_up) for n, s in told]),
        ("collect_seconds", "How long the last look at a part took.", [(n, s.took_s) for n, s in told]),
        (
            "last_success_timestamp_seconds",
            "When a part was last looked at with success.",
            [(name, each.succeeded_at) for name, each in told],
        ),
    )
    for what, meaning, values in figures:
        yield by_one(f"segmentation_exporter_{what}", meaning, "part", values)


def keep_looking(part: MetricSource, every_s: float, stop: Event) -> Thread:
    """Look at a source at once and then again and again, in a thread of its own, until told to stop."""

    def run() -> None:
        while not stop.is_set():
            part.look()
            stop.wait(every_s)

    # A daemon: a look that hangs in a network call must not keep the process from ending.
    thread = Thread(target=run, name=f"exporter-{part.name}", daemon=True)
    thread.start()
    return thread
