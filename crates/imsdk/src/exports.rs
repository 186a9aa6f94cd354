//! The functions of the original that do something here. Each checks its arguments and hands on; what they return and call
//! back in which situation is in docs/MIGRATING.md. All may be called on any thread, before TIMInit, and in callbacks.
#![allow(non_snake_case, reason = "the original's names")]

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use presence_client::{Client, Completion, LoginState};
use presence_protocol::errors::code;
use serde_json::Value;

use crate::answer::{Empty, Refused};
use crate::callback_thread::lock;
use crate::experimental;
use crate::guard::{self, CommCallback, Reply, call, guarded, result};
use crate::json;
use crate::listeners::{JsonFn, LogFn, NetworkFn, PlainFn};
use crate::process::process;
use crate::sdk::{self, as_user, completion};

// ---- life cycle ----

/// Starts the SDK for an app, with a JSON object of options. −4: no app, NULL, `""`; −3: not a JSON object.
///
/// # Safety
/// `json_sdk_config`: NULL or a NUL-terminated string that lives during the call. So it is with every text here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMInit(sdk_app_id: u64, json_sdk_config: *const c_char) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let config = unsafe { guard::text(json_sdk_config) }.ok_or(result::ERR_PARAM)?;
        let config = json::object(config).map_err(|_| result::ERR_JSON)?;
        sdk::init(sdk_app_id, &config)
    })
}

/// Ends the SDK. What waits is called back with 7009.
#[unsafe(no_mangle)]
pub extern "C" fn TIMUninit() -> c_int {
    call(|| {
        sdk::uninit();
        Ok(())
    })
}

/// What TIMGetSDKVersion says instead, for programs that compare it with the original's.
const VERSION_VARIABLE: &str = "TIM_PRESENCE_SDK_VERSION";

/// The version of this library, or what the environment variable TIM_PRESENCE_SDK_VERSION says at the first call. Static.
#[unsafe(no_mangle)]
pub extern "C" fn TIMGetSDKVersion() -> *const c_char {
    static VERSION: OnceLock<CString> = OnceLock::new();
    guarded(c"".as_ptr(), || {
        VERSION
            .get_or_init(|| {
                let wanted = std::env::var(VERSION_VARIABLE)
                    .ok()
                    .filter(|text| !text.is_empty());
                guard::c_text(wanted.as_deref().unwrap_or(env!("CARGO_PKG_VERSION")))
            })
            .as_ptr()
    })
}

/// The server's clock in seconds since 1970, as known from the last login; before the first, this machine's.
#[unsafe(no_mangle)]
pub extern "C" fn TIMGetServerTime() -> u64 {
    guarded(0, || {
        let server_ms = process()
            .sdk()
            .and_then(|sdk| sdk.client().and_then(Client::server_time_ms));
        match server_ms {
            Some(ms) => u64::try_from(ms / 1000).unwrap_or(0),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    })
}

/// Takes settings over and calls back at once, on this thread, with the same JSON. −4: NULL or `""`; −3: not an object.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMSetConfig(
    json_config: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let text = unsafe { guard::text(json_config) }.ok_or(result::ERR_PARAM)?;
        let config = json::object(text).map_err(|_| result::ERR_JSON)?;
        {
            let mut settings = lock(&process().settings);
            if let Some(level) = config
                .get("set_config_callback_log_level")
                .and_then(Value::as_u64)
            {
                settings.log_level = i32::try_from(level).unwrap_or(i32::MAX);
            }
            let user = config.get("set_config_user_config");
            if let Some(off) = user
                .and_then(|user| user.get("user_config_is_is_disable_storage"))
                .and_then(Value::as_bool)
            {
                settings.no_storage = off;
            }
        }
        sdk::logs_changed();
        Reply::new(cb, user_data).call(code::OK, "", guard::name(text).trim());
        Ok(())
    })
}

/// R8.1. −4: NULL or `""`. Called back with 0, the server's refusals, 9523, 7014, 7501, 7003, 6013, 6023, 7009.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMLogin(
    user_id: *const c_char,
    user_sig: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let (user_id, user_sig) = unsafe { (guard::text(user_id), guard::text(user_sig)) };
        let user_id = guard::name(user_id.ok_or(result::ERR_PARAM)?);
        let user_sig = guard::name(user_sig.ok_or(result::ERR_PARAM)?);
        sdk::login(user_id, user_sig, Reply::new(cb, user_data))
    })
}

