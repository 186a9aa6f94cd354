"""Fixtures for the tests of applications: pytest finds them as soon as tim-presence is installed.

    async def test_that_my_bot_says_it_is_busy(tim_presence_server):
        bot = MyBot(tim_presence_server.address, tim_presence_server.sdk_app_id)
        await bot.start(tim_presence_server.issue_user_sig("bot"))
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tim_presence import Server


@pytest.fixture
def tim_presence_server_options() -> dict[str, Any]:
    """Options of the server, {} by default: docs/C_API.md, "Options of the embedded server". Override it where needed."""
    return {}


@pytest.fixture
def tim_presence_server(tim_presence_server_options: dict[str, Any]) -> Iterator[Server]:
    """A presence server of this test's own, on a free port of this machine; see tim_presence.Server."""
    # Here and not above, and a module beside the package: pytest loads it for every project, and the library is only for
    # those that use the fixture.
    from tim_presence import Server

    with Server(**tim_presence_server_options) as server:
        yield server
