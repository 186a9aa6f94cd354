"""What can go wrong: one exception for each family of codes. The codes are those of the C library: docs/ERRORS.md.

A family is chosen by the code, or for a code that this version does not know by its flags, so a newer library's error
still arrives as something that can be handled.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Optional

from ._native import lib
from .values import UserStatus

_RETRIABLE, _FATAL, _PROGRAMMING = 1, 2, 4


class TimError(Exception):
    """A call that did not succeed. Its text is for a person; decide by class or code."""

    #: The number, such as 7008.
    code: int
    #: What was wrong, for a person.
    message: str
    #: With RateLimitedError: how many seconds to wait before trying again. Else None.
    retry_after: Optional[float]
    #: The users the call named, each with its own code, where the server answered for each.
    users: Sequence[UserStatus]

    def __init__(
        self, code: int, message: str = "", retry_after: Optional[float] = None, users: Sequence[UserStatus] = ()
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message or lib.timErrorMessage(code).decode()
        self.retry_after = retry_after
        self.users = users

    def __str__(self) -> str:
        return f"{self.message} ({self.name}, {self.code})"

    @property
    def name(self) -> str:
        """The C constant, such as "TIM_ERR_RATE_LIMITED"."""
        name: bytes = lib.timErrorName(self.code)
        return name.decode()

    @property
    def retriable(self) -> bool:
        """Whether the same call may succeed later."""
        return bool(lib.timErrorFlags(self.code) & _RETRIABLE)

    @property
    def fatal(self) -> bool:
        """Whether the client or session is over."""
        return bool(lib.timErrorFlags(self.code) & _FATAL)

    @property
    def programming(self) -> bool:
        """Whether the calling program has a mistake."""
        return bool(lib.timErrorFlags(self.code) & _PROGRAMMING)


class UsageError(TimError):
    """The calling program has a mistake: an argument out of range, too many users, a call in the wrong state."""


class ClosedError(TimError):
    """The client is closed or was closed meanwhile."""


class ForkedError(ClosedError):
    """The client was made before fork(). Make a new one in the child."""


class InternalError(TimError):
    """The library met a bug of its own. The client is over; please report it."""


class NotLoggedInError(TimError):
    """Nobody is logged in, or the user was logged out before the call finished."""


class KickedOfflineError(TimError):
    """Another login took this one's place, or the backend kicked the account."""


class UserSigError(TimError):
    """The UserSig is expired, revoked, or not valid for this user and app. Get a new one from your backend."""


class AccountNotFoundError(TimError):
    """No such account: never imported, never logged in."""


class NotAvailableError(TimError):
    """This library, app or plan does not have what was asked for, or it is switched off."""


class RateLimitedError(TimError):
    """Too many calls, or too many failed logins: wait for retry_after seconds."""


class BusyError(TimError):
    """Too many calls wait for their result, or a login is in progress: let it finish, then try again."""


class ConnectionLostError(TimError):
    """There is no connection, and nothing was changed."""


class OutcomeUnknownError(ConnectionLostError):
    """The connection was lost before the answer: nobody knows whether the call took effect."""


class ServerError(TimError):
    """The server could not carry out the request. Retry later."""


class ResourceError(TimError):
    """The system refused memory, a thread, a file descriptor, an address, or the data directory."""


class EventsLostError(TimError):
    """A stream was not read for so long that it is full: read the statuses anew. Raised by the stream alone; ends it."""


#: The family of each code. One that came later has the family that its flags say, or is a plain TimError.
FAMILIES: dict[int, type[TimError]] = {
    **dict.fromkeys((-1, -2, -4, -5, -7, -15, -19, 6013, 6017, 6027, 7003, 7014), UsageError),
    **dict.fromkeys((-3, -9, -10, 7009), ClosedError),
    -11: ForkedError,
    **dict.fromkeys((-13, -14, 7012), InternalError),
    **dict.fromkeys((6014, 6023), NotLoggedInError),
    6208: KickedOfflineError,
    **dict.fromkeys((6206, 70001, 70002, 70003, 70005, 70009, 70013, 70014, 70052), UserSigError),
    70107: AccountNotFoundError,
    **dict.fromkeys((-12, 7013, 70020, 72001), NotAvailableError),
    **dict.fromkeys((7008, 70050), RateLimitedError),
    **dict.fromkeys((-6, 7501), BusyError),
    **dict.fromkeys((-8, -20, 9510, 9511, 9512, 9523), ConnectionLostError),
    9508: OutcomeUnknownError,
    70500: ServerError,
    **dict.fromkeys((-16, -17, -18), ResourceError),
}


def family_of(code: int) -> type[TimError]:
    """The exception for a code."""
    known = FAMILIES.get(code)
    if known is not None:
        return known
    if 9500 <= code < 9600:  # the service's numbers for what is wrong with the network
        return ConnectionLostError
    flags = lib.timErrorFlags(code)
    if flags & _PROGRAMMING:
        return UsageError
    return ClosedError if flags & _FATAL else TimError


def error_of(code: int, message: str = "", retry_after_ms: int = 0, users: Sequence[UserStatus] = ()) -> TimError:
    """The exception for how something ended."""
    return family_of(code)(code, message, retry_after_ms / 1000 if retry_after_ms else None, users)


def last_error(code: int) -> TimError:
    """The exception for a call that returned `code` on this thread just now."""
    text = ctypes.create_string_buffer(512)
    lib.timLastErrorMessage(text, len(text), None)
    return error_of(code, text.value.decode())
