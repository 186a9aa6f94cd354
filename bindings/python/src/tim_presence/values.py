"""What a user's status looks like, and what a client is told without asking: plain values, yours to keep."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, Optional, Union

if TYPE_CHECKING:
    from .errors import TimError


class Status(enum.IntEnum):
    """What a user is."""

    #: Could not be learnt, or is known to a newer server only.
    UNKNOWN = 0
    #: At least one device is connected.
    ONLINE = 1
    #: No device is connected, and at least one went away without logging out.
    OFFLINE = 2
    #: Every device logged out, or none ever logged in.
    UNLOGINED = 3


class Reason(enum.IntEnum):
    """Why a status last changed. A number that only a newer server knows is kept, as a Reason without a known name."""

    UNKNOWN = 0
    #: A device logged in.
    LOGIN = 1
    #: The last device logged out.
    LOGOUT = 2
    #: The last connection ended: the program exited, crashed, or the network reported it.
    LINK_CLOSED = 3
    #: The last connection fell silent.
    TIMEOUT = 4
    #: The custom status was set or cleared.
    CUSTOM_STATUS = 5
    #: The backend kicked the account.
    KICKED = 6
    #: The UserSig of the last device expired.
    EXPIRED = 7
    #: The server did it: registration, restart, deletion of the account.
    SERVER = 8

    @classmethod
    def _missing_(cls, value: object) -> Optional[Reason]:
        if not isinstance(value, int):
            return None
        newer = int.__new__(cls, value)
        newer._name_ = f"REASON_{value}"
        newer._value_ = value
        return newer


class Platform(enum.IntFlag):
    """The platforms a user is online on. `Platform.IOS in user.platforms`"""

    OTHER = 1
    IOS = 2
    ANDROID = 4
    WEB = 8
    WINDOWS = 16
    MAC = 32
    LINUX = 64
    IPAD = 128


class ConnectionState(enum.IntEnum):
    """How the connection to the server is."""

    #: None: before a login, after a logout or kick, between two attempts.
    DISCONNECTED = 1
    #: One is being made.
    CONNECTING = 2
    #: Connected and logged in.
    CONNECTED = 3


class LoginState(enum.IntEnum):
    """Whether somebody is logged in."""

    LOGGED_OUT = 1
    LOGGING_IN = 2
    #: Somebody is, connected or about to be again.
    LOGGED_IN = 3
    LOGGING_OUT = 4


class UserStatus(NamedTuple):
    """One user's status, as an answer or as a notification of a change."""

    #: The user.
    user_id: str
    #: What the user is.
    status: Status
    #: What the user set with set_self_status; "" if nothing, and always unless ONLINE.
    custom_status: str
    #: Why the status last changed.
    reason: Reason
    #: The platforms that are online. In a notification it may be empty.
    platforms: Platform
    #: Orders the states of one user: a higher version is newer. Says nothing across users.
    version: int
    #: When the status last changed by the server's clock: milliseconds since 1970-01-01 UTC.
    since_ms: int
    #: 0, or why there is no answer for this user (70107: no such account); everything but user_id is empty then.
    code: int = 0

    @property
    def ok(self) -> bool:
        """Whether there is an answer for this user."""
        return self.code == 0

    @property
    def online(self) -> bool:
        """Whether the user is ONLINE."""
        return self.status is Status.ONLINE

    @property
    def since(self) -> datetime:
        """When the status last changed, by the server's clock, in UTC."""
        return datetime.fromtimestamp(self.since_ms / 1000, timezone.utc)


class UserResult(NamedTuple):
    """How a call went for one user."""

    #: The user.
    user_id: str
    #: 0, or what was wrong with this user.
    code: int = 0

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return self.code == 0


class Subscribed(NamedTuple):
    """What a subscription brought."""

    #: Each user once, in the order given, with its status of the moment: the changes that follow start from it.
    users: list[UserStatus]
    #: The users who fell off the full list of subscriptions, oldest first.
    evicted: list[str]


@dataclass(frozen=True)
class ConnectionChanged:
    """The connection changed. A lost one comes back by itself: this is for showing."""

    #: How it is now.
    state: ConnectionState
    #: Why it went, or an attempt failed; None if nothing is wrong.
    error: Optional[TimError] = None


@dataclass(frozen=True)
class KickedOffline:
    """The server logged this client out. It does not come back by itself."""

    #: Why: code 6208 (another login took this one's place, or a kick), 70052 (a revoked UserSig), or another.
    error: TimError


@dataclass(frozen=True)
class UserSigExpired:
    """The UserSig expired; log in again with a new one. renew_user_sig in time avoids this."""


@dataclass(frozen=True)
class SubscriptionsEvicted:
    """Subscriptions fell off the full list because others were subscribed to."""

    #: Their users, oldest first.
    user_ids: tuple[str, ...]


#: Whatever a client is told without asking.
Event = Union[UserStatus, ConnectionChanged, KickedOffline, UserSigExpired, SubscriptionsEvicted]

_STATUSES = {status.value: status for status in Status}
_REASONS = {reason.value: reason for reason in Reason}


def status_of(number: int) -> Status:
    """The Status with this number; UNKNOWN for one that is not known (R2.5)."""
    return _STATUSES.get(number, Status.UNKNOWN)


def reason_of(number: int) -> Reason:
    """The Reason with this number, known or not."""
    return _REASONS.get(number) or Reason(number)


@lru_cache(maxsize=256)
def platforms_of(bits: int) -> Platform:
    """The platforms of these bits; bits that are not known are kept."""
    return Platform(bits)
