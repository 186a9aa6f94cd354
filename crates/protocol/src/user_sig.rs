//! UserSig (TLSSigAPIv2): made by a backend from the app's secret key, checked by the server (R8.1).

use presence::ids::{AppId, UserId};

/// What a UserSig says, after its signature was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// `TLS.time`: when it was made, seconds since the epoch.
    pub signed_at_s: i64,
    /// When it expires, seconds since the epoch; valid before it.
    pub expires_at_s: i64,
}

/// Why a UserSig is refused (R8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 70002.
    Empty,
    /// 70003: cannot be decoded or lacks a field.
    Malformed,
    /// 70005: a field has a value no generator makes.
    BadField,
    /// 70009: another key.
    WrongKey,
    /// 70013.
    OtherUser,
    /// 70014.
    OtherApp,
    /// 70001.
    Expired,
}

impl Refusal {
    /// Its number in the error table.
    #[must_use]
    pub fn code(self) -> i32 {
        todo!()
    }
}

/// Makes a UserSig valid for `valid_s` seconds from `now_s`.
#[must_use]
pub fn sign(app: AppId, secret_key: &str, user: &str, now_s: i64, valid_s: i64) -> String {
    let _ = (app, secret_key, user, now_s, valid_s);
    todo!()
}

/// Checks a UserSig for `user` of `app` at `now_s`. The signature is compared in constant time; inflating is capped.
pub fn check(
    user_sig: &str,
    app: AppId,
    secret_key: &str,
    user: &UserId,
    now_s: i64,
) -> Result<Checked, Refusal> {
    let _ = (user_sig, app, secret_key, user, now_s);
    todo!()
}
