//! `sns`: friend lists (R9.1).

use presence::ids::UserId;
use presence_node::engine::Detail;
use presence_protocol::errors::code;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::accounts::fields;
use super::{Call, Failure, codes, text_of};
use crate::friends::{self, Edit, Ways};

/// Friends in one part of `friend_get`.
pub const FRIENDS_AT_ONCE: usize = 100;

type Answer = Result<Map<String, Value>, Failure>;

/// A friend to be added. Remarks, groups and where the wish came from are taken and not kept.
#[derive(Deserialize)]
struct Item {
    #[serde(rename = "To_Account")]
    account: String,
}

#[derive(Deserialize)]
struct Add {
    #[serde(rename = "From_Account")]
    owner: String,
    #[serde(rename = "AddFriendItem")]
    items: Vec<Item>,
    #[serde(rename = "AddType")]
    ways: Option<AddType>,
}

#[derive(Clone, Copy, Deserialize)]
enum AddType {
    #[serde(rename = "Add_Type_Single")]
    Single,
    #[serde(rename = "Add_Type_Both")]
    Both,
}

/// One way.
pub async fn import(call: &Call<'_>, body: &[u8]) -> Answer {
    let add: Add = call.read(body)?;
    added(call, &add, Ways::One).await
}

/// Both ways, unless it says otherwise.
pub async fn add(call: &Call<'_>, body: &[u8]) -> Answer {
    let add: Add = call.read(body)?;
    let ways = match add.ways {
        Some(AddType::Single) => Ways::One,
        Some(AddType::Both) | None => Ways::Both,
    };
    added(call, &add, ways).await
}

async fn added(call: &Call<'_>, add: &Add, ways: Ways) -> Answer {
    let names: Vec<&str> = add.items.iter().map(|item| item.account.as_str()).collect();
    edited(call, &add.owner, &names, Edit::Add, ways).await
}

#[derive(Deserialize)]
struct Delete {
    #[serde(rename = "From_Account")]
    owner: String,
    #[serde(rename = "To_Account")]
    accounts: Vec<String>,
    #[serde(rename = "DeleteType")]
    ways: Option<DeleteType>,
}

#[derive(Clone, Copy, Deserialize)]
enum DeleteType {
    #[serde(rename = "Delete_Type_Single")]
    Single,
    #[serde(rename = "Delete_Type_Both")]
    Both,
}

/// One way, unless it says otherwise.
pub async fn delete(call: &Call<'_>, body: &[u8]) -> Answer {
    let delete: Delete = call.read(body)?;
    let ways = match delete.ways {
        Some(DeleteType::Both) => Ways::Both,
        Some(DeleteType::Single) | None => Ways::One,
    };
    let names: Vec<&str> = delete.accounts.iter().map(String::as_str).collect();
    edited(call, &delete.owner, &names, Edit::Remove, ways).await
}

async fn edited(call: &Call<'_>, owner: &str, names: &[&str], edit: Edit, ways: Ways) -> Answer {
    let owner = owner_of(call, owner)?;
    let friends_max = call.service.admin.friends_max();
    if names.is_empty() || names.len() > friends_max {
        return Err(call.refuse(format!(
            "{} accounts; a call takes 1 to {friends_max}",
            names.len()
        )));
    }
    let outcomes = friends::edit(call.service, call.key(owner), names, edit, ways)
        .await?
        .ok_or_else(|| Failure::of(codes::SNS_ACCOUNT_NOT_FOUND))?;
    tracing::info!(
        app = %call.administrator.app, user = %owner, count = names.len(), by = %call.administrator.user, ?edit,
        "friend list edited"
    );
    let mut failed = Vec::new();
    let items: Vec<Value> = names
        .iter()
        .zip(outcomes)
        .map(|(name, outcome)| {
            let code = match outcome {
                friends::Outcome::Done => code::OK,
                friends::Outcome::NoSuchAccount => codes::SNS_ACCOUNT_NOT_FOUND,
                friends::Outcome::Oneself => codes::SNS_BAD_PARAMETERS,
                friends::Outcome::ListFull => codes::SNS_LIST_FULL,
                friends::Outcome::OthersListFull => codes::SNS_PEERS_LIST_FULL,
                friends::Outcome::NotFriends => codes::SNS_NOT_FRIENDS,
            };
            if code != code::OK {
                failed.push(*name);
            }
            json!({
                "To_Account": name,
                "ResultCode": code,
                "ResultInfo": if code == code::OK { "" } else { text_of(code) },
            })
        })
        .collect();
    let mut answer = fields([("ResultItem", json!(items)), ("ErrorDisplay", json!(""))]);
    if !failed.is_empty() {
        answer.insert("Fail_Account".to_owned(), json!(failed));
    }
    Ok(answer)
}

#[derive(Deserialize)]
struct Get {
    #[serde(rename = "From_Account")]
    owner: String,
    #[serde(rename = "StartIndex", default)]
    start: usize,
    /// What the last answer said: if the list is still the same, it is not sent again.
    #[serde(rename = "StandardSequence", default)]
    sequence: u32,
}

pub async fn get(call: &Call<'_>, body: &[u8]) -> Answer {
    let get: Get = call.read(body)?;
    let owner = owner_of(call, &get.owner)?;
    let account = call
        .service
        .admin
        .describe(call.administrator.app, &[owner], Detail::Lists)
        .await?
        .into_iter()
        .flatten()
        .next()
        .ok_or_else(|| Failure::of(codes::SNS_ACCOUNT_NOT_FOUND))?;
    let friends = account.friends;
    let sequence = sequence_of(&friends);
    let known = get.sequence != 0 && get.sequence == sequence;
    let part: &[UserId] = if known {
        &[]
    } else {
        friends.get(get.start..).unwrap_or(&[])
    };
    let part = part.get(..FRIENDS_AT_ONCE).unwrap_or(part);
    let next = get.start.saturating_add(part.len());
    let is_complete = known || next >= friends.len();
    let items: Vec<Value> = part
        .iter()
        .map(|friend| json!({"To_Account": friend.as_str(), "ValueItem": []}))
        .collect();
    Ok(fields([
        ("UserDataItem", json!(items)),
        ("StandardSequence", json!(sequence)),
        ("CustomSequence", json!(0)),
        ("FriendNum", json!(friends.len())),
        ("CompleteFlag", json!(i32::from(is_complete))),
        ("NextStartIndex", json!(if is_complete { 0 } else { next })),
        ("ErrorDisplay", json!("")),
    ]))
}

/// A number that differs when the list does: FNV-1a of the names, in order; not 0.
fn sequence_of(friends: &[UserId]) -> u32 {
    let bytes = friends
        .iter()
        .flat_map(|friend| friend.as_bytes().iter().chain(b"\n"));
    bytes
        .fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
        })
        .max(1)
}

fn owner_of(call: &Call<'_>, text: &str) -> Result<UserId, Failure> {
    UserId::new(text).map_err(|_| call.refuse("From_Account takes 1 to 32 printable ASCII characters"))
}
