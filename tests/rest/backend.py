"""A backend written for the original, with the published generator of UserSigs:  backend.py SERVER

Only the base URL is ours."""

import json
import random
import sys
import urllib.parse
import urllib.request

import serving


class Backend:
    """As the original's documentation has it."""

    def __init__(self, base_url):
        self.base_url = base_url

    def call(self, command, body):
        query = urllib.parse.urlencode(
            {
                "sdkappid": serving.APP,
                "identifier": serving.ADMINISTRATOR,
                "usersig": serving.user_sig(serving.ADMINISTRATOR),
                "random": random.randrange(2**32),
                "contenttype": "json",
            }
        )
        url = f"{self.base_url}/v4/{command}?{query}"
        with urllib.request.urlopen(url, data=json.dumps(body).encode()) as answer:
            assert answer.status == 200, answer.status
            return json.load(answer)


def expect(given, expected):
    assert given == expected, f"{given!r} is not {expected!r}"


def main(program):
    with serving.server(program) as address:
        backend = Backend(address)
        answer = backend.call("im_open_login_svc/account_import", {"UserID": "carol", "Nick": "Carol"})
        expect(answer, {"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0})
        answer = backend.call(
            "im_open_login_svc/account_check", {"CheckItem": [{"UserID": "carol"}, {"UserID": "dave"}]}
        )
        expect([item["AccountStatus"] for item in answer["ResultItem"]], ["Imported", "NotImported"])
        answer = backend.call("openim/query_online_status", {"To_Account": ["carol", "dave"]})
        expect(answer["QueryResult"], [{"To_Account": "carol", "Status": "Offline"}])
        expect(answer["ErrorList"], [{"To_Account": "dave", "ErrorCode": 70107}])
        friends = {"From_Account": "carol", "AddFriendItem": [{"To_Account": "alice"}], "AddType": "Add_Type_Both"}
        expect(backend.call("sns/friend_add", friends)["ResultItem"][0]["ResultCode"], 0)
        answer = backend.call("sns/friend_get", {"From_Account": "alice", "StartIndex": 0})
        expect([item["To_Account"] for item in answer["UserDataItem"]], ["carol"])
        expect(backend.call("im_open_login_svc/kick", {"UserID": "carol"})["ErrorCode"], 0)
        expect(backend.call("im_open_login_svc/kick", {"UserID": "dave"})["ErrorCode"], 70107)
        answer = backend.call("im_open_login_svc/account_delete", {"DeleteItem": [{"UserID": "carol"}]})
        expect(answer["ResultItem"][0]["ResultCode"], 0)
    print("every command was carried out")


if __name__ == "__main__":
    main(sys.argv[1])
