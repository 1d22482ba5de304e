"""What is measured, as plain data: families of samples that any part may make and the exporter tells Prometheus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

Labels = tuple[str, ...]


@dataclass(frozen=True)
class MetricFamily:
    """All samples of one metric, as they were at one moment.

    Attributes:
        name: As Prometheus knows it; of a counter without the ending `_total`.
        meaning: What one sample says, in a sentence.
        labels: Names of the labels.
        samples: Values by the labels' values, in the same order.
        is_counter: Whether it only grows; else it is a gauge.
    """

    name: str
    meaning: str
    labels: Labels
    samples: Mapping[Labels, float]
    is_counter: bool = False


def single(name: str, meaning: str, value: float | None) -> MetricFamily:
    """A gauge without labels; without a sample where nothing is known."""
    return MetricFamily(name, meaning, (), {} if value is None else {(): value})


def by_one(name: str, meaning: str, label: str, values: Iterable[tuple[str, float | None]]) -> MetricFamily:
    """A gauge with one label; values that are not known are left out."""
    return MetricFamily(name, meaning, (label,), {(key,): value for key, value in values if value is not None})


def timestamp(moment: datetime | date | None) -> float | None:
    """Seconds since 1970 of a moment in UTC without a time zone; of a date, of its beginning."""
    if moment is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    return moment.replace(tzinfo=UTC).timestamp()
