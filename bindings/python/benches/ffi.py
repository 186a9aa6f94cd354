#!/usr/bin/env python3
"""What ctypes and cffi (ABI mode) cost for what this package does: benches/ffi.py LIBRARY

Three costs, each the best of seven rounds, both ways interleaved: a call that returns a number; a call with its result
callback inside timPoll; one user of a result, copied into Python objects. The choice that follows from the figures is
written down in docs/PYTHON.md. Needs cffi.
"""
import ctypes
import json
import struct
import sys
import time

import cffi

ROUNDS = 7
CALLS = 20_000
USERS = 500
QUERIES = 20

CDEF = """
typedef struct { uint32_t struct_size; int32_t code, status, reason; uint32_t platforms, reserved; uint64_t version;
  int64_t since_ms; const char *user_id, *custom_status; } TimUserStatus;
typedef struct { uint32_t struct_size; int32_t code; const char *message; uint32_t retry_after_ms, reserved;
  const TimUserStatus *const *items; size_t item_count; const char *const *evicted; size_t evicted_count; } TimResult;
typedef void (*TimResultFn)(const TimResult *, void *);
int32_t timErrorFlags(int32_t);
int32_t timServerStart(const char *, uint64_t *);
int32_t timServerAddress(uint64_t, char *, size_t, size_t *);
int32_t timServerIssueUserSig(uint64_t, const char *, uint32_t, char *, size_t, size_t *);
int32_t timClientCreate(const char *, uint64_t *);
int32_t timLogin(uint64_t, const char *, const char *, TimResultFn, void *);
int32_t timLogout(uint64_t, TimResultFn, void *);
int32_t timGetUserStatus(uint64_t, const char *const *, size_t, TimResultFn, void *);
int32_t timPoll(uint64_t, size_t, uint32_t, size_t *);
int32_t timClientDestroy(uint64_t, uint32_t);
int32_t timServerStop(uint64_t, uint32_t);
"""

USER = struct.Struct("=IiiiIIQqPP".replace("P", "Q"))


