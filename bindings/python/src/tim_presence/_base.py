"""What the asyncio client and the synchronous one share: how a client is made, what it answers at once, and what each call
hands to C and makes of its result. They differ in how they wait.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Callable, Generic, Optional, TypeVar, Union

from ._core import Core, Result, Seconds, options_of, text, texts
from ._native import lib
from .values import LoginState, Subscribed, UserResult, UserStatus

T = TypeVar("T")

UserIds = Union[str, Iterable[str]]


class ClientBase:
    """A client but for its calls and streams. What makes one opens its `_core`."""

    _core: Core

    def __init__(
        self,
        server: str,
        sdk_app_id: int,
        *,
        platform: Optional[str] = None,
        data_dir: Optional[str] = None,
        queue_max: Optional[int] = None,
        restore_subscriptions: Optional[bool] = None,
        login_timeout: Optional[Seconds] = None,
        request_timeout: Optional[Seconds] = None,
        disconnected_wait: Optional[Seconds] = None,
        connect_timeout: Optional[Seconds] = None,
        logout_timeout: Optional[Seconds] = None,
        backoff_base: Optional[Seconds] = None,
        backoff_max: Optional[Seconds] = None,
        logger: Optional[logging.Logger] = None,
        **options: object,
    ) -> None:
        """Makes a client.

        server is "tim://host[:port]", sdk_app_id the app's number. Times are seconds or timedelta. Options not named here
        are handed to the library as they are; docs/C_API.md, "Options of a client", has all of them, with their defaults.
        logger receives the library's log, from its own level on; without one nothing is logged. Raises UsageError for an
        option that is wrong.
        """
        times = {
            "login_timeout": login_timeout,
            "request_timeout": request_timeout,
            "disconnected_wait": disconnected_wait,
            "connect_timeout": connect_timeout,
            "logout_timeout": logout_timeout,
            "backoff_base": backoff_base,
            "backoff_max": backoff_max,
        }
        values = {
            "platform": platform,
            "data_dir": data_dir,
            "queue_max": queue_max,
            "restore_subscriptions": restore_subscriptions,
            **options,
        }
        self._open(options_of(server, sdk_app_id, times, values), logger)

    def _open(self, options: Mapping[str, object], logger: Optional[logging.Logger]) -> None:
        raise NotImplementedError

    @property
    def login_state(self) -> LoginState:
        """Whether somebody is logged in."""
        return self._core.login_state()

    @property
    def login_user(self) -> str:
        """Who is logged in; "" when nobody is, and until a login has succeeded."""
        return self._core.login_user()

    @property
    def server_time_ms(self) -> int:
        """The server's time in milliseconds since 1970-01-01 UTC, as reckoned from the last login; 0 before the first."""
        return self._core.server_time_ms()

    def notify_network_changed(self) -> None:
        """Tells the client that the network changed or came back: it connects anew at once unless it is connected."""
        self._core.notify_network_changed()


@dataclass(frozen=True)
class Call(Generic[T]):
    """A call that is not made yet."""

    function: Callable[..., int]
    arguments: tuple[object, ...]
    value: Callable[[Result], T]
    """What the caller gets of a result that is a success."""


def login(user_id: str, user_sig: str) -> Call[None]:
    return Call(lib.timLogin, (text("user_id", user_id), text("user_sig", user_sig)), _nothing)


def logout() -> Call[None]:
    return Call(lib.timLogout, (), _nothing)


def renew_user_sig(user_sig: str) -> Call[None]:
    return Call(lib.timRenewUserSig, (text("user_sig", user_sig),), _nothing)


def set_self_status(custom_status: str) -> Call[None]:
    return Call(lib.timSetSelfStatus, (text("custom_status", custom_status),), _nothing)


def get_user_status(user_ids: UserIds) -> Call[list[UserStatus]]:
    return Call(lib.timGetUserStatus, texts("user_ids", user_ids), lambda result: result.users)


def subscribe(user_ids: UserIds) -> Call[Subscribed]:
    return Call(
        lib.timSubscribeUserStatus,
        texts("user_ids", user_ids),
        lambda result: Subscribed(result.users, result.evicted),
    )


def unsubscribe(user_ids: UserIds) -> Call[list[UserResult]]:
    return Call(
        lib.timUnsubscribeUserStatus,
        texts("user_ids", user_ids),
        lambda result: [UserResult(user.user_id, user.code) for user in result.users],
    )


def unsubscribe_all() -> Call[None]:
    return Call(lib.timUnsubscribeUserStatus, (None, 0), _nothing)


def get_subscriptions() -> Call[list[str]]:
    return Call(lib.timGetSubscriptions, (), _user_ids)


def get_friends() -> Call[list[str]]:
    return Call(lib.timGetFriends, (), _user_ids)


def _nothing(result: Result) -> None:
    return None


def _user_ids(result: Result) -> list[str]:
    return [user.user_id for user in result.users]
