"""Its tests, with the fixture that came with the package."""

from __future__ import annotations

from typing import Any

import pytest
from app import be_busy

from tim_presence import Server, UserSigError


@pytest.fixture
def tim_presence_server_options() -> dict[str, Any]:
    return {"accounts": ["alice"]}


def test_alice_can_be_busy(tim_presence_server: Server) -> None:
    be_busy(tim_presence_server.address, tim_presence_server.sdk_app_id, tim_presence_server.issue_user_sig("alice"))


def test_alice_needs_a_user_sig_of_her_own(tim_presence_server: Server) -> None:
    with pytest.raises(UserSigError):
        be_busy(tim_presence_server.address, tim_presence_server.sdk_app_id, tim_presence_server.issue_user_sig("bob"))
