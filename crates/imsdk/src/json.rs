//! The JSON of the original: what calls take, and what callbacks are given. Keys stand here and nowhere else.

use presence::ids::Platform;
use presence_protocol::errors::code;
use presence_protocol::message::UserStatus;
use serde::Serialize;
use serde_json::{Map, Value};

/// What is wrong with the JSON of a call: a code for its callback, and a text that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadJson {
    /// 6027: not JSON; 6017: not what the call takes.
    pub code: i32,
    /// For a person.
    pub text: String,
}

fn wrong(text: impl Into<String>) -> BadJson {
    BadJson {
        code: code::INVALID_PARAMETERS,
        text: text.into(),
    }
}

fn parse(json: &[u8]) -> Result<Value, BadJson> {
    // R7.1.
    let json = std::str::from_utf8(json).map_err(|_| wrong("the argument is not UTF-8"))?;
    serde_json::from_str(json).map_err(|error| BadJson {
        code: code::INVALID_JSON,
        text: format!("the argument is not JSON: {error}"),
    })
}

/// An object.
pub fn object(json: &[u8]) -> Result<Map<String, Value>, BadJson> {
    match parse(json)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong("the argument is not a JSON object")),
    }
}

/// `["user1","user2"]`.
pub fn user_ids(json: &[u8]) -> Result<Vec<String>, BadJson> {
    ids_of(parse(json)?, "the argument")
}

fn ids_of(value: Value, what: &str) -> Result<Vec<String>, BadJson> {
    let Value::Array(items) = value else {
        return Err(wrong(format!("{what} is not a JSON array of user ids")));
    };
    items
        .into_iter()
        .map(|item| match item {
            Value::String(id) => Ok(id),
            other => Err(wrong(format!("{what} holds {other}, which is not a user id"))),
        })
        .collect()
}

const CUSTOM_STATUS: &str = "user_status_custom_status";

/// `{"user_status_custom_status":"…"}`. Other keys of the object are read-only, and are passed over.
pub fn custom_status(json: &[u8]) -> Result<String, BadJson> {
    match object(json)?.remove(CUSTOM_STATUS) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong(format!("\"{CUSTOM_STATUS}\" is not a text"))),
        None => Err(wrong(format!("\"{CUSTOM_STATUS}\" is missing"))),
    }
}

/// What TIMFriendshipCheckFriendType asks: whose, and whether both sides.
pub struct FriendCheck {
    /// Whom to look for.
    pub user_ids: Vec<String>,
    /// The other side's list too.
    pub both: bool,
}

/// `{"friendship_check_friendtype_param_check_type":0,"friendship_check_friendtype_param_identifier_array":[…]}`.
pub fn friend_check(json: &[u8]) -> Result<FriendCheck, BadJson> {
    const TYPE: &str = "friendship_check_friendtype_param_check_type";
    const IDS: &str = "friendship_check_friendtype_param_identifier_array";
    let mut object = object(json)?;
    let both = match object.get(TYPE).map(Value::as_u64) {
        None | Some(Some(0)) => false,
        Some(Some(1)) => true,
        Some(_) => return Err(wrong(format!("\"{TYPE}\" is neither 0 nor 1"))),
    };
    let ids = object
        .remove(IDS)
        .ok_or_else(|| wrong(format!("\"{IDS}\" is missing")))?;
    Ok(FriendCheck {
        user_ids: ids_of(ids, IDS)?,
        both,
    })
}

#[derive(Serialize)]
struct StatusJson<'a> {
    user_status_identifier: &'a str,
    user_status_status_type: i32,
    user_status_custom_status: &'a str,
    user_status_online_devices: Vec<&'static str>,
}

