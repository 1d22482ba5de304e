"""What the scorer measures of itself, for Prometheus: rate, errors and duration of requests, state of the model.

Several worker processes share their metrics through files in `PROMETHEUS_MULTIPROC_DIR`, which `segmentation serve`
sets up; whichever worker is asked answers for all.
"""

import os
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from serving.api.contract import CustomerScore, Score

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a counter was made says nothing here, and doubles what is sent

MULTIPROCESS_DIR = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The metrics of one application; labels are looked up once and kept, which is most of their cost."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        own = self._registry
        self._requests = Counter(
            "segmentation_requests", "Requests answered.", ["method", "route", "status"], registry=own
        )
        self._seconds = Histogram(
            "segmentation_request_duration_seconds",
            "Time from a request's first byte to its answer's last.",
            ["method", "route"],
            buckets=SECONDS,
            registry=own,
        )
        self._scored = Counter(
            "segmentation_scored_customers", "Customers scored, by segment.", ["segment_id"], registry=own
        )
        self.in_flight = Gauge(
            "segmentation_requests_in_flight", "Requests in work.", multiprocess_mode="livesum", registry=own
        )
        self.model_version = Gauge(
            "segmentation_model_version", "Version of the model that serves.", multiprocess_mode="livemin", registry=own
        )
        self.is_stale = Gauge(
            "segmentation_is_stale",
            "1 while the lake, or the champion that it names, can't be used.",
            multiprocess_mode="livemax",
            registry=own,
        )
        self.is_ready = Gauge(
            "segmentation_is_ready",
            "1 while there is a model to answer with.",
            multiprocess_mode="livemin",
            registry=own,
        )
        self._low_confidence = Counter(
            "segmentation_low_confidence_customers", "Customers scored with low confidence.", registry=own
        )
        self._children: dict[tuple[str, str, int], tuple[Any, Any]] = {}
        self._segments: dict[int, Any] = {}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        key = (method, route, status)
        children = self._children.get(key)
        if children is None:
            children = (self._requests.labels(method, route, str(status)), self._seconds.labels(method, route))
            self._children[key] = children
        children[0].inc()
        children[1].observe(seconds)

    def count_scores(self, scores: Sequence[Score | CustomerScore]) -> None:
        """Count scored customers."""
        if len(scores) == 1:  # most requests
            self.count_segments({scores[0].segment_id: 1}, scores[0].is_low_confidence)
        else:
            segments = Counts(score.segment_id for score in scores)
            self.count_segments(segments, sum(score.is_low_confidence for score in scores))

    def count_segments(self, customers: Mapping[int, int], low_confidence: int) -> None:
        """Count scored customers by segment, and those with a low confidence."""
        for segment_id, count in customers.items():
            child = self._segments.get(segment_id)
            if child is None:
                child = self._segments[segment_id] = self._scored.labels(str(segment_id))
            child.inc(count)
        if low_confidence:
            self._low_confidence.inc(low_confidence)

    def exposition(self) -> bytes:
        """All metrics, of all workers, as Prometheus reads them."""
        registry = self._registry
        if folder := os.environ.get(MULTIPROCESS_DIR):
            _drop_dead_workers(Path(folder))
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def _drop_dead_workers(folder: Path) -> None:
    """A worker that was killed has no requests in work and no model any more; what it counted stays counted."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = int(path.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
