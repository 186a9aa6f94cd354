"""The synchronous client: the same calls, from one thread and from several."""

from __future__ import annotations

import logging
import random
import signal
import subprocess
import sys
import threading
import time
from typing import Optional

import pytest
from conftest import DEADLINE_S

from tim_presence import (
    ClosedError,
    ConnectionChanged,
    LoginState,
    NotLoggedInError,
    Server,
    Status,
    UsageError,
    UserStatus,
    sync,
)

#: How often a signal strikes.
STRIKES = 500


def client_of(server: Server, **options: object) -> sync.Client:
    return sync.Client(server.address, server.sdk_app_id, **options)  # type: ignore[arg-type]


def test_a_status_is_set_and_everybody_is_told(server: Server) -> None:
    with client_of(server) as alice, client_of(server) as bob:
        told = bob.status_changes(timeout=DEADLINE_S)
        with pytest.raises(NotLoggedInError):
            bob.get_friends()
        alice.login("alice", server.issue_user_sig("alice"))
        bob.login("bob", server.issue_user_sig("bob"))
        assert next(told).user_id == "bob"
        assert bob.subscribe(["alice"]).users[0].status is Status.ONLINE
        alice.set_self_status("in a meeting")
        assert next(told).custom_status == "in a meeting"
        assert bob.get_user_status("alice")[0].custom_status == "in a meeting"
        assert bob.get_subscriptions() == ["alice"] and bob.get_friends() == []
        assert [user.ok for user in bob.unsubscribe("alice")] == [True]
        with pytest.raises(UsageError):
            bob.unsubscribe([])
        bob.unsubscribe_all()
        alice.renew_user_sig(server.issue_user_sig("alice"))
        assert alice.login_state is LoginState.LOGGED_IN and alice.login_user == "alice" and alice.server_time_ms > 0
        alice.notify_network_changed()
        alice.logout()


def test_a_stream_ends_when_nothing_comes_and_can_be_read_on(server: Server) -> None:
    with client_of(server) as alice:
        events = alice.events(timeout=0.05)
        assert list(events) == []
        alice.login("alice", server.issue_user_sig("alice"))
        assert any(isinstance(event, ConnectionChanged) for event in events)
        events.close()
        told = list(events)
        alice.set_self_status("nobody reads this")
        assert told and list(events) == []


def test_without_a_timeout_a_stream_gives_what_is_there(server: Server) -> None:
    with client_of(server) as alice, client_of(server) as bob:
        alice.login("alice", server.issue_user_sig("alice"))
        bob.login("bob", server.issue_user_sig("bob"))
        told = bob.status_changes(timeout=0)
        bob.subscribe("alice")
        alice.set_self_status("hello")
        seen: list[str] = []
        deadline = time.monotonic() + DEADLINE_S
        while "hello" not in seen and time.monotonic() < deadline:  # bob calls nothing else that would take it in
            seen.extend(change.custom_status for change in told)
        assert "hello" in seen


def test_many_threads_share_a_client(server: Server) -> None:
    with client_of(server) as alice:
        alice.login("alice", server.issue_user_sig("alice"))
        failures: list[BaseException] = []

        def work(name: str) -> None:
            try:
                for i in range(50):
                    alice.set_self_status(f"{name} {i}")
                    assert alice.get_user_status("alice")[0].online
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(str(i),)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE_S)
        assert failures == [] and not any(thread.is_alive() for thread in threads)


def test_a_reader_waits_on_when_another_thread_was_faster(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_of(server) as alice:
        changes = alice.status_changes(timeout=DEADLINE_S)
        take = changes._mailbox.take
        others: list[UserStatus] = []

        def taken() -> Optional[UserStatus]:
            change = take()
            if others or change is None:
                return change
            others.append(change)  # by the other thread
            alice.set_self_status("for us")
            return None

        monkeypatch.setattr(changes._mailbox, "take", taken)
        alice.login("alice", server.issue_user_sig("alice"))
        assert next(changes).custom_status == "for us" and [change.custom_status for change in others] == [""]


def test_a_log_handler_may_call_the_client(server: Server) -> None:
    logger = logging.getLogger("test.tim_presence.asking")
    logger.setLevel(logging.DEBUG)
    lines: list[str] = []
    asked: list[bool] = []

    class Asking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            if not asked and alice.login_state is LoginState.LOGGED_IN:
                asked.append(alice.get_user_status("alice")[0].online)

    def story() -> None:
        alice.login("alice", server.issue_user_sig("alice"))
        alice.logout()

    handler = Asking()
    logger.addHandler(handler)
    try:
        with client_of(server, logger=logger) as alice:
            thread = threading.Thread(target=story, daemon=True)
            thread.start()
            thread.join(DEADLINE_S)
            assert not thread.is_alive() and asked == [True]
            assert lines.index("logged in") < lines.index("logged out")
    finally:
        logger.removeHandler(handler)


def test_close_ends_what_other_threads_wait_for(server: Server) -> None:
    alice = client_of(server)
    stream = alice.status_changes()
    waiting = threading.Event()
    read: list[object] = []

    def reader() -> None:
        waiting.set()
        read.append(list(stream))

    thread = threading.Thread(target=reader)
    thread.start()
    assert waiting.wait(DEADLINE_S)
    alice.close()
    alice.close()
    thread.join(DEADLINE_S)
    assert read == [[]]
    with pytest.raises(ClosedError):
        alice.logout()


def test_close_inside_the_iteration_ends_it(server: Server) -> None:
    alice = client_of(server)
    stream = alice.status_changes()
    alice.login("alice", server.issue_user_sig("alice"))
    changes = []
    for change in stream:
        changes.append(change)
        alice.close()
    assert len(changes) == 1


WAITS = """
import sys
from tim_presence import Server, sync
with Server() as server, sync.Client(server.address, server.sdk_app_id) as client:
    print("waiting", flush=True)
    for change in client.status_changes():
        pass
"""


def test_ctrl_c_is_heard_while_waiting() -> None:
    process = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    deadline = time.monotonic() + DEADLINE_S
    # It may not have begun to wait yet; then the signal is heard a moment earlier, which is as well.
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=deadline - time.monotonic())
    assert "KeyboardInterrupt" in errors and process.returncode != 0


class Struck(BaseException):
    """What the signal handler raises, as that of Ctrl-C raises KeyboardInterrupt."""


def test_a_signal_at_any_moment_makes_no_call_wait_for_ever(server: Server) -> None:
    """The main thread is struck again and again, and may at that moment be taking in what came for the other one."""

    def strike(*_: object) -> None:
        raise Struck

    with client_of(server) as alice:
        alice.login("alice", server.issue_user_sig("alice"))
        stop = threading.Event()
        calls: list[int] = []

        def other() -> None:
            while not stop.is_set():
                alice.set_self_status(str(len(calls)))
                calls.append(1)

        thread = threading.Thread(target=other, daemon=True)
        thread.start()
        previous = signal.signal(signal.SIGALRM, strike)
        moments = random.Random(7)
        struck = 0
        try:
            while struck < STRIKES:
                try:
                    signal.setitimer(signal.ITIMER_REAL, moments.uniform(0.000001, 0.0008))
                    alice.get_user_status("alice")
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Struck:
                    struck += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)
        # Both go on as if nothing had been.
        made = len(calls)
        deadline = time.monotonic() + DEADLINE_S
        while len(calls) == made and time.monotonic() < deadline:
            assert alice.get_user_status("alice")[0].online
        stop.set()
        thread.join(DEADLINE_S)
        assert len(calls) > made and not thread.is_alive()
