"""The synchronous client: the same as the asyncio one for programs without an event loop.

    from tim_presence.sync import Client

    with Client("tim://127.0.0.1:7788", 1400000001) as client:
        client.login("alice", user_sig)
        for change in client.status_changes(timeout=60):
            print(change.user_id, change.status.name, change.custom_status)

A thread that waits for its own result also takes in what came for others. What arrives while nobody calls waits in the library, of
each user the last status. Any thread may use a client at any time.
"""

from __future__ import annotations

import _thread
import logging
import os
import queue
import select
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Callable, Generic, Optional, TypeVar

from . import _base, _core
from ._base import Call, ClientBase, UserIds
from ._core import TIM_ERR_SHUTDOWN, Core, Result, Seconds, milliseconds, succeeded
from ._streams import Mailbox, everything, statuses
from .errors import ClosedError
from .values import Event, Subscribed, UserResult, UserStatus

E = TypeVar("E")
T = TypeVar("T")

#: How long a thread that waits goes without looking, in seconds. It is woken when something came; this is for the case that
#: Ctrl-C struck the main thread just as it was to wake others.
LOOK_S = 1.0


class _Helper:
    """Polls for the main thread, one for all clients.

    Signal handlers run in the main thread, between any two steps of Python. Inside a callback of C the exception that Ctrl-C
    raises would be swallowed, and with it the result that the callback brought; so that thread runs none.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[tuple[Core, threading.Lock, list[BaseException]]] = queue.SimpleQueue()
        self._started = False

    def poll(self, core: Core) -> None:
        """As Core.poll. Left early by Ctrl-C, it goes on all the same."""
        if not self._started:
            # Not threading.Thread, whose start() waits and may be struck meanwhile. A second one would do no harm.
            _thread.start_new_thread(self._serve, ())
            self._started = True
        done = threading.Lock()
        failures: list[BaseException] = []
        done.acquire()
        self._orders.put((core, done, failures))
        try:
            done.acquire()
        except BaseException:
            done.acquire(timeout=LOOK_S)  # it is nearly through, and nobody else polls before it is
            raise
        for failure in failures:
            raise failure

    def _serve(self) -> None:
        while True:
            core, done, failures = self._orders.get()
            try:
                core.poll()
            except BaseException as failure:
                failures.append(failure)
            done.release()
            del core, done, failures  # before the wait for the next: they may be all that keeps a client alive


_helper = _Helper()


def _forked() -> None:
    """Runs in the child: the helper's thread is the parent's."""
    global _helper
    _helper = _Helper()


os.register_at_fork(after_in_child=_forked)


def _poll(core: Core) -> None:
    """Takes in what came, on a thread that no signal strikes."""
    if threading.current_thread() is threading.main_thread():
        _helper.poll(core)
    else:
        core.poll()


class _Turn:
    """Who polls: of the threads that wait, one waits for the descriptor and the others for that one.

    For the descriptor and not inside timPoll: select() is left at once on Ctrl-C, a call into C is not.
    """

    def __init__(self) -> None:
        # Plain locks and no Condition, whose methods are Python: a signal may strike inside them, and then a lock is held or free
        # that should not be. Taking a plain one in a `with` is one step.
        self._lock = threading.Lock()
        self._taken = False
        self._followers: list[threading.Lock] = []

    def notify(self) -> None:
        """Something came: those that wait look again."""
        with self._lock:
            followers, self._followers = self._followers, []
        for follower in followers:
            follower.release()

    def wait(self, core: Core, ready: Callable[[], bool], timeout: Optional[float]) -> bool:
        """Waits until `ready`, taking in at least what is there; False if the time ran out."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not ready():
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            patience = LOOK_S if left is None else min(left, LOOK_S)
            ours = False
            called = threading.Lock()
            called.acquire()
            # Ctrl-C may come between any two steps: whatever happens, the turn is given back.
            try:
                with self._lock:
                    if not self._taken:
                        ours = self._taken = True
                    elif not ready():
                        self._followers.append(called)
                    else:
                        continue
                if not ours:
                    called.acquire(timeout=patience)
                elif not core.closed:
                    waiting = select.poll()
                    waiting.register(core.wake_fd, select.POLLIN)
                    waiting.poll(patience * 1000)
                    _poll(core)
            finally:
                with self._lock:
                    if ours:
                        self._taken = False
                    elif called in self._followers:
                        self._followers.remove(called)
                if ours:
                    self.notify()
            core.log()
            if left == 0.0 and not ready():
                return False
        return True


