#!/usr/bin/env python3
"""What the store costs: the figures of docs/OPERATIONS.md, section "Store".

    benches/store.py SERVER [USERS]

SERVER is a release build of tim-presence-server. Makes a backup of USERS accounts (default 1 000 000, each OFFLINE with
one lost device and ten subscriptions), restores it, starts the server on it, imports accounts through REST to make it commit,
and prints sizes and times. Needs nothing but Python 3.8; takes about a minute a million.
"""

import hashlib
import http.client
import json
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

APP = 1400000001
KEY = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"


def number(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def signed(value):
    return number(((value << 1) ^ (value >> 63)) & 0xFFFFFFFFFFFFFFFF)


def text(value):
    return number(len(value)) + value


def name(user):
    return b"user-%07d" % user


def backup(path, users):
    """docs/STORE.md, "A backup"."""
    now = int(time.time() * 1000)
    version = (now << 20) // 1000 - (1 << 30)
    account = (
        bytes([1, 2, 3]) + number(version) + signed(now) + text(b"") + number(version)
        + signed(-(1 << 63)) + number(1)
        + bytes([2]) + text(b"0123456789abcdef0123456789abcdef") + number(version) + signed(now)
        + bytes([3]) + signed(now + 7 * 24 * 3600 * 1000) + number(0)
    )
    with open(path, "wb") as file:
        digest = hashlib.sha256()

        def write(data):
            digest.update(data)
            file.write(data)

        write(b"TIMPBK1\n" + struct.pack("<QqQ", 1, now, version + (1 << 24)))
        records = 0
        for table in (1, 2):
            for user in range(users):
                key = struct.pack(">Q", APP) + name(user)
                value = account
                if table == 2:
                    watched = b"".join(text(name((user + step) % users)) for step in range(1, 11))
                    value = number(version) + bytes([2]) + signed(now + 3600 * 1000) + number(10) + watched
                write(bytes([table]) + struct.pack("<I", len(key)) + key + struct.pack("<I", len(value)) + value)
                records += 1
        write(b"\0" + struct.pack("<Q", records))
        file.write(digest.digest())


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))


class Server:
    def __init__(self, program, config, *more):
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [program, "--config", config, "--log-format", "json", *more],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().startswith("listening on")
        self.began_ms = (time.monotonic() - begun) * 1000
        self.admin = self.process.stdout.readline().strip().rpartition("/")[2]

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_kib(self):
        return rss_kib(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        log = self.process.communicate()[1]
        assert self.process.returncode == 0, log
        return {record["message"] if "message" in record else record["fields"]["message"]: record.get("fields", record)
                for record in map(json.loads, log.splitlines())}


def main():
    program, users = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    with tempfile.TemporaryDirectory(dir=os.environ.get("STORE_BENCH_DIR")) as folder:
        config = os.path.join(folder, "server.toml")
        with open(config, "w", encoding="ascii") as file:
            file.write(f'''listen = ["127.0.0.1:0"]
admin_listen = "127.0.0.1:0"
rest_calls_per_second_max = 0
data_dir = "data"
[[apps]]
id = {APP}
secret_key = "{KEY}"
administrators = ["boss"]
subscription_linger_ms = 7200000
''')
        source = os.path.join(folder, "users.backup")
        backup(source, users)
        begun = time.monotonic()
        subprocess.run([program, "restore", source, "--config", config], check=True, stdout=subprocess.DEVNULL)
        print(f"{users} users: backup {os.path.getsize(source) / users:.0f} bytes a user, "
              f"restored in {time.monotonic() - begun:.1f} s")
        database = os.path.join(folder, "data", "presence.redb")
        print(f"file: {os.path.getsize(database) / users:.0f} bytes a user")
        server = Server(program, config)
        print(f"start: {server.began_ms:.0f} ms ({server.cpu_s():.1f} s of processor); memory {server.rss_kib() * 1024 / users:.0f} bytes a user, "
              f"{server.rss_kib() / 1024:.0f} MiB in all")
        user_sig = subprocess.run([program, "sign", "--user", "boss", "--config", config], check=True,
                                  capture_output=True, text=True).stdout.strip()

        for burst in (1, 100, 10_000):
            if server is None:
                server = Server(program, config)
            connection = http.client.HTTPConnection(server.admin)
            count = 20 if burst < 10_000 else 3
            for turn in range(count):
                fresh = [f"n{burst}-{turn}-{index}-{hash((turn, index)) & 0xffff:04x}" for index in range(burst)]
                for start in range(0, burst, 100):
                    body = json.dumps({"Accounts": fresh[start:start + 100]})
                    connection.request(
                        "POST", f"/v4/im_open_login_svc/multiaccount_import?sdkappid={APP}&identifier=boss"
                        f"&usersig={user_sig}&random=1&contenttype=json", body)
                    answer = json.load(connection.getresponse())
                    assert answer["ErrorCode"] == 0, answer
                if burst < 10_000:
                    time.sleep(0.3)  # so that each turn is a commit of its own
            begun = time.monotonic()
            closed = server.stop()["store closed"]
            print(f"{closed['records']} records in {closed['commits']} commits, mean {closed['mean_us'] / 1000:.1f} ms, "
                  f"longest {closed['max_us'] / 1000:.1f} ms; stopped in {(time.monotonic() - begun) * 1000:.0f} ms")
            server = None
        begun = time.monotonic()
        subprocess.run([program, "backup", source, "--config", config], check=True, stdout=subprocess.DEVNULL)
        print(f"backup of the stopped server: {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    main()
