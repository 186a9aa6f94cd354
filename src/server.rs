//! Embedded server: a real presence server inside this process.
//!
//! For demos, for the tests of your application, for use on a single machine: clients of this and of other processes
//! connect to it as to any other. It keeps everything in memory and has threads of its own. Builds without the feature
//! "embedded-server" have these functions too; they answer TIM_ERR_UNSUPPORTED there.

use std::ffi::c_char;
use std::time::Duration;

use crate::{fork, guard, strings};

#[cfg_attr(feature = "embedded-server", path = "server/embedded.rs")]
#[cfg_attr(not(feature = "embedded-server"), path = "server/absent.rs")]
mod backend;
#[cfg(feature = "embedded-server")]
pub(crate) mod options;

pub(crate) use backend::ServerEntry;

/// An embedded server. A number like TimClient: 0 is never one, and a wrong one is answered with
/// TIM_ERR_INVALID_HANDLE.
pub type TimServer = u64;

/// Starts a server. When this returns, it accepts connections.
///
/// @param options_json  A JSON object in UTF-8; NULL or "{}" for the defaults: an address of this machine alone
///     (127.0.0.1) with a free port, app 1400000001, a random secret key, and accounts that exist as soon as somebody
///     subscribes to them. All keys are in docs/C_API.md, "Options of the embedded server". A key that this version
///     does not know is refused.
/// @param server        Receives the handle; not NULL. Written only on success.
/// @return TIM_OK; TIM_ERR_INVALID_OPTIONS, the text names the key; TIM_ERR_ADDRESS_IN_USE; TIM_ERR_NO_MEMORY;
///     TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8; TIM_ERR_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timServerStart(options_json: *const c_char, server: *mut TimServer) -> i32 {
    guard::call(|| {
        backend::supported()?;
        let options_json = if options_json.is_null() {
            "{}"
        } else {
            // SAFETY: not NULL; the caller passes a NUL-terminated string that lives during the call.
            unsafe { strings::text(options_json, "options_json") }?
        };
        // SAFETY: the caller passes NULL or a place for the handle that nobody else uses during the call.
        let server = unsafe { strings::out(server, "server") }?;
        guard::silence_panics();
        fork::watch()?;
        *server = fork::globals().add_server(ServerEntry::start(options_json)?)?;
        Ok(())
    })
}

/// Says where the server listens, as a client's option "server" wants it: "tim://127.0.0.1:40123", or "tims://…" with a certificate.
///
/// @param server    The server.
/// @param buf       Receives the address and a NUL; NULL with a capacity of 0 to ask for the size.
/// @param capacity  Bytes that buf holds; 64 always suffice.
/// @param needed    Receives the capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
/// @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_NULL_POINTER, TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED;
///     TIM_ERR_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timServerAddress(
    server: TimServer,
    buf: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> i32 {
    guard::call(|| {
        backend::supported()?;
        let entry = fork::globals().server(server)?;
        // SAFETY: the caller passes NULL or a buffer of that capacity, and NULL or a place for the size.
        unsafe { strings::hand_out(&entry.address(), buf, capacity, needed) }
    })
}

/// Makes a UserSig for a user of the server's app, as a backend would.
///
/// @param server    The server.
/// @param user_id   The user: 1 to 32 bytes of printable ASCII; not NULL. The account need not exist.
/// @param valid_s   For how many seconds it is valid from now on; at least 1.
/// @param buf       Receives the UserSig and a NUL; NULL with a capacity of 0 to ask for the size.
/// @param capacity  Bytes that buf holds; 1024 always suffice.
/// @param needed    Receives a capacity that suffices, also with TIM_ERR_BUFFER_TOO_SMALL; may be NULL if buf is not.
///     A UserSig made a second later may be a few bytes longer: ask and copy with some room to spare.
/// @return TIM_OK; TIM_ERR_BUFFER_TOO_SMALL; TIM_ERR_INVALID_ARGUMENT for a user_id or valid_s out of range;
///     TIM_ERR_NULL_POINTER, TIM_ERR_NOT_UTF8, TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED; TIM_ERR_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timServerIssueUserSig(
    server: TimServer,
    user_id: *const c_char,
    valid_s: u32,
    buf: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> i32 {
    guard::call(|| {
        backend::supported()?;
        let entry = fork::globals().server(server)?;
        // SAFETY: the caller passes NULL or a NUL-terminated string that lives during the call.
        let user_id = unsafe { strings::text(user_id, "user_id") }?;
        let user_sig = entry.issue_user_sig(user_id, valid_s)?;
        // SAFETY: as in timServerAddress.
        unsafe { strings::hand_out(&user_sig, buf, capacity, needed) }
    })
}

/// Stops the server: its connections end, its clients of this and other processes see a lost connection. The handle is
/// invalid from the moment of this call, whatever it returns.
///
/// Waits for the server's own threads, which run no callbacks, so it may be called from a callback.
///
/// @param server      The server.
/// @param timeout_ms  How long to wait, in milliseconds.
/// @return TIM_OK: no thread or memory of the server is left; TIM_ERR_TIMEOUT: the rest ends in the background;
///     TIM_ERR_INVALID_HANDLE, TIM_ERR_FORKED; TIM_ERR_UNSUPPORTED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn timServerStop(server: TimServer, timeout_ms: u32) -> i32 {
    guard::call(|| {
        backend::supported()?;
        let entry = fork::globals().remove_server(server)?;
        entry.stop(Duration::from_millis(u64::from(timeout_ms)))
    })
}
