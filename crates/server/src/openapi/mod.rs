//! The interface description (OpenAPI 3.1), served at `/openapi.json` and kept as docs/openapi.json: made of the table of
//! routes, so that no operation is missing, and of the tables of settings; what an operator's tools ask is added to it, since
//! it is answered before the routes. What each operation takes and gives is in `v4` and `v1`, below this. After a change: `TIM_UPDATE=1 cargo test -p tim-presence-server openapi`.

mod schemas;
mod v1;
mod v4;

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::http::routes::{Operation, ROUTES, Route};

/// What there is to say of an operation.
struct About {
    summary: &'static str,
    /// Parameters of the query.
    query: Vec<Value>,
    /// The schema of the body, if it takes one.
    body: Option<Value>,
    /// An example of that.
    example: Option<Value>,
    /// The schema of what it gives; `None`: nothing (204).
    answer: Option<Value>,
}

impl About {
    fn new(summary: &'static str) -> About {
        About {
            summary,
            query: Vec::new(),
            body: None,
            example: None,
            answer: None,
        }
    }

    fn body(self, schema: Value, example: Value) -> About {
        About {
            body: Some(schema),
            example: Some(example),
            ..self
        }
    }

    fn answer(self, schema: Value) -> About {
        About {
            answer: Some(schema),
            ..self
        }
    }

    fn query(mut self, name: &str, about: &str, schema: Value) -> About {
        self.query
            .push(json!({"name": name, "in": "query", "description": about, "schema": schema}));
        self
    }
}

/// The document as it is served.
pub fn document() -> Bytes {
    static DOCUMENT: OnceLock<Bytes> = OnceLock::new();
    DOCUMENT
        .get_or_init(|| Bytes::from(format!("{:#}\n", made())))
        .clone()
}

fn made() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path.to_owned()).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation(route));
        }
    }
    for (path, described) in watching() {
        paths.insert(path.to_owned(), json!({"get": described}));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "tim-presence: administration",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Accounts, friends, settings and statistics of a presence server",
            "description": "/v4 is the REST interface of the original, so that its backends need another base URL alone: its HTTP \
                            status is always 200. /v1 is our own. Codes are explained in docs/ERRORS.md and docs/REST.md.",
            "license": {"name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "v4", "description": "The original's paths, bodies and codes"},
            {"name": "v1", "description": "Our own"},
            {"name": "open", "description": "For everybody"},
        ],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "usersig": {
                    "type": "http", "scheme": "bearer",
                    "description": "A UserSig of an administrator of the app"
                },
                "app": {"type": "apiKey", "in": "header", "name": "X-Tim-App", "description": "The app's number"},
                "administrator": {
                    "type": "apiKey", "in": "header", "name": "X-Tim-User", "description": "The administrator's user id"
                },
                "query_app": {"type": "apiKey", "in": "query", "name": "sdkappid", "description": "The app's number"},
                "query_administrator": {
                    "type": "apiKey", "in": "query", "name": "identifier", "description": "The administrator's user id"
                },
                "query_usersig": {
                    "type": "apiKey", "in": "query", "name": "usersig",
                    "description": "A UserSig of that administrator"
                },
            },
        },
    })
}

