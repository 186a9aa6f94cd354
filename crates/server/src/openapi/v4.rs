//! The operations of `/v4`.

use serde_json::{Value, json};

use super::{About, list_of, properties, reference};
use crate::http::routes::V4;
use crate::rest::{accounts, status};

pub fn about(operation: V4) -> About {
    match operation {
        V4::QueryOnlineStatus => query("Who is online", "Status"),
        V4::QueryState => query("Who is online, by the older name", "State"),
        V4::AccountImport => About::new("Make an account").body(account(), json!({"UserID": "alice"})),
        V4::MultiAccountImport => About::new("Make accounts")
            .body(
                takes(&[("AccountList", account_list())], &["AccountList"]),
                json!({"AccountList": [{"UserID": "alice"}, {"UserID": "bob"}]}),
            )
            .answer(gives(&[("FailAccounts", list_of(text()))])),
        V4::AccountCheck => About::new("Which accounts there are")
            .body(
                takes(&[("CheckItem", account_list())], &["CheckItem"]),
                json!({"CheckItem": [{"UserID": "alice"}]}),
            )
            .answer(gives(&[("ResultItem", item_result("AccountStatus"))])),
        V4::AccountDelete => About::new("Delete accounts, with their devices and the subscriptions to them")
            .body(
                takes(&[("DeleteItem", account_list())], &["DeleteItem"]),
                json!({"DeleteItem": [{"UserID": "alice"}]}),
            )
            .answer(gives(&[("ResultItem", item_result("ResultInfo"))])),
        V4::Kick => About::new("End all devices of an account and revoke its UserSigs")
            .body(account(), json!({"UserID": "alice"})),
        V4::FriendImport => adding_friends("Add friends one way"),
        V4::FriendAdd => adding_friends("Add friends, both ways unless it says otherwise"),
        V4::FriendDelete => deleting_friends(),
        V4::FriendGet => listing_friends(),
    }
}

fn query(summary: &'static str, field: &str) -> About {
    let flag = || json!({"type": "integer", "minimum": 0, "maximum": 1, "default": 0});
    let users = json!({
        "type": "array", "items": reference("UserId"), "minItems": 1, "maxItems": status::ACCOUNTS_MAX,
    });
    let failed = json!({
        "type": "object",
        "properties": {"To_Account": {"type": "string"}, "ErrorCode": {"type": "integer"}},
    });
    About::new(summary)
        .body(
            takes(
                &[
                    ("To_Account", users),
                    ("IsNeedDetail", flag()),
                    ("IsReturnInstid", flag()),
                    ("IsReturnCustomStatus", flag()),
                ],
                &["To_Account"],
            ),
            json!({"To_Account": ["alice", "bob"], "IsNeedDetail": 1, "IsReturnCustomStatus": 1}),
        )
        .answer(gives(&[
            ("QueryResult", list_of(query_result(field))),
            ("ErrorList", list_of(failed)),
        ]))
}

fn account() -> Value {
    takes(
        &[
            ("UserID", reference("UserId")),
            ("Nick", text()),
            ("FaceUrl", text()),
        ],
        &["UserID"],
    )
}

fn account_list() -> Value {
    json!({"type": "array", "items": account(), "minItems": 1, "maxItems": accounts::ACCOUNTS_MAX})
}

fn item_result(more: &str) -> Value {
    list_of(json!({
        "type": "object",
        "properties": {
            "UserID": text(), "ResultCode": {"type": "integer"}, "ResultInfo": text(), more: text(),
        },
    }))
}

fn adding_friends(summary: &'static str) -> About {
    let item = takes(
        &[
            ("To_Account", reference("UserId")),
            ("Remark", text()),
            ("AddSource", text()),
        ],
        &["To_Account"],
    );
    edited(About::new(summary).body(
        takes(
            &[
                ("From_Account", reference("UserId")),
                ("AddFriendItem", json!({"type": "array", "items": item, "minItems": 1})),
                ("AddType", json!({"type": "string", "enum": ["Add_Type_Single", "Add_Type_Both"]})),
            ],
            &["From_Account", "AddFriendItem"],
        ),
        json!({"From_Account": "alice", "AddFriendItem": [{"To_Account": "bob", "AddSource": "AddSource_Type_Web"}]}),
    ))
}

