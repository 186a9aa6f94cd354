//! Lifecycle: create a client, destroy it.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use presence_client::Client;

use crate::types::TimClient;
use crate::user_data::Pointer;
use crate::{fork, guard, strings};

/// Tells that a client is gone: its handle is no longer valid, and nothing of it is called any more but on_stop of
/// timSetThreadHooks and the free_user_data of those hooks, where this runs on its callback thread.
///
/// Called exactly once if, and only if, timClientDestroyAsync returned TIM_OK, on a thread of the library, or inside
/// timPoll with poll delivery. user_data is the one given to timClientDestroyAsync.
pub type TimClosedFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;

/// Creates a client. Nothing is connected before timLogin, except to say a logout that could not be said earlier: see
/// option "data_dir".
///
/// The first client of a process starts the library's network thread. With the default delivery, the client has a
/// callback thread of its own.
///
/// @param options_json  A JSON object in UTF-8, NUL-terminated; not NULL. Only read during the call. The keys are in
///     docs/C_API.md, "Options of a client"; "server" and "sdk_app_id" are required:
///     {"server": "tim://127.0.0.1:7788", "sdk_app_id": 1400000001}. A key that this version does not know is refused.
/// @param client        Receives the handle; not NULL. Written only on success.
/// @return TIM_OK; TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8; TIM_ERR_INVALID_OPTIONS, the text names the key;
///     TIM_ERR_UNSUPPORTED for what this build does not have, such as tims://; TIM_ERR_DATA_DIR; TIM_ERR_NO_MEMORY if
///     the system refuses a thread or a file descriptor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timClientCreate(options_json: *const c_char, client: *mut TimClient) -> i32 {
    guard::call(|| {
        // SAFETY: the caller passes NULL or a NUL-terminated string that lives during the call.
        let options_json = unsafe { strings::text(options_json, "options_json") }?;
        // SAFETY: the caller passes NULL or a place for the handle that nobody else uses during the call.
        let client = unsafe { strings::out(client, "client") }?;
        guard::silence_panics();
        fork::watch()?;
        let created = Client::create(options_json)?;
        *client = fork::globals().add_client(created)?;
        Ok(())
    })
}

/// Ends a client and waits until it is gone.
///
/// The server is told of the disconnection, which is not a logout: call timLogout first if the user should be seen as
/// UNLOGINED. Calls that still wait get their result with TIM_ERR_SHUTDOWN. When this returns TIM_OK, every result was
/// delivered, every free_user_data ran, and no thread or memory of the client is left; the handle is then invalid.
/// With poll delivery, what remains to be called is called by this function, on this thread, after a timPoll that is
/// running on another thread has been ended.
///
/// May be called from several threads at once, and in an atexit handler. Not from a callback of the same client (or,
/// with "shared" delivery, of any client that shares the thread): use timClientDestroyAsync there.
///
/// @param client      The client.
/// @param timeout_ms  How long to wait, in milliseconds; 0 only starts the end.
/// @return TIM_OK; TIM_ERR_INVALID_HANDLE; TIM_ERR_WOULD_DEADLOCK from a callback, and nothing was started;
///     TIM_ERR_TIMEOUT if a callback has not returned in time: the end goes on in the background, the handle accepts
///     only timClientDestroy and timPoll, and this may be called again; TIM_ERR_FORKED in a forked child.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timClientDestroy(client: TimClient, timeout_ms: u32) -> i32 {
    guard::ending_client(client, |entry| {
        entry
            .client()
            .destroy(Duration::from_millis(u64::from(timeout_ms)))?;
        fork::globals().remove_client(client);
        Ok(())
    })
}

/// Starts to end a client and returns at once. For callbacks, where timClientDestroy may not wait.
///
/// Everything timClientDestroy promises holds when closed is called. Until then the handle accepts only
/// timClientDestroy and timPoll; with poll delivery somebody must go on polling until timPoll answers TIM_ERR_CLOSED,
/// or call timClientDestroy.
///
/// @param client     The client.
/// @param closed     Called once when the client is gone; NULL if you need not know, together with a NULL user_data.
/// @param user_data  Handed to closed. Yours again after closed was called; at once if this did not return TIM_OK.
/// @return TIM_OK; TIM_ERR_INVALID_HANDLE; TIM_ERR_CLOSED if it is closing already; TIM_ERR_INVALID_ARGUMENT for a
///     user_data without closed; TIM_ERR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timClientDestroyAsync(
    client: TimClient,
    closed: TimClosedFn,
    user_data: *mut c_void,
) -> i32 {
    guard::ending_client(client, |entry| {
        strings::nothing_without(closed.is_some(), user_data, "closed")?;
        let user_data = Pointer(user_data);
        let closed = Box::new(move || {
            fork::globals().remove_client(client);
            if let Some(closed) = closed {
                // SAFETY: the application gave function and pointer for this one call.
                unsafe { closed(user_data.get()) };
            }
        });
        Ok(entry.client().destroy_async(closed)?)
    })
}
