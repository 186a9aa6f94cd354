//! UserSig (TLSSigAPIv2): made by a backend from the app's secret key, checked by the server (R8.1).
//!
//! A UserSig is base64 (with `+` `/` `=` written `*` `-` `_`) of zlib-deflated JSON, whose `TLS.sig` is the
//! HMAC-SHA256 of the other fields. Checks come in this order, so that a mistake is told from garbage and garbage from
//! a wrong key, and the first that fails names the refusal:
//!
//! 1. empty (70002); 2. decodable, and no field missing or of the wrong type (70003); 3. no value that no generator
//!    makes (70005); 4. for this user (70013); 5. for this app (70014); 6. signed with this key (70009); 7. not expired
//!    (70001).
//!
//! So "other user", "other app" and "bad value" are said of unsigned words: they tell only what the sender wrote itself.
//! "Expired" is said of signed words only.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use miniz_oxide::{deflate, inflate};
use presence::ids::{AppId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Number;
use sha2::Sha256;

use crate::errors::code;

/// Characters a UserSig may have. The published generators make about 200, or 500 with a long user buffer.
pub const USER_SIG_BYTES_MAX: usize = 4096;

/// Bytes the JSON may inflate to: a few bytes must not become megabytes.
const JSON_BYTES_MAX: usize = 4096;

/// The only version there is.
const VERSION: &str = "2.0";

/// Base64 as UserSigs write it; the padding, `_`, is taken off before reading and added after writing.
const ENCODING: GeneralPurpose = GeneralPurpose::new(&ALPHABET, NO_PAD);
const ALPHABET: Alphabet =
    match Alphabet::new("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-") {
        Ok(alphabet) => alphabet,
        Err(_) => panic!("64 different characters"), // would fail the build
    };

/// zlib's default.
const COMPRESSION_LEVEL: u8 = 6;

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
        match self {
            Refusal::Empty => code::USER_SIG_EMPTY,
            Refusal::Malformed => code::USER_SIG_INVALID,
            Refusal::BadField => code::USER_SIG_CHECK_FAILED,
            Refusal::WrongKey => code::USER_SIG_WRONG_KEY,
            Refusal::OtherUser => code::USER_SIG_OTHER_USER,
            Refusal::OtherApp => code::USER_SIG_OTHER_APP,
            Refusal::Expired => code::USER_SIG_EXPIRED,
        }
    }
}

/// The JSON inside. Numbers are read as JSON numbers first, so that one out of range is told from one missing.
#[derive(Debug, Serialize, Deserialize)]
struct Document<'a> {
    #[serde(rename = "TLS.ver", borrow)]
    version: Cow<'a, str>,
    #[serde(rename = "TLS.identifier", borrow)]
    identifier: Cow<'a, str>,
    #[serde(rename = "TLS.sdkappid")]
    sdk_app_id: Number,
    #[serde(rename = "TLS.expire")]
    expire: Number,
    #[serde(rename = "TLS.time")]
    time: Number,
    #[serde(
        rename = "TLS.userbuf",
        borrow,
        default,
        skip_serializing_if = "Option::is_none"
    )]
    userbuf: Option<Cow<'a, str>>,
    #[serde(rename = "TLS.sig", borrow)]
    signature: Cow<'a, str>,
}

/// Makes a UserSig valid for `valid_s` seconds from `now_s` (seconds since the epoch). `user` should be a user id
/// (R1.2): a UserSig for anything else is never accepted.
#[must_use]
pub fn sign(app: AppId, secret_key: &str, user: &str, now_s: i64, valid_s: i64) -> String {
    let mac = mac(secret_key, user, app.get(), now_s, valid_s, None);
    let document = Document {
        version: VERSION.into(),
        identifier: user.into(),
        sdk_app_id: Number::from(app.get()),
        expire: valid_s.into(),
        time: now_s.into(),
        userbuf: None,
        signature: STANDARD.encode(mac.finalize().into_bytes()).into(),
    };
    let json = serde_json::to_vec(&document).expect("strings and numbers always serialize");
    let mut text = ENCODING.encode(deflate::compress_to_vec_zlib(&json, COMPRESSION_LEVEL));
    while !text.len().is_multiple_of(4) {
        text.push('_');
    }
    text
}

