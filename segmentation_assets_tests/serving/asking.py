"""Both clients behind one function, so that each test asks with and without `await`."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Literal

import anyio

from serving.client import AsyncScorerClient, ScorerClient

Kind = Literal["blocking", "awaiting"]
KINDS: tuple[Kind, ...] = ("blocking", "awaiting")

Ask = Callable[..., Any]
"""Calls a method by its name; pages of customers come as a list."""


def asking(kind: Kind, address: str, key: str, **options: Any) -> Ask:
    """A function that opens a client of a kind, calls a method, and closes the client."""
    pauses: list[float] = options.pop("pauses", [])
    on_pause: Callable[[], None] = options.pop("on_pause", lambda: None)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        on_pause()

    async def sleep_awaited(seconds: float) -> None:
        sleep(seconds)

    def ask(method: str, /, *arguments: Any, **named: Any) -> Any:
        with ScorerClient(address, key, sleep=sleep, **options) as client:
            answer = getattr(client, method)(*arguments, **named)
            return list(answer) if isinstance(answer, Iterator) else answer

    async def ask_awaiting(method: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        async with AsyncScorerClient(address, key, sleep=sleep_awaited, **options) as client:
            answer = getattr(client, method)(*arguments, **named)
            return [each async for each in answer] if isinstance(answer, AsyncIterator) else await answer

    def ask_and_await(method: str, /, *arguments: Any, **named: Any) -> Any:
        return anyio.run(ask_awaiting, method, arguments, named)

    return ask if kind == "blocking" else ask_and_await
