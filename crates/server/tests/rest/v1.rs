//! Our own interface.

use presence::ids::AppId;
use presence_protocol::user_sig;
use serde_json::json;

use crate::http::request;
use crate::{OTHER_APP, OTHER_KEY, World, now_s};

#[test]
fn settings_are_changed_all_or_none_and_a_mistake_is_named() {
    let world = World::new("settings");
    let all = world.admin.v1("GET", "/app", "");
    assert_eq!((all.status, &all.body["sdk_app_id"]), (200, &json!(crate::APP)));
    assert_eq!(all.body["settings"]["multi_login"], "per_platform");
    let refused_with = |status: u16, body: &str| {
        let answer = world.admin.v1("PATCH", "/app", body);
        assert_eq!(
            (answer.status, &answer.body["error"]["code"]),
            (status, &json!(6017)),
            "{body}"
        );
        answer.body["error"]["message"]
            .as_str()
            .expect("a text")
            .to_owned()
    };
    let refused = |body: &str| refused_with(400, body);
    let text = refused(r#"{"rate_calls": 5, "offline_grace": 1}"#);
    assert!(text.contains("did you mean \"offline_grace_ms\""), "{text}");
    let text = refused(r#"{"plan": "gold"}"#);
    assert!(text.contains("\"basic\" or \"ultimate\""), "{text}");
    let text = refused_with(409, r#"{"custom_status_bytes_max": 4096}"#);
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
    let app = &statistics["app"];
    assert_eq!((&app["devices"], &app["logins"]), (&json!(2), &json!(2)), "{app}");
    assert_eq!(app["changes"], 5, "two accounts made, two logins, a set");
    assert!(app["deliveries"].as_u64() >= Some(4), "{app}");
    let delays = app["delays"].as_array().expect("a list");
    let all: u64 = delays.iter().filter_map(|class| class["count"].as_u64()).sum();
    assert_eq!(all, 5, "each change took some time: {delays:?}");
}

/// What the others on the server do is none of an administrator's business.
#[test]
fn an_administrator_is_told_of_its_own_app_alone() {
    let world = World::new("own-statistics");
    let _alice = world.online("alice");
    let own = world.admin.v1("GET", "/statistics", "").body;
    assert_eq!(own["app"]["devices"], 1);
    let mut chief = world.admin.clone();
    let other = AppId::new(OTHER_APP).expect("above 0");
    chief.app = OTHER_APP.to_string();
    chief.user = "chief".to_owned();
    chief.user_sig = user_sig::sign(other, OTHER_KEY, "chief", now_s(), 3600);
    let others = chief.v1("GET", "/statistics", "").body;
    let app = &others["app"];
    assert_eq!(app["sdk_app_id"], OTHER_APP);
    for counted in ["devices", "logins", "changes", "deliveries"] {
        assert_eq!(app[counted], 0, "{counted}");
    }
    let delays = app["delays"].as_array().expect("a list");
    assert!(delays.iter().all(|class| class["count"] == 0), "{delays:?}");
    let names: Vec<&String> = others.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["app", "now_ms"], "nothing of the whole server");
}

fn names_in(list: &serde_json::Value) -> Vec<&str> {
    let items = list.as_array().expect("a list").iter();
    let mut names: Vec<&str> = items
        .map(|item| item["user_id"].as_str().expect("a name"))
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn accounts_are_listed_in_parts_searched_and_described() {
    let world = World::new("accounts");
    let ids: Vec<String> = (0..30).map(|number| format!("user {number:02}")).collect();
    let answer = world
        .admin
        .v1("POST", "/accounts", &json!({"user_ids": ids}).to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut alice = world.online("alice");
    crate::set_custom(&mut alice, "busy");

    let mut all = Vec::new();
    let mut path = "/accounts?limit=7".to_owned();
    loop {
        let part = world.admin.v1("GET", &path, "").body;
        let names = names_in(&part["accounts"]);
        assert!(names.len() <= 7);
        all.extend(names.into_iter().map(str::to_owned));
        match part["next_cursor"].as_str() {
            Some(cursor) => path = format!("/accounts?limit=7&cursor={cursor}"),
            None => break,
        }
    }
    all.sort_unstable();
    let mut expected = ids.clone();
    expected.extend(["alice".to_owned(), "bob".to_owned()]);
    expected.sort_unstable();
    assert_eq!(all, expected);

    let online = world.admin.v1("GET", "/accounts?status=online", "").body;
    assert_eq!(names_in(&online["accounts"]), ["alice"]);
    let found = world.admin.v1("GET", "/accounts?search=r%201", "").body;
    assert_eq!(names_in(&found["accounts"]).len(), 10);
    for wrong in [
        "limit=0",
        "limit=501",
        "limit=+5",
        "cursor=x",
        "status=away",
        "search=%ff%ff",
    ] {
        assert_eq!(
            world.admin.v1("GET", &format!("/accounts?{wrong}"), "").status,
            400,
            "{wrong}"
        );
    }

    let account = world.admin.v1("GET", "/accounts/alice", "").body;
    assert_eq!(
        (&account["status"], &account["custom_status"]),
        (&json!("online"), &json!("busy"))
    );
    assert_eq!(account["platforms"], json!(["Linux"]));
    let device = &account["devices"][0];
    assert_eq!(
        (&device["platform"], &device["state"]),
        (&json!("Linux"), &json!("live"))
    );
    assert!(device["since_ms"].as_u64() > Some(1_700_000_000_000), "{device}");
    assert_eq!(
        world.admin.v1("GET", "/accounts/user%2007", "").body["user_id"],
        "user 07"
    );
    assert_eq!(world.admin.v1("GET", "/accounts/nobody", "").status, 404);
    assert_eq!(world.admin.v1("GET", "/accounts/%07", "").status, 400);

    let asked = r#"{"user_ids": ["alice", "nobody", "\u0007"]}"#;
    let users = world.admin.v1("POST", "/query", asked).body["users"].clone();
    assert_eq!(users[0]["status"], "online");
    assert_eq!(
        (&users[1]["code"], &users[2]["code"]),
        (&json!(70_107), &json!(7_003))
    );
}

#[test]
fn who_watches_a_user_is_told_with_why() {
    let world = World::with(
        "watchers",
        "",
        "[apps.friends]\nalice = [\"bob\"]\ncarol = [\"dave\"]",
    );
    let mut dave = world.online("dave");
    assert_eq!(crate::subscribe(&mut dave, &["bob"]).code, 0);
    let answer = world.admin.v1("GET", "/accounts/bob/watchers", "").body;
    assert_eq!(names_in(&answer["watchers"]), ["alice", "dave"]);
    for watcher in answer["watchers"].as_array().expect("a list") {
        let is_friend = watcher["user_id"] == "alice";
        assert_eq!(
            (&watcher["friend"], &watcher["subscribed"]),
            (&json!(is_friend), &json!(!is_friend))
        );
    }
    assert_eq!(
        world.admin.v1("GET", "/accounts/dave", "").body["subscriptions"],
        json!(["bob"])
    );
}

/// R8.7, R1.5, R9.1.
#[test]
fn accounts_are_kicked_deleted_and_befriended() {
    let world = World::new("v1-accounts");
    let mut alice = world.online("alice");
    assert_eq!(world.admin.v1("POST", "/accounts/alice/kick", "").status, 204);
    assert_eq!(crate::await_ended(&mut alice), 70_052);
    let body = r#"{"add": ["bob", "nobody", "alice"], "both_ways": true}"#;
    let edited = world.admin.v1("PATCH", "/accounts/alice/friends", body);
    let codes: Vec<_> = edited.body["added"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|result| result["code"].as_i64())
        .collect();
    assert_eq!(codes, [Some(0), Some(70_107), Some(6_017)]);
    assert_eq!(
        world.admin.v1("GET", "/accounts/bob/friends", "").body,
        json!({"friends": ["alice"]})
    );
    let edited = world
        .admin
        .v1("PATCH", "/accounts/bob/friends", r#"{"remove": ["alice"]}"#);
    assert_eq!(edited.body["removed"][0]["code"], 0);
    assert_eq!(
        world.admin.v1("GET", "/accounts/alice/friends", "").body,
        json!({"friends": ["bob"]})
    );
    assert_eq!(
        world
            .admin
            .v1("PATCH", "/accounts/bob/friends", r#"{"colour": 1}"#)
            .status,
        400
    );
    assert_eq!(world.admin.v1("DELETE", "/accounts/alice", "").status, 204);
    assert_eq!(world.admin.v1("DELETE", "/accounts/alice", "").status, 404);
}

/// R1.1: what one app's administrator sees and does ends with the app.
#[test]
fn nothing_crosses_apps() {
    let world = World::new("tenants");
    let mut chief = world.admin.clone();
    chief.app = crate::OTHER_APP.to_string();
    chief.user = "chief".to_owned();
    let app = presence::ids::AppId::new(crate::OTHER_APP).expect("above 0");
    chief.user_sig = presence_protocol::user_sig::sign(app, crate::OTHER_KEY, "chief", crate::now_s(), 3600);
    let _alice = world.online("alice");
    assert_eq!(chief.v1("GET", "/accounts", "").body["accounts"], json!([]));
    assert_eq!(chief.v1("GET", "/accounts/alice", "").status, 404);
    assert_eq!(chief.v1("POST", "/accounts/alice/kick", "").status, 404);
    assert_eq!(
        chief.v4("im_open_login_svc/kick", r#"{"UserID":"alice"}"#).body["ErrorCode"],
        70_107
    );
    let users = chief.v1("GET", "/statistics", "").body["app"]["users"].clone();
    assert_eq!(users, json!({"online": 0, "offline": 0, "unlogined": 0}));
    assert_eq!(
        world.admin.v1("GET", "/accounts/alice", "").body["status"],
        "online"
    );
}

#[test]
fn the_interface_description_is_for_everybody() {
    let world = World::new("openapi");
    let answer = request(world.admin.address, "GET", "/openapi.json", "", "");
    assert_eq!((answer.status, &answer.body["openapi"]), (200, &json!("3.1.0")));
}

#[test]
fn an_address_that_cannot_be_served_is_named_and_nothing_runs() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let text = crate::configuration("", "");
    let file = crate::TempFile::new(
        "taken",
        &text.replace(
            "admin_listen = \"127.0.0.1:0\"",
            &format!("admin_listen = \"{address}\""),
        ),
    );
    let output = crate::support::run(&["--config", &file.path()]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("cannot serve administrators on {address}")),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "it never said that it listens");

    file.write(&text.replace("admin_listen = \"127.0.0.1:0\"", "admin_listen = \"0.0.0.0:0\""));
    let output = crate::support::run(&["--config", &file.path()]);
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--insecure"), "{said}");
}