/// Checks a UserSig for `user` of `app` at `now_s` (seconds since the epoch), in the order that the module's head gives.
/// The signature is compared in constant time; decoding and inflating are capped.
pub fn check(
    user_sig: &str,
    app: AppId,
    secret_key: &str,
    user: &UserId,
    now_s: i64,
) -> Result<Checked, Refusal> {
    let mut json = [0; JSON_BYTES_MAX];
    let json = inflate(user_sig, &mut json)?;
    let document: Document<'_> = serde_json::from_slice(json).map_err(|_| Refusal::Malformed)?;
    let signature = STANDARD
        .decode(document.signature.as_bytes())
        .map_err(|_| Refusal::Malformed)?;

    if document.version != VERSION {
        return Err(Refusal::BadField);
    }
    let sdk_app_id = document
        .sdk_app_id
        .as_u64()
        .filter(|id| *id > 0)
        .ok_or(Refusal::BadField)?;
    let signed_at_s = not_negative(&document.time)?;
    let valid_s = not_negative(&document.expire)?;
    let expires_at_s = signed_at_s.checked_add(valid_s).ok_or(Refusal::BadField)?;
    let userbuf = document.userbuf.as_deref();
    // A user buffer is base64. Were any text let through, line breaks in it could pass for other fields of what is signed.
    if userbuf.is_some_and(|userbuf| STANDARD.decode(userbuf).is_err()) {
        return Err(Refusal::BadField);
    }

    if document.identifier != user.as_str() {
        return Err(Refusal::OtherUser);
    }
    if sdk_app_id != app.get() {
        return Err(Refusal::OtherApp);
    }
    mac(
        secret_key,
        user.as_str(),
        sdk_app_id,
        signed_at_s,
        valid_s,
        userbuf,
    )
    .verify_slice(&signature) // in constant time
    .map_err(|_| Refusal::WrongKey)?;
    if now_s >= expires_at_s {
        return Err(Refusal::Expired);
    }
    Ok(Checked {
        signed_at_s,
        expires_at_s,
    })
}

/// Decodes the text and inflates it into `json`.
fn inflate<'a>(user_sig: &str, json: &'a mut [u8; JSON_BYTES_MAX]) -> Result<&'a [u8], Refusal> {
    if user_sig.is_empty() {
        return Err(Refusal::Empty);
    }
    if user_sig.len() > USER_SIG_BYTES_MAX {
        return Err(Refusal::Malformed);
    }
    let unpadded = user_sig.trim_end_matches('_');
    let mut deflated = [0; USER_SIG_BYTES_MAX];
    let length = ENCODING
        .decode_slice(unpadded, &mut deflated)
        .map_err(|_| Refusal::Malformed)?;
    let deflated = deflated.get(..length).unwrap_or_default();
    // A text that would inflate to more than `json` holds ends with an error here.
    let length = inflate::decompress_slice_iter_to_slice(json, std::iter::once(deflated), true, false)
        .map_err(|_| Refusal::Malformed)?;
    json.get(..length).ok_or(Refusal::Malformed)
}

fn not_negative(number: &Number) -> Result<i64, Refusal> {
    number
        .as_i64()
        .filter(|number| *number >= 0)
        .ok_or(Refusal::BadField)
}

/// The HMAC over what is signed, not finished. The key is the text itself: hex is not decoded.
fn mac(
    key: &str,
    identifier: &str,
    sdk_app_id: u64,
    time: i64,
    expire: i64,
    userbuf: Option<&str>,
) -> Hmac<Sha256> {
    let mut content = format!(
        "TLS.identifier:{identifier}\nTLS.sdkappid:{sdk_app_id}\nTLS.time:{time}\nTLS.expire:{expire}\n"
    );
    if let Some(userbuf) = userbuf {
        content.extend(["TLS.userbuf:", userbuf, "\n"]);
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(content.as_bytes());
    mac
}
