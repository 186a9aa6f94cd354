//! Accounts: listed, described, imported, kicked, deleted; who watches whom; friend lists.

use hyper::StatusCode;
use presence::ids::{Platform, UserId, UserKey};
use presence::status::{Reason, Status};
use presence::user::{DeviceView, Standing};
use presence_node::Cursor;
use presence_node::engine::{Account, AccountFilter, Detail, Snapshot};
use presence_protocol::errors::{self, code};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Failure};
use crate::friends::{self, Edit, Outcome, Ways};

/// Accounts in one part of a list, unless asked for fewer.
pub const LIST_DEFAULT: usize = 100;
/// Accounts in one part of a list.
pub const LIST_MAX: usize = 500;
/// Accounts that one import or query may name.
pub const BATCH_MAX: usize = 500;

/// `GET /v1/accounts`.
pub async fn list(call: &Call<'_>) -> Answer {
    call.only(&["search", "status", "cursor", "limit"])?;
    let contains = call
        .query
        .get("search")
        .filter(|text| !text.is_empty())
        .map(|text| {
            UserId::new(text)
                .map_err(|_| Failure::bad_request("search takes 1 to 32 printable ASCII characters"))
        })
        .transpose()?;
    let status = call.query.get("status").map(status_named).transpose()?;
    let filter = AccountFilter {
        contains,
        status,
        watches: None,
    };
    let (found, next) = find(call, filter).await?;
    let accounts: Vec<Value> = found.iter().map(|(user, shown)| shown_of(user, shown)).collect();
    Ok(Some(json!({"accounts": accounts, "next_cursor": next})))
}

/// `GET /v1/accounts/{user_id}/watchers`.
pub async fn watchers(call: &Call<'_>, name: &str) -> Answer {
    call.only(&["cursor", "limit"])?;
    let user = known(call, name).await?;
    let filter = AccountFilter {
        watches: Some(user),
        ..AccountFilter::default()
    };
    let (found, next) = find(call, filter).await?;
    let ids: Vec<UserId> = found.iter().map(|(watcher, _)| *watcher).collect();
    let described = call
        .service
        .admin
        .describe(call.administrator.app, &ids, Detail::Lists)
        .await?;
    let watchers: Vec<Value> = found
        .iter()
        .zip(described)
        // Who stopped watching, or was deleted, since then is none any more.
        .filter_map(|((watcher, shown), account)| {
            let account = account?;
            let is_subscriber = account.subscriptions.contains(&user);
            let is_friend = account.friends.contains(&user);
            let mut watcher = shown_of(watcher, shown);
            if let Some(watcher) = watcher.as_object_mut() {
                watcher.insert("subscribed".to_owned(), json!(is_subscriber));
                watcher.insert("friend".to_owned(), json!(is_friend));
            }
            (is_subscriber || is_friend).then_some(watcher)
        })
        .collect();
    Ok(Some(json!({"watchers": watchers, "next_cursor": next})))
}

/// The part of a list that the query asks for, and the cursor of the next.
async fn find(
    call: &Call<'_>,
    filter: AccountFilter,
) -> Result<(Vec<(UserId, Snapshot)>, Option<String>), Failure> {
    let cursor = match call.query.get("cursor").map(number) {
        None => Cursor::default(),
        Some(Some(bits)) => Cursor::from_bits(bits),
        Some(None) => return Err(Failure::bad_request("cursor takes a next_cursor")),
    };
    let limit = match call.query.get("limit").map(number) {
        None => LIST_DEFAULT,
        Some(given) => given
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| (1..=LIST_MAX).contains(limit))
            .ok_or_else(|| {
                Failure::bad_request(format!("limit takes a whole number from 1 to {LIST_MAX}"))
            })?,
    };
    let app = call.administrator.app;
    let (found, next) = call.service.admin.accounts(app, filter, cursor, limit).await?;
    Ok((found, next.map(|next| next.to_bits().to_string())))
}

/// Digits alone: no sign, no space.
fn number(text: &str) -> Option<u64> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    user_ids: Vec<String>,
}

impl Named {
    fn read(call: &Call<'_>) -> Result<Named, Failure> {
        let named: Named = call.read()?;
        if (1..=BATCH_MAX).contains(&named.user_ids.len()) {
            return Ok(named);
        }
        let count = named.user_ids.len();
        Err(Failure::bad_request(format!(
            "{count} user ids; a request takes 1 to {BATCH_MAX}"
        )))
    }
}

