#!/usr/bin/env python3
"""The receiver of docs/WEBHOOKS.md, as it stands there, takes what the server signs and nothing else: receiver.py ROOT"""
import http.client
import re
import sys
import threading

with open(sys.argv[1] + "/docs/WEBHOOKS.md", encoding="utf-8") as page:
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read(), re.M | re.S)
serve = 'HTTPServer(("127.0.0.1", 18080), Receiver).serve_forever()\n'
if len(blocks) != 2 or not blocks[1].endswith(serve):
    sys.exit("docs/WEBHOOKS.md has another receiver than this test knows")
receiver = {}
exec(blocks[0] + blocks[1].removesuffix(serve), receiver)

# The clock and the signature of crates/server/src/webhook/target.rs, a_signature_covers_time_query_and_body.
receiver["time"].time = lambda: 1780000100.0
good = {"X-Tim-Timestamp": "1780000000", "X-Tim-Signature": "sha256=0626efb895a4329ed7ddec3182ffd06df3c8badc8a852efaeadd7023509b84e9"}
asked = ("the secret", *good.values(), "a=1&b=2", b"{}")
assert receiver["is_genuine"](*asked), "the server's signature is refused"
for place, other in enumerate(["another secret", "1780000001", "sha256=00", "a=1&b=3", b"{ }"]):
    assert not receiver["is_genuine"](*asked[:place], other, *asked[place + 1 :]), f"{other} is taken"

blocks[1] = blocks[1].replace("your webhook_secret", "the secret")
exec(blocks[1].removesuffix(serve), receiver)
server = receiver["HTTPServer"](("127.0.0.1", 0), receiver["Receiver"])
threading.Thread(target=server.serve_forever, daemon=True).start()
for headers, status in [(good, 200), ({**good, "X-Tim-Signature": "sha256=00"}, 403)]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request("POST", "/presence?a=1&b=2", b"{}", headers)
    answer = connection.getresponse().status
    assert answer == status, f"answered {answer}, not {status}"
    connection.close()
server.shutdown()
