//! Pull delivery: callbacks on a thread of yours, for a client made with {"delivery": "poll"}.
//!
//! Wait for the wake descriptor in your event loop, or for the wake callback, then call timPoll until it handles
//! nothing. A client that nobody polls delivers nothing, and with a full queue its calls answer TIM_ERR_BUSY.

use std::ffi::c_void;
use std::time::Duration;

use crate::guard;
use crate::strings;
use crate::types::{TimClient, TimFreeFn};
use crate::user_data::hand_over;

/// Signals that callbacks wait to be run by timPoll.
///
/// Called on a thread of the library when the queue stops being empty. It may only signal: set a flag, write to a
/// pipe, post a message. It must not call functions of this header, and must not block.
pub type TimWakeFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Runs callbacks that wait, on this thread.
///
/// @param client      The client; made with {"delivery": "poll"}.
/// @param max_events  How many callbacks to run at most; 0 for as many as wait.
/// @param timeout_ms  How long to wait for the first, in milliseconds; 0 does not wait.
/// @param handled     Receives how many ran, 0 if the time ran out; may be NULL. Written only on success.
/// @return TIM_OK; TIM_ERR_CLOSED when the client is being destroyed and this was its last poll; TIM_ERR_BUSY if another
///     thread is polling, or this one is, in a callback; TIM_ERR_WOULD_DEADLOCK inside a wake callback, which may only
///     signal; TIM_ERR_UNSUPPORTED with another delivery; TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timPoll(
    client: TimClient,
    max_events: usize,
    timeout_ms: u32,
    handled: *mut usize,
) -> i32 {
    guard::ending_client(client, |entry| {
        let events_max = if max_events == 0 { usize::MAX } else { max_events };
        let ran = entry
            .client()
            .poll(events_max, Duration::from_millis(u64::from(timeout_ms)))?;
        // SAFETY: the caller passes NULL or a place that nobody else uses during the call.
        if let Some(handled) = unsafe { handled.as_mut() } {
            *handled = ran;
        }
        Ok(())
    })
}

/// Hands out a file descriptor that is readable while callbacks wait: for poll(), epoll, or an event loop.
///
/// It belongs to the client and is closed with it: do not read from it, write to it or close it.
///
/// @param client  The client; made with {"delivery": "poll"}.
/// @param fd      Receives the descriptor; not NULL. Written only on success.
/// @return TIM_OK; TIM_ERR_UNSUPPORTED with another delivery; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE,
///     TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED; TIM_ERR_NO_MEMORY if the system refuses a descriptor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timGetWakeFd(client: TimClient, fd: *mut i32) -> i32 {
    guard::client(client, |entry| {
        // SAFETY: the caller passes NULL or a place that nobody else uses during the call.
        let fd = unsafe { strings::out(fd, "fd") }?;
        *fd = entry.client().wake_fd()?;
        Ok(())
    })
}

/// Sets who is signalled when callbacks wait, where a descriptor does not serve.
///
/// If callbacks wait already, the first signal comes at once, possibly before this returns.
///
/// @param client          The client; made with {"delivery": "poll"}.
/// @param on_wake         Called on a thread of the library; NULL removes it.
/// @param user_data       Handed to on_wake; must be NULL if that is NULL.
/// @param free_user_data  Called once with user_data after the last call of on_wake returned, in a later timPoll or when
///     the client is destroyed; may be NULL.
/// @return TIM_OK; TIM_ERR_UNSUPPORTED with another delivery; TIM_ERR_INVALID_ARGUMENT for a user_data without on_wake;
///     TIM_ERR_BUSY if too many calls wait; TIM_ERR_INVALID_HANDLE, TIM_ERR_CLOSED, TIM_ERR_FAILED, TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timSetWakeCallback(
    client: TimClient,
    on_wake: TimWakeFn,
    user_data: *mut c_void,
    free_user_data: TimFreeFn,
) -> i32 {
    guard::client(client, |entry| {
        let Some(on_wake) = on_wake else {
            strings::nothing_without(false, user_data, "on_wake")?;
            return Ok(entry.client().set_wake_callback(None)?);
        };
        hand_over(user_data, free_user_data, |user_data| {
            entry.client().set_wake_callback(Some(Box::new(move || {
                let Some(user_data) = user_data.live() else { return };
                // SAFETY: the application gave function and pointer to be called until it is freed.
                unsafe { on_wake(user_data) };
            })))
        })
    })
}
