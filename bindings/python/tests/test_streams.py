"""The mailbox: merging, its limit, its end. And streams that several tasks read."""

from __future__ import annotations

import asyncio

import pytest
from conftest import client_of, run, soon

from tim_presence import (
    ConnectionChanged,
    ConnectionState,
    EventsLostError,
    Platform,
    Reason,
    Server,
    Status,
    UserStatus,
    _streams,
)
from tim_presence._streams import EVENTS_MAX, Mailbox, Mailboxes, everything, statuses


def change(user_id: str, custom_status: str) -> UserStatus:
    return UserStatus(user_id, Status.ONLINE, custom_status, Reason.CUSTOM_STATUS, Platform(0), 1, 0)


def test_of_each_user_the_last_status_waits_in_the_place_of_the_newest() -> None:
    news = []
    box = Mailbox(everything, lambda: news.append(1))
    for event in (change("a", "1"), ConnectionChanged(ConnectionState.CONNECTED), change("b", "1"), change("a", "2")):
        box.put(event)
    taken = [box.take() for _ in range(3)]
    assert taken == [ConnectionChanged(ConnectionState.CONNECTED), change("b", "1"), change("a", "2")]
    assert box.take() is None and len(news) == 4


def test_a_mailbox_of_statuses_holds_nothing_else() -> None:
    box = Mailbox(statuses, lambda: None)
    box.put(ConnectionChanged(ConnectionState.CONNECTED))
    assert not box.ready()


def test_past_its_limit_the_reader_is_told_once_and_nothing_is_kept() -> None:
    box = Mailbox(statuses, lambda: None)
    for i in range(EVENTS_MAX):
        box.put(change(str(i), ""))
    box.put(change("0", "merged: no new entry"))
    assert box.take() == change("1", "")
    for i in range(2):
        box.put(change(f"one too many {i}", ""))
    with pytest.raises(EventsLostError, match=str(EVENTS_MAX)):
        box.take()
    assert box.closed and box.take() is None


def test_mailboxes_may_come_and_go_while_they_are_gone_through() -> None:
    first, second, third = (Mailbox(statuses, lambda: None) for _ in range(3))
    boxes = Mailboxes()
    boxes.add(first)
    boxes.add(second)
    told = iter(boxes)
    assert next(told) is first
    # As another thread may at this moment.
    boxes.add(third)
    boxes.discard(second)
    assert list(told) == [second]
    assert list(boxes) == [first, third]


def test_a_stream_past_its_limit_raises_and_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streams, "EVENTS_MAX", 2)

    async def story() -> None:
        async with client_of(server) as alice:
            stream = alice.status_changes()
            await alice.login("alice", server.issue_user_sig("alice"))
            for user in ("bob", "carol", "dave"):
                async with client_of(server) as other:
                    await alice.subscribe(user)
                    changes = alice.status_changes()
                    await other.login(user, server.issue_user_sig(user))
                    await soon(changes.__anext__())
            with pytest.raises(EventsLostError):
                await stream.__anext__()
            assert [left async for left in stream] == []

    run(story())


def test_each_stream_gets_everything_and_tasks_share_one(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as alice:
            first, second = alice.status_changes(), alice.status_changes()
            tasks = [asyncio.ensure_future(first.__anext__()) for _ in range(2)]
            await alice.login("alice", server.issue_user_sig("alice"))
            assert (await soon(second.__anext__())).user_id == "alice"
            await alice.set_self_status("x")
            texts = [change.custom_status for change in await soon(asyncio.gather(*tasks))]
            assert sorted(texts) == ["", "x"]
            await second.aclose()
            await alice.set_self_status("y")
            assert (await soon(first.__anext__())).custom_status == "y"
            left = [change.custom_status async for change in second]
            assert left == ["x"]

    run(story())


def test_a_stream_that_is_dropped_is_forgotten(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as alice:
            stream = alice.status_changes()
            assert len(list(alice._core.mailboxes)) == 1
            del stream
            assert len(list(alice._core.mailboxes)) == 0

    run(story())


def test_a_cancelled_read_loses_nothing(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as alice:
            stream = alice.status_changes()
            read = asyncio.ensure_future(stream.__anext__())
            await asyncio.sleep(0)
            read.cancel()
            with pytest.raises(asyncio.CancelledError):
                await read
            await alice.login("alice", server.issue_user_sig("alice"))
            assert (await soon(stream.__anext__())).user_id == "alice"

    run(story())
