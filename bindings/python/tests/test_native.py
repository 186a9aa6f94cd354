"""The package against the header, the documents and the library: nothing is missing, nothing made up."""

from __future__ import annotations

import ctypes
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

from tim_presence import Client, Platform, Reason, Server, Status, TimError, __version__, _native, library_version, sync
from tim_presence import errors as families
from tim_presence.errors import FAMILIES, UsageError, error_of
from tim_presence.values import ConnectionState, LoginState, reason_of, status_of

HEADER = re.sub(r"/\*.*?\*/", "", (ROOT / "include/tim_presence.h").read_text(encoding="utf-8"), flags=re.DOTALL)


def constants(prefix: str) -> dict[str, int]:
    found = re.findall(rf"^#define TIM_{prefix}_(\w+) \(?(-?\d+)\)?$", HEADER, flags=re.MULTILINE)
    return {name: int(number) for name, number in found}


def test_exactly_the_exported_functions_are_declared() -> None:
    lines = (ROOT / "include/tim_symbols.txt").read_text().splitlines()
    exported = {line.split()[0] for line in lines if line and not line.startswith("#")}
    assert set(_native.FUNCTIONS) == exported
    for name, (_, arguments) in _native.FUNCTIONS.items():
        declared = re.search(rf"\b{name}\(([^;]*)\);", HEADER)
        assert declared is not None, name
        expected = 0 if declared[1].strip() == "void" else declared[1].count(",") + 1
        assert len(arguments) == expected, name


def test_the_abi_is_that_of_the_header() -> None:
    assert {"MAJOR": _native.ABI_MAJOR, "MINOR": _native.ABI_MINOR}.items() <= constants("ABI").items()
    assert _native.lib.timAbiVersion() == _native.ABI_MAJOR << 16 | _native.ABI_MINOR


def test_package_and_library_have_one_version() -> None:
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), flags=re.MULTILINE)
    assert version is not None and __version__ == library_version() == version[1]


def test_pytest_does_not_load_the_library_for_everybody() -> None:
    script = "import sys, tim_presence_pytest; sys.exit('tim_presence' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


def test_the_layouts_are_those_of_the_header() -> None:
    rows = (line.split() for line in (ROOT / "include/abi/layout_lp64.txt").read_text().splitlines())
    sizes = {words[0]: int(words[2]) for words in rows if words[1:2] == ["size"]}
    assert struct.calcsize("@P") == 8, "the table is that of 64 bits"
    assert _native.USER_STATUS.size == sizes["TimUserStatus"] and _native.RESULT.size == sizes["TimResult"]


def test_every_constant_has_its_name() -> None:
    for prefix, names in (("STATUS", Status), ("REASON", Reason), ("CONNECTION", ConnectionState), ("LOGIN", LoginState)):
        assert {name: member.value for name, member in names.__members__.items()} == constants(prefix)
    assert {name: member.value for name, member in Platform.__members__.items()} == constants("PLATFORM")


def test_a_number_from_a_newer_server_is_kept() -> None:
    newer = reason_of(99)
    assert newer == 99 and newer.name == "REASON_99" and newer not in list(Reason)
    assert status_of(99) is Status.UNKNOWN
    assert Platform(1 << 20 | 2) & Platform.IOS


def test_every_error_is_one_of_the_table_and_has_its_flags() -> None:
    table, count = ctypes.c_void_p(), ctypes.c_size_t()
    assert _native.lib.timErrorTable(ctypes.byref(table), ctypes.byref(count)) == 0
    assert table.value is not None
    rows = ctypes.cast(table.value, ctypes.POINTER(ctypes.c_void_p * count.value)).contents
    codes = {}
    for row in rows:
        assert row is not None
        _, code, flags = struct.unpack("@Iii", ctypes.string_at(row, 12))
        codes[code] = flags
    assert len(codes) > 40 and set(FAMILIES) < set(codes)
    for code in set(codes) - {0}:
        error = error_of(code)
        assert error.name.startswith("TIM_ERR_") and error.message and error.name in str(error)
        assert codes[code] == error.retriable | error.fatal << 1 | error.programming << 2
        # Whoever retries what is retriable must not retry a mistake of its own.
        assert not (isinstance(error, UsageError) and error.retriable)
    every = {family for family in vars(families).values() if isinstance(family, type) and issubclass(family, TimError)}
    assert every - set(FAMILIES.values()) == {TimError, families.EventsLostError}


def test_the_page_names_the_family_of_each_code() -> None:
    page = (ROOT / "docs/PYTHON.md").read_text(encoding="utf-8").replace("−", "-")
    rows = re.findall(r"^\| `(\w+Error)`[^|]*\| ([-\d ]+) \|", page, flags=re.MULTILINE)
    told = {int(code): name for name, codes in rows for code in codes.split()}
    assert told == {code: family.__name__ for code, family in FAMILIES.items()}


def test_a_code_that_is_not_known_is_an_error_all_the_same() -> None:
    error = error_of(123456)
    assert type(error) is TimError and error.name == "TIM_ERR_UNKNOWN" and "123456" in str(error)


def test_every_option_of_a_client_is_taken() -> None:
    page = (ROOT / "docs/C_API.md").read_text(encoding="utf-8")
    table = page.split("## Options of a client")[1].split("\n## ")[0]
    keys = set(re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE))
    assert len(keys) > 10
    for kind in (Client, sync.Client):
        names = kind.__init__.__annotations__
        ours = {name for name in names if name not in ("logger", "options", "return")}
        assert {name if name in keys else f"{name}_ms" for name in ours} <= keys
        assert "options" in names, "what has no name of its own is handed on"


def test_a_library_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    def failure(library: str) -> str:
        script = "import tim_presence"
        environment = {"TIM_PRESENCE_LIBRARY": library, "PYTHONPATH": ":".join(sys.path)}
        ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
        assert ran.returncode != 0
        return ran.stderr.splitlines()[-1]

    assert "cannot be loaded" in failure(str(tmp_path / "nothing.so"))
    name = next(line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line)
    assert "has no timAbiVersion" in failure(name)


def test_a_server_is_started_with_any_option() -> None:
    with Server(sdk_app_id=7, secret_key="k" * 32, accounts=["bob"]) as server:
        assert server.sdk_app_id == 7 and server.address.startswith("tim://127.0.0.1:")
        assert server.issue_user_sig("alice", 10)
        for valid in (0, -1, 2**32):
            try:
                server.issue_user_sig("alice", valid)
            except UsageError as error:
                assert error.code == -4
            else:
                raise AssertionError(f"valid for {valid} s")
    server.stop()
    try:
        server.address
    except TimError as error:
        assert error.code == -3
    else:
        raise AssertionError("a stopped server has an address")
    try:
        Server(colour="red")
    except UsageError as error:
        assert "colour" in json.dumps(str(error))
    else:
        raise AssertionError("an option that does not exist was taken")
