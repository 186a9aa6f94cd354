//! The codes of `/v4` that no client ever sees: what the original publishes for its REST interface. Those that clients
//! see too are in `presence_protocol::errors`. docs/REST.md is compared with this table.

/// One row.
pub struct CodeEntry {
    /// The number.
    pub code: i32,
    /// What it says, for a person.
    pub message: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $code:literal, $message:literal;)*) => {
        $(#[doc = $message] pub const $constant: i32 = $code;)*
        /// All of them.
        pub const TABLE: &[CodeEntry] = &[$(CodeEntry { code: $code, message: $message },)*];
    };
}

codes! {
    SNS_BAD_PARAMETERS = 30001, "a field is missing, or not what it must be";
    SNS_ACCOUNT_NOT_FOUND = 30003, "no such account";
    SNS_LIST_FULL = 30010, "the friend list is full";
    SNS_PEERS_LIST_FULL = 30014, "the other's friend list is full";
    SNS_NOT_FRIENDS = 31704, "not in the friend list";
    BAD_HTTP = 60002, "not a request that this command takes";
    BAD_JSON = 60003, "the body is not JSON";
    BAD_IDENTIFIER = 60004, "identifier is missing, or no user id";
    NO_USER_SIG = 60005, "usersig is missing";
    UNKNOWN_APP = 60006, "this server does not have an app with this sdkappid";
    TOO_MANY_CALLS = 60007, "too many calls of this command";
    TIMED_OUT = 60008, "the request did not arrive in time";
    NO_SUCH_COMMAND = 60009, "there is no such command";
    NOT_ADMINISTRATOR = 60010, "identifier is no administrator of the app";
    NO_APP = 60012, "sdkappid is missing, or no number above 0";
    LOGIN_BATCH = 70206, "too many accounts in one call, or none";
    LOGIN_BAD_PARAMETERS = 70402, "a field is missing, or not what it must be";
    LOGIN_NOT_ADMINISTRATOR = 70403, "identifier is no administrator of the app";
    OPENIM_BAD_JSON = 90001, "the body is not the JSON that this command takes";
    OPENIM_BATCH = 90011, "too many accounts in one call, or none";
}

/// The row of `code`.
pub fn find(code: i32) -> Option<&'static CodeEntry> {
    TABLE.iter().find(|entry| entry.code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_codes_are_these() {
        let page = include_str!("../../../../docs/REST.md");
        let rows: String = TABLE
            .iter()
            .map(|entry| format!("| {} | {} |\n", entry.code, entry.message))
            .collect();
        assert!(
            page.contains(&format!("|---|---|\n{rows}\n")),
            "docs/REST.md should have:\n{rows}"
        );
    }

    #[test]
    fn no_code_stands_twice_or_in_the_clients_table_too() {
        for (index, entry) in TABLE.iter().enumerate() {
            assert!(TABLE.iter().skip(index + 1).all(|other| other.code != entry.code));
            assert!(
                presence_protocol::errors::find(entry.code).is_none(),
                "{}",
                entry.code
            );
        }
    }
}
