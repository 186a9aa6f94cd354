//! Plan and switches while the server runs (R7.2–R7.6).

use std::io::Write as _;
use std::net::TcpStream;

use crate::{World, await_push, query, set_custom, subscribe};

/// R7.3, R7.6.
#[test]
fn the_switch_is_off_from_the_next_call_on_and_subscribers_catch_up_when_it_is_on_again() {
    let world = World::new("switch");
    let mut alice = world.online("alice");
    let mut bob = world.online("bob");
    assert_eq!(subscribe(&mut bob, &["alice"]).code, 0);
    let switch = |on: bool| {
        let answer = world
            .admin
            .v1("PATCH", "/app", &format!("{{\"user_status\": {on}}}"));
        assert_eq!(
            (answer.status, answer.body["settings"]["user_status"].as_bool()),
            (200, Some(on))
        );
    };
    switch(false);
    assert_eq!(query(&mut bob, &["alice"]).code, 72_001);
    assert_eq!(subscribe(&mut bob, &["alice"]).code, 72_001);
    set_custom(&mut alice, "unseen");
    set_custom(&mut alice, "seen later");
    // One's own are not touched by it: when that is told, bob would have been told as well.
    while await_push(&mut alice, "alice").custom_status != "seen later" {}
    switch(true);
    let told = await_push(&mut bob, "alice");
    assert_eq!(told.custom_status, "seen later", "the first that bob hears");
    assert_eq!(query(&mut bob, &["alice"]).code, 0);
}

/// R7.2, R7.6.
#[test]
fn the_plan_gates_the_next_call() {
    let world = World::new("plan");
    let mut bob = world.online("bob");
    let answer = world.admin.v1("PATCH", "/app", r#"{"plan": "basic"}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(query(&mut bob, &["alice"]).code, 7_013);
    assert_eq!(query(&mut bob, &["bob"]).code, 0, "R4.2");
    world.admin.v1("PATCH", "/app", r#"{"plan": "ultimate"}"#);
    assert_eq!(query(&mut bob, &["alice"]).code, 0);
}

/// R7.4, R9.2.
#[test]
fn the_friend_switch_catches_friends_up_when_it_goes_on() {
    let world = World::with("friend-switch", "", "[apps.friends]\nalice = [\"bob\"]");
    let mut alice = world.online("alice");
    let mut bob = world.online("bob");
    set_custom(&mut bob, "here");
    let answer = world
        .admin
        .v1("PATCH", "/app", r#"{"friend_status_notify": true}"#);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(await_push(&mut alice, "bob").custom_status, "here");
}

/// What administrators set stays when the file is read again, unless the file changes that, too.
#[test]
fn a_reload_leaves_alone_what_only_an_administrator_changed() {
    let mut world = World::new("reload");
    let patched = world
        .admin
        .v1("PATCH", "/app", r#"{"rate_calls": 55.0, "query_batch_max": 10}"#);
    assert_eq!(patched.status, 200, "{}", patched.body);
    let text = crate::configuration("", "query_batch_max = 20\nweb_devices_max = 3");
    world.file.write(&text.replace("\"boss\"", "\"boss\", \"alice\""));
    world.server.signal(libc::SIGHUP);
    world.server.await_log("configuration reloaded");
    let settings = world.admin.v1("GET", "/app", "").body["settings"].clone();
    assert_eq!(settings["rate_calls"], 55);
    assert_eq!(
        (
            settings["query_batch_max"].as_i64(),
            settings["web_devices_max"].as_i64()
        ),
        (Some(20), Some(3))
    );
    let mut alice = world.admin.clone();
    alice.user = "alice".to_owned();
    alice.user_sig = crate::signed("alice");
    assert_eq!(
        alice.v1("GET", "/app", "").status,
        200,
        "an administrator since the reload"
    );
}

/// R7.6, R1.2, R1.5, R9.1: with a store, what administrators did outlives the server.
#[test]
fn what_administrators_did_outlives_a_restart() {
    let mut world = World::with("restart", "data_dir = \"store\"", "");
    let patched = world
        .admin
        .v1("PATCH", "/app", r#"{"user_status": false, "rate_calls": 7}"#);
    assert_eq!(patched.status, 200, "{}", patched.body);
    world.v4("im_open_login_svc/account_import", r#"{"UserID":"carol"}"#);
    world.v4("im_open_login_svc/account_import", r#"{"UserID":"dave"}"#);
    world.admin.v1(
        "PATCH",
        "/accounts/carol/friends",
        r#"{"add": ["dave"], "both_ways": true}"#,
    );
    assert_eq!(world.admin.v1("DELETE", "/accounts/dave", "").status, 204);

    // A request that never ends does not hold up the stop.
    let mut half = TcpStream::connect(world.admin.address).expect("it listens");
    half.write_all(b"GET /v1/app HTTP/1.1\r\n").expect("written");
    world.restart();
    let settings = world.admin.v1("GET", "/app", "").body["settings"].clone();
    assert_eq!(
        (settings["user_status"].as_bool(), settings["rate_calls"].as_i64()),
        (Some(false), Some(7))
    );
    let mut bob = world.online("bob");
    assert_eq!(query(&mut bob, &["carol"]).code, 72_001);
    assert_eq!(world.admin.v1("GET", "/accounts/dave", "").status, 404);
    let carol = world.admin.v1("GET", "/accounts/carol", "").body;
    assert_eq!(
        (&carol["status"], &carol["friends"]),
        (&"unlogined".into(), &serde_json::json!(["dave"]))
    );
    let users = world.admin.v1("GET", "/statistics", "").body["app"]["users"].clone();
    assert_eq!(
        users,
        serde_json::json!({"online": 1, "offline": 0, "unlogined": 2})
    );
}