class Stream(Iterator[E], Generic[E]):
    """What a client is told, from the moment this was made: `for change in client.status_changes(timeout=60)`.

    Ends when nothing came for `timeout` (None: never; 0: at once, with what is there), and when the client is closed; after
    a timeout it can be read on.
    Bounded as the asyncio one: of each user the last status, and EventsLostError past 10 000 entries.
    """

    def __init__(self, client: Client, wanted: Callable[[Event], Optional[E]], timeout: Optional[float]) -> None:
        self._client = client
        self._timeout = timeout
        self._mailbox: Mailbox[E] = Mailbox(wanted, client._turn.notify)
        client._core.check()
        client._core.mailboxes.add(self._mailbox)

    def __iter__(self) -> Stream[E]:
        return self

    def __next__(self) -> E:
        core = self._client._core
        core.check_fork()
        while self._client._turn.wait(core, self._mailbox.ready, self._timeout):
            closed = self._mailbox.closed
            event = self._mailbox.take()
            if event is not None:
                return event
            if closed:
                break
            # Another thread that reads this stream was faster.
        raise StopIteration

    def close(self) -> None:
        """Ends the stream; what waits can still be read."""
        core = self._client._core
        if not core.forked:
            core.mailboxes.discard(self._mailbox)
            self._mailbox.close()


def _abandoned(core: Core) -> None:
    """The client was dropped without being closed. May run in any thread."""
    if not core.closing and not core.forked:
        _core.unclosed("tim_presence.sync.Client")
        core.destroy()


def _seconds(timeout: Optional[Seconds]) -> Optional[float]:
    return None if timeout is None else milliseconds(timeout) / 1000


class Client(ClientBase):
    """One device of one user. See tim_presence.Client: the same calls, which wait."""

    def _open(self, options: Mapping[str, object], logger: Optional[logging.Logger]) -> None:
        self._turn = _Turn()
        self._core = Core(options, logger, self._turn.notify)
        self._finalizer = weakref.finalize(self, _abandoned, self._core)
        self._finalizer.atexit = False

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the client. Calls that wait in other threads end with ClosedError, streams end. Any number of times."""
        self._core.begin_close()
        if not self._core.forked:
            self._turn.wait(self._core, lambda: self._core.closed, None)

    def _call(self, call: Call[T]) -> T:
        box: list[Result] = []
        self._core.start(box.append, call.function, *call.arguments)
        self._turn.wait(self._core, lambda: bool(box) or self._core.closed, None)
        if not box:
            raise ClosedError(TIM_ERR_SHUTDOWN)
        return call.value(succeeded(box[0]))

    # ---- session ----

    def login(self, user_id: str, user_sig: str) -> None:
        """Logs a user in. See tim_presence.Client.login."""
        self._call(_base.login(user_id, user_sig))

    def logout(self) -> None:
        """Logs the user out: UNLOGINED, if this was the last device. Raises NotLoggedInError."""
        self._call(_base.logout())

    def renew_user_sig(self, user_sig: str) -> None:
        """Replaces the UserSig before it expires; the connection stays. Raises UserSigError, and the old one stays."""
        self._call(_base.renew_user_sig(user_sig))

    # ---- user status ----

    def set_self_status(self, custom_status: str) -> None:
        """Sets the user's custom status, at most 100 bytes of UTF-8; "" clears it. Cleared by itself when not ONLINE."""
        self._call(_base.set_self_status(custom_status))

    def get_user_status(self, user_ids: UserIds) -> list[UserStatus]:
        """Asks for 1 to 500 users. See tim_presence.Client.get_user_status."""
        return self._call(_base.get_user_status(user_ids))

    def subscribe(self, user_ids: UserIds) -> Subscribed:
        """Subscribes to 1 to 100 users. See tim_presence.Client.subscribe."""
        return self._call(_base.subscribe(user_ids))

    def unsubscribe(self, user_ids: UserIds) -> list[UserResult]:
        """Ends subscriptions to 1 to 100 users. An empty list is a UsageError, not all: see unsubscribe_all."""
        return self._call(_base.unsubscribe(user_ids))

    def unsubscribe_all(self) -> None:
        """Ends all subscriptions."""
        self._call(_base.unsubscribe_all())

    def get_subscriptions(self) -> list[str]:
        """The users subscribed to, oldest first."""
        return self._call(_base.get_subscriptions())

    def get_friends(self) -> list[str]:
        """The user's friends, as the backend keeps them."""
        return self._call(_base.get_friends())

    # ---- what the client is told ----

    def status_changes(self, timeout: Optional[Seconds] = None) -> Stream[UserStatus]:
        """Changes of status from now on: of users subscribed to, of oneself, of friends if the app says so.

        Make it before login to be told of everything. Ends when nothing came for `timeout`.
        """
        return Stream(self, statuses, _seconds(timeout))

    def events(self, timeout: Optional[Seconds] = None) -> Stream[Event]:
        """Everything from now on: changes of status and of the connection, being kicked, an expired UserSig, evictions."""
        return Stream(self, everything, _seconds(timeout))

