"""Lives and deaths: garbage, closing, cancelling, fork, the end of the process, many clients, many cycles."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import resource
import subprocess
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import DEADLINE_S, client_of, run, soon, until

from tim_presence import (
    Client,
    ClosedError,
    ConnectionChanged,
    ConnectionState,
    ForkedError,
    Server,
    Status,
    _core,
    _native,
    sync,
)

EXITS = 30
CLIENTS = 1000
CYCLES = 1000
WARM_UP_CYCLES = 200
#: What the heap may grow by over CYCLES: far below one client a cycle (each has more than 10 KiB in the library alone).
GROWTH_KIB = 4096


def is_gone(handle: int) -> bool:
    """Whether the library has no such client any more."""
    return bool(_native.lib.timGetWakeFd(handle, ctypes.byref(ctypes.c_int32())) == -3)


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_closing_twice_at_once_and_again_is_fine(server: Server) -> None:
    async def story() -> None:
        client = client_of(server)
        await client.login("alice", server.issue_user_sig("alice"))
        await soon(asyncio.gather(client.close(), client.close()))
        await client.close()

    run(story())


def test_closing_inside_the_iteration_ends_it(server: Server) -> None:
    async def story() -> None:
        client = client_of(server)
        changes = client.status_changes()
        await client.login("alice", server.issue_user_sig("alice"))
        seen = 0
        async for _ in changes:
            seen += 1
            await client.close()
        assert seen == 1

    run(story())


def test_closing_when_a_call_completes_is_fine(server: Server) -> None:
    async def story() -> None:
        client = client_of(server)
        closes: list[asyncio.Task[None]] = []
        login = asyncio.ensure_future(client.login("alice", server.issue_user_sig("alice")))
        login.add_done_callback(lambda _: closes.append(asyncio.ensure_future(client.close())))
        await soon(login)
        await soon(closes[0])
        with pytest.raises(ClosedError):
            await client.logout()

    run(story())


def test_closing_ends_the_calls_that_wait(server: Server) -> None:
    async def story() -> None:
        client = client_of(server)
        events = client.events()
        await client.login("alice", server.issue_user_sig("alice"))
        server.stop()
        async for event in events:
            if isinstance(event, ConnectionChanged) and event.state is ConnectionState.DISCONNECTED:
                break
        calls = [asyncio.ensure_future(client.set_self_status(str(i))) for i in range(100)]
        await asyncio.sleep(0)  # they are on their way, and wait for a connection
        await client.close()
        results = await soon(asyncio.gather(*calls, return_exceptions=True))
        assert [type(result) for result in results] == [ClosedError] * 100

    run(story())


def test_a_cancelled_call_drops_its_result_and_the_client_goes_on(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as client:
            await client.login("alice", server.issue_user_sig("alice"))
            for i in range(100):
                call = asyncio.ensure_future(client.set_self_status(f"cancelled {i}"))
                await asyncio.sleep(0)  # the call is on its way
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            await client.set_self_status("the last")
            assert (await client.get_user_status("alice"))[0].custom_status == "the last"
        assert not _core._calls

    run(story())


def test_a_client_that_nobody_closed_is_ended_with_a_warning(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as bob:
            changes = bob.status_changes()
            await bob.login("bob", server.issue_user_sig("bob"))
            await bob.subscribe("alice")
            client = client_of(server)
            await client.login("alice", server.issue_user_sig("alice"))
            gone = weakref.ref(client._core)
            with pytest.warns(ResourceWarning, match="unclosed tim_presence.Client"):
                del client
                gc.collect()
            await until(changes, lambda change: change.user_id == "alice" and change.status is Status.OFFLINE)
            while gone() is not None:  # the loop lets go of it once it has told it
                await asyncio.sleep(0)

    run(story())


def test_a_client_that_outlives_its_loop_is_ended_with_a_warning(server: Server) -> None:
    kept: list[Client] = []

    async def story() -> None:
        kept.append(client_of(server))
        await kept[0].login("alice", server.issue_user_sig("alice"))

    run(story())
    handle = kept[0]._core.handle
    with pytest.warns(ResourceWarning, match="unclosed"):
        kept.clear()
        gc.collect()
    assert is_gone(handle)


def test_a_close_that_the_end_of_the_loop_cut_short_is_completed(server: Server) -> None:
    kept: list[Client] = []

    async def story() -> None:
        kept.append(client_of(server))
        await kept[0].login("alice", server.issue_user_sig("alice"))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(story())
    kept[0]._core.begin_close()  # what close() does first; the loop never comes to the rest
    loop.close()
    handle = kept[0]._core.handle
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept.clear()
        gc.collect()
    assert is_gone(handle)


def test_a_synchronous_client_that_nobody_closed_is_ended_with_a_warning(server: Server) -> None:
    client = sync.Client(server.address, server.sdk_app_id)
    client.login("alice", server.issue_user_sig("alice"))
    handle = client._core.handle
    with pytest.warns(ResourceWarning, match="unclosed tim_presence.sync.Client"):
        del client
        gc.collect()
    assert is_gone(handle)


def test_garbage_is_collected_while_events_flow() -> None:
    """Clients come and go, some of them dropped, with the collector at work at every turn; no event of the rest is lost."""

    async def busy(client: Client, stop: asyncio.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            await client.set_self_status(str(number))

    async def story(server: Server) -> None:
        stop = asyncio.Event()
        async with client_of(server) as alice, client_of(server) as bob:
            changes = bob.status_changes()
            await alice.login("alice", server.issue_user_sig("alice"))
            await bob.login("bob", server.issue_user_sig("bob"))
            await bob.subscribe("alice")
            setting = asyncio.ensure_future(busy(alice, stop))
            user_sig = server.issue_user_sig("carol")
            for i in range(60):
                other = client_of(server)
                stream = other.status_changes()
                await other.login("carol", user_sig)
                await other.subscribe("alice")
                await soon(stream.__anext__())
                if i % 2:
                    await other.close()
                del other, stream
                gc.collect(i % 3)
            stop.set()
            await soon(setting)
            await alice.set_self_status("the last")
            await until(changes, lambda change: change.custom_status == "the last")

    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            with Server(rate_calls=0) as server:
                run(story(server))
    finally:
        gc.set_threshold(*thresholds)


ENDS = """
import asyncio, sys, threading
from tim_presence import Client, Server, sync

