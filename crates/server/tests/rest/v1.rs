//! Our own interface.

use serde_json::json;

use crate::World;
use crate::http::request;

#[test]
fn settings_are_changed_all_or_none_and_a_mistake_is_named() {
    let world = World::new("settings");
    let all = world.admin.v1("GET", "/app", "");
    assert_eq!((all.status, &all.body["sdk_app_id"]), (200, &json!(crate::APP)));
    assert_eq!(all.body["settings"]["multi_login"], "per_platform");
    let refused = |body: &str| {
        let answer = world.admin.v1("PATCH", "/app", body);
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (400, &json!(6017)),
            "{body}"
        );
        answer.body["error"]["message"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let text = refused(r#"{"rate_calls": 5, "offline_grace": 1}"#);
    assert!(text.contains("did you mean \"offline_grace_ms\""), "{text}");
    let text = refused(r#"{"plan": "gold"}"#);
    assert!(text.contains("\"basic\" or \"ultimate\""), "{text}");
    let text = refused(r#"{"custom_status_bytes_max": 4096}"#);
    assert!(
        text.contains("custom_status_bytes_max"),
        "settings that do not fit each other: {text}"
    );
    refused("[]");
    refused("{");
    assert_eq!(
        world.admin.v1("GET", "/app", "").body,
        all.body,
        "nothing was changed"
    );
}

#[test]
fn who_asks_is_checked_and_a_refusal_says_what_is_missing() {
    let world = World::new("v1-auth");
    let address = world.admin.address;
    let none = request(address, "GET", "/v1/app", "", "");
    assert_eq!(none.status, 401);
    assert!(none.head.contains("www-authenticate: bearer"), "{}", none.head);
    // The same parameters as under /v4 serve as well.
    let (app, user_sig) = (&world.admin.app, &world.admin.user_sig);
    let target = format!("/v1/app?sdkappid={app}&identifier=boss&usersig={user_sig}");
    assert_eq!(request(address, "GET", &target, "", "").status, 200);
    let mut alice = world.admin.clone();
    alice.user = "alice".to_owned();
    alice.user_sig = crate::signed("alice");
    assert_eq!(alice.v1("GET", "/app", "").status, 403);
    let wrong = world.admin.v1("POST", "/app", "");
    assert_eq!(wrong.status, 405);
    assert!(wrong.head.contains("allow: get, patch"), "{}", wrong.head);
    let unknown = world.admin.v1("GET", "/app?colour=red", "");
    assert_eq!(unknown.status, 400);
}

#[test]
fn the_server_says_what_it_is_and_what_it_has_done() {
    let world = World::new("statistics");
    let server = world.admin.v1("GET", "/server", "").body;
    assert_eq!(server["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        server["gateways"],
        json!([format!("tim://{}", world.server.address)])
    );

    let mut alice = world.online("alice");
    let mut bob = world.online("bob");
    assert_eq!(crate::subscribe(&mut bob, &["alice"]).code, 0);
    crate::set_custom(&mut alice, "busy");
    crate::await_push(&mut bob, "alice");
    let statistics = world.admin.v1("GET", "/statistics", "").body;
    assert_eq!(
        statistics["app"]["users"],
        json!({"online": 2, "offline": 0, "unlogined": 0})
    );
    let server = &statistics["server"];
    for (name, least) in [
        ("connections", 2),
        ("devices", 2),
        ("users", 2),
        ("accepted", 2),
        ("logins", 2),
    ] {
        assert_eq!(server[name], least, "{name}");
    }
    assert_eq!(server["watched"], 1);
    assert_eq!(server["requests"], 4, "two logins, a subscribe, a set");
    assert_eq!(server["changes"], 5, "two accounts made, two logins, a set");
    assert!(server["deliveries"].as_u64() >= Some(4), "{server}");
    let turns = server["turns"].as_array().expect("a list");
    assert!(
        turns.iter().any(|class| class["count"].as_u64() > Some(0)),
        "{turns:?}"
    );
}
