//! Session: log a user in and out.
//!
//! These functions and those of "User status" take a TimResultFn and its user_data last: they return TIM_OK when the
//! call was accepted, and its result comes through the callback, exactly once. Any other code means that it was not
//! accepted and no callback comes; timLastErrorMessage has the text. What can be known without the server is refused at
//! once: NULL, not UTF-8, a bad handle, no room for one more call (TIM_ERR_BUSY). Everything else is a result.

use std::ffi::{c_char, c_void};

use presence_client::Completion;

use crate::arrays::lend_result;
use crate::guard::{self, Refusal};
use crate::strings;
use crate::types::{TimClient, TimResultFn};
use crate::user_data::Pointer;

/// Nobody is logged in.
pub const TIM_LOGIN_LOGGED_OUT: i32 = 1;
/// A login is on its way.
pub const TIM_LOGIN_LOGGING_IN: i32 = 2;
/// A user is logged in, connected or about to be again.
pub const TIM_LOGIN_LOGGED_IN: i32 = 3;
/// A logout is on its way.
pub const TIM_LOGIN_LOGGING_OUT: i32 = 4;

/// Logs a user in. Connects first if need be; gives up after option "login_timeout_ms" and does not retry by itself.
///
/// After a success, a lost connection is restored without your help until timLogout, a kick, or the end of the UserSig.
/// The first notification after the result is the user's own status.
///
/// Results: TIM_OK, also if this user is logged in already; TIM_ERR_INVALID_OPERATION (7014) while another user is;
/// TIM_ERR_LOGIN_IN_PROGRESS (7501); TIM_ERR_INVALID_USER_ID (7003); TIM_ERR_USER_SIG_EXPIRED (70001) and the other
/// TIM_ERR_USER_SIG_*; TIM_ERR_APP_NOT_FOUND (70020); TIM_ERR_TOO_MANY_FAILURES (70050), with retry_after_ms;
/// TIM_ERR_NO_CONNECTION (9523); TIM_ERR_SERVER_NOT_TRUSTED (-20) at once, with TLS; TIM_ERR_LOGGED_OUT (6023) if
/// timLogout came before the answer; TIM_ERR_INVALID_PARAMETERS (6017) for a UserSig larger than the server takes.
///
/// @param client     The client.
/// @param user_id    The user: 1 to 32 bytes of printable ASCII; not NULL. Copied.
/// @param user_sig   The UserSig that your backend made for this user; not NULL. Copied, and never logged.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return TIM_OK: accepted; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
///     TIM_ERR_FAILED, TIM_ERR_FORKED; TIM_ERR_INVALID_ARGUMENT for a user_data without done; TIM_ERR_BUSY if too many
///     logins and logouts wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timLogin(
    client: TimClient,
    user_id: *const c_char,
    user_sig: *const c_char,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or NUL-terminated strings that live during the call.
        let (user_id, user_sig) = unsafe {
            (
                strings::text(user_id, "user_id")?,
                strings::text(user_sig, "user_sig")?,
            )
        };
        Ok(entry
            .client()
            .login(user_id, user_sig, completion(done, user_data)?)?)
    })
}

/// Logs the user out: this device no longer counts, and the user becomes UNLOGINED if it was the last.
///
/// Calls that wait get TIM_ERR_LOGGED_OUT (6023); no notification comes after the result. Without a connection it ends
/// after at most 3 seconds with TIM_OK, and the server learns of it at the next chance if the client has a data
/// directory; else it sees the user as OFFLINE.
///
/// Results: TIM_OK; TIM_ERR_NOT_LOGGED_IN (6014).
///
/// @param client     The client.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return TIM_OK: accepted; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED,
///     TIM_ERR_INVALID_ARGUMENT, TIM_ERR_BUSY as with timLogin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timLogout(client: TimClient, done: TimResultFn, user_data: *mut c_void) -> i32 {
    guard::client(client, |entry| {
        Ok(entry.client().logout(completion(done, user_data)?)?)
    })
}

/// Replaces the UserSig of the session before it expires. The connection stays.
///
/// Results: TIM_OK; TIM_ERR_NOT_LOGGED_IN (6014); the TIM_ERR_USER_SIG_* of timLogin, and the old one stays in use;
/// TIM_ERR_DISCONNECTED (9508), TIM_ERR_NO_CONNECTION (9523).
///
/// @param client     The client.
/// @param user_sig   The new UserSig; not NULL. Copied, and never logged.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return TIM_OK: accepted; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
///     TIM_ERR_FAILED, TIM_ERR_FORKED, TIM_ERR_INVALID_ARGUMENT; TIM_ERR_BUSY if too many calls wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timRenewUserSig(
    client: TimClient,
    user_sig: *const c_char,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or a NUL-terminated string that lives during the call.
        let user_sig = unsafe { strings::text(user_sig, "user_sig") }?;
        Ok(entry
            .client()
            .renew_user_sig(user_sig, completion(done, user_data)?)?)
    })
}

/// Says whether somebody is logged in. Does not wait.
///
/// @param client  The client.
/// @param state   Receives one of TIM_LOGIN_*; not NULL.
/// @return TIM_OK; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetLoginState(client: TimClient, state: *mut i32) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or a place that nobody else uses during the call.
        let state = unsafe { strings::out(state, "state") }?;
        *state = entry.client().login_state() as i32;
        Ok(())
    })
}

/// Says who is logged in; "" when nobody is, and until a login has succeeded. Does not wait.
///
/// @param client    The client.
/// @param buf       Receives the user id and a NUL; NULL with a capacity of 0 to ask for the size.
/// @param capacity  Bytes that buf holds; 33 always suffice.
/// @param needed    Receives the capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
/// @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
///     TIM_ERR_FAILED, TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetLoginUser(
    client: TimClient,
    buf: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> i32 {
    guard::client(client, |entry| {
        let user = entry.client().login_user().unwrap_or_default();
        // SAFETY: the caller passes NULL or a buffer of that capacity, and NULL or a place for the size.
        unsafe { strings::hand_out(&user, buf, capacity, needed) }
    })
}

/// Says what time the server has, as reckoned from the last login and this machine's steady clock: compare it with
/// since_ms, whatever the local clock says. Does not wait.
///
/// @param client  The client.
/// @param ms      Receives milliseconds since 1970-01-01 UTC, or 0 before the first successful login; not NULL.
/// @return TIM_OK; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetServerTime(client: TimClient, ms: *mut i64) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or a place that nobody else uses during the call.
        let ms = unsafe { strings::out(ms, "ms") }?;
        *ms = entry.client().server_time_ms().unwrap_or(0);
        Ok(())
    })
}

/// Tells the client that the network changed or came back: a connection that is being made, a login without an
/// answer included, is begun anew at once, and one that is there is asked for a sign of life. Does not wait.
///
/// @param client  The client.
/// @return TIM_OK; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timNotifyNetworkChanged(client: TimClient) -> i32 {
    guard::client(client, |entry| Ok(entry.client().network_changed()?))
}

/// What the client calls with the result of a call: the application's function, on the callback thread.
pub(crate) fn completion(done: TimResultFn, user_data: *mut c_void) -> Result<Completion, Refusal> {
    strings::nothing_without(done.is_some(), user_data, "done")?;
    let Some(done) = done else {
        return Ok(Box::new(|_outcome| ()));
    };
    let user_data = Pointer(user_data);
    Ok(Box::new(move |outcome| {
        // SAFETY: the application gave function and pointer for this one call; the result lives during it.
        lend_result(&outcome, |result| unsafe { done(result, user_data.get()) });
    }))
}
