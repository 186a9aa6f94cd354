//! What `Debug` shows of messages that hold a UserSig: everything else. A message ends up in a log by `?` in a trace or
//! by a failed assertion, and a UserSig there lets its reader log in.
//!
//! `tests/secrets.rs` looks at every type of the project whose `Debug` is derived.

use std::fmt::{Debug, Formatter, Result};

use crate::message::{LoginRequest, Request};
use crate::wire;

impl Debug for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let mut ids_of = |name: &str, user_ids: &[String]| {
            let mut shown = f.debug_struct(name);
            shown.field("user_ids", &user_ids).finish()
        };
        match self {
            Request::GetUserStatus { user_ids } => ids_of("GetUserStatus", user_ids),
            Request::Subscribe { user_ids } => ids_of("Subscribe", user_ids),
            Request::Unsubscribe { user_ids } => ids_of("Unsubscribe", user_ids),
            Request::Login(login) => f.debug_tuple("Login").field(login).finish(),
            Request::RenewUserSig { user_sig: _ } => f.debug_struct("RenewUserSig").finish_non_exhaustive(),
            Request::SetSelfStatus { custom_status } => f
                .debug_struct("SetSelfStatus")
                .field("custom_status", custom_status)
                .finish(),
            Request::RestoreSubscriptions {
                list_generation,
                user_ids,
            } => f
                .debug_struct("RestoreSubscriptions")
                .field("list_generation", list_generation)
                .field("user_ids", user_ids)
                .finish(),
            Request::Logout => f.write_str("Logout"),
            Request::GetSubscriptions => f.write_str("GetSubscriptions"),
            Request::GetFriends => f.write_str("GetFriends"),
            Request::Unknown => f.write_str("Unknown"),
        }
    }
}

impl Debug for LoginRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("LoginRequest")
            .field("sdk_app_id", &self.sdk_app_id)
            .field("user_id", &self.user_id)
            .field("platform", &self.platform)
            .field("session", &self.session)
            .field("client", &self.client)
            .field("only_to_log_out", &self.only_to_log_out)
            .finish_non_exhaustive()
    }
}

impl Debug for wire::Login {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Login")
            .field("sdk_app_id", &self.sdk_app_id)
            .field("user_id", &self.user_id)
            .finish_non_exhaustive()
    }
}

impl Debug for wire::RenewUserSig {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("RenewUserSig").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversion::client_frame;

    const SIG: &str = "the-secret-sig";

    /// As it is spoken, and as it is on the wire.
    fn shown(request: &Request) -> String {
        format!("{request:?} {:?}", client_frame(1, request))
    }

    #[test]
    fn a_message_with_a_user_sig_shows_all_but_that() {
        let login = LoginRequest {
            sdk_app_id: 1,
            user_id: "alice".into(),
            user_sig: SIG.into(),
            platform: "Web".into(),
            instance: "the-instance".into(),
            session: None,
            list_generation: 0,
            known: Vec::new(),
            client: "test/1".into(),
            only_to_log_out: true,
        };
        let login = shown(&Request::Login(login));
        assert!(login.contains("alice") && login.contains("only_to_log_out: true"));
        let renewal = shown(&Request::RenewUserSig { user_sig: SIG.into() });
        assert!(renewal.contains("RenewUserSig"));
        assert!(
            !login.contains(SIG) && !renewal.contains(SIG),
            "{login} {renewal}"
        );
    }

    #[test]
    fn a_message_without_one_shows_itself() {
        let ids = || vec!["bob".to_owned()];
        for (request, expected) in [
            (Request::Logout, "Logout"),
            (Request::GetFriends, "GetFriends"),
            (Request::GetSubscriptions, "GetSubscriptions"),
            (Request::Unknown, "Unknown"),
            (
                Request::Subscribe { user_ids: ids() },
                r#"Subscribe { user_ids: ["bob"] }"#,
            ),
            (
                Request::Unsubscribe { user_ids: ids() },
                r#"Unsubscribe { user_ids: ["bob"] }"#,
            ),
            (
                Request::GetUserStatus { user_ids: ids() },
                r#"GetUserStatus { user_ids: ["bob"] }"#,
            ),
            (
                Request::SetSelfStatus {
                    custom_status: "busy".into(),
                },
                r#"SetSelfStatus { custom_status: "busy" }"#,
            ),
            (
                Request::RestoreSubscriptions {
                    list_generation: 4,
                    user_ids: ids(),
                },
                r#"RestoreSubscriptions { list_generation: 4, user_ids: ["bob"] }"#,
            ),
        ] {
            assert_eq!(format!("{request:?}"), expected);
        }
    }
}