class WithCffi:
    name = "cffi"

    def __init__(self, library):
        self.ffi = cffi.FFI()
        self.ffi.cdef(CDEF)
        self.lib = self.ffi.dlopen(library)
        self.users = []
        self.results = 0
        ffi, string = self.ffi, self.ffi.string

        @ffi.callback("void(const TimResult *, void *)")
        def on_result(result, user_data):
            int(ffi.cast("uintptr_t", user_data))
            self.results += 1
            for user in ffi.unpack(result.items, result.item_count) if result.item_count else ():
                self.users.append((string(user.user_id).decode(), user.status, string(user.custom_status).decode(), user.reason,
                                   user.platforms, user.version, user.since_ms, user.code))

        self.on_result = on_result
        self.one = ffi.cast("void *", 1)

    def connect(self, address, user_sig):
        client = self.ffi.new("uint64_t *")
        options = json.dumps({"server": address, "sdk_app_id": 1400000001, "delivery": "poll"}).encode()
        assert self.lib.timClientCreate(options, client) == 0
        self.client = client[0]
        assert self.lib.timLogin(self.client, b"alice", user_sig.encode(), self.on_result, self.one) == 0
        self.await_results(1)

    def await_results(self, count):
        while self.results < count:
            assert self.lib.timPoll(self.client, 0, 1000, self.ffi.NULL) == 0

    def number(self):
        flags = self.lib.timErrorFlags
        for _ in range(CALLS):
            flags(7008)

    def call(self):
        goal, lib = self.results + CALLS // 10, self.lib
        for _ in range(CALLS // 10):
            lib.timLogin(self.client, b"alice", b"", self.on_result, self.one)
            lib.timPoll(self.client, 0, 1000, self.ffi.NULL)
        self.await_results(goal)

    def query(self, ids):
        goal = self.results + QUERIES
        array = [self.ffi.new("char[]", user.encode()) for user in ids]
        pointers = self.ffi.new("const char *[]", array)
        for _ in range(QUERIES):
            assert self.lib.timGetUserStatus(self.client, pointers, len(ids), self.on_result, self.one) == 0
        return goal


class WithCtypes:
    name = "ctypes"

    def __init__(self, library):
        self.lib = ctypes.CDLL(library)
        for name in ("timLogin", "timGetUserStatus", "timPoll", "timClientCreate", "timErrorFlags"):
            getattr(self.lib, name).restype = ctypes.c_int32
        fn = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)
        self.lib.timErrorFlags.argtypes = [ctypes.c_int32]
        self.lib.timLogin.argtypes = [ctypes.c_uint64, ctypes.c_char_p, ctypes.c_char_p, fn, ctypes.c_void_p]
        self.lib.timGetUserStatus.argtypes = [ctypes.c_uint64, ctypes.POINTER(ctypes.c_char_p), ctypes.c_size_t, fn, ctypes.c_void_p]
        self.lib.timPoll.argtypes = [ctypes.c_uint64, ctypes.c_size_t, ctypes.c_uint32, ctypes.POINTER(ctypes.c_size_t)]
        self.users = []
        self.results = 0
        string_at, unpack, append = ctypes.string_at, USER.unpack, self.users.append
        result_struct = struct.Struct("=IiQIIQQQQ")

        @fn
        def on_result(result, user_data):
            self.results += 1
            _, code, message, retry, _, items, count, evicted, evicted_count = result_struct.unpack(string_at(result, 56))
            if count:
                for pointer in struct.unpack(f"={count}Q", string_at(items, 8 * count)):
                    _, code, status, reason, platforms, _, version, since, user, custom = unpack(string_at(pointer, 56))
                    append((string_at(user).decode(), status, string_at(custom).decode(), reason, platforms, version, since, code))

        self.on_result = on_result

    def connect(self, address, user_sig):
        client = ctypes.c_uint64()
        options = json.dumps({"server": address, "sdk_app_id": 1400000001, "delivery": "poll"}).encode()
        assert self.lib.timClientCreate(options, ctypes.byref(client)) == 0
        self.client = client.value
        assert self.lib.timLogin(self.client, b"alice", user_sig.encode(), self.on_result, 1) == 0
        self.await_results(1)

    def await_results(self, count):
        while self.results < count:
            assert self.lib.timPoll(self.client, 0, 1000, None) == 0

    number = WithCffi.number

    def call(self):
        goal, lib = self.results + CALLS // 10, self.lib
        for _ in range(CALLS // 10):
            lib.timLogin(self.client, b"alice", b"", self.on_result, 1)
            lib.timPoll(self.client, 0, 1000, None)
        self.await_results(goal)

    def query(self, ids):
        goal = self.results + QUERIES
        pointers = (ctypes.c_char_p * len(ids))(*[user.encode() for user in ids])
        for _ in range(QUERIES):
            assert self.lib.timGetUserStatus(self.client, pointers, len(ids), self.on_result, 1) == 0
        return goal


def main(library):
    ways = [WithCtypes(library), WithCffi(library)]
    ffi, lib = ways[1].ffi, ways[1].lib
    server, text = ffi.new("uint64_t *"), ffi.new("char[1024]")
    ids = [f"user{i}" for i in range(USERS)]
    options = json.dumps({"accounts": ids, "rate_calls": 0, "multi_login": "unlimited"}).encode()
    assert lib.timServerStart(options, server) == 0
    assert lib.timServerAddress(server[0], text, 1024, ffi.NULL) == 0
    address = ffi.string(text).decode()
    assert lib.timServerIssueUserSig(server[0], b"alice", 3600, text, 1024, ffi.NULL) == 0
    user_sig = ffi.string(text).decode()
    best = {}
    for way in ways:
        way.connect(address, user_sig)

    def record(way, what, started, count):
        spent = (time.process_time() - started) / count * 1e6
        best[way.name, what] = min(spent, best.get((way.name, what), spent))

    for _ in range(ROUNDS):
        for way in ways:
            started = time.process_time()
            way.number()
            record(way, "a call, µs", started, CALLS)
            started = time.process_time()
            way.call()
            record(way, "a call with its result, µs (library's threads included)", started, CALLS // 10)
            goal = way.query(ids)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:  # the answers arrive, and wait
                pass
            way.users.clear()
            started = time.thread_time()
            way.await_results(goal)
            spent = (time.thread_time() - started) / max(1, len(way.users)) * 1e6
            best[way.name, "a user of a result, µs"] = min(spent, best.get((way.name, "a user of a result, µs"), spent))
    for what in ("a call, µs", "a call with its result, µs (library's threads included)", "a user of a result, µs"):
        print(f"{what:58} ctypes {best['ctypes', what]:6.2f}   cffi {best['cffi', what]:6.2f}")
    for way in ways:
        lib.timClientDestroy(way.client, 5000)
    lib.timServerStop(server[0], 5000)


if __name__ == "__main__":
    main(sys.argv[1])
