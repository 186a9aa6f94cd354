//! The operations of `/v1`.

use presence::ids::USER_ID_BYTES_MAX;
use presence_node::LATENCY_BUCKETS_US;
use serde_json::{Map, Value, json};

use super::{About, list_of, object, reference};
use crate::http::routes::{Route, V1};
use crate::v1::accounts::{BATCH_MAX, LIST_DEFAULT, LIST_MAX, STATUSES, name_of};

pub fn about(operation: V1) -> About {
    let named = json!({
        "type": "object",
        "properties": {"user_ids": {
            "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": BATCH_MAX,
        }},
        "required": ["user_ids"],
        "additionalProperties": false,
    });
    let example = json!({"user_ids": ["alice", "bob"]});
    let results = |name| object(&[(name, list_of(reference("Result")))]);
    let paged = |about: About| {
        about
            .query(
                "cursor",
                "Where to go on: next_cursor of the part before",
                json!({"type": "string", "pattern": "^[0-9]{1,19}$"}),
            )
            .query(
                "limit",
                "At most so many",
                json!({"type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": LIST_DEFAULT}),
            )
    };
    let part = |name, schema: &str| {
        let next = json!({"type": ["string", "null"], "description": "null: that was all"});
        object(&[(name, list_of(reference(schema))), ("next_cursor", next)])
    };
    match operation {
        V1::GetServer => About::new("What this server is").answer(object(&[
            ("version", json!({"type": "string"})),
            ("started_at_ms", milliseconds("When it began, since the epoch")),
            ("uptime_ms", milliseconds("For how long it has run")),
            ("now_ms", milliseconds("Its clock, since the epoch")),
            ("gateways", list_of(json!({"type": "string", "description": "Where clients connect"}))),
        ])),
        V1::GetStatistics => {
            About::new("What this server has done for the app since it began, and who of it is there now").answer(statistics())
        }
        V1::GetApp => About::new("The app's settings").answer(reference("App")),
        V1::PatchApp => About::new("Change settings, all that are named or none; in effect from the next call and the next change")
            .body(reference("Settings"), json!({"friend_status_notify": true}))
            .answer(reference("App")),
        V1::ListAccounts => {
            let search = json!({"type": "string", "maxLength": USER_ID_BYTES_MAX, "pattern": "^[ -~]*$"});
            let statuses: Vec<&str> = STATUSES.into_iter().map(name_of).collect();
            paged(
                About::new("The app's accounts, a part at a time, in no order that means anything")
                    .query("search", "Only those whose id contains this", search)
                    .query("status", "Only those that show this", json!({"type": "string", "enum": statuses})),
            )
            .answer(part("accounts", "Status"))
        }
        V1::ImportAccounts => About::new("Make accounts; those that exist stay as they are")
            .body(named, example)
            .answer(results("results")),
        V1::QueryAccounts => About::new("What users show, whatever the app's plan and switches")
            .body(named, example)
            .answer(object(&[(
                "users",
                list_of(json!({"oneOf": [reference("Status"), reference("Result")]})),
            )])),
        V1::GetAccount => About::new("All that is known of an account").answer(reference("Account")),
        V1::DeleteAccount => {
            About::new("Delete an account, with its devices and the subscriptions to it")
        }
        V1::KickAccount => About::new("End all devices of an account and revoke its UserSigs"),
        V1::ListWatchers => paged(About::new(
            "Who watches a user: its subscribers, and those who have it in their friend list",
        ))
        .answer(part("watchers", "Watcher")),
        V1::GetFriends => {
            About::new("An account's friend list").answer(object(&[("friends", list_of(reference("UserId")))]))
        }
        V1::EditFriends => About::new("Take friends off, then add friends")
            .body(
                json!({
                    "type": "object",
                    "properties": {
                        "add": list_of(json!({"type": "string"})),
                        "remove": list_of(json!({"type": "string"})),
                        "both_ways": {"type": "boolean", "description": "In the friends' own lists, too", "default": false},
                    },
                    "additionalProperties": false,
                }),
                json!({"add": ["bob"], "both_ways": true}),
            )
            .answer(object(&[
                ("added", list_of(reference("Result"))),
                ("removed", list_of(reference("Result"))),
            ])),
    }
}

/// What it gives, and every way in which it may fail.
pub fn responses(operation: V1, route: &Route, answer: Option<Value>) -> Value {
    let mut responses = Map::new();
    match answer {
        Some(schema) => responses.insert(
            "200".to_owned(),
            json!({"description": "Done", "content": {"application/json": {"schema": schema}}}),
        ),
        None => responses.insert("204".to_owned(), json!({"description": "Done"})),
    };
    let mut failures = vec![
        ("400", "The request is not what this takes; nothing was changed"),
        ("401", "Who asks is not known: the code says why"),
        ("403", "Who asks is no administrator of the app"),
        ("408", "The request did not arrive in time"),
        ("413", "The body is too large"),
        (
            "429",
            "Too many requests, or too many failed authentications: retry after Retry-After",
        ),
        ("503", "The server is stopping"),
    ];
    if operation == V1::PatchApp {
        failures.push((
            "409",
            "The settings would not fit each other, or the server's; nothing was changed",
        ));
    }
    if route.path.contains("{user_id}") {
        failures.push(("404", "There is no such account"));
    }
    for (status, about) in failures {
        let content = json!({"application/json": {"schema": reference("Error")}});
        responses.insert(
            status.to_owned(),
            json!({"description": about, "content": content}),
        );
    }
    Value::Object(responses)
}

fn milliseconds(about: &str) -> Value {
    json!({"type": "integer", "description": format!("{about}, in milliseconds")})
}

fn count(about: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": about})
}

fn statistics() -> Value {
    object(&[
        ("now_ms", milliseconds("The server's clock, since the epoch")),
        (
            "app",
            object(&[
                ("sdk_app_id", json!({"type": "integer"})),
                (
                    "users",
                    object(&[
                        ("online", count("Accounts of the app that are online now")),
                        ("offline", count("Offline now")),
                        ("unlogined", count("Not logged in now")),
                    ]),
                ),
                (
                    "devices",
                    count("Devices of the app logged in on a connection now"),
                ),
                (
                    "logins",
                    count("Logins since the server's start, reconnects included"),
                ),
                (
                    "changes",
                    count("Changes of status or custom status since the start"),
                ),
                (
                    "deliveries",
                    count("Changes handed to devices since the start, one for each device told"),
                ),
                (
                    "delays",
                    list_of(object(&[
                        (
                            "up_to_us",
                            json!({"type": ["integer", "null"], "enum": ends(), "description": "null: longer"}),
                        ),
                        (
                            "count",
                            count(
                                "Changes that took so long from when the server took them up until it had written them to the sockets of those who watch on the same loop; of a user with very many watchers, of the first of them",
                            ),
                        ),
                    ])),
                ),
            ]),
        ),
    ])
}

fn ends() -> Vec<Value> {
    LATENCY_BUCKETS_US
        .iter()
        .map(|end| json!(end))
        .chain([Value::Null])
        .collect()
}
