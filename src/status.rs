//! User status: set one's own, ask for others', subscribe to their changes.
//!
//! Results that all of these have: TIM_ERR_NOT_LOGGED_IN (6014) before a login; TIM_ERR_LOGGED_OUT (6023) if the user
//! is logged out meanwhile; TIM_ERR_NO_CONNECTION (9523) if there is no connection for option "disconnected_wait_ms";
//! TIM_ERR_DISCONNECTED (9508) if the connection was lost before the answer, so that nobody knows whether a change took
//! effect; TIM_ERR_SHUTDOWN if the client is destroyed; TIM_ERR_PANIC if an internal error or a panic of yours in a
//! callback ended it. Asking and subscribing have TIM_ERR_INTERFACE_NOT_SUPPORTED (7013) if the app's plan lacks them,
//! TIM_ERR_STATUS_DISABLED (72001) if they are switched off, and TIM_ERR_RATE_LIMITED (7008) after 20 calls of a kind in
//! 5 seconds.

use std::ffi::{c_char, c_void};

use presence_protocol::errors::code;

use crate::guard::{self, Refusal};
use crate::session::completion;
use crate::strings;
use crate::types::{TimClient, TimResultFn};

/// Sets the user's custom status, for all of its devices. It is cleared by itself when the user is no longer ONLINE.
///
/// The result comes before the notification of the change. Setting what it already is succeeds without a notification.
///
/// Results: TIM_OK; TIM_ERR_INVALID_PARAMETERS (6017) if it is longer than the app allows (100 bytes).
///
/// @param client         The client.
/// @param custom_status  UTF-8, up to 100 bytes; "" clears it; not NULL. Copied.
/// @param done           Receives the result; may be NULL.
/// @param user_data      Handed to done; must be NULL if that is NULL.
/// @return TIM_OK: accepted; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED,
///     TIM_ERR_FAILED, TIM_ERR_FORKED, TIM_ERR_INVALID_ARGUMENT; TIM_ERR_BUSY if too many calls wait.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetSelfStatus(
    client: TimClient,
    custom_status: *const c_char,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or a NUL-terminated string that lives during the call.
        let custom_status = unsafe { strings::text(custom_status, "custom_status") }?;
        Ok(entry
            .client()
            .set_self_status(custom_status, completion(done, user_data)?)?)
    })
}

/// Asks the server for the status of users. It need not be subscribed to; oneself may be asked for.
///
/// The result's items have every user once, in the order of first mention, each with its own code. Results: TIM_OK if
/// at least one user succeeded, else the code of the first; TIM_ERR_INVALID_PARAMETERS (6017) for no id or more than
/// 500 different ones.
///
/// @param client     The client.
/// @param user_ids   count pointers to user ids, none of them NULL; NULL only if count is 0. Copied.
/// @param count      How many: 1 to 500.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return As timSetSelfStatus; the text names the element that is NULL or not UTF-8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetUserStatus(
    client: TimClient,
    user_ids: *const *const c_char,
    count: usize,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or `count` pointers, each NULL or to a string that lives during the call.
        let user_ids = unsafe { strings::texts(user_ids, count, "user_ids") }?;
        Ok(entry
            .client()
            .get_user_status(user_ids, completion(done, user_data)?)?)
    })
}

/// Subscribes to users: from the result on, the status listener is told of each change of theirs.
///
/// Subscriptions belong to the user: all its devices hear the changes. A user has at most 200; past that the oldest go,
/// which the result's evicted and the eviction listener name. The result's items have each user's status of the moment,
/// to which the notifications follow without a gap. Results: as timGetUserStatus, with at most 100 different ids;
/// subscribing to oneself is TIM_ERR_INVALID_PARAMETERS (6017) in its item.
///
/// @param client     The client.
/// @param user_ids   count pointers to user ids, none of them NULL; NULL only if count is 0. Copied.
/// @param count      How many: 1 to 100.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return As timGetUserStatus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSubscribeUserStatus(
    client: TimClient,
    user_ids: *const *const c_char,
    count: usize,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: as in timGetUserStatus.
        let user_ids = unsafe { strings::texts(user_ids, count, "user_ids") }?;
        Ok(entry.client().subscribe(user_ids, completion(done, user_data)?)?)
    })
}

/// Ends subscriptions. After the result no more notifications of these users come, unless they are friends.
///
/// A user that is not subscribed to succeeds. Results: TIM_OK; TIM_ERR_INVALID_PARAMETERS (6017) for more than 100
/// different ids.
///
/// @param client     The client.
/// @param user_ids   count pointers to user ids, none of them NULL; NULL with a count of 0 ends all subscriptions. A
///     count of 0 without NULL is refused, so that an emptied array does not end them all. Copied.
/// @param count      How many: 1 to 100, or 0.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return As timGetUserStatus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timUnsubscribeUserStatus(
    client: TimClient,
    user_ids: *const *const c_char,
    count: usize,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        if count == 0 && !user_ids.is_null() {
            let text = "count is 0 and user_ids is not NULL: to end all subscriptions, pass NULL";
            return Err(Refusal::new(code::INVALID_ARGUMENT, text));
        }
        // SAFETY: as in timGetUserStatus.
        let user_ids = unsafe { strings::texts(user_ids, count, "user_ids") }?;
        Ok(entry
            .client()
            .unsubscribe(user_ids, completion(done, user_data)?)?)
    })
}

/// Lists the user's subscriptions: the result's items, oldest first. Of each item only user_id and code are meant;
/// use timGetUserStatus for the status.
///
/// @param client     The client.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return TIM_OK: accepted; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED,
///     TIM_ERR_INVALID_ARGUMENT, TIM_ERR_BUSY as with timSetSelfStatus.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetSubscriptions(
    client: TimClient,
    done: TimResultFn,
    user_data: *mut c_void,
) -> i32 {
    guard::client(client, |entry| {
        Ok(entry.client().get_subscriptions(completion(done, user_data)?)?)
    })
}

/// Lists the user's friends, as the backend keeps them: the result's items. Of each item only user_id and code are
/// meant.
///
/// @param client     The client.
/// @param done       Receives the result; may be NULL.
/// @param user_data  Handed to done; must be NULL if that is NULL.
/// @return As timGetSubscriptions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetFriends(client: TimClient, done: TimResultFn, user_data: *mut c_void) -> i32 {
    guard::client(client, |entry| {
        Ok(entry.client().get_friends(completion(done, user_data)?)?)
    })
}
