//! Plan and switches while the server runs (R7.2–R7.6).

use std::io::Write as _;
use std::net::TcpStream;

use crate::http::{raw, request};
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

/// A wrong UserSig, with this header.
fn fails(world: &World, header: &str) -> u16 {
    let head = format!(
        "X-Tim-App: {}\r\nX-Tim-User: boss\r\nAuthorization: Bearer no\r\n{header}",
        world.admin.app
    );
    request(world.admin.address, "GET", "/v1/app", &head, "").status
}

/// Behind a proxy, who fails often is refused and the others are not; and who only says so is not believed.
#[test]
fn failures_count_for_whom_a_trusted_proxy_names_and_for_nobody_else() {
    let few = "login_failures_max = 3\n";
    let world = World::with("trusted", &format!("{few}trusted_proxies = [\"127.0.0.1\"]"), "");
    for attempt in 0..3 {
        let own_word = format!("X-Forwarded-For: 198.51.100.{attempt}, 203.0.113.1\r\n");
        assert_eq!(fails(&world, &own_word), 401);
    }
    assert_eq!(fails(&world, "X-Forwarded-For: 203.0.113.1\r\n"), 429);
    assert_eq!(
        fails(&world, "X-Forwarded-For: 203.0.113.2\r\n"),
        401,
        "another client"
    );
    assert_eq!(
        world.admin.v1("GET", "/app", "").status,
        200,
        "the proxy's own machine"
    );
    let metrics = |header: &str| {
        raw(
            world.admin.address,
            format!("GET /metrics HTTP/1.1\r\nHost: h\r\n{header}Connection: close\r\n\r\n").as_bytes(),
        )
    };
    let outside = metrics("X-Forwarded-For: 203.0.113.2\r\n");
    assert!(outside.starts_with("HTTP/1.1 403 "), "{outside}");
    assert!(metrics("").starts_with("HTTP/1.1 200 "));
    for hidden in ["unknown", "unix:"] {
        let answer = metrics(&format!("X-Forwarded-For: {hidden}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 403 "), "{hidden}: {answer}");
    }

    let world = World::with(
        "untrusted",
        &format!("{few}trusted_proxies = [\"192.0.2.1\"]"),
        "",
    );
    for attempt in 0..3 {
        assert_eq!(
            fails(&world, &format!("X-Forwarded-For: 203.0.113.{attempt}\r\n")),
            401
        );
    }
    assert_eq!(
        fails(&world, "X-Forwarded-For: 203.0.113.9\r\n"),
        429,
        "a spoofed address"
    );
}
