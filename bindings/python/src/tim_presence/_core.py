"""One client of the C library with poll delivery: calls go in, results and events come out inside `poll`.

Shared by the asyncio client and the synchronous one. Every callback of C runs inside `poll`, `destroy`, on the thread
that called it; none runs code of the application, and C never holds a Python object: its user_data are numbers, looked
up here, so nothing that Python frees can be called. After fork() the child's clients raise ForkedError before they
touch a lock or the library.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import logging
import os
import struct
import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Callable, Final, NamedTuple, Optional, Union

from . import _native as native
from ._native import lib
from ._streams import Mailboxes
from .errors import ClosedError, ForkedError, UsageError, error_of, last_error
from .values import (
    ConnectionChanged,
    ConnectionState,
    Event,
    KickedOffline,
    LoginState,
    SubscriptionsEvicted,
    UserSigExpired,
    UserStatus,
    platforms_of,
    reason_of,
    status_of,
)

#: How many callbacks one `poll` runs, so that other work of the thread gets its turn. What is left keeps the wake
#: descriptor readable.
POLL_BATCH: Final = 256

#: How long the end of a client that nobody closed may hold up the garbage collector, in milliseconds. It waits for the
#: library's own thread, for fractions of a millisecond.
ABANDONED_MS: Final = 5000

#: How often and how long a new client with a tiny queue_max waits for room for one more listener: five seconds in all.
LISTEN_POLLS: Final = 500
LISTEN_POLL_MS: Final = 10

TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_INVALID_ARGUMENT, TIM_ERR_BUSY = -2, -3, -4, -6
TIM_ERR_SHUTDOWN, TIM_ERR_CLOSED, TIM_ERR_FORKED, TIM_ERR_BUFFER_TOO_SMALL = -9, -10, -11, -19

Seconds = Union[int, float, timedelta]


class Result(NamedTuple):
    """How a call ended: a copy of TimResult."""

    code: int
    message: str
    retry_after_ms: int
    users: list[UserStatus]
    evicted: list[str]


Deliver = Callable[[Result], None]

_numbers = itertools.count(1)
_calls: dict[int, Deliver] = {}
_cores: weakref.WeakValueDictionary[int, Core] = weakref.WeakValueDictionary()

#: What a signal raised inside a callback of this thread.
_here = threading.local()

_generation = 0


def _forked() -> None:
    """Runs in the child: its handles are void, and what the parent waits for will not come."""
    global _generation
    _generation += 1
    _calls.clear()


os.register_at_fork(after_in_child=_forked)


# ---- arguments ----


def text(name: str, value: str) -> bytes:
    """A text as C takes it. C would see only what comes before a NUL, so that is refused."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        raise UsageError(TIM_ERR_NOT_UTF8, f"{name} cannot be written in UTF-8") from None
    if b"\0" in encoded:
        raise UsageError(TIM_ERR_INVALID_ARGUMENT, f"{name} holds a NUL")
    return encoded


def texts(name: str, values: Union[str, Iterable[str]]) -> tuple[Any, int]:
    """An array of texts and its length. One text alone is an array of one. Never NULL, which would mean: all."""
    encoded = [text(name, value) for value in ([values] if isinstance(values, str) else values)]
    return (ctypes.c_char_p * len(encoded))(*encoded), len(encoded)


def milliseconds(time: Seconds) -> int:
    """A time as the options of C have it."""
    return round((time.total_seconds() if isinstance(time, timedelta) else time) * 1000)


def out_text(capacity: int, copy: Callable[..., int]) -> str:
    """A text that C copies into a buffer."""
    needed = ctypes.c_size_t(capacity)
    buffer = ctypes.create_string_buffer(capacity)
    code = copy(buffer, len(buffer), ctypes.byref(needed))
    if code == TIM_ERR_BUFFER_TOO_SMALL:  # some room to spare, as it may grow meanwhile
        buffer = ctypes.create_string_buffer(needed.value + 16)
        code = copy(buffer, len(buffer), ctypes.byref(needed))
    if code != 0:
        raise last_error(code)
    return buffer.value.decode()


# ---- what C hands to callbacks, copied ----


def _pointers(array: Optional[int], count: int) -> tuple[int, ...]:
    if not array or not count:
        return ()
    return struct.unpack(f"@{count}P", ctypes.string_at(array, native.POINTER_BYTES * count))


def _user(pointer: int) -> UserStatus:
    fields = native.USER_STATUS.unpack(ctypes.string_at(pointer, native.USER_STATUS.size))
    _, code, status, reason, platforms, _, version, since_ms, user_id, custom_status = fields
    return UserStatus(
        ctypes.string_at(user_id).decode(),
        status_of(status),
        ctypes.string_at(custom_status).decode(),
        reason_of(reason),
        platforms_of(platforms),
        version,
        since_ms,
        code,
    )


def _ids(array: Optional[int], count: int) -> list[str]:
    return [ctypes.string_at(pointer).decode() for pointer in _pointers(array, count)]