/// An array of the users that succeeded (R4.3), with the names of their platforms (R1.4).
pub fn statuses(users: &[UserStatus]) -> String {
    let users = users
        .iter()
        .filter(|user| user.code == code::OK)
        .map(|user| StatusJson {
            user_status_identifier: &user.user_id,
            user_status_status_type: user.status,
            user_status_custom_status: &user.custom_status,
            user_status_online_devices: Platform::ALL
                .iter()
                .filter(|platform| user.platforms & platform.bit() != 0)
                .map(|platform| platform.name())
                .collect(),
        });
    array(users)
}

#[derive(Serialize)]
struct UserProfileJson<'a> {
    user_profile_identifier: &'a str,
}

/// What a friend list holds of a friend: the id. What the original also keeps there is empty, not absent.
#[derive(Serialize)]
struct FriendJson<'a> {
    friend_profile_identifier: &'a str,
    friend_profile_group_name_array: [&'static str; 0],
    friend_profile_remark: &'static str,
    friend_profile_add_wording: &'static str,
    friend_profile_add_source: &'static str,
    friend_profile_add_time: u64,
    friend_profile_user_profile: UserProfileJson<'a>,
    friend_profile_custom_string_array: [&'static str; 0],
}

fn friend(user_id: &str) -> FriendJson<'_> {
    FriendJson {
        friend_profile_identifier: user_id,
        friend_profile_group_name_array: [],
        friend_profile_remark: "",
        friend_profile_add_wording: "",
        friend_profile_add_source: "",
        friend_profile_add_time: 0,
        friend_profile_user_profile: UserProfileJson {
            user_profile_identifier: user_id,
        },
        friend_profile_custom_string_array: [],
    }
}

/// The own friend list (R9.1) as an array of FriendProfile.
pub fn friend_list(friends: &[UserStatus]) -> String {
    array(friends.iter().map(|user| friend(&user.user_id)))
}

/// In whose list: the original's TIMFriendshipRelationType. Whether the other one has us is not told to clients.
const NOT_A_FRIEND: u8 = 0;
const IN_MY_LIST: u8 = 1;

#[derive(Serialize)]
struct FriendInfoJson<'a> {
    // The original's constant and its example differ, so programs look for either.
    friendship_friend_info_get_result_identifier: &'a str,
    friendship_friend_info_get_result_userid: &'a str,
    friendship_friend_info_get_result_relation_type: u8,
    friendship_friend_info_get_result_error_code: i32,
    friendship_friend_info_get_result_error_message: &'static str,
    friendship_friend_info_get_result_field_info: FriendJson<'a>,
}

/// Of each id asked for, whether it is in the own friend list.
pub fn friends_info(asked: &[String], friends: &[UserStatus]) -> String {
    array(asked.iter().map(|id| FriendInfoJson {
        friendship_friend_info_get_result_identifier: id,
        friendship_friend_info_get_result_userid: id,
        friendship_friend_info_get_result_relation_type: if has(friends, id) {
            IN_MY_LIST
        } else {
            NOT_A_FRIEND
        },
        friendship_friend_info_get_result_error_code: code::OK,
        friendship_friend_info_get_result_error_message: "",
        friendship_friend_info_get_result_field_info: friend(id),
    }))
}

#[derive(Serialize)]
struct FriendCheckJson<'a> {
    friendship_check_friendtype_result_identifier: &'a str,
    friendship_check_friendtype_result_relation: u8,
    friendship_check_friendtype_result_code: i32,
    friendship_check_friendtype_result_desc: &'static str,
}

/// As [`friends_info`], in the shape of TIMFriendshipCheckFriendType.
pub fn friend_checks(asked: &[String], friends: &[UserStatus]) -> String {
    array(asked.iter().map(|id| FriendCheckJson {
        friendship_check_friendtype_result_identifier: id,
        // TIMFriendCheckRelation has the same numbers for these two.
        friendship_check_friendtype_result_relation: if has(friends, id) {
            IN_MY_LIST
        } else {
            NOT_A_FRIEND
        },
        friendship_check_friendtype_result_code: code::OK,
        friendship_check_friendtype_result_desc: "",
    }))
}

fn has(friends: &[UserStatus], id: &str) -> bool {
    friends.iter().any(|friend| friend.user_id == id)
}

