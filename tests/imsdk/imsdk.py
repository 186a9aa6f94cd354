"""libImSDK for the Python tests, as programs bind it: by ctypes, each name when it is first used; and the real server."""

import ctypes
import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

DEADLINE = 40  # seconds; what must happen comes far sooner
APP = 1400000001
KEY = "a-secret-key-for-tests-only-0123456789abcdef"

COMM_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
JSON_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)
PLAIN_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Sdk:
    """One name at a time: `sdk.call("TIMLogin", b"alice", sig)` returns (code, desc, json)."""

    def __init__(self, path):
        self.library = ctypes.CDLL(path, mode=os.RTLD_LAZY)
        self.answers = {}
        self.next = 0
        self.statuses = queue.Queue()
        self.events = queue.Queue()
        # Callbacks must outlive their last call.
        self.on_result = COMM_CALLBACK(self._on_result)
        self.on_status = JSON_CALLBACK(lambda text, _: [self.statuses.put(user) for user in json.loads(text)])
        self.on_kicked = PLAIN_CALLBACK(lambda _: self.events.put("kicked"))
        self.library.TIMSetUserStatusChangedCallback(self.on_status, None)
        self.library.TIMSetKickedOfflineCallback(self.on_kicked, None)

    def _on_result(self, code, desc, text, user_data):
        self.answers[user_data].put((code, desc.decode(), text.decode()))

    def start(self, name, *arguments):
        """Calls it, and returns what it returned and the queue that its result will come to."""
        self.next += 1
        answer = self.answers[self.next] = queue.Queue()
        returned = getattr(self.library, name)(*arguments, self.on_result, ctypes.c_void_p(self.next))
        return returned, answer

    def call(self, name, *arguments):
        returned, answer = self.start(name, *arguments)
        assert returned == 0, f"{name} returned {returned}"
        return answer.get(timeout=DEADLINE)

    def init(self, address):
        os.environ["TIM_PRESENCE_SERVER"] = address
        assert self.library.TIMInit(ctypes.c_uint64(APP), b"{}") == 0

    def await_status(self, user, status, custom):
        """Awaits a notification; others before it are skipped."""
        while True:
            told = self.statuses.get(timeout=DEADLINE)
            seen = (told["user_status_identifier"], told["user_status_status_type"], told["user_status_custom_status"])
            if seen == (user, status, custom):
                return told


class Server:
    """tim-presence-server with one app, on free ports, until the end of the `with`."""

    def __init__(self, binary, settings="", app_settings=""):
        self.binary = binary
        self.directory = Path(tempfile.mkdtemp(prefix="tim-test-"))
        config = self.directory / "server.toml"
        config.write_text(
            f'listen = ["127.0.0.1:0"]\n{settings}\n[[apps]]\nid = {APP}\nsecret_key = "{KEY}"\n{app_settings}\n'
        )
        self.log = open(self.directory / "server.log", "w")
        self.process = subprocess.Popen(
            [binary, "--config", config], stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.address = self.line("listening on ")

    def line(self, begins):
        """Awaits a line of its standard output that begins so; the rest of it."""
        for line in self.process.stdout:
            if line.startswith(begins):
                return line[len(begins):].strip()
        raise AssertionError(f"the server ended: {(self.directory / 'server.log').read_text()}")

    def sign(self, user):
        command = [self.binary, "sign", "--app", str(APP), "--key", KEY, "--user", user]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().encode()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.terminate()
        self.process.wait(timeout=DEADLINE)
        self.process.stdout.close()
        self.log.close()
        if kind is not None:
            print((self.directory / "server.log").read_text())
        shutil.rmtree(self.directory)


def unsupported(header):
    """Name and C types of the arguments of each function that the header says is not there."""
    section = re.search(r"/\* ---- begin.*?/\* ---- end", Path(header).read_text(), re.S).group()
    for kind, name, arguments in re.findall(r"TIM_API (.+?)\b(\w+)\((.*)\);", section):
        yield kind.strip(), name, [] if arguments == "void" else [re.sub(r"\s*\w+$", "", a) for a in arguments.split(", ")]
