"""Parts of the exporter fail by themselves: figures stand, trouble is said once, and nobody waits for anybody."""

import logging
import time
from collections.abc import Iterator, Sequence
from threading import Event

import pytest
from prometheus_client import CollectorRegistry

from segmentation.errors import SegmentationError
from segmentation.metrics.exporter import MetricsCollector, MetricSource, keep_looking
from segmentation.metrics.families import MetricFamily, single
from segmentation_assets_tests.testing.metrics_page import declared

NAME = "segmentation_something"


def figures(value: float) -> Sequence[MetricFamily]:
    return [single(NAME, "Something.", value)]


def part_of(name: str, *outcomes: float | Exception) -> MetricSource:
    """A part whose looks go as given, one after the other."""
    remaining: Iterator[float | Exception] = iter(outcomes)

    def look() -> Sequence[MetricFamily]:
        outcome = next(remaining)
        if isinstance(outcome, Exception):
            raise outcome
        return figures(outcome)

    return MetricSource(name, look)


def registry_of(*parts: MetricSource) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(MetricsCollector(parts, lambda: []))
    return registry


def test_while_a_part_fails_its_last_figures_stand(caplog: pytest.LogCaptureFixture) -> None:
    trouble = SegmentationError("it is away")
    part = part_of("lake", 1, trouble, trouble, ValueError("odd"), 2)
    told = registry_of(part).get_sample_value
    before = time.time()
    assert part.look()
    succeeded = told("segmentation_exporter_last_success_timestamp_seconds", {"part": "lake"})
    assert before <= (succeeded or 0) <= time.time()
    with caplog.at_level(logging.INFO, "segmentation.metrics"):
        for _ in range(3):
            assert not part.look()
            assert told(NAME) == 1
            assert told("segmentation_exporter_up", {"part": "lake"}) == 0
            assert told("segmentation_exporter_last_success_timestamp_seconds", {"part": "lake"}) == succeeded
        assert part.look()
    assert told(NAME) == 2
    assert told("segmentation_exporter_up", {"part": "lake"}) == 1
    said = [record.getMessage() for record in caplog.records]
    assert [each.partition(":")[0] for each in said] == ["The lake can't be read"] * 2 + ["The lake can be read again."]
    assert [record.exc_info is not None for record in caplog.records] == [False, True, False]


def test_before_a_look_has_worked_there_is_no_moment_of_success() -> None:
    part = part_of("lake", SegmentationError("no lake"))
    told = registry_of(part).get_sample_value
    assert told("segmentation_exporter_up", {"part": "lake"}) is None, "nobody has looked"
    part.look()
    assert told("segmentation_exporter_up", {"part": "lake"}) == 0
    assert told("segmentation_exporter_last_success_timestamp_seconds", {"part": "lake"}) is None


def test_the_exporters_own_figures_are_those_of_the_page() -> None:
    parts = part_of("lake", 1), part_of("pipeline", SegmentationError("no"))
    for part in parts:
        part.look()
    exposed = {m.name: m for m in registry_of(*parts).collect() if m.name != NAME}
    page = declared("Exporter: itself")
    assert {name: metric.type for name, metric in exposed.items()} == {name: each.type for name, each in page.items()}
    assert all(set(sample.labels) == {"part"} for metric in exposed.values() for sample in metric.samples)


def test_a_part_that_hangs_holds_up_no_other() -> None:
    stop, released = Event(), Event()

    def hang() -> Sequence[MetricFamily]:
        released.wait(30)
        return figures(1)

    looks = 0

    def count() -> Sequence[MetricFamily]:
        nonlocal looks
        looks += 1
        return figures(2)

    threads = [keep_looking(part, 0.01, stop) for part in (MetricSource("slow", hang), MetricSource("quick", count))]
    deadline = time.monotonic() + 20
    while looks < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert looks >= 3
    stop.set()
    released.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
