#!/usr/bin/env python3
"""Runs one runner through the story and compares its transcript with what is expected.

    run.py SERVER RUNNER [ARGUMENT...]

SERVER is tim-presence-server. The runner is called as RUNNER [ARGUMENT...] STORY ADDRESS APP_ID; README.md says what it
must do. Everything the runner prints is its transcript, except lines that begin with `!`, which ask this program for
something (a UserSig, a kick, a restart of the server) and are answered by one line on the runner's standard input.

With TIM_UPDATE=1 the transcript becomes expected.txt. Needs nothing but Python 3.9.
"""
import difflib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
STORY = HERE / "story.txt"
EXPECTED = HERE / "expected.txt"

APP_ID = 1400000001
KEY = "a-secret-key-for-the-scenario-0123456789abcdef"
ANOTHER_KEY = "another-secret-key-0123456789abcdef0123456789"
# How long the whole story, and any one wait for a process, may take. A passing run needs a fraction.
STORY_SECONDS = 240
PROCESS_SECONDS = 60

CONFIGURATION = """\
listen = ["127.0.0.1:{port}"]
admin_listen = "127.0.0.1:0"
data_dir = "data"

[[apps]]
id = {app}
secret_key = "{key}"
accounts = [{accounts}]
administrators = ["admin"]
# Calls are counted over a time that the whole story fits into, so that the limit is met on slow machines, too.
rate_window_ms = 600000

[apps.friends]
alice = ["bob"]
"""


class Server:
    """The server process. Started again, it listens where it did."""

    def __init__(self, program, folder):
        self.program = program
        self.configuration = folder / "server.toml"
        self.log = folder / "server.log"
        # Kept while the server is down, so that nobody else is given it: servers set SO_REUSEADDR, too.
        self.reserved = socket.socket()
        self.reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.reserved.bind(("127.0.0.1", 0))
        self.port = self.reserved.getsockname()[1]
        self.administration = ""
        self.process = None
        self.last_user_sig = {}
        self.kicked_s = {}

    def start(self):
        """Returns the address once the server listens."""
        accounts = ", ".join(f'"{user}"' for user in ["alice", "bob", "carol", *(f"u{i}" for i in range(1, 502))])
        self.configuration.write_text(CONFIGURATION.format(port=self.port, app=APP_ID, key=KEY, accounts=accounts))
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.program, "--config", self.configuration], stdout=subprocess.PIPE,
                                            stderr=log, text=True)
        address = self.read("listening on ")
        self.administration = self.read("administration at ")
        return address

    def read(self, beginning):
        """What the server prints behind this."""
        line = self.process.stdout.readline()
        if not line.startswith(beginning):
            raise RuntimeError(f"the server prints {line!r}, not {beginning!r}")
        return line[len(beginning) :].strip()

    def end(self, number):
        """Sends a signal and awaits the end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.communicate(timeout=PROCESS_SECONDS)
            self.process = None

    def user_sig(self, user, key=KEY):
        """A UserSig, made as an operator makes one."""
        # A kick revokes what was made for the user in its second, too (R8.7): like any backend, wait for the next one.
        while (early_s := self.kicked_s.get(user, 0) + 1 - time.time()) > 0:
            time.sleep(early_s)
        command = [self.program, "sign", "--app", str(APP_ID), "--key", key, "--user", user, "--valid", "3600"]
        made = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PROCESS_SECONDS).stdout.strip()
        if key == KEY:
            self.last_user_sig[user] = made
        return made

    def kick(self, user):
        """Kicks a user as a backend does."""
        parameters = {"sdkappid": APP_ID, "identifier": "admin", "usersig": self.user_sig("admin"), "random": 1, "contenttype": "json"}
        url = f"{self.administration}/v4/im_open_login_svc/kick?{urllib.parse.urlencode(parameters)}"
        request = urllib.request.Request(url, json.dumps({"UserID": user}).encode(), {"Content-Type": "application/json"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PROCESS_SECONDS) as response:
            answered = json.load(response)
        if answered.get("ErrorCode") != 0:
            raise RuntimeError(f"the server does not kick {user}: {answered}")
        self.kicked_s[user] = int(time.time())


def answer(server, request):
    """Carries out what a runner asked for; the text of the answer."""
    words = request.split(" ")
    if words[0] == "sig" and len(words) == 2:
        user, at, earlier = words[1].partition("@")
        return server.last_user_sig[user] if at + earlier == "@earlier" else server.user_sig(words[1])
    if words[0] == "sig" and words[2:] == ["another-key"]:
        return server.user_sig(words[1], ANOTHER_KEY)
    if words == ["server", "stop"]:
        server.end(signal.SIGTERM)
        return ""
    if words == ["server", "start"]:
        server.start()
        return ""
    if words[0] == "kick" and len(words) == 2:
        server.kick(words[1])
        return ""
    raise RuntimeError(f"the runner asks for something unknown: {request!r}")


def transcript_of(server, command):
    """Runs the story; the lines that the runner printed, and its exit code."""
    lines = []
    address = server.start()
    runner = subprocess.Popen([*command, str(STORY), address, str(APP_ID)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              encoding="utf-8", bufsize=1)
    too_late = threading.Timer(STORY_SECONDS, runner.kill)
    too_late.start()
    try:
        for line in runner.stdout:
            if line.startswith("!"):
                runner.stdin.write(f"ok {answer(server, line[1:].strip())}\n")
                runner.stdin.flush()
            else:
                lines.append(line)
    except BaseException:
        runner.kill()
        raise
    finally:
        code = runner.wait()
        too_late.cancel()
    return lines, code


def main(program, *command):
    with tempfile.TemporaryDirectory(prefix="tim-scenario-") as folder:
        server = Server(program, Path(folder))
        try:
            lines, code = transcript_of(server, command)
        finally:
            server.end(signal.SIGKILL)
        if code == 77:
            print("".join(lines), end="")
            return 77
        if code == 0 and os.environ.get("TIM_UPDATE") == "1":
            EXPECTED.write_text("".join(lines), encoding="utf-8")
        expected = EXPECTED.read_text(encoding="utf-8").splitlines(keepends=True)
        if code == 0 and lines == expected:
            print(f"the transcript is the expected one: {len(lines)} lines")
            return 0
        sys.stdout.writelines(difflib.unified_diff(expected, lines, "expected.txt", "transcript"))
        print(f"\nthe runner ended with {code}; the server's log ends:")
        print("".join(server.log.read_text(errors="replace").splitlines(keepends=True)[-20:]))
        return 1


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