def _undisturbed(callback: Callable[..., None]) -> Callable[..., None]:
    """Carries a callback to its end even if a signal strikes inside it.

    Ctrl-C raises between any two steps of Python, and C would swallow that together with the rest of the callback: a result
    would be lost, and whoever waits for it would wait for ever. So it is begun anew, and `poll` raises what was raised.
    """

    def carried_out(*arguments: Any) -> None:
        try:
            callback(*arguments)
        except BaseException as error:
            _here.raised = error
            callback(*arguments)

    return carried_out


def _on_result(pointer: int, number: int) -> None:
    deliver = _calls.get(number)
    if deliver is None:
        return
    fields = native.RESULT.unpack(ctypes.string_at(pointer, native.RESULT.size))
    _, code, message, retry_after_ms, _, items, count, evicted, evicted_count = fields
    users = [_user(item) for item in _pointers(items, count)]
    deliver(Result(code, ctypes.string_at(message).decode(), retry_after_ms, users, _ids(evicted, evicted_count)))
    _calls.pop(number, None)


def _tell(number: int, event: Event) -> None:
    core = _cores.get(number)
    if core is not None:
        core.told(event)


def _on_status(changes: int, count: int, number: int) -> None:
    for pointer in _pointers(changes, count):
        _tell(number, _user(pointer))


def _on_connection(state: int, code: int, message: bytes, number: int) -> None:
    error = error_of(code, message.decode()) if code != 0 else None
    _tell(number, ConnectionChanged(ConnectionState(state), error))


def _on_kicked(code: int, message: bytes, number: int) -> None:
    _tell(number, KickedOffline(error_of(code, message.decode())))


def _on_expired(number: int) -> None:
    _tell(number, UserSigExpired())


def _on_evicted(user_ids: int, count: int, number: int) -> None:
    _tell(number, SubscriptionsEvicted(tuple(_ids(user_ids, count))))


def _on_log(level: int, message: bytes, number: int) -> None:
    core = _cores.get(number)
    if core is not None:
        core.log_lines.append((level, message.decode()))


def _on_closed(number: int) -> None:
    core = _cores.get(number)
    if core is not None:
        core.gone()


# Made once and kept for ever: C may hold them until the process ends.
_result_fn = native.ResultFn(_undisturbed(_on_result))
_status_fn = native.StatusFn(_undisturbed(_on_status))
_connection_fn = native.ConnectionFn(_undisturbed(_on_connection))
_kicked_fn = native.KickedFn(_undisturbed(_on_kicked))
_expired_fn = native.ExpiredFn(_undisturbed(_on_expired))
_evicted_fn = native.EvictedFn(_undisturbed(_on_evicted))
_log_fn = native.LogFn(_undisturbed(_on_log))
_closed_fn = native.ClosedFn(_undisturbed(_on_closed))
_no_free = native.FreeFn()

#: Levels of the C library and those of logging. TIM_LOG_TRACE is below DEBUG.
_LOG_LEVELS: Final = ((1, 5), (2, logging.DEBUG), (3, logging.INFO), (4, logging.WARNING), (5, logging.ERROR))


# ---- the client ----