server = Server()
kept = [server]

def plain():
    client = sync.Client(server.address, server.sdk_app_id)
    client.login("alice", server.issue_user_sig("alice"))
    threading.Thread(target=lambda: list(client.status_changes()), daemon=True).start()
    kept.append(client)

async def looped():
    client = Client(server.address, server.sdk_app_id)
    stream = client.events()
    await client.login("bob", server.issue_user_sig("bob"))
    kept.append(client)
    kept.append([asyncio.ensure_future(client.set_self_status(str(i))) for i in range(50)])
    await stream.__anext__()

plain()
asyncio.run(looped())
print("the end", flush=True)
"""


def test_a_program_that_closes_nothing_ends_well() -> None:
    def ended(_: int) -> tuple[int, str, str]:
        command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", ENDS]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=120)
        return ran.returncode, ran.stdout, ran.stderr

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ended, range(EXITS))) == [(0, "the end\n", "")] * EXITS


def forked_child(story: object) -> int:
    """The exit code of a child that runs this; 0 if it returned."""
    assert callable(story)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork() in a program with threads, which is the point
        child = os.fork()
    if child == 0:
        code = 1
        try:
            story()
            code = 0
        except BaseException as error:
            os.write(2, f"in the child: {error!r}\n".encode())
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_after_fork_the_child_starts_anew_and_the_parent_goes_on(server: Server) -> None:
    parent = sync.Client(server.address, server.sdk_app_id)
    parent.login("alice", server.issue_user_sig("alice"))
    stream = parent.status_changes(timeout=0)
    user_sig, address = server.issue_user_sig("bob"), server.address
    # A thread that waits holds what a child must not wait for.
    waiting = threading.Thread(target=lambda: list(parent.status_changes()), daemon=True)
    waiting.start()

    def child() -> None:
        for call in (parent.logout, lambda: parent.login_user, lambda: next(stream), parent.status_changes):
            try:
                call()
            except ForkedError:
                continue
            raise AssertionError("the parent's client works in the child")
        parent.close()
        try:
            server.address
        except ForkedError:
            pass
        with sync.Client(address, 1400000001) as own:
            own.login("bob", user_sig)
            assert own.get_user_status("bob")[0].online

    assert forked_child(child) == 0
    assert parent.get_user_status("bob")[0].status is Status.OFFLINE
    parent.close()
    waiting.join()


def test_after_fork_an_inherited_asyncio_client_raises(server: Server) -> None:
    async def story() -> None:
        async with client_of(server) as parent:
            await parent.login("alice", server.issue_user_sig("alice"))

            def child() -> None:
                asyncio.events._set_running_loop(None)

                async def call() -> None:
                    with pytest.raises(ForkedError):
                        parent.login_state
                    with pytest.raises(ForkedError):
                        parent.status_changes()
                    async with Client(server_address, 1400000001) as own:
                        await own.login("bob", user_sig)

                asyncio.run(call())

            server_address, user_sig = server.address, server.issue_user_sig("bob")
            assert forked_child(child) == 0
            await parent.set_self_status("still here")

    run(story())


def test_a_thousand_clients_live_in_one_process() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threads = threading.active_count()

    async def story() -> None:
        with Server() as server:
            sigs = [server.issue_user_sig(f"user{i}") for i in range(CLIENTS)]
            clients = [client_of(server) for _ in range(CLIENTS)]
            await soon(asyncio.gather(*(client.login(f"user{i}", sigs[i]) for i, client in enumerate(clients))))
            streams = [client.status_changes() for client in clients]
            await soon(asyncio.gather(*(client.set_self_status("here") for client in clients)))
            told = await soon(asyncio.gather(*(until(stream, lambda change: change.custom_status == "here") for stream in streams)))
            assert [change.user_id for change in told] == [f"user{i}" for i in range(CLIENTS)]
            assert threading.active_count() == threads, "no thread of Python's"
            await soon(asyncio.gather(*(client.close() for client in clients)))

    files = open_files()
    try:
        asyncio.run(asyncio.wait_for(story(), 300))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_files() <= files and not _core._calls


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise AssertionError("no RssAnon")


def test_a_thousand_cycles_leave_nothing_behind(server: Server) -> None:
    user_sig, address = server.issue_user_sig("alice"), server.address

    async def cycle() -> None:
        async with Client(address, server.sdk_app_id) as client:
            stream = client.status_changes()
            await client.login("alice", user_sig)
            await stream.__anext__()
            await client.set_self_status("x")
            await client.logout()

    def state() -> tuple[int, int, int, int]:
        gc.collect()
        return open_files(), len(os.listdir("/proc/self/task")), len(_core._calls), len(_core._cores)

    async def cycles(count: int) -> None:
        for _ in range(count):
            await cycle()

    async def story() -> None:
        await cycles(WARM_UP_CYCLES)
        before, objects, memory = state(), len(gc.get_objects()), resident_kib()
        await cycles(CYCLES)
        # The server closes its ends, and the kernel takes ended threads away, in their own time.
        deadline = time.monotonic() + DEADLINE_S
        while (after := state())[0] > before[0] or after[1] > before[1]:
            assert time.monotonic() < deadline, (before, after)
            await asyncio.sleep(0)
        assert after[2:] == (0, 0), (before, after)
        assert len(gc.get_objects()) < objects + CYCLES / 10
        assert resident_kib() < memory + GROWTH_KIB, f"{resident_kib() - memory} KiB more"

    asyncio.run(asyncio.wait_for(story(), 300))
