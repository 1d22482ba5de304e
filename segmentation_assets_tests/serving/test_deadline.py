"""How long work may take: no timer for what never waits, an end for what waits too long, and nothing else changed."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from unittest.mock import patch

import pytest

from serving.api.problems import ProblemError
from serving.middleware.deadline import in_time

TOO_SHORT_S, LONG_S = 0.01, 30.0


async def passes(value: str) -> str:
    return value


async def waits(value: str) -> str:
    for _ in range(3):
        await asyncio.sleep(0)
    await asyncio.sleep(0.001)
    return value


async def fails(error: Exception, wait: Callable[[], Awaitable[object]] | None = None) -> str:
    if wait is not None:
        await wait()
    raise error


def test_work_that_never_waits_needs_no_timer() -> None:
    with patch("asyncio.timeout", side_effect=AssertionError("a timer")):
        assert asyncio.run(in_time(passes("done"), LONG_S)) == "done"


def test_work_that_waits_goes_on_to_its_end() -> None:
    assert asyncio.run(in_time(waits("done"), LONG_S)) == "done"


@pytest.mark.parametrize("wait", [None, lambda: asyncio.sleep(0)], ids=["at once", "later"])
@pytest.mark.parametrize("error", [ValueError("its own"), TimeoutError("its own")])
def test_errors_of_the_work_are_its_own(error: Exception, wait: Callable[[], Awaitable[object]] | None) -> None:
    with pytest.raises(type(error), match="its own"):
        asyncio.run(in_time(fails(error, wait), LONG_S))


def test_work_that_waits_too_long_is_broken_off_and_cleans_up() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(0)
            await asyncio.sleep(LONG_S)
        finally:
            ended.append("cleaned up")

    with pytest.raises(ProblemError, match="longer than 0.01 s") as problem:
        asyncio.run(in_time(slow(), TOO_SHORT_S))
    assert (problem.value.status, ended) == (HTTPStatus.GATEWAY_TIMEOUT, ["cleaned up"])


def test_who_cancels_the_request_cancels_the_work() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.sleep(LONG_S)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def cancelled() -> None:
        task = asyncio.create_task(in_time(slow(), LONG_S))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
    assert ended == ["cancelled"]
