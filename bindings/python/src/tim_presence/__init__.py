"""User status: who is online, who went away, and what they say of themselves.

    import asyncio
    from tim_presence import Client

    async def main() -> None:
        async with Client("tim://127.0.0.1:7788", 1400000001) as alice:
            changes = alice.status_changes()
            await alice.login("alice", user_sig)
            await alice.subscribe(["bob"])
            async for change in changes:
                print(change.user_id, change.status.name, change.custom_status)

Client is for asyncio; tim_presence.sync has the same without an event loop; Server is a server inside the process, for
demos and tests. docs/PYTHON.md explains it, docs/SEMANTICS.md has the rules of user status.
"""

from ._native import version as library_version
from .client import Client, Stream
from .errors import (
    AccountNotFoundError,
    BusyError,
    ClosedError,
    ConnectionLostError,
    EventsLostError,
    ForkedError,
    InternalError,
    KickedOfflineError,
    NotAvailableError,
    NotLoggedInError,
    OutcomeUnknownError,
    RateLimitedError,
    ResourceError,
    ServerError,
    TimError,
    UsageError,
    UserSigError,
)
from .server import Server
from .values import (
    ConnectionChanged,
    ConnectionState,
    Event,
    KickedOffline,
    LoginState,
    Platform,
    Reason,
    Status,
    Subscribed,
    SubscriptionsEvicted,
    UserResult,
    UserSigExpired,
    UserStatus,
)

__version__ = "0.1.0"

__all__ = [
    "AccountNotFoundError",
    "BusyError",
    "Client",
    "ClosedError",
    "ConnectionChanged",
    "ConnectionLostError",
    "ConnectionState",
    "Event",
    "EventsLostError",
    "ForkedError",
    "InternalError",
    "KickedOffline",
    "KickedOfflineError",
    "LoginState",
    "NotAvailableError",
    "NotLoggedInError",
    "OutcomeUnknownError",
    "Platform",
    "RateLimitedError",
    "Reason",
    "ResourceError",
    "Server",
    "ServerError",
    "Status",
    "Stream",
    "Subscribed",
    "SubscriptionsEvicted",
    "TimError",
    "UsageError",
    "UserResult",
    "UserSigError",
    "UserSigExpired",
    "UserStatus",
    "__version__",
    "library_version",
]