/// `POST /v1/accounts` (R1.2).
pub async fn import(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    let Named { user_ids } = Named::read(call)?;
    let mut results = Vec::new();
    for name in &user_ids {
        let code = match UserId::new(name) {
            Ok(user) => {
                carried_out(call.service.admin.import_account(call.key(user)).await)?;
                code::OK
            }
            Err(_) => code::INVALID_USER_ID,
        };
        results.push(result_of(name, code));
    }
    let by = call.administrator.user;
    tracing::info!(app = %call.administrator.app, count = user_ids.len(), %by, "accounts imported");
    Ok(Some(json!({"results": results})))
}

/// `POST /v1/query`: what users show, however their app is switched.
pub async fn query(call: &Call<'_>) -> Answer {
    call.only(&[])?;
    let Named { user_ids } = Named::read(call)?;
    let asked: Vec<UserId> = user_ids
        .iter()
        .filter_map(|name| UserId::new(name).ok())
        .collect();
    let mut found = call
        .service
        .admin
        .look(call.administrator.app, asked)
        .await?
        .into_iter();
    let users: Vec<Value> = user_ids
        .iter()
        .map(|name| match UserId::new(name) {
            Ok(user) => match found.next().flatten() {
                Some(shown) => shown_of(&user, &shown),
                None => result_of(name, code::ACCOUNT_NOT_FOUND),
            },
            Err(_) => result_of(name, code::INVALID_USER_ID),
        })
        .collect();
    Ok(Some(json!({"users": users})))
}

/// `GET /v1/accounts/{user_id}`.
pub async fn describe(call: &Call<'_>, name: &str) -> Answer {
    call.only(&[])?;
    let user = user_id(name)?;
    let account = described(call, user).await?;
    let mut shown = shown_of(&user, &account.snapshot);
    if let Some(shown) = shown.as_object_mut() {
        let devices: Vec<Value> = account.devices.iter().map(device_of).collect();
        shown.insert("devices".to_owned(), json!(devices));
        shown.insert("subscriptions".to_owned(), names_of(&account.subscriptions));
        shown.insert("friends".to_owned(), names_of(&account.friends));
    }
    Ok(Some(shown))
}

/// `DELETE /v1/accounts/{user_id}` (R1.5).
pub async fn delete(call: &Call<'_>, name: &str) -> Answer {
    call.only(&[])?;
    let user = known(call, name).await?;
    carried_out(call.service.admin.delete_account(call.key(user)).await)?;
    tracing::info!(app = %call.administrator.app, %user, by = %call.administrator.user, "account deleted");
    Ok(None)
}

/// `POST /v1/accounts/{user_id}/kick` (R8.7).
pub async fn kick(call: &Call<'_>, name: &str) -> Answer {
    call.only(&[])?;
    let user = known(call, name).await?;
    carried_out(call.service.admin.kick(call.key(user)).await)?;
    tracing::info!(app = %call.administrator.app, %user, by = %call.administrator.user, "account kicked");
    Ok(None)
}

