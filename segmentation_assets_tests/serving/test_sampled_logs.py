"""The log: of each kind of failure some a minute, and a count of the rest."""

import io
import logging

import pytest

from serving.sampled_logs import MAX_KINDS, MOST, WINDOW_S, SampledHandler


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def handler(clock: Clock) -> SampledHandler:
    made = SampledHandler(clock)
    made.setStream(io.StringIO())
    return made


def _lines(handler: SampledHandler) -> list[str]:
    stream: io.StringIO = handler.stream
    return stream.getvalue().splitlines()


def _log(handler: SampledHandler, message: str, *values: object, level: int = logging.ERROR, **extra: object) -> None:
    record = logging.LogRecord("a", level, __file__, 1, message, values, None)
    vars(record).update(extra)
    handler.handle(record)


def test_of_one_kind_some_are_written_and_the_rest_counted_when_the_window_is_over(
    handler: SampledHandler, clock: Clock
) -> None:
    for number in range(MOST + 7):
        _log(handler, "it broke: %s", number)
    assert len(_lines(handler)) == MOST
    clock.now = WINDOW_S
    handler.tell_left_out()
    assert _lines(handler)[MOST:] == [f"Left out within {WINDOW_S:g} s: 7 more of 'it broke: %s'"]
    _log(handler, "it broke: %s", "again")
    assert _lines(handler)[-1] == "it broke: again"


def test_a_flood_of_one_kind_hides_no_other(handler: SampledHandler) -> None:
    for _ in range(100):
        _log(handler, "flood")
    _log(handler, "something else")
    assert _lines(handler)[-1] == "something else"


def test_failed_requests_are_told_apart_by_route_and_status_and_good_ones_all_written(handler: SampledHandler) -> None:
    for _ in range(MOST * 2):
        for status in (200, 503, 500):
            _log(handler, "%s %d", "/a", status, level=logging.INFO, route="/a", status=status)
    lines = _lines(handler)
    assert [lines.count(f"/a {status}") for status in (200, 503, 500)] == [MOST * 2, MOST, MOST]


def test_kinds_without_end_take_no_memory_without_end(handler: SampledHandler) -> None:
    for number in range(MAX_KINDS * 3):
        _log(handler, f"message {number}")
    assert len(_lines(handler)) == MAX_KINDS + MOST
    handler.close()
    assert _lines(handler)[-1].endswith(f"{2 * MAX_KINDS - MOST} more of 'messages of other kinds'")
