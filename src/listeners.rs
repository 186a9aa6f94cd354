//! Listeners: what happens without being asked for.
//!
//! Every setter takes a function, a user_data that is handed to it, and a free_user_data. Set them before or after
//! timLogin, at any time, from any thread, also from callbacks; a new listener takes the place of the old one of its
//! kind, and NULL removes it. Setters never wait: the old listener may still be running when one returns, and is told
//! what was waiting to be delivered by then. Its
//! free_user_data is called once, after its last call returned, and that alone proves that it has ended. If a setter
//! does not return TIM_OK, user_data stays yours and free_user_data is not called.
//!
//! All listeners of a client run one after another on its callback thread, in the order things happened. They must not
//! throw or longjmp; a slow one delays the later callbacks of its client and nothing else. What pointers point to is
//! valid only during the call.

use std::ffi::{c_char, c_void};

use presence_client::{Listener, ListenerKind, LogLevel};
use presence_protocol::errors::code;

use crate::arrays::{Users, lend_text, lend_texts};
use crate::fork::ClientEntry;
use crate::guard::{self, Refusal};
use crate::strings;
use crate::types::{TimClient, TimFreeFn, TimUserStatus};
use crate::user_data::hand_over;

/// Not connected: before a login, after a logout or kick, or between two attempts to reconnect.
pub const TIM_CONNECTION_DISCONNECTED: i32 = 1;
/// A connection is being made.
pub const TIM_CONNECTION_CONNECTING: i32 = 2;
/// Connected and logged in.
pub const TIM_CONNECTION_CONNECTED: i32 = 3;

/// Everything, down to single frames. May hold user content, never a secret.
pub const TIM_LOG_TRACE: i32 = 1;
/// What helps to find a mistake. May hold user content, never a secret.
pub const TIM_LOG_DEBUG: i32 = 2;
/// Few lines: connected, reconnecting, kicked.
pub const TIM_LOG_INFO: i32 = 3;
/// Something is wrong outside the library, and it copes.
pub const TIM_LOG_WARN: i32 = 4;
/// A bug of the library.
pub const TIM_LOG_ERROR: i32 = 5;

/// Receives changes of status, of the users subscribed to, of friends if the app's server says so, and of oneself.
///
/// changes has count pointers, at least 1 and one per user. Changes that are ready together come together; a slow
/// program may miss steps in between, never the last state of a user. The version of a user only rises.
pub type TimStatusFn =
    Option<unsafe extern "C" fn(changes: *const *const TimUserStatus, count: usize, user_data: *mut c_void)>;

/// Receives changes of the connection: state is one of TIM_CONNECTION_*. code is TIM_OK, or says why the connection
/// went or an attempt failed; message says it for a person and is never NULL.
pub type TimConnectionFn =
    Option<unsafe extern "C" fn(state: i32, code: i32, message: *const c_char, user_data: *mut c_void)>;

/// Receives the news that this client was logged out by the server: code is TIM_ERR_KICKED_OFFLINE (6208: the account
/// logged in elsewhere, or was kicked by the backend) or TIM_ERR_USER_SIG_REVOKED (70052), or another code with which
/// the server refuses for good to continue the session, such as TIM_ERR_USER_SIG_WRONG_KEY (70009);
/// message is never NULL.
pub type TimKickedFn =
    Option<unsafe extern "C" fn(code: i32, message: *const c_char, user_data: *mut c_void)>;

/// Receives the news that the UserSig expired. The client is disconnected and waits for timLogin with a new one.
pub type TimExpiredFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Receives the users that fell off the full subscription list because others were subscribed to, oldest first. Comes
/// to every device of the user, the one that subscribed included.
pub type TimEvictedFn =
    Option<unsafe extern "C" fn(user_ids: *const *const c_char, count: usize, user_data: *mut c_void)>;

/// Receives a line of the client's log: level is one of TIM_LOG_*; message has no line end and is never NULL.
pub type TimLogFn = Option<unsafe extern "C" fn(level: i32, message: *const c_char, user_data: *mut c_void)>;

