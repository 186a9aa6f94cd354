"""The asyncio client: every call, what comes of it, and what it is told."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import client_of, run, soon, until

from tim_presence import (
    AccountNotFoundError,
    BusyError,
    Client,
    ClosedError,
    ConnectionChanged,
    ConnectionLostError,
    ConnectionState,
    KickedOffline,
    LoginState,
    NotLoggedInError,
    Platform,
    RateLimitedError,
    Reason,
    Server,
    Status,
    SubscriptionsEvicted,
    UsageError,
    UserSigError,
    UserSigExpired,
)


def test_a_status_is_set_and_everybody_is_told(server: Server) -> None:
    async def story() -> None:
        async with client_of(server, platform="iOS") as alice, client_of(server) as bob:
            alice_told, bob_told = alice.status_changes(), bob.status_changes()
            await alice.login("alice", server.issue_user_sig("alice"))
            own = await until(alice_told, lambda change: change.user_id == "alice")
            assert (own.status, own.reason, own.custom_status, own.code) == (Status.ONLINE, Reason.LOGIN, "", 0)
            await bob.login("bob", server.issue_user_sig("bob"))
            subscribed = await bob.subscribe("alice")
            assert [user.user_id for user in subscribed.users] == ["alice"] and subscribed.evicted == []
            assert Platform.IOS in subscribed.users[0].platforms and subscribed.users[0].online
            await alice.set_self_status("喝茶 ☕")
            change = await until(bob_told, lambda change: change.user_id == "alice")
            assert change.custom_status == "喝茶 ☕" and change.version > own.version
            assert abs(change.since - datetime.now(timezone.utc)) < timedelta(minutes=1)
            assert abs(bob.server_time_ms - change.since_ms) < 60_000
            assert await bob.get_subscriptions() == ["alice"] and await bob.get_friends() == []
            assert [user.code for user in await bob.unsubscribe(["alice", "carol"])] == [0, 0]
            await bob.unsubscribe_all()
            assert await bob.get_subscriptions() == []
            await alice.logout()
            gone, myself = await bob.get_user_status(["alice", "bob", "alice"])
            assert (gone.status, gone.custom_status) == (Status.UNLOGINED, "") and myself.user_id == "bob"

    run(story())


def test_the_state_of_the_session_can_be_asked_for(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as alice:
            assert (alice.login_state, alice.login_user, alice.server_time_ms) == (LoginState.LOGGED_OUT, "", 0)
            await alice.login("alice", server.issue_user_sig("alice"))
            assert (alice.login_state, alice.login_user) == (LoginState.LOGGED_IN, "alice")
            alice.notify_network_changed()
            await alice.renew_user_sig(server.issue_user_sig("alice", timedelta(hours=2)))
            with pytest.raises(UserSigError) as refused:
                await alice.renew_user_sig("no UserSig")
            assert refused.value.code == 70003
            assert alice.login_state is LoginState.LOGGED_IN

    run(story())


@pytest.fixture
def strict_server() -> Any:
    """A server that registers nobody by being mentioned."""
    with Server(auto_register_on_mention=False) as strict:
        yield strict


def test_each_refusal_is_an_error_of_its_family(strict_server: Server) -> None:
    async def story(server: Server) -> None:
        async with client_of(server) as alice:
            with pytest.raises(NotLoggedInError):
                await alice.set_self_status("hello")
            with pytest.raises(UserSigError) as empty:
                await alice.login("alice", "")
            assert empty.value.code == 70002 and empty.value.programming
            with pytest.raises(UserSigError) as wrong:
                await alice.login("alice", server.issue_user_sig("bob"))
            assert wrong.value.code == 70013
            with pytest.raises(UsageError) as nobody:
                await alice.login("", "whatever")
            assert nobody.value.code == 7003
            await alice.login("alice", server.issue_user_sig("alice"))
            with pytest.raises(UsageError) as too_long:
                await alice.set_self_status("x" * 101)
            assert too_long.value.code == 6017 and "100" in str(too_long.value)
            with pytest.raises(AccountNotFoundError) as unknown:
                await alice.get_user_status(["nobody"])
            assert [(user.user_id, user.code) for user in unknown.value.users] == [("nobody", 70107)]
            mixed = await alice.get_user_status(["nobody", "alice"])
            assert [user.ok for user in mixed] == [False, True]
            for ids in ([], [f"user{i}" for i in range(501)]):
                with pytest.raises(UsageError) as size:
                    await alice.get_user_status(ids)
                assert size.value.code == 6017
            with pytest.raises(UsageError) as not_all:
                await alice.unsubscribe([])
            assert not_all.value.code == -4
            with pytest.raises(RateLimitedError) as limited:
                for _ in range(25):
                    await ask(alice)
            assert limited.value.code == 7008 and limited.value.retriable
            assert limited.value.retry_after is not None and 0 < limited.value.retry_after <= 5

    async def ask(alice: Client) -> None:
        try:
            await alice.get_user_status(["nobody"])
        except AccountNotFoundError:
            pass

    run(story(strict_server))


def test_a_text_that_c_would_misread_is_refused(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as alice:
            with pytest.raises(UsageError) as nul:
                await alice.set_self_status("a\0b")
            assert nul.value.code == -4 and "custom_status" in str(nul.value)
            with pytest.raises(UsageError) as surrogate:
                await alice.get_user_status(["fine", "\ud800"])
            assert surrogate.value.code == -2 and "user_ids" in str(surrogate.value)
            with pytest.raises(TypeError):
                await alice.set_self_status(None)  # type: ignore[arg-type]

    run(story())


def test_an_option_that_is_wrong_is_named(server: Server) -> None:
    async def story() -> None:
        with pytest.raises(UsageError) as unknown:
            client_of(server, colour="red")
        assert unknown.value.code == -5 and "colour" in str(unknown.value)
        with pytest.raises(UsageError) as out_of_range:
            client_of(server, login_timeout=0)
        assert "login_timeout_ms" in str(out_of_range.value)
        async with client_of(server, login_timeout=timedelta(seconds=2), backoff_base=0.5, queue_max=5) as fine:
            assert fine.login_user == ""

    run(story())


def test_a_client_needs_an_event_loop(server: Server) -> None:
    with pytest.raises(RuntimeError, match="no running event loop"):
        client_of(server)


def test_a_client_belongs_to_the_loop_it_was_made_in(server: Server) -> None:
    loop = asyncio.new_event_loop()

    async def made() -> Client:
        return client_of(server)

    client = loop.run_until_complete(made())
    with pytest.raises(RuntimeError, match="another event loop"):
        run(client.set_self_status("x"))
    with pytest.raises(RuntimeError, match="another event loop"):
        run(client.close())
    loop.run_until_complete(client.close())
    loop.close()


def test_too_many_calls_are_refused_and_the_rest_completes(server: Server) -> None:
    async def story() -> None:
        async with client_of(server, queue_max=3) as alice:
            await alice.login("alice", server.issue_user_sig("alice"))
            calls = [asyncio.ensure_future(alice.set_self_status(str(i))) for i in range(10)]
            results = await soon(asyncio.gather(*calls, return_exceptions=True))
            refused = [result for result in results if isinstance(result, BusyError)]
            assert len(refused) == 7 and results[:3] == [None, None, None]

    run(story())


def test_without_a_server_a_login_gives_up() -> None:
    async def story() -> None:
        with Server() as server:
            address = server.address
        async with Client(address, 1400000001, login_timeout=0.2) as alice:
            with pytest.raises(ConnectionLostError) as gone:
                await alice.login("alice", "whatever")
            assert gone.value.code == 9523 and gone.value.retriable

    run(story())


def test_events_tell_of_the_connection_and_of_a_kick(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as old, client_of(server) as new:
            events = old.events()
            await old.login("alice", server.issue_user_sig("alice"))
            await new.login("alice", server.issue_user_sig("alice"))
            seen = []
            async for event in events:
                seen.append(event)
                if isinstance(event, KickedOffline):
                    break
            states = [event.state for event in seen if isinstance(event, ConnectionChanged)]
            assert states[:2] == [ConnectionState.CONNECTING, ConnectionState.CONNECTED]
            kick = seen[-1]
            assert isinstance(kick, KickedOffline) and kick.error.code == 6208
            assert old.login_state is LoginState.LOGGED_OUT and new.login_state is LoginState.LOGGED_IN

    run(story())


def test_events_tell_of_an_expired_user_sig(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as alice:
            events = alice.events()
            while alice.login_user != "alice":
                try:
                    await alice.login("alice", server.issue_user_sig("alice", 1))
                except UserSigError as late:  # on a machine that is slower than the UserSig is long
                    assert late.code == 70001
            async for event in events:
                if isinstance(event, UserSigExpired):
                    break
            assert alice.login_state is LoginState.LOGGED_OUT

    run(story())


def test_events_tell_who_fell_off_the_list() -> None:
    async def story() -> None:
        with Server(subscriptions_max=2) as server:
            async with client_of(server) as alice:
                events = alice.events()
                await alice.login("alice", server.issue_user_sig("alice"))
                assert (await alice.subscribe(["a", "b", "c"])).evicted == ["a"]
                async for event in events:
                    if isinstance(event, SubscriptionsEvicted):
                        assert event.user_ids == ("a",)
                        break

    run(story())


def test_the_log_goes_to_a_logger(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.tim_presence")

    async def story() -> None:
        user_sig = server.issue_user_sig("alice")
        with caplog.at_level(logging.DEBUG, logger=logger.name):
            async with client_of(server, logger=logger) as alice:
                await alice.login("alice", user_sig)
        assert any(record.levelno == logging.INFO for record in caplog.records)
        assert user_sig not in caplog.text
        caplog.clear()
        with caplog.at_level(logging.CRITICAL, logger=logger.name):
            async with client_of(server, logger=logger) as alice:
                await alice.login("alice", user_sig)
        assert caplog.records == []

    run(story())


def test_the_smallest_queue_has_room_for_every_listener(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("test.tim_presence")

    async def story() -> None:
        with caplog.at_level(logging.DEBUG, logger=logger.name):
            async with client_of(server, logger=logger, queue_max=1) as alice:
                changes = alice.status_changes()
                await alice.login("alice", server.issue_user_sig("alice"))
                assert (await soon(changes.__anext__())).online
        assert any(record.levelno == logging.INFO for record in caplog.records)

    run(story())


def test_calls_of_a_closed_client_raise(server: Server) -> None:
    async def story() -> None:
        client = client_of(server)
        stream = client.status_changes()
        await client.close()
        await client.close()
        for call in (client.logout, client.get_subscriptions):
            with pytest.raises(ClosedError):
                await call()
        with pytest.raises(ClosedError):
            client.login_user
        with pytest.raises(ClosedError):
            client.status_changes()
        assert [change async for change in stream] == []

    run(story())
