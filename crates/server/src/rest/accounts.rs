//! `im_open_login_svc`: accounts imported, checked, deleted, kicked (R1.2, R1.5, R8.7).

use presence::ids::UserId;
use presence_protocol::errors::code;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Call, Failure, codes, text_of};

/// Accounts that one call may name.
pub const ACCOUNTS_MAX: usize = 100;

type Answer = Result<Map<String, Value>, Failure>;

/// One account. Nick names and pictures are taken and not kept: user status has no use for them.
#[derive(Deserialize)]
struct Account {
    #[serde(rename = "UserID", alias = "Identifier")]
    user_id: String,
}

pub async fn import(call: &Call<'_>, body: &[u8]) -> Answer {
    let account: Account = call.read(body)?;
    let user = user_id(call, &account.user_id)?;
    if !call.service.admin.import_account(call.key(user)).await {
        return Err(Failure::of(code::SERVER_ERROR));
    }
    tracing::info!(app = %call.administrator.app, %user, by = %call.administrator.user, "account imported");
    Ok(Map::new())
}

#[derive(Deserialize)]
struct Many {
    #[serde(rename = "AccountList")]
    list: Option<Vec<Account>>,
    /// The older form.
    #[serde(rename = "Accounts")]
    names: Option<Vec<String>>,
}

pub async fn import_many(call: &Call<'_>, body: &[u8]) -> Answer {
    let many: Many = call.read(body)?;
    let names: Vec<String> = match (many.list, many.names) {
        (Some(list), None) => list.into_iter().map(|account| account.user_id).collect(),
        (None, Some(names)) => names,
        (Some(_), Some(_)) => return Err(call.refuse("AccountList and Accounts: one of them is enough")),
        (None, None) => return Err(call.refuse("AccountList is missing")),
    };
    counted(&names)?;
    let mut failed = Vec::new();
    let mut imported = 0;
    for name in names {
        match UserId::new(&name) {
            Ok(user) if call.service.admin.import_account(call.key(user)).await => imported += 1,
            Ok(_) => return Err(Failure::of(code::SERVER_ERROR)),
            Err(_) => failed.push(name),
        }
    }
    tracing::info!(app = %call.administrator.app, count = imported, by = %call.administrator.user, "accounts imported");
    Ok(fields([("FailAccounts", json!(failed))]))
}

#[derive(Deserialize)]
struct Check {
    #[serde(rename = "CheckItem")]
    items: Vec<Account>,
}

pub async fn check(call: &Call<'_>, body: &[u8]) -> Answer {
    let check: Check = call.read(body)?;
    counted(&check.items)?;
    let users: Vec<Option<UserId>> = check
        .items
        .iter()
        .map(|item| UserId::new(&item.user_id).ok())
        .collect();
    let asked = users.iter().copied().flatten().collect();
    let mut found = call
        .service
        .admin
        .look(call.administrator.app, asked)
        .await?
        .into_iter();
    let items: Vec<Value> = check
        .items
        .iter()
        .zip(users)
        .map(|(item, user)| {
            // Who is no user id has no account either.
            let exists = user.is_some() && found.next().flatten().is_some();
            json!({
                "UserID": item.user_id,
                "ResultCode": code::OK,
                "ResultInfo": "",
                "AccountStatus": if exists { "Imported" } else { "NotImported" },
            })
        })
        .collect();
    Ok(fields([("ResultItem", json!(items))]))
}

#[derive(Deserialize)]
struct Delete {
    #[serde(rename = "DeleteItem")]
    items: Vec<Account>,
}

/// R1.5.
pub async fn delete(call: &Call<'_>, body: &[u8]) -> Answer {
    let delete: Delete = call.read(body)?;
    counted(&delete.items)?;
    let mut items = Vec::new();
    for item in delete.items {
        let result = match UserId::new(&item.user_id) {
            Ok(user) if exists(call, user).await? => {
                if !call.service.admin.delete_account(call.key(user)).await {
                    return Err(Failure::of(code::SERVER_ERROR));
                }
                tracing::info!(app = %call.administrator.app, %user, by = %call.administrator.user, "account deleted");
                code::OK
            }
            Ok(_) | Err(_) => code::ACCOUNT_NOT_FOUND,
        };
        items.push(json!({
            "UserID": item.user_id,
            "ResultCode": result,
            "ResultInfo": if result == code::OK { "" } else { text_of(result) },
        }));
    }
    Ok(fields([("ResultItem", json!(items))]))
}

/// R8.7.
pub async fn kick(call: &Call<'_>, body: &[u8]) -> Answer {
    let account: Account = call.read(body)?;
    let user = user_id(call, &account.user_id)?;
    if !exists(call, user).await? {
        return Err(Failure::of(code::ACCOUNT_NOT_FOUND));
    }
    if !call.service.admin.kick(call.key(user)).await {
        return Err(Failure::of(code::SERVER_ERROR));
    }
    tracing::info!(app = %call.administrator.app, %user, by = %call.administrator.user, "account kicked");
    Ok(Map::new())
}

async fn exists(call: &Call<'_>, user: UserId) -> Result<bool, Failure> {
    let found = call
        .service
        .admin
        .look(call.administrator.app, vec![user])
        .await?;
    Ok(found.into_iter().flatten().next().is_some())
}

fn user_id(call: &Call<'_>, text: &str) -> Result<UserId, Failure> {
    UserId::new(text).map_err(|_| call.refuse("UserID takes 1 to 32 printable ASCII characters"))
}

/// 1 to [`ACCOUNTS_MAX`].
fn counted<T>(items: &[T]) -> Result<(), Failure> {
    if (1..=ACCOUNTS_MAX).contains(&items.len()) {
        return Ok(());
    }
    let why = format!("{} accounts; a call takes 1 to {ACCOUNTS_MAX}", items.len());
    Err(Failure::new(codes::LOGIN_BATCH, why))
}

/// An object with these fields.
pub fn fields<const COUNT: usize>(fields: [(&str, Value); COUNT]) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
