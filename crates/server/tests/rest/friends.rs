//! Friend lists by REST (R9).

use presence::status::Status;
use presence_protocol::message::Request;
use serde_json::json;

use crate::{World, await_push, set_custom};

/// R6.1, R7.4, R9.2.
#[test]
fn who_gets_a_friend_is_told_of_it_at_once() {
    let world = World::with("friend-told", "", "friend_status_notify = true");
    let mut bob = world.online("bob");
    set_custom(&mut bob, "here");
    let mut alice = world.online("alice");
    let body =
        r#"{"From_Account":"alice","AddFriendItem":[{"To_Account":"bob","AddSource":"AddSource_Type_Web"}]}"#;
    let answer = world.v4("sns/friend_add", body);
    assert_eq!(answer["ResultItem"][0]["ResultCode"], 0);
    let told = await_push(&mut alice, "bob");
    assert_eq!(
        (told.status, told.custom_status.as_str()),
        (Status::Online.number(), "here")
    );
    // Both ways is what it does unless told otherwise.
    assert_eq!(await_push(&mut bob, "alice").status, Status::Online.number());
    set_custom(&mut bob, "busy");
    assert_eq!(await_push(&mut alice, "bob").custom_status, "busy");

    // A friend no more: the next of whom alice hears is herself.
    let body = r#"{"From_Account":"alice","To_Account":["bob"]}"#;
    assert_eq!(
        world.v4("sns/friend_delete", body)["ResultItem"][0]["ResultCode"],
        0
    );
    set_custom(&mut bob, "gone");
    assert_eq!(await_push(&mut bob, "bob").custom_status, "gone");
    set_custom(&mut alice, "alone");
    loop {
        match alice.next() {
            Some(presence_protocol::message::ServerMessage::Push(users)) => {
                assert!(users.iter().all(|user| user.user_id == "alice"), "{users:?}");
                break;
            }
            Some(_) => {}
            None => panic!("closed"),
        }
    }
    // One way: bob still has alice.
    let list = bob.request(&Request::GetFriends);
    assert_eq!(
        list.users.iter().map(|user| &user.user_id).collect::<Vec<_>>(),
        ["alice"]
    );
}

#[test]
fn friend_lists_are_imported_one_way_listed_in_parts_and_have_a_limit() {
    let world = World::with(
        "friend-lists",
        "friends_max = 150",
        "auto_register_on_mention = true",
    );
    let get = |owner: &str, start: usize, sequence: u64| {
        let body = json!({"From_Account": owner, "StartIndex": start, "StandardSequence": sequence});
        world.v4("sns/friend_get", &body.to_string())
    };
    let items: Vec<_> = (0..120)
        .map(|number| json!({"To_Account": format!("f{number}")}))
        .collect();
    let import = json!({"From_Account": "alice", "AddFriendItem": items}).to_string();
    world.v4("sns/friend_import", &import);
    let first = get("alice", 0, 0);
    assert_eq!(first["UserDataItem"].as_array().map(Vec::len), Some(100));
    assert_eq!(
        (
            &first["FriendNum"],
            &first["CompleteFlag"],
            &first["NextStartIndex"]
        ),
        (&json!(120), &json!(0), &json!(100))
    );
    assert_eq!(first["UserDataItem"][1]["To_Account"], "f1");
    let second = get("alice", 100, 0);
    assert_eq!(second["UserDataItem"].as_array().map(Vec::len), Some(20));
    assert_eq!(
        (&second["CompleteFlag"], &second["NextStartIndex"]),
        (&json!(1), &json!(0))
    );
    let sequence = second["StandardSequence"].as_u64().expect("a number");
    let known = get("alice", 0, sequence);
    assert_eq!(
        (
            known["UserDataItem"].as_array().map(Vec::len),
            &known["CompleteFlag"]
        ),
        (Some(0), &json!(1))
    );
    assert_eq!(get("f1", 0, 0)["FriendNum"], 0, "one way");

    let items: Vec<_> = (100..160)
        .map(|number| json!({"To_Account": format!("f{number}")}))
        .collect();
    let body = json!({"From_Account": "alice", "AddFriendItem": items, "AddType": "Add_Type_Single"});
    let answer = world.v4("sns/friend_add", &body.to_string());
    let full = answer["ResultItem"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|item| item["ResultCode"] == 30_010)
        .count();
    assert_eq!(
        (full, answer["Fail_Account"].as_array().map(Vec::len)),
        (10, Some(10))
    );

    // Both ways into a list that is full: neither changes.
    let body = r#"{"From_Account":"bob","AddFriendItem":[{"To_Account":"alice"}],"AddType":"Add_Type_Both"}"#;
    assert_eq!(
        world.v4("sns/friend_add", body)["ResultItem"][0]["ResultCode"],
        30_014
    );
    assert_eq!(get("bob", 0, 0)["FriendNum"], 0);
}

#[test]
fn who_is_no_account_is_nobodys_friend() {
    let world = World::new("friend-nobody");
    let add = |owner: &str, friend: &str| {
        json!({"From_Account": owner, "AddFriendItem": [{"To_Account": friend}]}).to_string()
    };
    let code = |owner: &str, friend: &str| {
        world.v4("sns/friend_add", &add(owner, friend))["ResultItem"][0]["ResultCode"].as_i64()
    };
    assert_eq!(code("alice", "nobody"), Some(30_003));
    assert_eq!(code("alice", "alice"), Some(30_001));
    assert_eq!(code("alice", "bob"), Some(0));
    assert_eq!(code("alice", "bob"), Some(0), "again is no mistake");
    assert_eq!(world.v4_code("sns/friend_add", &add("nobody", "alice")), 30_003);
    let both = r#"{"From_Account":"alice","To_Account":["bob","nobody"],"DeleteType":"Delete_Type_Both"}"#;
    let answer = world.v4("sns/friend_delete", both);
    assert_eq!(
        (
            &answer["ResultItem"][0]["ResultCode"],
            &answer["ResultItem"][1]["ResultCode"]
        ),
        (&json!(0), &json!(31_704))
    );
    let get = world.v4("sns/friend_get", r#"{"From_Account":"bob"}"#);
    assert_eq!(get["FriendNum"], 0);
}

/// R1.2.
#[test]
fn a_refused_call_registers_nobody() {
    let world = World::with("friend-mention", "", "auto_register_on_mention = true");
    let add =
        |owner: &str| json!({"From_Account": owner, "AddFriendItem": [{"To_Account": "carol"}]}).to_string();
    assert_eq!(world.v4_code("sns/friend_add", &add("nobody")), 30_003);
    assert_eq!(world.admin.v1("GET", "/accounts/carol", "").status, 404);
    world.v4("sns/friend_add", &add("alice"));
    assert_eq!(world.admin.v1("GET", "/accounts/carol", "").status, 200);
}
