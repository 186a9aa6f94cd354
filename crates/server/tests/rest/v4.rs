//! The original's paths, bodies and codes.

use std::net::TcpStream;
use std::time::Instant;

use presence::status::{Reason, Status};
use serde_json::json;

use crate::http::{answer, raw, request};
use crate::support::DEADLINE;
use crate::{
    APP, Client, OTHER_APP, World, await_ended, await_push, now_s, query, set_custom, signed, signed_at,
    subscribe,
};

const KICK: &str = "im_open_login_svc/kick";

/// R8.7.
#[test]
fn a_kick_ends_every_device_and_revokes_every_user_sig() {
    let world = World::new("kick");
    let mut watcher = world.online("bob");
    assert_eq!(subscribe(&mut watcher, &["alice"]).code, 0);
    let old = signed_at("alice", now_s() - 10);
    let mut alice = Client::connect(world.server.address);
    assert_eq!(alice.login(APP, "alice", &old).code, 0);
    assert_eq!(await_push(&mut watcher, "alice").status, Status::Online.number());
    set_custom(&mut alice, "busy");
    assert_eq!(await_push(&mut watcher, "alice").custom_status, "busy");

    world.v4(KICK, r#"{"UserID":"alice"}"#);
    assert_eq!(await_ended(&mut alice), 70_052);
    let told = await_push(&mut watcher, "alice");
    assert_eq!(
        (told.status, told.reason, told.custom_status.as_str()),
        (Status::Unlogined.number(), Reason::Kicked.number(), "")
    );
    let mut again = Client::connect(world.server.address);
    assert_eq!(again.login(APP, "alice", &old).code, 70_052);
    // A UserSig made after that second lets her in again.
    let mut later = Client::connect(world.server.address);
    assert_eq!(
        later.login(APP, "alice", &signed_at("alice", now_s() + 2)).code,
        0
    );

    // The older name of the field; and who is not there cannot be kicked.
    world.v4(KICK, r#"{"Identifier":"alice"}"#);
    assert_eq!(await_ended(&mut later), 70_052);
    assert_eq!(world.v4_code(KICK, r#"{"UserID":"nobody"}"#), 70_107);
}

/// R1.2.
#[test]
fn an_imported_account_can_be_subscribed_to() {
    let world = World::new("import");
    let mut bob = world.online("bob");
    assert_eq!(subscribe(&mut bob, &["carol"]).code, 70_107);
    let check = |users: &[&str]| {
        let items: Vec<_> = users.iter().map(|user| json!({"UserID": user})).collect();
        let body = json!({"CheckItem": items}).to_string();
        let answer = world.v4("im_open_login_svc/account_check", &body);
        let items = answer["ResultItem"].as_array().expect("a list").clone();
        let states = items
            .into_iter()
            .map(|item| item["AccountStatus"].as_str().expect("a text").to_owned());
        states.collect::<Vec<_>>()
    };
    assert_eq!(
        check(&["carol", "alice", "\u{e9}"]),
        ["NotImported", "Imported", "NotImported"]
    );

    let carol = r#"{"UserID":"carol","Nick":"Carol","FaceUrl":"http://example.com/c.png"}"#;
    world.v4("im_open_login_svc/account_import", carol);
    world.v4("im_open_login_svc/account_import", r#"{"Identifier":"carol"}"#);
    let reply = subscribe(&mut bob, &["carol"]);
    assert_eq!(
        (reply.code, reply.users[0].status),
        (0, Status::Unlogined.number())
    );

    let many = r#"{"AccountList":[{"UserID":"dave"},{"UserID":"a name that is longer than 32 bytes"}]}"#;
    let answer = world.v4("im_open_login_svc/multiaccount_import", many);
    assert_eq!(
        answer["FailAccounts"],
        json!(["a name that is longer than 32 bytes"])
    );
    world.v4(
        "im_open_login_svc/multiaccount_import",
        r#"{"Accounts":["erin","frank"]}"#,
    );
    assert_eq!(check(&["dave", "erin", "frank"]), ["Imported"; 3]);
    let long = "x".repeat(33);
    let code = world.v4_code(
        "im_open_login_svc/account_import",
        &format!("{{\"UserID\":\"{long}\"}}"),
    );
    assert_eq!(code, 70_402);
}

/// R1.5.
#[test]
fn a_deleted_account_is_gone_with_its_devices_and_the_subscriptions_to_it() {
    let world = World::new("delete");
    let mut alice = world.online("alice");
    let mut bob = world.online("bob");
    assert_eq!(subscribe(&mut bob, &["alice"]).code, 0);
    let delete = r#"{"DeleteItem":[{"UserID":"alice"},{"UserID":"nobody"}]}"#;
    let answer = world.v4("im_open_login_svc/account_delete", delete);
    let codes: Vec<_> = answer["ResultItem"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|item| item["ResultCode"].as_i64())
        .collect();
    assert_eq!(codes, [Some(0), Some(70_107)]);
    assert_eq!(await_ended(&mut alice), 70_052);
    assert_eq!(query(&mut bob, &["alice"]).code, 70_107);
    let list = bob.request(&presence_protocol::message::Request::GetSubscriptions);
    assert_eq!((list.code, list.users.len()), (0, 0));
}

#[test]
fn the_online_status_is_asked_by_its_newer_and_its_older_name() {
    let world = World::new("status");
    let mut alice = world.online("alice");
    set_custom(&mut alice, "in a meeting");
    let mut phone = Client::connect(world.server.address);
    assert_eq!(phone.login_on(APP, "bob", &signed("bob"), "iOS").code, 0);
    let mut watcher = world.online("carol");
    assert_eq!(subscribe(&mut watcher, &["bob"]).code, 0);
    drop(phone);
    assert_eq!(await_push(&mut watcher, "bob").status, Status::Offline.number());
    world.v4("im_open_login_svc/account_import", r#"{"UserID":"dave"}"#);

    let body =
        r#"{"IsNeedDetail":1,"IsReturnCustomStatus":1,"To_Account":["alice","bob","dave","alice","nobody"]}"#;
    let answer = world.v4("openim/query_online_status", body);
    assert_eq!(
        answer["QueryResult"],
        json!([
            {"To_Account": "alice", "Status": "Online", "CustomStatus": "in a meeting",
             "Detail": [{"Platform": "Linux", "Status": "Online"}]},
            {"To_Account": "bob", "Status": "PushOnline", "CustomStatus": "",
             "Detail": [{"Platform": "iPhone", "Status": "PushOnline"}]},
            {"To_Account": "dave", "Status": "Offline", "CustomStatus": ""},
        ])
    );
    assert_eq!(
        answer["ErrorList"],
        json!([{"To_Account": "nobody", "ErrorCode": 70_107}])
    );

    let answer = world.v4("openim/querystate", r#"{"To_Account":["alice"]}"#);
    assert_eq!(
        answer["QueryResult"],
        json!([{"To_Account": "alice", "State": "Online"}])
    );

    let body = r#"{"IsNeedDetail":1,"IsReturnInstid":1,"To_Account":["alice"]}"#;
    let answer = world.v4("openim/query_online_status", body);
    assert!(
        answer["QueryResult"][0]["Detail"][0]["Instid"].is_u64(),
        "{answer}"
    );

    let many: Vec<String> = (0..501).map(|number| format!("u{number}")).collect();
    let body = json!({ "To_Account": many }).to_string();
    assert_eq!(world.v4_code("openim/query_online_status", &body), 90_011);
    let body = json!({"To_Account": &many[..500]}).to_string();
    let answer = world.v4("openim/query_online_status", &body);
    assert_eq!(answer["ErrorList"].as_array().map(Vec::len), Some(500));
}

#[test]
fn each_mistake_has_the_code_that_the_original_gives_it() {
    let world = World::new("mistakes");
    let kick = r#"{"UserID":"alice"}"#;
    let with = |change: fn(&mut crate::http::Admin)| {
        let mut admin = world.admin.clone();
        change(&mut admin);
        let answer = admin.v4(KICK, kick);
        assert_eq!(
            (answer.status, &answer.body["ActionStatus"]),
            (200, &json!("FAIL"))
        );
        answer.body["ErrorCode"].as_i64()
    };
    assert_eq!(with(|admin| admin.app = String::new()), Some(60_012));
    assert_eq!(with(|admin| admin.app = "7".to_owned()), Some(60_006));
    assert_eq!(with(|admin| admin.user = String::new()), Some(60_004));
    assert_eq!(with(|admin| admin.user_sig = String::new()), Some(70_002));
    assert_eq!(with(|admin| admin.user_sig = "garbage".to_owned()), Some(70_003));
    assert_eq!(with(|admin| admin.user = "alice".to_owned()), Some(70_013));
    assert_eq!(with(|admin| admin.app = OTHER_APP.to_string()), Some(70_014));
    assert_eq!(
        with(|admin| admin.user_sig = signed_at("boss", 1_000_000)),
        Some(70_001)
    );
    // A genuine UserSig of somebody else.
    let alice = |admin: &mut crate::http::Admin| {
        admin.user = "alice".to_owned();
        admin.user_sig = signed("alice");
    };
    assert_eq!(with(alice), Some(70_403));
    let mut admin = world.admin.clone();
    alice(&mut admin);
    let answer = admin.v4("openim/query_online_status", r#"{"To_Account":["alice"]}"#);
    assert_eq!(answer.body["ErrorCode"], 60_010);

    assert_eq!(world.v4_code(KICK, "{"), 60_003);
    assert_eq!(world.v4_code(KICK, "{}"), 70_402);
    assert_eq!(world.v4_code("openim/query_online_status", "{"), 90_001);
    assert_eq!(world.v4_code("sns/friend_get", "{}"), 30_001);
    assert_eq!(world.v4_code("openim/sendmsg", "{}"), 60_009);
    let address = world.admin.address;
    let get = request(address, "GET", "/v4/im_open_login_svc/kick", "", "");
    assert_eq!((get.status, get.body["ErrorCode"].as_i64()), (200, Some(60_002)));
}

#[test]
fn who_fails_to_authenticate_too_often_is_refused_for_a_while() {
    let world = World::with("guesses", "login_failures_max = 3", "");
    let mut guess = world.admin.clone();
    guess.user_sig = "garbage".to_owned();
    for _ in 0..3 {
        assert_eq!(guess.v4(KICK, "{}").body["ErrorCode"], 70_003);
    }
    assert_eq!(guess.v4(KICK, "{}").body["ErrorCode"], 70_050);
    let v1 = world.admin.v1("GET", "/server", "");
    assert_eq!(
        (v1.status, v1.body["error"]["code"].as_i64()),
        (429, Some(70_050))
    );
    assert!(v1.head.contains("retry-after: "), "{}", v1.head);
}

/// R8.7: also of whoever administers.
#[test]
fn a_kicked_administrator_is_refused_until_it_has_a_new_user_sig() {
    let world = World::new("kicked-boss");
    world.v4("im_open_login_svc/account_import", r#"{"UserID":"boss"}"#);
    world.v4(KICK, r#"{"UserID":"boss"}"#);
    assert_eq!(world.v4_code(KICK, r#"{"UserID":"boss"}"#), 70_052);
    let mut later = world.admin.clone();
    later.user_sig = signed_at("boss", now_s() + 2);
    assert_eq!(later.v1("GET", "/app", "").status, 200);
    // Also when the account is gone (R1.5): it need not be one.
    assert_eq!(later.v1("DELETE", "/accounts/boss", "").status, 204);
    assert_eq!(world.v4_code(KICK, r#"{"UserID":"boss"}"#), 70_052);
}

#[test]
fn one_address_has_so_many_connections_and_gets_new_ones_when_it_closes_some() {
    let world = World::new("connections");
    let address = world.admin.address;
    let idle: Vec<TcpStream> = (0..64)
        .map(|_| TcpStream::connect(address).expect("it listens"))
        .collect();
    assert_eq!(
        raw(address, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"),
        "",
        "closed as it came"
    );
    // Clients are served as ever.
    world.online("alice");
    drop(idle);
    let deadline = Instant::now() + DEADLINE;
    while !raw(
        address,
        b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .starts_with("HTTP/1.1 200")
    {
        assert!(Instant::now() < deadline, "those that were closed still count");
    }
}

#[test]
fn an_app_may_call_each_command_so_often_a_second() {
    let world = World::with("rate", "rest_calls_per_second_max = 1", "");
    let codes: Vec<_> = (0..20)
        .map(|_| {
            world
                .admin
                .v4("sns/friend_get", r#"{"From_Account":"alice"}"#)
                .body["ErrorCode"]
                .as_i64()
        })
        .collect();
    assert_eq!(codes.first(), Some(&Some(0)));
    assert!(codes.contains(&Some(60_007)), "{codes:?}");
    world.v4(
        "im_open_login_svc/account_check",
        r#"{"CheckItem":[{"UserID":"alice"}]}"#,
    );
}

#[test]
fn what_is_too_large_or_no_http_at_all_is_refused_and_the_next_is_served() {
    let world = World::new("garbage");
    let address = world.admin.address;
    let body = format!("{{\"UserID\":\"{}\"}}", "x".repeat(600 * 1024));
    assert_eq!(world.v4_code(KICK, &body), 60_002);
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20 * 1024));
    assert!(
        raw(address, long.as_bytes()).starts_with("HTTP/1.1 4"),
        "the head is bounded"
    );
    let headers = "A: b\r\n".repeat(100);
    assert!(raw(address, format!("GET / HTTP/1.1\r\n{headers}\r\n").as_bytes()).starts_with("HTTP/1.1 431"));
    assert!(raw(address, b"TIMP\x01\r\n\r\n").starts_with("HTTP/1.1 400"));
    let nowhere = answer(&raw(
        address,
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ));
    assert_eq!(nowhere.status, 404);
    world.v4(KICK, r#"{"UserID":"alice"}"#);
}

#[test]
fn no_user_sig_and_no_key_is_ever_logged() {
    let mut world = World::with("secrets", "log_level = \"trace\"", "");
    world.v4(KICK, r#"{"UserID":"alice"}"#);
    world.admin.v1("GET", "/app", "");
    let line = world.server.await_log("/v1/app");
    assert!(line.contains("status=200"), "{line}");
    for line in &world.server.log {
        assert!(
            !line.contains(&world.admin.user_sig) && !line.contains(crate::KEY),
            "{line}"
        );
    }
}