/// What an operator's tools ask (`metrics`), by path. Plain text, for everybody, but for `metrics_from`.
fn watching() -> [(&'static str, Value); 3] {
    let text = |description: &str| {
        json!({
            "description": description,
            "content": {"text/plain": {"schema": {"type": "string"}}},
        })
    };
    let asked = |id: &str, summary: &str, responses: Value| {
        json!({
            "operationId": id,
            "tags": ["open"],
            "summary": summary,
            "security": [],
            "responses": responses,
        })
    };
    let silent = "The server's loops do not answer";
    [
        (
            "/metrics",
            asked(
                "getMetrics",
                "What Prometheus collects",
                json!({
                    "200": text("Metrics in Prometheus' text format"),
                    "403": text("From this machine only: the setting metrics_from"),
                    "503": text(silent),
                }),
            ),
        ),
        (
            "/healthz",
            asked(
                "getHealth",
                "Whether the server answers",
                json!({"200": text("It does"), "503": text(silent)}),
            ),
        ),
        (
            "/readyz",
            asked(
                "getReadiness",
                "Whether to send it new clients",
                json!({"200": text("Yes"), "503": text("No: it stops, or its loops do not answer")}),
            ),
        ),
    ]
}

fn operation(route: &Route) -> Value {
    let (first, rest) = route.name.split_at(1);
    let operation_id = first.to_ascii_lowercase() + rest;
    let by_query = json!({"query_app": [], "query_administrator": [], "query_usersig": []});
    let (tag, about, responses, security) = match route.operation {
        Operation::V4(operation) => {
            let mut about = v4::about(operation);
            about.query.extend(v4::parameters());
            let responses = v4::responses(about.answer.take());
            ("v4", about, responses, json!([by_query]))
        }
        Operation::V1(operation) => {
            let mut about = v1::about(operation);
            let responses = v1::responses(operation, route, about.answer.take());
            let by_header = json!({"usersig": [], "app": [], "administrator": []});
            ("v1", about, responses, json!([by_header, by_query]))
        }
        Operation::OpenApi => {
            return json!({
                "operationId": operation_id,
                "tags": ["open"],
                "summary": "This document",
                "security": [],
                "responses": {"200": {
                    "description": "The document",
                    "content": {"application/json": {"schema": {"type": "object"}}},
                }},
            });
        }
    };
    let mut parameters = about.query;
    let takes_user = route.path.contains("{user_id}");
    if takes_user {
        parameters.push(json!({
            "name": "user_id", "in": "path", "required": true, "description": "The account",
            "schema": {"$ref": "#/components/schemas/UserId"},
        }));
    }
    let mut described = json!({
        "operationId": operation_id,
        "tags": [tag],
        "summary": about.summary,
        "responses": responses,
        "security": security,
    });
    if let Some(described) = described.as_object_mut() {
        if !parameters.is_empty() {
            described.insert("parameters".to_owned(), Value::Array(parameters));
        }
        if let Some(schema) = about.body {
            let mut content = json!({"schema": schema});
            if let (Some(content), Some(example)) = (content.as_object_mut(), about.example) {
                content.insert("example".to_owned(), example);
            }
            described.insert(
                "requestBody".to_owned(),
                json!({"required": true, "content": {"application/json": content}}),
            );
        }
    }
    described
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn list_of(schema: Value) -> Value {
    json!({"type": "array", "items": schema})
}

/// An object with these fields, all of them there, and no others.
fn object(fields: &[(&str, Value)]) -> Value {
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    json!({
        "type": "object",
        "properties": properties(fields),
        "required": names,
        "additionalProperties": false,
    })
}

fn properties(fields: &[(&str, Value)]) -> Value {
    let fields: Map<String, Value> = fields
        .iter()
        .map(|(name, schema)| ((*name).to_owned(), schema.clone()))
        .collect();
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_openapi_document_is_the_one_that_is_served() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
        let document = String::from_utf8(document().to_vec()).expect("JSON");
        if std::env::var_os("TIM_UPDATE").is_some() {
            std::fs::write(&path, &document).expect("docs/openapi.json is writable");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == document,
            "docs/openapi.json is stale: run TIM_UPDATE=1 cargo test -p tim-presence-server openapi"
        );
    }

    /// Each path that is answered before the routes, and none of theirs.
    #[test]
    fn the_document_has_what_an_operators_tools_ask() {
        let made = made();
        for path in crate::metrics::PATHS {
            assert!(made["paths"][path]["get"]["summary"].is_string(), "{path}");
        }
        let routes: std::collections::BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
        let paths = made["paths"].as_object().expect("an object").len();
        assert_eq!(paths, routes.len() + crate::metrics::PATHS.len());
    }

    /// Each route with its own id; and every schema that is referred to is there.
    #[test]
    fn the_document_has_every_route_and_every_schema() {
        let made = made();
        let mut ids = Vec::new();
        for route in ROUTES {
            let described = &made["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
            assert!(
                described["summary"].is_string(),
                "{} {}",
                route.method,
                route.path
            );
            ids.push(described["operationId"].as_str().expect("an id").to_owned());
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ROUTES.len());
        let text = made.to_string();
        for part in text.split("#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap_or_default();
            assert!(made["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