/// Runs on a callback thread as it starts or ends.
pub type TimThreadFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Sets who is told of changes of status.
///
/// @param client          The client.
/// @param on_changed      Called on the callback thread with the changes that are ready; NULL removes the listener.
/// @param user_data       Handed to on_changed; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
/// @return TIM_OK; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED for the client;
///     TIM_ERR_INVALID_ARGUMENT for a user_data without a function; TIM_ERR_BUSY if too many calls wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetUserStatusChangedCallback(
    client: TimClient,
    on_changed: TimStatusFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_changed) = on_changed else {
            return remove(entry, ListenerKind::StatusChanged, user_data, "on_changed");
        };
        hand_over(user_data, free_user_data, |user_data| {
            let mut room = Users::default();
            entry
                .client()
                .set_listener(Listener::StatusChanged(Box::new(move |changes| {
                    let Some(user_data) = user_data.live() else { return };
                    // SAFETY: the application gave function and pointer to be called until it is freed; the array lives
                    // during the call.
                    room.lend(changes, |changes, count| unsafe {
                        on_changed(changes, count, user_data)
                    });
                })))
        })
    })
}

/// Sets who is told how the connection to the server is. A lost connection comes back by itself; this is for showing.
///
/// @param client          The client.
/// @param on_state        Called on the callback thread at each change; NULL removes the listener.
/// @param user_data       Handed to on_state; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
/// @return As timSetUserStatusChangedCallback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetConnectionStateCallback(
    client: TimClient,
    on_state: TimConnectionFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_state) = on_state else {
            return remove(entry, ListenerKind::ConnectionState, user_data, "on_state");
        };
        hand_over(user_data, free_user_data, |user_data| {
            entry.client().set_listener(Listener::ConnectionState(Box::new(
                move |state, code, message| {
                    let Some(user_data) = user_data.live() else { return };
                    // SAFETY: as in timSetUserStatusChangedCallback.
                    lend_text(message, |message| unsafe {
                        on_state(state as i32, code, message, user_data)
                    });
                },
            )))
        })
    })
}

/// Sets who is told that the server logged this client out. It does not come back by itself.
///
/// @param client          The client.
/// @param on_kicked       Called on the callback thread; NULL removes the listener.
/// @param user_data       Handed to on_kicked; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
/// @return As timSetUserStatusChangedCallback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetKickedOfflineCallback(
    client: TimClient,
    on_kicked: TimKickedFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_kicked) = on_kicked else {
            return remove(entry, ListenerKind::KickedOffline, user_data, "on_kicked");
        };
        hand_over(user_data, free_user_data, |user_data| {
            entry
                .client()
                .set_listener(Listener::KickedOffline(Box::new(move |code, message| {
                    let Some(user_data) = user_data.live() else { return };
                    // SAFETY: as in timSetUserStatusChangedCallback.
                    lend_text(message, |message| unsafe { on_kicked(code, message, user_data) });
                })))
        })
    })
}

/// Sets who is told that the UserSig expired. Renewing it in time with timRenewUserSig avoids this.
///
/// @param client          The client.
/// @param on_expired      Called on the callback thread; NULL removes the listener.
/// @param user_data       Handed to on_expired; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
/// @return As timSetUserStatusChangedCallback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetUserSigExpiredCallback(
    client: TimClient,
    on_expired: TimExpiredFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_expired) = on_expired else {
            return remove(entry, ListenerKind::UserSigExpired, user_data, "on_expired");
        };
        hand_over(user_data, free_user_data, |user_data| {
            entry
                .client()
                .set_listener(Listener::UserSigExpired(Box::new(move || {
                    let Some(user_data) = user_data.live() else { return };
                    // SAFETY: as in timSetUserStatusChangedCallback.
                    unsafe { on_expired(user_data) };
                })))
        })
    })
}

/// Sets who is told of subscriptions that fell off the full list.
///
/// @param client          The client.
/// @param on_evicted      Called on the callback thread; NULL removes the listener.
/// @param user_data       Handed to on_evicted; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
/// @return As timSetUserStatusChangedCallback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetSubscriptionEvictedCallback(
    client: TimClient,
    on_evicted: TimEvictedFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_evicted) = on_evicted else {
            return remove(entry, ListenerKind::SubscriptionsEvicted, user_data, "on_evicted");
        };
        hand_over(user_data, free_user_data, |user_data| {
            entry
                .client()
                .set_listener(Listener::SubscriptionsEvicted(Box::new(move |user_ids| {
                    let Some(user_data) = user_data.live() else { return };
                    // SAFETY: as in timSetUserStatusChangedCallback.
                    lend_texts(user_ids, |user_ids, count| unsafe {
                        on_evicted(user_ids, count, user_data)
                    });
                })))
        })
    })
}

