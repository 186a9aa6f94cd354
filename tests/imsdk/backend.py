"""A backend written for the original, pointed at tim-presence: backend.py SERVER LIBRARY

UserSigs are minted with the published package tls-sig-api-v2, REST calls and the webhook are the original's, and the
user's program is libImSDK. Nothing knows of tim-presence but the base URL of REST and the address of the server."""

import http.server
import json
import queue
import random
import sys
import threading
import urllib.parse
import urllib.request

from TLSSigAPIv2 import TLSSigAPIv2

from imsdk import APP, DEADLINE, KEY, Sdk, Server

ADMINISTRATOR = "administrator"


class Backend:
    def __init__(self, base_url):
        self.base_url = base_url
        self.signer = TLSSigAPIv2(APP, KEY)

    def sign(self, user):
        sig = self.signer.gen_sig(user)
        return sig if isinstance(sig, bytes) else sig.encode()

    def post(self, command, body):
        query = urllib.parse.urlencode({
            "sdkappid": APP,
            "identifier": ADMINISTRATOR,
            "usersig": self.sign(ADMINISTRATOR).decode(),
            "random": random.randrange(1 << 32),
            "contenttype": "json",
        })
        request = urllib.request.Request(f"{self.base_url}/v4/{command}?{query}", data=json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=DEADLINE) as response:
            assert response.status == 200
            return json.loads(response.read())

    def ok(self, command, body):
        answer = self.post(command, body)
        assert (answer["ActionStatus"], answer["ErrorCode"]) == ("OK", 0), (command, answer)
        return answer


class Webhook:
    """What the server tells the backend."""

    def __init__(self):
        events = self.events = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                events.put((query, json.loads(body)))
                answer = b'{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/presence"

    def expect(self, action, reason, custom=None):
        query, event = self.events.get(timeout=DEADLINE)
        assert query["CallbackCommand"] == ["State.StateChange"] and query["SdkAppid"] == [str(APP)], query
        assert query["contenttype"] == ["json"] and "ClientIP" in query and query["OptPlatform"] == ["Linux"], query
        assert event["CallbackCommand"] == "State.StateChange" and event["EventTime"] > 1600000000000, event
        told = event["Info"]
        assert (told["To_Account"], told["Action"], told["Reason"]) == ("alice", action, reason), event
        if custom is not None:
            assert told["CustomStatus"] == custom, event


def main(server_binary, library):
    webhook = Webhook()
    settings = 'admin_listen = "127.0.0.1:0"\nlogin_failures_max = 1000'
    app_settings = f'administrators = ["{ADMINISTRATOR}"]\nwebhook_url = "{webhook.url}"'
    with Server(server_binary, settings, app_settings) as server:
        backend = Backend(server.line("administration at "))
        sdk = Sdk(library)

        # Accounts.
        backend.ok("im_open_login_svc/account_import", {"UserID": "alice", "Nick": "Alice"})
        backend.ok("im_open_login_svc/multiaccount_import", {"AccountList": [{"UserID": "bob"}]})
        checked = backend.ok("im_open_login_svc/account_check", {"CheckItem": [{"UserID": "bob"}, {"UserID": "carol"}]})
        imported = [item["AccountStatus"] for item in checked["ResultItem"]]
        assert imported == ["Imported", "NotImported"], checked

        # The user's program logs in with a UserSig of the backend's.
        sdk.init(server.address)
        stale = backend.sign("alice")
        assert sdk.call("TIMLogin", b"alice", stale) == (0, "", "")
        webhook.expect("Login", "Register")
        sdk.await_status("alice", 1, "")
        assert sdk.call("TIMSetSelfStatus", b'{"user_status_custom_status":"busy"}') == (0, "", "")
        webhook.expect("CustomStatusChange", "SetCustomStatus", "busy")

        # Who is online?
        asked = {"IsNeedDetail": 1, "IsReturnCustomStatus": 1, "To_Account": ["alice", "bob", "nobody"]}
        answer = backend.ok("openim/query_online_status", asked)
        alice, bob = answer["QueryResult"]
        assert (alice["To_Account"], alice["Status"], alice["CustomStatus"]) == ("alice", "Online", "busy"), answer
        assert alice["Detail"] == [{"Platform": "Linux", "Status": "Online"}], answer
        assert (bob["To_Account"], bob["Status"]) == ("bob", "Offline"), answer
        assert answer["ErrorList"] == [{"To_Account": "nobody", "ErrorCode": 70107}], answer
        older = backend.ok("openim/querystate", {"To_Account": ["alice"]})
        assert older["QueryResult"][0]["State"] == "Online", older

        # Friends are the backend's; the program reads them.
        added = {"From_Account": "alice", "AddFriendItem": [{"To_Account": "bob", "AddSource": "AddSource_Type_Test"}]}
        backend.ok("sns/friend_add", added)
        code, _, text = sdk.call("TIMFriendshipGetFriendProfileList")
        assert code == 0 and [friend["friend_profile_identifier"] for friend in json.loads(text)] == ["bob"], text

        # A kick ends the session and voids the UserSig, not the account.
        backend.ok("im_open_login_svc/kick", {"UserID": "alice"})
        assert sdk.events.get(timeout=DEADLINE) == "kicked"
        webhook.expect("Logout", "Unregister")
        assert sdk.library.TIMGetLoginStatus() == 3
        assert sdk.call("TIMLogin", b"alice", stale)[0] == 70052
        while True:  # until the second of the kick is over
            code, desc, _ = sdk.call("TIMLogin", b"alice", backend.sign("alice"))
            if code == 0:
                break
            assert code == 70052, (code, desc)
        webhook.expect("Login", "Register")
        assert sdk.call("TIMLogout") == (0, "", "")
        webhook.expect("Logout", "Unregister")

        # Wrong credentials are the original's errors.
        backend.signer = TLSSigAPIv2(APP, KEY[::-1])
        refused = backend.post("openim/query_online_status", {"To_Account": ["alice"]})
        assert refused["ActionStatus"] == "FAIL" and refused["ErrorCode"] != 0 and refused["ErrorInfo"], refused
        assert sdk.library.TIMUninit() == 0
    webhook.server.shutdown()
    print("ok")


main(*sys.argv[1:])
