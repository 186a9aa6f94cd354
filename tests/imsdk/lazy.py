"""A program in Python that binds the original's names one by one at run time: lazy.py SERVER LIBRARY HEADER.

Every name that is not in tim-presence is called in every way that does not crash an honest library: with nothing, and in
three states. Then a user's day."""

import ctypes
import json
import sys

from imsdk import Sdk, Server, unsupported

ZEROS = {
    "const char *": None,
    "char *": None,
    "bool": ctypes.c_uint8(0),
    "int": 0,
    "int32_t": 0,
    "uint32_t": ctypes.c_uint32(0),
    "int64_t": ctypes.c_int64(0),
    "uint64_t": ctypes.c_uint64(0),
    "enum TIMConvType": 0,
    "enum TIMReceiveMessageOpt": 0,
}


def everything_says_that_it_is_not_there(sdk, header):
    counted = {"answered": 0, "refused": 0, "silent": 0}
    for kind, name, types in unsupported(header):
        if types[-2:] == ["TIMCommCallback", "const void *"]:
            arguments = [None if "Callback" in t else ZEROS[t] for t in types[:-2]]
            code, desc, text = sdk.call(name, *arguments)
            assert code == 7013 and name in desc and text == "", (name, code, desc, text)
            counted["answered"] += 1
        elif kind == "void":
            function = getattr(sdk.library, name)
            function.restype = None
            function(*[None] * len(types))
            counted["silent"] += 1
        elif kind == "int":
            arguments = [None if "Callback" in t or "*" in t else ZEROS.get(t, 0) for t in types]
            assert getattr(sdk.library, name)(*arguments) < 0, name
            counted["refused"] += 1
        else:
            function = getattr(sdk.library, name)
            function.restype = ctypes.c_char_p
            assert function(), name
    assert min(counted.values()) > 0 and sum(counted.values()) > 200, counted


def main(server_binary, library, header):
    sdk = Sdk(library)
    everything_says_that_it_is_not_there(sdk, header)
    with Server(server_binary, app_settings='accounts = ["bob"]\n[apps.friends]\nalice = ["bob"]') as server:
        sdk.init(server.address)
        everything_says_that_it_is_not_there(sdk, header)
        assert sdk.call("TIMLogin", b"alice", server.sign("alice")) == (0, "", "")
        everything_says_that_it_is_not_there(sdk, header)
        sdk.await_status("alice", 1, "")
        status = json.dumps({"user_status_custom_status": "schläft"}).encode()
        assert sdk.call("TIMSetSelfStatus", status) == (0, "", "")
        assert sdk.await_status("alice", 1, "schläft")["user_status_online_devices"] in ([], ["Linux"])
        code, _, text = sdk.call("TIMGetUserStatus", b'["alice","bob","nobody"]')
        told = [(u["user_status_identifier"], u["user_status_status_type"]) for u in json.loads(text)]
        assert code == 0 and told == [("alice", 1), ("bob", 3)], text
        code, _, text = sdk.call("TIMFriendshipGetFriendProfileList")
        assert code == 0 and [f["friend_profile_identifier"] for f in json.loads(text)] == ["bob"], text
        code, _, text = sdk.call("TIMFriendshipGetFriendsInfo", b'["bob","carol"]')
        related = [f["friendship_friend_info_get_result_relation_type"] for f in json.loads(text)]
        assert code == 0 and related == [1, 0], text
        assert sdk.call("TIMLogout") == (0, "", "")
        assert sdk.library.TIMUninit() == 0
    print("ok")


main(*sys.argv[1:])
