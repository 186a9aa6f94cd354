"""A presence server inside this process: for demos, for the tests of your application, for use on a single machine."""

from __future__ import annotations

import ctypes
import json
import weakref
from datetime import timedelta
from types import TracebackType
from typing import Optional, Union

from . import _core
from ._core import out_text, text
from ._native import lib
from .errors import last_error

#: How long stop() waits for the server's threads, in milliseconds. They run no code of yours.
STOP_MS = 10_000

#: The app of a server that was not told another.
DEFAULT_APP_ID = 1400000001


def _abandoned(handle: int) -> None:
    _core.unclosed("tim_presence.Server")
    lib.timServerStop(handle, STOP_MS)


class Server:
    """A running server; it keeps everything in memory.

        with Server(accounts=["bob"]) as server:
            print(server.address, server.issue_user_sig("alice"))

    Options are those of docs/C_API.md, "Options of the embedded server", by their names there; without any it listens on a
    free port of this machine alone. Any thread may use it.
    """

    def __init__(self, **options: object) -> None:
        """Starts it: it accepts connections from here on. Raises UsageError for an option that is wrong, ResourceError
        if it cannot listen, NotAvailableError if the library was built without a server."""
        handle = ctypes.c_uint64()
        code = lib.timServerStart(json.dumps(options).encode(), ctypes.byref(handle))
        if code != 0:
            raise last_error(code)
        self._handle = handle.value
        self._finalizer = weakref.finalize(self, _abandoned, self._handle)
        self._finalizer.atexit = False
        app = options.get("sdk_app_id", DEFAULT_APP_ID)
        #: The app it has: a client's sdk_app_id.
        self.sdk_app_id: int = app if isinstance(app, int) else DEFAULT_APP_ID

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """Where it listens, as a client's `server`: "tim://127.0.0.1:40123". Raises ClosedError once stopped."""
        return out_text(64, lambda *out: lib.timServerAddress(self._handle, *out))

    def issue_user_sig(self, user_id: str, valid: Union[int, timedelta] = 3600) -> str:
        """Makes a UserSig for a user, as your backend would. valid: for how many seconds, or a timedelta."""
        seconds = int(valid.total_seconds()) if isinstance(valid, timedelta) else valid
        user = text("user_id", user_id)
        if not 0 < seconds < 2**32:
            seconds = 0  # which the library refuses, with its own text
        return out_text(1024, lambda *out: lib.timServerIssueUserSig(self._handle, user, seconds, *out))

    def stop(self) -> None:
        """Stops it: its clients see a lost connection. Nothing if it was stopped before."""
        if self._finalizer.detach() is None:
            return
        code = lib.timServerStop(self._handle, STOP_MS)
        if code != 0:
            raise last_error(code)
