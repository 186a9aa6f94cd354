"""The asyncio client: one device of one user, as an object of an event loop.

Everything happens in the loop's own thread: the library's wake descriptor is one more that the loop waits for, and no
thread of the library ever runs Python.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Any, Callable, Generic, Optional, TypeVar

from . import _base, _core
from ._base import Call, ClientBase, UserIds
from ._core import Core, Result, succeeded
from ._streams import Mailbox, everything, statuses
from .values import Event, Subscribed, UserResult, UserStatus

E = TypeVar("E")
T = TypeVar("T")


class Stream(AsyncIterator[E], Generic[E]):
    """What a client is told, from the moment this was made: `async for change in client.status_changes()`.

    Bounded: while nobody reads, only the last status of each user is kept; past 10 000 entries reading raises
    EventsLostError. Ends when the client is closed. Several streams of one client each get everything. One that is
    dropped is forgotten.
    """

    def __init__(self, client: Client, core: Core, wanted: Callable[[Event], Optional[E]]) -> None:
        self._client = client  # which stays open for as long as somebody reads
        self._core = core
        self._loop = asyncio.get_running_loop()
        self._waiters: set[asyncio.Future[None]] = set()
        # The mailbox must not keep the stream alive, nor the client through it.
        stream = weakref.ref(self)
        self._mailbox: Mailbox[E] = Mailbox(wanted, lambda: _woken(stream))
        core.check()
        core.mailboxes.add(self._mailbox)

    def __aiter__(self) -> Stream[E]:
        return self

    async def __anext__(self) -> E:
        while True:
            event = self._mailbox.take()
            if event is not None:
                return event
            if self._mailbox.closed:
                raise StopAsyncIteration
            waiter: asyncio.Future[None] = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)

    async def aclose(self) -> None:
        """Ends the stream; what waits can still be read."""
        self._core.mailboxes.discard(self._mailbox)
        self._mailbox.close()

    def _wake(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


def _woken(stream: weakref.ref[Stream[Any]]) -> None:
    alive = stream()
    if alive is not None:
        alive._wake()


def _abandoned(core: Core, loop: asyncio.AbstractEventLoop) -> None:
    """The client was dropped without being closed. May run in any thread."""
    if core.closed or core.forked:
        return
    if not core.closing:
        _core.unclosed("tim_presence.Client")
    try:
        loop.call_soon_threadsafe(core.begin_close)
    except RuntimeError:  # the loop is closed: nobody polls any more
        core.destroy()


class Client(ClientBase):
    """One device of one user. Make it inside a coroutine:

        async with Client("tim://127.0.0.1:7788", 1400000001) as client:
            await client.login("alice", user_sig)
            await client.set_self_status("in a meeting")

    Nothing is connected before login. After it a lost connection comes back by itself, and what was missed is told then.

    A call that fails raises a TimError of the family of its code. Awaiting a call may be cancelled: the call goes on, its
    result is dropped. A client belongs to the event loop it was made in. Leaving the `async with` closes it: the server
    sees a lost connection (OFFLINE), unless you log out first.
    """

    def _open(self, options: Mapping[str, object], logger: Optional[logging.Logger]) -> None:
        self._loop = asyncio.get_running_loop()
        gone: asyncio.Future[None] = self._loop.create_future()
        loop = self._loop
        fd: list[int] = []

        def on_gone() -> None:
            # Before the library closes the descriptor, so that the loop never waits for somebody else's.
            if fd:
                loop.remove_reader(fd[0])
            if not gone.done():
                gone.set_result(None)

        self._gone = gone
        self._core = Core(options, logger, on_gone)
        fd.append(self._core.wake_fd)
        self._finalizer = weakref.finalize(self, _abandoned, self._core, loop)
        self._finalizer.atexit = False
        loop.add_reader(self._core.wake_fd, self._core.poll_and_log)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the client. Calls that wait end with ClosedError, streams end. Any number of times, in any task of its loop."""
        if self._core.closed:
            return
        if self._loop.is_closed():
            self._core.destroy()
            return
        if not self._core.forked:
            self._check_loop()
        self._core.begin_close()
        if self._core.closed or self._core.forked:
            return
        await asyncio.shield(self._gone)

    def _check_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("this client belongs to another event loop")

    async def _call(self, call: Call[T]) -> T:
        self._check_loop()
        loop = self._loop
        future: asyncio.Future[Result] = loop.create_future()

        def deliver(result: Result) -> None:
            if not future.done() and not loop.is_closed():
                future.set_result(result)

        self._core.start(deliver, call.function, *call.arguments)
        return call.value(succeeded(await future))

    # ---- session ----

    async def login(self, user_id: str, user_sig: str) -> None:
        """Logs a user in with the UserSig that your backend made. Also if this user is logged in already.

        Raises UserSigError, ConnectionLostError after `login_timeout`, UsageError for a user id that is not valid or
        while another user is logged in, BusyError during another login, RateLimitedError, NotAvailableError for an app that
        the server does not have.
        """
        await self._call(_base.login(user_id, user_sig))

    async def logout(self) -> None:
        """Logs the user out: UNLOGINED, if this was the last device. Raises NotLoggedInError."""
        await self._call(_base.logout())

    async def renew_user_sig(self, user_sig: str) -> None:
        """Replaces the UserSig before it expires; the connection stays. Raises UserSigError, and the old one stays."""
        await self._call(_base.renew_user_sig(user_sig))

    # ---- user status ----

    async def set_self_status(self, custom_status: str) -> None:
        """Sets the user's custom status, at most 100 bytes of UTF-8; "" clears it. Cleared by itself when not ONLINE."""
        await self._call(_base.set_self_status(custom_status))

    async def get_user_status(self, user_ids: UserIds) -> list[UserStatus]:
        """Asks for 1 to 500 users: each once, in the order given, with its own code.

        Raises only if no user succeeded (AccountNotFoundError for one unknown user), or the call was refused as a whole:
        UsageError for too many, RateLimitedError after 20 calls in 5 seconds, NotAvailableError, NotLoggedInError,
        ConnectionLostError.
        """
        return await self._call(_base.get_user_status(user_ids))

    async def subscribe(self, user_ids: UserIds) -> Subscribed:
        """Subscribes to 1 to 100 users: their changes come to status_changes(), on all devices of this user.

        Raises as get_user_status does, and OutcomeUnknownError. A user has at most 200 subscriptions; past that the oldest go.
        """
        return await self._call(_base.subscribe(user_ids))

    async def unsubscribe(self, user_ids: UserIds) -> list[UserResult]:
        """Ends subscriptions to 1 to 100 users. An empty list is a UsageError, not all: see unsubscribe_all."""
        return await self._call(_base.unsubscribe(user_ids))

    async def unsubscribe_all(self) -> None:
        """Ends all subscriptions."""
        await self._call(_base.unsubscribe_all())

    async def get_subscriptions(self) -> list[str]:
        """The users subscribed to, oldest first."""
        return await self._call(_base.get_subscriptions())

    async def get_friends(self) -> list[str]:
        """The user's friends, as the backend keeps them."""
        return await self._call(_base.get_friends())

    # ---- what the client is told ----

    def status_changes(self) -> Stream[UserStatus]:
        """Changes of status from now on: of users subscribed to, of oneself, of friends if the app says so.

        Make it before login to be told of everything. See Stream for what happens while nobody reads.
        """
        return Stream(self, self._core, statuses)

    def events(self) -> Stream[Event]:
        """Everything from now on: changes of status and of the connection, being kicked, an expired UserSig, evictions."""
        return Stream(self, self._core, everything)