/// R8.8. Called back with 0, also if nobody is logged in; 6013, 7009.
#[unsafe(no_mangle)]
pub extern "C" fn TIMLogout(cb: CommCallback, user_data: *const c_void) -> c_int {
    call(|| sdk::logout(Reply::new(cb, user_data)))
}

/// Writes who is logged in, or `""`. −4: NULL.
///
/// # Safety
/// `user_id_buffer`: NULL or 128 bytes that nobody else uses during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMGetLoginUserID(user_id_buffer: *mut c_char) -> c_int {
    call(|| {
        if user_id_buffer.is_null() {
            return Err(result::ERR_PARAM);
        }
        let user = process().sdk().and_then(|sdk| sdk.client()?.login_user());
        // R1.2: at most 32 bytes, so that it fits.
        let user = guard::c_text(&user.unwrap_or_default());
        let bytes = user.as_bytes_with_nul();
        // SAFETY: the caller's; a user id has at most 32 bytes.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), user_id_buffer, bytes.len()) };
        Ok(())
    })
}

/// The original's TIMLoginStatus.
mod login_status {
    use std::ffi::c_int;

    pub const LOGGED_IN: c_int = 1;
    pub const LOGGING_IN: c_int = 2;
    pub const LOGGED_OUT: c_int = 3;
    pub const LOGGING_OUT: c_int = 4;
}

/// R8.2, as TIMLoginStatus; at once.
#[unsafe(no_mangle)]
pub extern "C" fn TIMGetLoginStatus() -> c_int {
    guarded(login_status::LOGGED_OUT, || {
        let state = process()
            .sdk()
            .and_then(|sdk| sdk.client().map(Client::login_state));
        match state {
            Some(LoginState::LoggedIn) => login_status::LOGGED_IN,
            Some(LoginState::LoggingIn) => login_status::LOGGING_IN,
            Some(LoginState::LoggingOut) => login_status::LOGGING_OUT,
            Some(LoginState::LoggedOut) | None => login_status::LOGGED_OUT,
        }
    })
}

/// See [`experimental`]. −4: NULL; −3: not JSON, or an operation that nobody knows.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn callExperimentalAPI(
    json_param: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    call(|| {
        if json_param.is_null() {
            return Err(result::ERR_PARAM);
        }
        // SAFETY: the caller's.
        let text = unsafe { guard::text(json_param) }.unwrap_or_default();
        experimental::call(text, Reply::new(cb, user_data))
    })
}

/// A call of the user who is logged in, about a text. −4: NULL or `""`. `begin` makes it of the client.
///
/// # Safety
/// See [`TIMInit`].
unsafe fn asked(
    text: *const c_char,
    reply: Reply,
    empty: Empty,
    begin: impl FnOnce(&Client, &[u8]) -> Result<(), Refused>,
) -> c_int {
    call(|| {
        // SAFETY: the caller's.
        let text = unsafe { guard::text(text) }.ok_or(result::ERR_PARAM)?;
        as_user(reply, empty, |client| begin(client, text))
    })
}

// ---- user status ----

/// R4. Called back with an array of TIMUserStatus of the users that succeeded, and `[]` with a failure. −4: NULL or `""`.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMGetUserStatus(
    json_identifier_array: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    let reply = Reply::new(cb, user_data);
    let begin = |client: &Client, text: &[u8]| {
        let done = completion(reply, Empty::Array, |outcome| json::statuses(&outcome.users));
        Ok(client.get_user_status(json::user_ids(text)?, done)?)
    };
    // SAFETY: the caller's.
    unsafe { asked(json_identifier_array, reply, Empty::Array, begin) }
}

/// R3. −4: NULL or `""`.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMSetSelfStatus(
    json_current_user_status: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    let reply = Reply::new(cb, user_data);
    let begin = |client: &Client, text: &[u8]| {
        Ok(client.set_self_status(&json::custom_status(text)?, told_nothing(reply))?)
    };
    // SAFETY: the caller's.
    unsafe { asked(json_current_user_status, reply, Empty::Nothing, begin) }
}

/// R5.1. −4: NULL or `""`.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMSubscribeUserStatus(
    json_identifier_array: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    let reply = Reply::new(cb, user_data);
    let begin =
        |client: &Client, text: &[u8]| Ok(client.subscribe(json::user_ids(text)?, told_nothing(reply))?);
    // SAFETY: the caller's.
    unsafe { asked(json_identifier_array, reply, Empty::Nothing, begin) }
}