/// `GET /v1/accounts/{user_id}/friends`.
pub async fn friends(call: &Call<'_>, name: &str) -> Answer {
    call.only(&[])?;
    let account = described(call, user_id(name)?).await?;
    Ok(Some(json!({"friends": names_of(&account.friends)})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FriendsEdit {
    #[serde(default)]
    add: Vec<String>,
    #[serde(default)]
    remove: Vec<String>,
    #[serde(default)]
    both_ways: bool,
}

/// `PATCH /v1/accounts/{user_id}/friends` (R9.1): first takes off, then adds.
pub async fn edit_friends(call: &Call<'_>, name: &str) -> Answer {
    call.only(&[])?;
    let user = known(call, name).await?;
    let wanted: FriendsEdit = call.read()?;
    let friends_max = call.service.admin.friends_max();
    if wanted.add.len().max(wanted.remove.len()) > friends_max {
        return Err(Failure::bad_request(format!(
            "a request takes {friends_max} friends to add, and as many to remove"
        )));
    }
    let ways = if wanted.both_ways { Ways::Both } else { Ways::One };
    let removed = edited(call, user, &wanted.remove, Edit::Remove, ways).await?;
    let added = edited(call, user, &wanted.add, Edit::Add, ways).await?;
    Ok(Some(json!({"added": added, "removed": removed})))
}

async fn edited(
    call: &Call<'_>,
    owner: UserId,
    names: &[String],
    edit: Edit,
    ways: Ways,
) -> Result<Vec<Value>, Failure> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let outcomes = friends::edit(call.service, call.key(owner), &names, edit, ways)
        .await?
        .ok_or_else(no_account)?;
    tracing::info!(
        app = %call.administrator.app, user = %owner, count = names.len(), by = %call.administrator.user, ?edit,
        "friend list edited"
    );
    let results = names.iter().zip(outcomes).map(|(name, outcome)| {
        let (code, message) = match outcome {
            Outcome::Done => (code::OK, ""),
            Outcome::NoSuchAccount => (code::ACCOUNT_NOT_FOUND, "no such account"),
            Outcome::Oneself => (code::INVALID_PARAMETERS, "nobody is their own friend"),
            Outcome::ListFull => (code::INVALID_PARAMETERS, "the friend list is full"),
            Outcome::OthersListFull => (code::INVALID_PARAMETERS, "the other's friend list is full"),
            Outcome::NotFriends => (code::INVALID_PARAMETERS, "not in the friend list"),
        };
        json!({"user_id": name, "code": code, "message": message})
    });
    Ok(results.collect())
}

async fn described(call: &Call<'_>, user: UserId) -> Result<Account, Failure> {
    let found = call
        .service
        .admin
        .describe(call.administrator.app, &[user], Detail::Lists)
        .await?;
    found.into_iter().flatten().next().ok_or_else(no_account)
}

/// The user of that name, who has an account.
async fn known(call: &Call<'_>, name: &str) -> Result<UserId, Failure> {
    let user = user_id(name)?;
    let found = call
        .service
        .admin
        .look(call.administrator.app, vec![user])
        .await?;
    found
        .into_iter()
        .flatten()
        .next()
        .map(|_| user)
        .ok_or_else(no_account)
}

fn no_account() -> Failure {
    Failure::of(StatusCode::NOT_FOUND, code::ACCOUNT_NOT_FOUND)
}

fn user_id(name: &str) -> Result<UserId, Failure> {
    UserId::new(name).map_err(|_| Failure::of(StatusCode::BAD_REQUEST, code::INVALID_USER_ID))
}

fn carried_out(done: bool) -> Result<(), Failure> {
    if done {
        Ok(())
    } else {
        Err(presence_node::Unavailable.into())
    }
}

fn result_of(name: &str, code: i32) -> Value {
    let message = errors::find(code)
        .filter(|_| code != code::OK)
        .map_or("", |entry| entry.message);
    json!({"user_id": name, "code": code, "message": message})
}

fn shown_of(user: &UserId, shown: &Snapshot) -> Value {
    let presence = &shown.presence;
    let platforms: Vec<&str> = Platform::ALL
        .iter()
        .filter(|platform| shown.platforms & platform.bit() != 0)
        .map(|platform| platform.name())
        .collect();
    json!({
        "user_id": user.as_str(),
        "code": code::OK,
        "status": name_of(presence.status),
        "custom_status": presence.custom.as_str(),
        "platforms": platforms,
        "version": presence.version.0,
        "since_ms": presence.since.0,
        "reason": reason_of(presence.reason),
    })
}

fn device_of(device: &DeviceView) -> Value {
    json!({
        "platform": device.key.platform.name(),
        "instance": &*device.key.instance,
        "session": device.session.0,
        "state": match device.standing {
            Standing::Live => "live",
            Standing::Grace => "grace",
            Standing::Lost => "lost",
        },
        "since_ms": device.since.0,
    })
}

fn names_of(users: &[UserId]) -> Value {
    users.iter().map(UserId::as_str).collect()
}

/// The words for a status, here and in the interface description.
pub const STATUSES: [Status; 3] = [Status::Online, Status::Offline, Status::Unlogined];

pub fn name_of(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Offline => "offline",
        Status::Unlogined => "unlogined",
    }
}

fn status_named(name: &str) -> Result<Status, Failure> {
    STATUSES
        .into_iter()
        .find(|status| name_of(*status) == name)
        .ok_or_else(|| Failure::bad_request("status takes online, offline or unlogined"))
}

/// The words for a reason (R6.7).
pub fn reason_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Login => "login",
        Reason::Logout => "logout",
        Reason::LinkClosed => "link_closed",
        Reason::Timeout => "timeout",
        Reason::CustomStatus => "custom_status",
        Reason::Kicked => "kicked",
        Reason::Expired => "expired",
        Reason::Server => "server",
    }
}

impl Call<'_> {
    /// An account of the administrator's app.
    fn key(&self, user: UserId) -> UserKey {
        UserKey {
            app: self.administrator.app,
            user,
        }
    }
}
