"""What the tests share. Each gets a server of its own from the package's own fixture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from pathlib import Path
from typing import Any, Callable, TypeVar

import pytest

from tim_presence import Client, Server, Stream, UserStatus

pytest_plugins = ["tim_presence_pytest"]

T = TypeVar("T")

#: The repository.
ROOT = Path(__file__).resolve().parents[3]

#: How long anything may take that must happen. A passing test never waits for it.
DEADLINE_S = 60


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine in an event loop of its own, but not for ever."""
    return asyncio.run(asyncio.wait_for(coroutine, DEADLINE_S))


async def soon(awaitable: Awaitable[T]) -> T:
    """Awaits something that must happen."""
    return await asyncio.wait_for(awaitable, DEADLINE_S)


async def until(stream: Stream[UserStatus], wanted: Callable[[UserStatus], bool]) -> UserStatus:
    """The first change that is wanted."""

    async def found() -> UserStatus:
        async for change in stream:
            if wanted(change):
                return change
        raise AssertionError("the stream ended")

    return await soon(found())


def client_of(server: Server, **options: Any) -> Client:
    """An asyncio client of this server."""
    return Client(server.address, server.sdk_app_id, **options)


@pytest.fixture
def server(tim_presence_server: Server) -> Server:
    """A server of this test's own."""
    return tim_presence_server