/// R5.7; NULL, `""` and `[]` clear the list.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMUnsubscribeUserStatus(
    json_identifier_array: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    let reply = Reply::new(cb, user_data);
    call(|| {
        // SAFETY: the caller's.
        let text = unsafe { guard::text(json_identifier_array) };
        as_user(reply, Empty::Nothing, |client| {
            let ids = text.map_or(Ok(Vec::new()), json::user_ids)?;
            Ok(client.unsubscribe(ids, told_nothing(reply))?)
        })
    })
}

/// For calls of which only the code matters.
fn told_nothing(reply: Reply) -> Completion {
    completion(reply, Empty::Nothing, |_| String::new())
}

// ---- friends, to read (R9.1) ----

/// Called back with an array of FriendProfile.
#[unsafe(no_mangle)]
pub extern "C" fn TIMFriendshipGetFriendProfileList(cb: CommCallback, user_data: *const c_void) -> c_int {
    let reply = Reply::new(cb, user_data);
    call(|| {
        as_user(reply, Empty::Nothing, |client| {
            let done = completion(reply, Empty::Nothing, |outcome| json::friend_list(&outcome.users));
            Ok(client.get_friends(done)?)
        })
    })
}

/// Called back with an array of FriendsInfo: of each id asked for, whether it is in the own friend list. −4: NULL or `""`.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMFriendshipGetFriendsInfo(
    friend_id_list: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    let reply = Reply::new(cb, user_data);
    let begin = |client: &Client, text: &[u8]| {
        let asked = json::user_ids(text)?;
        let done = completion(reply, Empty::Nothing, move |outcome| {
            json::friends_info(&asked, &outcome.users)
        });
        Ok(client.get_friends(done)?)
    };
    // SAFETY: the caller's.
    unsafe { asked(friend_id_list, reply, Empty::Nothing, begin) }
}

/// As [`TIMFriendshipGetFriendsInfo`], in another shape. Only one's own side is known: for both sides the answer is 7013.
///
/// # Safety
/// See [`TIMInit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn TIMFriendshipCheckFriendType(
    json_check_friend_list_param: *const c_char,
    cb: CommCallback,
    user_data: *const c_void,
) -> c_int {
    let reply = Reply::new(cb, user_data);
    let begin = |client: &Client, text: &[u8]| {
        let check = json::friend_check(text)?;
        if check.both {
            let text = "TIMFriendshipCheckFriendType: a client is not told whose friend list it is in";
            return Err(Refused::Here(code::INTERFACE_NOT_SUPPORTED, text));
        }
        let done = completion(reply, Empty::Nothing, move |outcome| {
            json::friend_checks(&check.user_ids, &outcome.users)
        });
        Ok(client.get_friends(done)?)
    };
    // SAFETY: the caller's.
    unsafe { asked(json_check_friend_list_param, reply, Empty::Nothing, begin) }
}

// ---- listeners: NULL clears; a call that runs goes on ----

/// The connection, by TIMNetworkStatus.
#[unsafe(no_mangle)]
pub extern "C" fn TIMSetNetworkStatusListenerCallback(cb: Option<NetworkFn>, user_data: *const c_void) {
    guarded((), || process().listeners.network.set(cb, user_data));
}

/// R8.3, R8.7.
#[unsafe(no_mangle)]
pub extern "C" fn TIMSetKickedOfflineCallback(cb: Option<PlainFn>, user_data: *const c_void) {
    guarded((), || process().listeners.kicked_offline.set(cb, user_data));
}

/// R8.4.
#[unsafe(no_mangle)]
pub extern "C" fn TIMSetUserSigExpiredCallback(cb: Option<PlainFn>, user_data: *const c_void) {
    guarded((), || process().listeners.user_sig_expired.set(cb, user_data));
}

/// R6: an array of TIMUserStatus.
#[unsafe(no_mangle)]
pub extern "C" fn TIMSetUserStatusChangedCallback(cb: Option<JsonFn>, user_data: *const c_void) {
    guarded((), || process().listeners.user_status.set(cb, user_data));
}

/// Log records from `set_config_callback_log_level` on (TIMSetConfig; unless given, Info).
#[unsafe(no_mangle)]
pub extern "C" fn TIMSetLogCallback(cb: Option<LogFn>, user_data: *const c_void) {
    guarded((), || {
        process().listeners.log.set(cb, user_data);
        sdk::logs_changed();
    });
}