class Core:
    """A client of C. Any thread may start calls; only one at a time may `poll`."""

    def __init__(self, options: Mapping[str, object], logger: Optional[logging.Logger], on_gone: Callable[[], None]) -> None:
        self._generation = _generation
        self._on_gone = on_gone
        self._logger = logger
        self.log_lines: deque[tuple[int, str]] = deque()
        #: Held by the thread that hands them on, so that they stay in order. Nobody waits for it.
        self._logging = threading.Lock()
        self.mailboxes = Mailboxes()
        self.closing = False
        self.closed = False
        self.number = next(_numbers)
        handle = ctypes.c_uint64()
        document = json.dumps({**options, "delivery": "poll"}).encode()
        code = lib.timClientCreate(document, ctypes.byref(handle))
        if code != 0:
            raise last_error(code)
        self.handle = handle.value
        _cores[self.number] = self
        try:
            self._listen()
            fd = ctypes.c_int32(-1)
            self._checked(lib.timGetWakeFd(self.handle, ctypes.byref(fd)))
            #: Readable while `poll` has something to do. The library's: not to be closed.
            self.wake_fd = fd.value
        except BaseException:
            self.destroy()
            raise

    def _listen(self) -> None:
        listeners = (
            (lib.timSetUserStatusChangedCallback, _status_fn),
            (lib.timSetConnectionStateCallback, _connection_fn),
            (lib.timSetKickedOfflineCallback, _kicked_fn),
            (lib.timSetUserSigExpiredCallback, _expired_fn),
            (lib.timSetSubscriptionEvictedCallback, _evicted_fn),
        )
        for setter, function in listeners:
            self._set(setter, function)
        if self._logger is not None:
            least = self._logger.getEffectiveLevel()
            level = next((ours for ours, theirs in _LOG_LEVELS if theirs >= least), None)
            if level is not None:
                self._set(lib.timSetLogCallback, level, _log_fn)

    def _set(self, setter: Callable[..., int], *arguments: object) -> None:
        code = setter(self.handle, *arguments, self.number, _no_free)
        for _ in range(LISTEN_POLLS):
            if code != TIM_ERR_BUSY:
                break
            # With a queue_max below six: a listener takes a place until the library's thread has it and it is polled.
            lib.timPoll(self.handle, 0, LISTEN_POLL_MS, None)
            code = setter(self.handle, *arguments, self.number, _no_free)
        self._checked(code)

    @staticmethod
    def _checked(code: int) -> None:
        if code != 0:
            raise last_error(code)

    @property
    def forked(self) -> bool:
        """Whether the client is that of the parent process."""
        return self._generation != _generation

    def check_fork(self) -> None:
        """Raises if the client is that of the parent process."""
        if self.forked:
            raise ForkedError(TIM_ERR_FORKED)

    def check(self) -> None:
        """Raises if the client is closed, or the parent's."""
        self.check_fork()
        if self.closing:
            raise ClosedError(TIM_ERR_CLOSED)

    def start(self, deliver: Deliver, function: Callable[..., int], *arguments: object) -> None:
        """Starts a call: `deliver` is called once with its result, inside `poll`. Raises if it is not accepted."""
        self.check()
        number = next(_numbers)
        _calls[number] = deliver
        code = function(self.handle, *arguments, _result_fn, number)
        if code != 0:
            _calls.pop(number, None)
            raise last_error(code)

    def poll(self) -> None:
        """Runs callbacks that wait, up to POLL_BATCH of them. Log lines are left for `log`."""
        if self.closed or self.forked:
            return
        code = lib.timPoll(self.handle, POLL_BATCH, 0, None)
        if code in (TIM_ERR_CLOSED, TIM_ERR_INVALID_HANDLE):
            self.gone()
        raised: Optional[BaseException] = _here.__dict__.pop("raised", None)
        if raised is not None:
            raise raised

    def log(self) -> None:
        """Hands on the log lines that polls brought. Not inside a callback or anybody's turn to poll: a handler is the
        application's, and may call anything, this client included."""
        while self.log_lines and self._logger is not None:
            if not self._logging.acquire(blocking=False):
                return  # whoever hands them on, perhaps further up in this thread, takes these, too
            try:
                while self.log_lines:
                    level, line = self.log_lines.popleft()
                    known = 1 <= level <= len(_LOG_LEVELS)
                    self._logger.log(_LOG_LEVELS[level - 1][1] if known else logging.ERROR, "%s", line)
            finally:
                self._logging.release()

    def poll_and_log(self) -> None:
        """Both, for whoever polls alone."""
        self.poll()
        self.log()

    def told(self, event: Event) -> None:
        """Takes in an event."""
        for mailbox in self.mailboxes:
            mailbox.put(event)

    def begin_close(self) -> None:
        """Starts the end; `on_gone` is called inside a later `poll`. Nothing if it was started before."""
        started, self.closing = self.closing, True
        if started or self.forked:
            return
        code = lib.timClientDestroyAsync(self.handle, _closed_fn, self.number)
        if code != 0:
            self.gone()

    def gone(self) -> None:
        """The client is no more, and every result was delivered."""
        if self.closed:
            return
        self.closing = self.closed = True
        for mailbox in self.mailboxes:
            mailbox.close()
        self._on_gone()

    def destroy(self) -> None:
        """Ends the client on this thread, for whoever cannot poll any more."""
        if self.closed:
            return
        self.closing = self.closed = True
        if not self.forked:
            lib.timClientDestroy(self.handle, ABANDONED_MS)

    # ---- questions that need no server ----

    def login_state(self) -> LoginState:
        """Whether somebody is logged in."""
        self.check()
        state = ctypes.c_int32()
        self._checked(lib.timGetLoginState(self.handle, ctypes.byref(state)))
        return LoginState(state.value)

    def login_user(self) -> str:
        """Who is logged in; "" if nobody is."""
        self.check()
        return out_text(33, lambda *out: lib.timGetLoginUser(self.handle, *out))

    def server_time_ms(self) -> int:
        """The server's time; 0 before the first login."""
        self.check()
        ms = ctypes.c_int64()
        self._checked(lib.timGetServerTime(self.handle, ctypes.byref(ms)))
        return ms.value

    def notify_network_changed(self) -> None:
        """Tries at once to reconnect, if it waits to."""
        self.check()
        self._checked(lib.timNotifyNetworkChanged(self.handle))


def succeeded(result: Result) -> Result:
    """The result, if it is a success. Else raises what was wrong."""
    if result.code != 0:
        raise error_of(result.code, result.message, result.retry_after_ms, result.users)
    return result


def unclosed(what: str) -> None:
    """Warns of something that was dropped without being closed, as Python does of files."""
    warnings.warn(f"unclosed {what}", ResourceWarning, stacklevel=2)


def options_of(
    server: str,
    sdk_app_id: int,
    times: Mapping[str, Optional[Seconds]],
    values: Mapping[str, object],
) -> dict[str, object]:
    """The options of C: times are seconds here and milliseconds there; what is None has its default."""
    options: dict[str, object] = {"server": server, "sdk_app_id": sdk_app_id}
    options.update((f"{name}_ms", milliseconds(time)) for name, time in times.items() if time is not None)
    options.update((name, value) for name, value in values.items() if value is not None)
    return options