/// Sets who receives the client's log. Without one nothing is logged; the library never prints.
///
/// Lines come on the callback thread like every other callback, so they may be late. If the program is slower than the
/// log, lines are dropped.
///
/// @param client          The client.
/// @param level           The least level wanted: TIM_LOG_TRACE to TIM_LOG_ERROR. Not looked at if on_line is NULL.
/// @param on_line         Called on the callback thread with each line; NULL removes the listener.
/// @param user_data       Handed to on_line; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data when the listener is gone; may be NULL.
/// @return As timSetUserStatusChangedCallback; TIM_ERR_INVALID_ARGUMENT also for a level that does not exist.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetLogCallback(
    client: TimClient,
    level: i32,
    on_line: TimLogFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_line) = on_line else {
            return remove(entry, ListenerKind::Log, user_data, "on_line");
        };
        let level = log_level(level)?;
        hand_over(user_data, free_user_data, |user_data| {
            let listener = Listener::Log(
                level,
                Box::new(move |level, line| {
                    let Some(user_data) = user_data.live() else { return };
                    // SAFETY: as in timSetUserStatusChangedCallback.
                    lend_text(line, |line| unsafe { on_line(level as i32, line, user_data) });
                }),
            );
            entry.client().set_listener(listener)
        })
    })
}

/// Sets functions to run on the client's callback thread when it starts and when it ends: to attach it to a Java
/// virtual machine, to name it, to set its priority.
///
/// As the thread runs already, on_start runs on it before its next callback. on_stop runs only where on_start ran: as
/// the last thing of the client, or when the hooks are replaced. With "shared" delivery the thread goes on after it.
///
/// @param client          The client.
/// @param on_start        Called on the thread before its first callback; may be NULL.
/// @param on_stop         Called on the thread after its last callback; may be NULL. Both NULL remove the hooks.
/// @param user_data       Handed to both; must be NULL if both are NULL.
/// @param free_user_data  Called once with user_data when the hooks are gone; may be NULL.
/// @return As timSetUserStatusChangedCallback; TIM_ERR_UNSUPPORTED with poll delivery, whose threads are yours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetThreadHooks(
    client: TimClient,
    on_start: TimThreadFn,
    on_stop: TimThreadFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        if on_start.is_none() && on_stop.is_none() {
            strings::nothing_without(false, user_data, "both on_start and on_stop")?;
            return Ok(entry.client().set_thread_hooks(None)?);
        }
        hand_over(user_data, free_user_data, |user_data| {
            entry.client().set_thread_hooks(Some(Box::new(move |starts| {
                let hook = if starts { on_start } else { on_stop };
                if let (Some(hook), Some(user_data)) = (hook, user_data.live()) {
                    // SAFETY: as in timSetUserStatusChangedCallback.
                    unsafe { hook(user_data) };
                }
            })))
        })
    })
}

fn remove(
    entry: &ClientEntry,
    kind: ListenerKind,
    user_data: *mut c_void,
    function: &str,
) -> Result<(), Refusal> {
    strings::nothing_without(false, user_data, function)?;
    Ok(entry.client().remove_listener(kind)?)
}

fn log_level(level: i32) -> Result<LogLevel, Refusal> {
    match level {
        TIM_LOG_TRACE => Ok(LogLevel::Trace),
        TIM_LOG_DEBUG => Ok(LogLevel::Debug),
        TIM_LOG_INFO => Ok(LogLevel::Info),
        TIM_LOG_WARN => Ok(LogLevel::Warn),
        TIM_LOG_ERROR => Ok(LogLevel::Error),
        _ => Err(Refusal::new(
            code::INVALID_ARGUMENT,
            format!("level {level} is not a TIM_LOG_* level"),
        )),
    }
}