fn deleting_friends() -> About {
    let friends = json!({"type": "array", "items": reference("UserId"), "minItems": 1});
    let ways = json!({"type": "string", "enum": ["Delete_Type_Single", "Delete_Type_Both"]});
    edited(
        About::new("Take friends off, one way unless it says otherwise").body(
            takes(
                &[
                    ("From_Account", reference("UserId")),
                    ("To_Account", friends),
                    ("DeleteType", ways),
                ],
                &["From_Account", "To_Account"],
            ),
            json!({"From_Account": "alice", "To_Account": ["bob"], "DeleteType": "Delete_Type_Both"}),
        ),
    )
}

/// Of an operation that edits a friend list.
fn edited(about: About) -> About {
    about.answer(gives(&[
        (
            "ResultItem",
            list_of(json!({
                "type": "object",
                "properties": {"To_Account": text(), "ResultCode": {"type": "integer"}, "ResultInfo": text()},
            })),
        ),
        ("Fail_Account", list_of(text())),
        ("ErrorDisplay", text()),
    ]))
}

fn listing_friends() -> About {
    let sequence = json!({"type": "integer", "minimum": 0, "maximum": u32::MAX});
    let friend = json!({
        "type": "object",
        "properties": {"To_Account": text(), "ValueItem": {"type": "array"}},
    });
    About::new("The friends of an account, a part at a time")
        .body(
            takes(
                &[
                    ("From_Account", reference("UserId")),
                    ("StartIndex", json!({"type": "integer", "minimum": 0})),
                    ("StandardSequence", sequence),
                ],
                &["From_Account"],
            ),
            json!({"From_Account": "alice", "StartIndex": 0}),
        )
        .answer(gives(&[
            ("UserDataItem", list_of(friend)),
            ("StandardSequence", json!({"type": "integer"})),
            ("CustomSequence", json!({"type": "integer"})),
            ("FriendNum", json!({"type": "integer"})),
            ("CompleteFlag", json!({"type": "integer", "enum": [0, 1]})),
            ("NextStartIndex", json!({"type": "integer"})),
            ("ErrorDisplay", text()),
        ]))
}

/// Those that every call of the original has, besides who asks.
pub fn parameters() -> Vec<Value> {
    vec![
        json!({
            "name": "random", "in": "query", "description": "As the original has it; not looked at",
            "schema": {"type": "integer", "minimum": 0, "maximum": u32::MAX},
        }),
        json!({
            "name": "contenttype", "in": "query", "schema": {"type": "string", "enum": ["json"]},
        }),
    ]
}

/// Always 200; the body says what came of it.
pub fn responses(answer: Option<Value>) -> Value {
    let schema = answer.unwrap_or_else(|| gives(&[]));
    json!({"200": {
        "description": "What came of it: ErrorCode 0, or a failure",
        "content": {"application/json": {"schema": schema}},
    }})
}

fn text() -> Value {
    json!({"type": "string"})
}

/// Other fields are passed over, as the original's backends send more than this uses.
fn takes(fields: &[(&str, Value)], required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties(fields), "required": required})
}

fn gives(fields: &[(&str, Value)]) -> Value {
    let mut all = vec![
        ("ActionStatus", json!({"type": "string", "enum": ["OK", "FAIL"]})),
        ("ErrorInfo", text()),
        ("ErrorCode", json!({"type": "integer"})),
    ];
    all.extend(fields.iter().cloned());
    json!({
        "type": "object",
        "properties": properties(&all),
        "required": ["ActionStatus", "ErrorInfo", "ErrorCode"],
        "additionalProperties": false,
    })
}

fn query_result(field: &str) -> Value {
    let mut result = json!({
        "type": "object",
        "properties": {
            "To_Account": text(),
            "CustomStatus": text(),
            "Detail": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "Platform": text(),
                    "Status": {"type": "string", "enum": ["Online", "PushOnline"]},
                    "Instid": {"type": "integer"},
                },
            }},
        },
        "required": ["To_Account", field],
    });
    result["properties"][field] = json!({"type": "string", "enum": ["Online", "PushOnline", "Offline"]});
    result
}
