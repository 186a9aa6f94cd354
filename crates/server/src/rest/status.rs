//! `openim`: who is online.

use std::collections::HashSet;

use presence::ids::{Platform, UserId};
use presence::status::Status;
use presence::user::{DeviceView, Standing};
use presence_node::engine::{Account, Detail};
use presence_protocol::errors::code;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::accounts::fields;
use super::{Call, Failure, codes};

/// Accounts that one call may name.
pub const ACCOUNTS_MAX: usize = 500;

/// The command's newer and older name differ in one field of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `query_online_status`.
    Status,
    /// `querystate`.
    State,
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "To_Account")]
    accounts: Vec<String>,
    /// 1: with the state of each platform.
    #[serde(rename = "IsNeedDetail", default)]
    detail: u8,
    /// 1: with each device of a platform, told apart by the number of its login.
    #[serde(rename = "IsReturnInstid", default)]
    instances: u8,
    /// 1: with the custom status.
    #[serde(rename = "IsReturnCustomStatus", default)]
    custom_status: u8,
}

pub async fn query(call: &Call<'_>, body: &[u8], field: Field) -> Result<Map<String, Value>, Failure> {
    let request: Request = call.read(body)?;
    let mut seen = HashSet::new();
    let names: Vec<&str> = request
        .accounts
        .iter()
        .map(String::as_str)
        .filter(|name| seen.insert(*name))
        .collect();
    if !(1..=ACCOUNTS_MAX).contains(&names.len()) {
        let why = format!("{} accounts; a call takes 1 to {ACCOUNTS_MAX}", names.len());
        return Err(Failure::new(codes::OPENIM_BATCH, why));
    }
    let users: Vec<UserId> = names.iter().filter_map(|name| UserId::new(name).ok()).collect();
    let mut found = call
        .service
        .admin
        .describe(call.administrator.app, &users, Detail::Devices)
        .await?
        .into_iter();
    let (mut results, mut errors) = (Vec::new(), Vec::new());
    for name in names {
        let result = match UserId::new(name) {
            Ok(_) => found.next().flatten().ok_or(code::ACCOUNT_NOT_FOUND),
            Err(_) => Err(code::INVALID_USER_ID),
        };
        match result {
            Ok(account) => results.push(result_of(name, &account, &request, field)),
            Err(code) => errors.push(json!({"To_Account": name, "ErrorCode": code})),
        }
    }
    Ok(fields([
        ("QueryResult", json!(results)),
        ("ErrorList", json!(errors)),
    ]))
}

fn result_of(name: &str, account: &Account, request: &Request, field: Field) -> Value {
    let field = match field {
        Field::Status => "Status",
        Field::State => "State",
    };
    let mut result = fields([("To_Account", json!(name)), (field, json!(state_of(account)))]);
    if request.detail == 1 {
        let detail = detail_of(&account.devices, request.instances == 1);
        if !detail.is_empty() {
            result.insert("Detail".to_owned(), json!(detail));
        }
    }
    if request.custom_status == 1 {
        let custom = account.snapshot.presence.custom.as_str();
        result.insert("CustomStatus".to_owned(), json!(custom));
    }
    Value::Object(result)
}

/// The original's three states: a phone that went without a logout can still be reached by a push.
fn state_of(account: &Account) -> &'static str {
    let reachable = |device: &DeviceView| device.standing == Standing::Lost && is_mobile(device.key.platform);
    if account.snapshot.presence.status == Status::Online {
        "Online"
    } else if account.devices.iter().any(reachable) {
        "PushOnline"
    } else {
        "Offline"
    }
}

fn detail_of(devices: &[DeviceView], instances: bool) -> Vec<Value> {
    let shown = |device: &DeviceView| match device.standing {
        Standing::Live | Standing::Grace => Some("Online"),
        Standing::Lost if is_mobile(device.key.platform) => Some("PushOnline"),
        Standing::Lost => None,
    };
    let mut detail = Vec::new();
    if instances {
        detail.extend(devices.iter().filter_map(|device| {
            Some(json!({
                "Platform": name_of(device.key.platform),
                "Status": shown(device)?,
                "Instid": device.session.0,
            }))
        }));
        return detail;
    }
    for platform in Platform::ALL {
        let states = || {
            devices
                .iter()
                .filter(|device| device.key.platform == platform)
                .filter_map(shown)
        };
        // "Online" of one device says more than "PushOnline" of another.
        if let Some(state) = states().min() {
            detail.push(json!({"Platform": name_of(platform), "Status": state}));
        }
    }
    detail
}

fn is_mobile(platform: Platform) -> bool {
    match platform {
        Platform::Ios | Platform::Android | Platform::Ipad => true,
        Platform::Other | Platform::Web | Platform::Windows | Platform::Mac | Platform::Linux => false,
    }
}

/// This command's names: those of [`Platform::name`] but for one.
fn name_of(platform: Platform) -> &'static str {
    match platform {
        Platform::Ios => "iPhone",
        other => other.name(),
    }
}
