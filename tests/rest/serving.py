"""A server for one test, and UserSigs from the published generator."""

import contextlib
import pathlib
import subprocess
import tempfile

import TLSSigAPIv2

APP = 1400000001
KEY = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
ADMINISTRATOR = "boss"

CONFIGURATION = f"""
listen = ["127.0.0.1:0"]
admin_listen = "127.0.0.1:0"
# The tester fails to authenticate on purpose, and asks as fast as it can.
login_failures_max = 1000000
rest_calls_per_second_max = 0
[[apps]]
id = {APP}
secret_key = "{KEY}"
administrators = ["{ADMINISTRATOR}"]
accounts = ["alice", "bob"]
"""


def user_sig(user):
    """A UserSig, as a backend of the original mints it."""
    return TLSSigAPIv2.TLSSigAPIv2(APP, KEY).gen_sig(user, 3600)


@contextlib.contextmanager
def server(program):
    """Runs a server; gives the address of its administration. That it still runs at the end is part of every test."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "server.toml")
        file.write_text(CONFIGURATION, encoding="utf-8")
        log = pathlib.Path(folder, "log")
        with log.open("w", encoding="utf-8") as errors:
            process = subprocess.Popen(
                [program, "--config", str(file)], stdout=subprocess.PIPE, stderr=errors, text=True
            )
        try:
            for line in process.stdout:
                if line.startswith("administration at "):
                    break
            else:
                raise SystemExit(f"the server did not start:\n{log.read_text(encoding='utf-8')}")
            yield line.split()[-1]
            if process.poll() is not None:
                raise SystemExit(f"the server ended:\n{log.read_text(encoding='utf-8')}")
        finally:
            process.terminate()
            process.wait()
            process.stdout.close()
