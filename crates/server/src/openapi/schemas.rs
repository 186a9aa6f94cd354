//! What several operations take or give.

use presence::ids::{Platform, USER_ID_BYTES_MAX};
use presence::status::Reason;
use presence_node::options::{APP, Field, Setting};
use serde_json::{Map, Value, json};

use super::{list_of, object, properties, reference};
use crate::v1::accounts::{STATUSES, name_of, reason_of};

pub fn all() -> Value {
    let mut schemas = Map::new();
    let mut put = |name: &str, schema: Value| schemas.insert(name.to_owned(), schema);
    put(
        "UserId",
        json!({
            "type": "string", "minLength": 1, "maxLength": USER_ID_BYTES_MAX, "pattern": "^[ -~]+$",
            "description": "Printable ASCII",
        }),
    );
    put(
        "Error",
        object(&[(
            "error",
            object(&[
                (
                    "code",
                    json!({"type": "integer", "description": "docs/ERRORS.md; 0: none of them"}),
                ),
                (
                    "message",
                    json!({"type": "string", "description": "For a person"}),
                ),
            ]),
        )]),
    );
    put("Settings", settings());
    put(
        "App",
        object(&[
            ("sdk_app_id", json!({"type": "integer"})),
            ("settings", reference("Settings")),
        ]),
    );
    put(
        "Result",
        object(&[
            ("user_id", json!({"type": "string"})),
            (
                "code",
                json!({"type": "integer", "description": "0, or docs/ERRORS.md"}),
            ),
            ("message", json!({"type": "string"})),
        ]),
    );
    put("Status", object(&shown()));
    let mut account = shown();
    account.push(("devices", list_of(reference("Device"))));
    account.push(("subscriptions", list_of(reference("UserId"))));
    account.push(("friends", list_of(reference("UserId"))));
    put("Account", object(&account));
    let mut watcher = shown();
    watcher.push((
        "subscribed",
        json!({"type": "boolean", "description": "It subscribes to the user"}),
    ));
    watcher.push((
        "friend",
        json!({"type": "boolean", "description": "It has the user in its friend list"}),
    ));
    put("Watcher", object(&watcher));
    put(
        "Device",
        object(&[
            ("platform", platform()),
            ("instance", json!({"type": "string"})),
            (
                "session",
                json!({"type": "integer", "description": "The number of its login"}),
            ),
            (
                "state",
                json!({"type": "string", "enum": ["live", "grace", "lost"]}),
            ),
            (
                "since_ms",
                json!({"type": "integer", "description": "When its connection came or went, ms since the epoch"}),
            ),
        ]),
    );
    Value::Object(schemas)
}

/// What a user shows.
fn shown() -> Vec<(&'static str, Value)> {
    let statuses: Vec<&str> = STATUSES.into_iter().map(name_of).collect();
    let reasons: Vec<&str> = Reason::ALL.into_iter().map(reason_of).collect();
    vec![
        ("user_id", reference("UserId")),
        ("code", json!({"type": "integer", "const": 0})),
        ("status", json!({"type": "string", "enum": statuses})),
        ("custom_status", json!({"type": "string"})),
        ("platforms", list_of(platform())),
        (
            "version",
            json!({"type": "integer", "description": "Rises with each change"}),
        ),
        (
            "since_ms",
            json!({"type": "integer", "description": "When it last changed, ms since the epoch"}),
        ),
        (
            "reason",
            json!({"type": "string", "enum": reasons, "description": "Why it last changed"}),
        ),
    ]
}

fn platform() -> Value {
    let names: Vec<&str> = Platform::ALL.iter().map(|platform| platform.name()).collect();
    json!({"type": "string", "enum": names})
}

/// Any of them, so that it serves for a change as well.
fn settings() -> Value {
    let fields: Vec<(&str, Value)> = APP
        .iter()
        .map(|setting| (setting.key, setting_schema(setting)))
        .collect();
    json!({
        "type": "object",
        "properties": properties(&fields),
        "additionalProperties": false,
    })
}

fn setting_schema<T>(setting: &Setting<T>) -> Value {
    let mut schema = match &setting.field {
        Field::Milliseconds { min, max, .. } | Field::Count { min, max, .. } => {
            json!({"type": "integer", "minimum": min, "maximum": max})
        }
        Field::Switch(_) => json!({"type": "boolean"}),
        Field::Word { words, .. } => json!({"type": "string", "enum": words}),
    };
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(setting.about));
    }
    schema
}