fn array<T: Serialize>(items: impl Iterator<Item = T>) -> String {
    // Texts, numbers and arrays: nothing that JSON cannot say.
    serde_json::to_string(&items.collect::<Vec<_>>()).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, code: i32) -> UserStatus {
        UserStatus {
            user_id: id.into(),
            code,
            status: 1,
            custom_status: "in \"a\" call".into(),
            platforms: Platform::Linux.bit() | Platform::Ipad.bit(),
            ..UserStatus::default()
        }
    }

    #[test]
    fn a_status_has_the_four_keys_in_order_and_failures_are_left_out() {
        let users = [user("ann", 0), user("nobody", 70107)];
        let json = r#"[{"user_status_identifier":"ann","user_status_status_type":1,"user_status_custom_status":"in \"a\" call","user_status_online_devices":["Linux","iPad"]}]"#;
        assert_eq!(statuses(&users), json);
        assert_eq!(statuses(&[]), "[]");
    }

    #[test]
    fn ids_are_an_array_of_texts_and_nothing_else() {
        assert_eq!(user_ids(r#"["a","a",""]"#.as_bytes()).unwrap(), ["a", "a", ""]);
        assert_eq!(user_ids("[]".as_bytes()).unwrap(), [""; 0]);
        for (json, number) in [
            ("{bad", 6027),
            ("", 6027),
            ("null", 6017),
            ("5", 6017),
            ("\"x\"", 6017),
            ("{}", 6017),
            ("[1,2]", 6017),
            ("[\"a\",null]", 6017),
        ] {
            assert_eq!(user_ids(json.as_bytes()).unwrap_err().code, number, "{json}");
        }
    }

    #[test]
    fn a_custom_status_is_one_text_of_an_object() {
        assert_eq!(custom_status(br#"{"user_status_custom_status":""}"#).unwrap(), "");
        let with_more = r#"{"user_status_identifier":"a","user_status_custom_status":"x"}"#;
        assert_eq!(custom_status(with_more.as_bytes()).unwrap(), "x");
        for json in ["[]", "{}", r#"{"user_status_custom_status":5}"#] {
            assert_eq!(custom_status(json.as_bytes()).unwrap_err().code, 6017, "{json}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_refused_and_not_changed() {
        let status = b"{\"user_status_custom_status\":\"t\xffst\"}";
        assert_eq!(custom_status(status).unwrap_err().code, 6017, "R7.1");
    }

    #[test]
    fn a_friend_is_in_the_list_or_not() {
        let asked = ["ann".to_owned(), "bob".to_owned()];
        let told = friends_info(&asked, &[user("ann", 0)]);
        let told: Value = serde_json::from_str(&told).unwrap();
        for (index, relation) in [(0, 1), (1, 0)] {
            assert_eq!(
                told[index]["friendship_friend_info_get_result_relation_type"],
                relation
            );
            assert_eq!(
                told[index]["friendship_friend_info_get_result_userid"],
                *asked[index]
            );
        }
        let checked: Value = serde_json::from_str(&friend_checks(&asked, &[user("ann", 0)])).unwrap();
        assert_eq!(checked[0]["friendship_check_friendtype_result_relation"], 1);
        assert!(friend_list(&[user("ann", 0)]).starts_with(r#"[{"friend_profile_identifier":"ann","#));
    }

    #[test]
    fn a_check_names_its_kind_and_its_ids() {
        let ids = r#""friendship_check_friendtype_param_identifier_array":["a"]"#;
        let check = |kind: &str| friend_check(format!("{{{kind}{ids}}}").as_bytes()).map(|check| check.both);
        assert_eq!(check(""), Ok(false));
        assert_eq!(
            check(r#""friendship_check_friendtype_param_check_type":1,"#),
            Ok(true)
        );
        assert!(check(r#""friendship_check_friendtype_param_check_type":"x","#).is_err());
        assert!(friend_check(b"{}").is_err());
    }
}
