"""The C library: where it is, what it exports, and that it fits.

Owns the declarations of every exported function, and the layouts of the two structs that are read; knows nothing of
clients. Importing this module loads the library, which by itself does nothing: no thread, no output.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import Any, Final

#: The ABI this package was written for: TIM_ABI_MAJOR and TIM_ABI_MINOR of the header. A test compares them.
ABI_MAJOR: Final = 0
ABI_MINOR: Final = 1

#: Names a library to load in place of the one inside the package: for working on the library itself.
LIBRARY_VARIABLE: Final = "TIM_PRESENCE_LIBRARY"

#: TimUserStatus up to custom_status, and TimResult up to evicted_count: later fields come behind these.
USER_STATUS: Final = struct.Struct("@IiiiIIQqPP")
RESULT: Final = struct.Struct("@IiPIIPNPN")
POINTER_BYTES: Final = struct.calcsize("@P")

_i32, _u32, _i64, _u64 = ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_uint64
_size, _text, _pointer = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p
_texts = ctypes.POINTER(_text)

ResultFn = ctypes.CFUNCTYPE(None, _pointer, _pointer)
FreeFn = ctypes.CFUNCTYPE(None, _pointer)
ClosedFn = ctypes.CFUNCTYPE(None, _pointer)
StatusFn = ctypes.CFUNCTYPE(None, _pointer, _size, _pointer)
ConnectionFn = ctypes.CFUNCTYPE(None, _i32, _i32, _text, _pointer)
KickedFn = ctypes.CFUNCTYPE(None, _i32, _text, _pointer)
ExpiredFn = ctypes.CFUNCTYPE(None, _pointer)
EvictedFn = ctypes.CFUNCTYPE(None, _pointer, _size, _pointer)
LogFn = ctypes.CFUNCTYPE(None, _i32, _text, _pointer)
ThreadFn = ctypes.CFUNCTYPE(None, _pointer)
WakeFn = ctypes.CFUNCTYPE(None, _pointer)

_out_text = (_text, _size, ctypes.POINTER(_size))

#: Every exported function: what it returns and takes. A test compares the names with include/tim_symbols.txt.
FUNCTIONS: Final[dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "timAbiVersion": (_i32, ()),
    "timCheckAbi": (_i32, (_u32, _u32)),
    "timClientCreate": (_i32, (_text, ctypes.POINTER(_u64))),
    "timClientDestroy": (_i32, (_u64, _u32)),
    "timClientDestroyAsync": (_i32, (_u64, ClosedFn, _pointer)),
    "timErrorFlags": (_i32, (_i32,)),
    "timErrorMessage": (_text, (_i32,)),
    "timErrorName": (_text, (_i32,)),
    "timErrorTable": (_i32, (ctypes.POINTER(_pointer), ctypes.POINTER(_size))),
    "timGetFriends": (_i32, (_u64, ResultFn, _pointer)),
    "timGetLoginState": (_i32, (_u64, ctypes.POINTER(_i32))),
    "timGetLoginUser": (_i32, (_u64, *_out_text)),
    "timGetServerTime": (_i32, (_u64, ctypes.POINTER(_i64))),
    "timGetSubscriptions": (_i32, (_u64, ResultFn, _pointer)),
    "timGetUserStatus": (_i32, (_u64, _texts, _size, ResultFn, _pointer)),
    "timGetWakeFd": (_i32, (_u64, ctypes.POINTER(_i32))),
    "timLastErrorMessage": (_i32, _out_text),
    "timLogin": (_i32, (_u64, _text, _text, ResultFn, _pointer)),
    "timLogout": (_i32, (_u64, ResultFn, _pointer)),
    "timNotifyNetworkChanged": (_i32, (_u64,)),
    "timPoll": (_i32, (_u64, _size, _u32, ctypes.POINTER(_size))),
    "timRenewUserSig": (_i32, (_u64, _text, ResultFn, _pointer)),
    "timServerAddress": (_i32, (_u64, *_out_text)),
    "timServerIssueUserSig": (_i32, (_u64, _text, _u32, *_out_text)),
    "timServerStart": (_i32, (_text, ctypes.POINTER(_u64))),
    "timServerStop": (_i32, (_u64, _u32)),
    "timSetConnectionStateCallback": (_i32, (_u64, ConnectionFn, _pointer, FreeFn)),
    "timSetKickedOfflineCallback": (_i32, (_u64, KickedFn, _pointer, FreeFn)),
    "timSetLogCallback": (_i32, (_u64, _i32, LogFn, _pointer, FreeFn)),
    "timSetSelfStatus": (_i32, (_u64, _text, ResultFn, _pointer)),
    "timSetSubscriptionEvictedCallback": (_i32, (_u64, EvictedFn, _pointer, FreeFn)),
    "timSetThreadHooks": (_i32, (_u64, ThreadFn, ThreadFn, _pointer, FreeFn)),
    "timSetUserSigExpiredCallback": (_i32, (_u64, ExpiredFn, _pointer, FreeFn)),
    "timSetUserStatusChangedCallback": (_i32, (_u64, StatusFn, _pointer, FreeFn)),
    "timSetWakeCallback": (_i32, (_u64, WakeFn, _pointer, FreeFn)),
    "timSubscribeUserStatus": (_i32, (_u64, _texts, _size, ResultFn, _pointer)),
    "timUnsubscribeUserStatus": (_i32, (_u64, _texts, _size, ResultFn, _pointer)),
    "timVersion": (_text, ()),
}


def _candidates() -> list[str]:
    """Where the library may be, the best first."""
    named = os.environ.get(LIBRARY_VARIABLE)
    if named:
        return [named]
    name = "libtim_presence.dylib" if sys.platform == "darwin" else "libtim_presence.so"
    system = name if sys.platform == "darwin" else f"{name}.{ABI_MAJOR}"
    inside = Path(__file__).with_name("lib") / name
    return [str(inside), system] if inside.exists() else [system]


def _loaded() -> ctypes.CDLL:
    """The library, with every function declared. ImportError if there is none that fits."""
    failures = []
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            break
        except OSError as error:
            failures.append(f"{path}: {error}")
    else:
        raise ImportError(
            "the C library of tim-presence cannot be loaded. Install a wheel of tim-presence for this system, or name the "
            f"library in the environment variable {LIBRARY_VARIABLE}. Tried: {'; '.join(failures)}"
        )
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise ImportError(f"{path} is not a libtim_presence that fits this package: it has no {name}") from None
        function.restype = result
        function.argtypes = arguments
    if library.timCheckAbi(ABI_MAJOR, ABI_MINOR) != 0:
        text = ctypes.create_string_buffer(512)
        library.timLastErrorMessage(text, len(text), None)
        raise ImportError(f"{path} does not fit this package: {text.value.decode()}")
    return library


lib: Final = _loaded()


def version() -> str:
    """The version of the C library in use, such as "0.1.0"."""
    text: bytes = lib.timVersion()
    return text.decode()
