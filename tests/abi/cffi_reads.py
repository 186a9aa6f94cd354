#!/usr/bin/env python3
"""Python's cffi reads the header as it is, and calls the library through it: cffi_reads.py HEADER LIBRARY LAYOUT SYMBOLS

A parser that is not a C compiler understands the header once comments and preprocessor lines are gone; then every
function of the list is found in the library, structs have the sizes of the committed table, the constants of errors are
the rows of timErrorTable, and a user logs in and is told of it. Exit code 77 if cffi is missing.
"""
import re
import sys
import threading

try:
    from cffi import FFI
except ImportError:
    print("skipped: Python has no cffi (Debian: python3-cffi)")
    sys.exit(77)

DEADLINE_S = 20


def declarations(header):
    """What cffi can read: no comments, no directives but `#define NAME NUMBER`, none of TIM_API and extern "C"."""
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    constants = dict(re.findall(r"^#define (TIM_\w+) \(?(-?\d+)\)?$", text, flags=re.MULTILINE))
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r'extern "C" \{', "", text).replace("TIM_API", "")
    return re.sub(r"^\}\s*$", "", text, flags=re.MULTILINE), constants


def main(header_path, library_path, layout_path, symbols_path):
    with open(header_path, encoding="utf-8") as file:
        text, constants = declarations(file.read())
    ffi = FFI()
    ffi.cdef(text)
    lib = ffi.dlopen(library_path)
    number = {name: int(value) for name, value in constants.items()}
    assert len(number) > 80, number

    with open(symbols_path, encoding="utf-8") as file:
        functions = [line.split()[0] for line in file if line.strip() and not line.startswith("#")]
    assert len(functions) > 30
    for name in functions:
        assert callable(getattr(lib, name)), name

    with open(layout_path, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if words[1] == "size":
                assert ffi.sizeof(words[0]) == int(words[2]), line
            else:
                struct, field = words[0].split(".")
                assert ffi.offsetof(struct, field) == int(words[2]), line

    table, count = ffi.new("const TimErrorDesc *const **"), ffi.new("size_t *")
    assert lib.timErrorTable(table, count) == number["TIM_OK"]
    rows = {ffi.string(row.name).decode(): row.code for row in ffi.unpack(table[0], count[0])}
    assert rows == {name: code for name, code in number.items() if re.match("TIM_(ERR_|OK$)", name)}
    assert ffi.string(lib.timErrorName(70107)) == b"TIM_ERR_ACCOUNT_NOT_FOUND"

    log_in(ffi, lib)
    print(f"{len(functions)} functions, {len(number)} constants, {len(rows)} errors, and alice is online")
    return 0


def log_in(ffi, lib):
    """A user logs in to an embedded server and is told that it is online."""
    def checked(code):
        assert code == 0, ffi.string(lib.timErrorName(code))

    server, client = ffi.new("TimServer *"), ffi.new("TimClient *")
    checked(lib.timServerStart(ffi.NULL, server))
    address, user_sig = ffi.new("char[64]"), ffi.new("char[1024]")
    checked(lib.timServerAddress(server[0], address, 64, ffi.NULL))
    checked(lib.timServerIssueUserSig(server[0], b"alice", 60, user_sig, 1024, ffi.NULL))
    options = b'{"server": "%s", "sdk_app_id": 1400000001}' % ffi.string(address)
    checked(lib.timClientCreate(options, client))

    results, told = [], []
    came = threading.Event()

    @ffi.callback("void(const TimResult *, void *)")
    def on_result(result, _):
        results.append(result.code)

    @ffi.callback("void(const TimUserStatus *const *, size_t, void *)")
    def on_changed(changes, count, _):
        told.extend((ffi.string(changes[i].user_id), changes[i].status) for i in range(count))
        came.set()

    checked(lib.timSetUserStatusChangedCallback(client[0], on_changed, ffi.NULL, ffi.NULL))
    checked(lib.timLogin(client[0], b"alice", user_sig, on_result, ffi.NULL))
    assert came.wait(DEADLINE_S), "no notification came"
    checked(lib.timClientDestroy(client[0], DEADLINE_S * 1000))
    checked(lib.timServerStop(server[0], DEADLINE_S * 1000))
    assert results == [0] and told[0] == (b"alice", 1), (results, told)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
