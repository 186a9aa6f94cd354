//! The standing callbacks of the application that are ever called. They may be set at any time, also before TIMInit and
//! after TIMUninit; whoever calls one takes a copy first, so no lock is held meanwhile.

use std::ffi::{c_char, c_int, c_void};
use std::sync::Mutex;

use presence_client::LogLevel;

use crate::callback_thread::lock;
use crate::guard::{UserData, c_text};

/// `TIMNetworkStatusListenerCallback`.
pub type NetworkFn = unsafe extern "C" fn(c_int, i32, *const c_char, *const c_void);
/// `TIMKickedOfflineCallback`, `TIMUserSigExpiredCallback`.
pub type PlainFn = unsafe extern "C" fn(*const c_void);
/// `TIMUserStatusChangedCallback`.
pub type JsonFn = unsafe extern "C" fn(*const c_char, *const c_void);
/// `TIMLogCallback`.
pub type LogFn = unsafe extern "C" fn(c_int, *const c_char, *const c_void);

/// A callback and its user data.
pub struct Slot<F>(Mutex<Option<(F, UserData)>>);

impl<F: Copy> Slot<F> {
    const fn new() -> Slot<F> {
        Slot(Mutex::new(None))
    }

    /// Replaces it; `None` clears. A call that runs on the callback thread goes on.
    pub fn set(&self, callback: Option<F>, user_data: *const c_void) {
        *lock(&self.0) = callback.map(|callback| (callback, UserData::new(user_data)));
    }

    /// What to call now.
    fn get(&self) -> Option<(F, UserData)> {
        *lock(&self.0)
    }
}

/// All of them.
pub struct Listeners {
    /// The connection, by TIMNetworkStatus.
    pub network: Slot<NetworkFn>,
    /// R8.3, R8.7.
    pub kicked_offline: Slot<PlainFn>,
    /// R8.4.
    pub user_sig_expired: Slot<PlainFn>,
    /// R6.
    pub user_status: Slot<JsonFn>,
    /// Log records.
    pub log: Slot<LogFn>,
}

impl Listeners {
    /// None is set.
    pub const fn new() -> Listeners {
        Listeners {
            network: Slot::new(),
            kicked_offline: Slot::new(),
            user_sig_expired: Slot::new(),
            user_status: Slot::new(),
            log: Slot::new(),
        }
    }

    /// On the callback thread, as all of these.
    pub fn tell_network(&self, status: c_int, code: i32, text: &str) {
        if let Some((callback, user_data)) = self.network.get() {
            let text = c_text(text);
            // SAFETY: the application set function and pointer to be called until replaced; the text lives during it.
            unsafe { callback(status, code, text.as_ptr(), user_data.get()) };
        }
    }

    /// R8.3, R8.7.
    pub fn tell_kicked_offline(&self) {
        if let Some((callback, user_data)) = self.kicked_offline.get() {
            // SAFETY: as in `tell_network`.
            unsafe { callback(user_data.get()) };
        }
    }

    /// R8.4.
    pub fn tell_user_sig_expired(&self) {
        if let Some((callback, user_data)) = self.user_sig_expired.get() {
            // SAFETY: as in `tell_network`.
            unsafe { callback(user_data.get()) };
        }
    }

    /// R6; `json` makes the array, if somebody listens.
    pub fn tell_user_status(&self, json: impl FnOnce() -> String) {
        if let Some((callback, user_data)) = self.user_status.get() {
            let json = c_text(&json());
            // SAFETY: as in `tell_network`.
            unsafe { callback(json.as_ptr(), user_data.get()) };
        }
    }

    /// A log record; `level` is a TIMLogLevel.
    pub fn tell_log(&self, level: c_int, text: &str) {
        if let Some((callback, user_data)) = self.log.get() {
            let text = c_text(text);
            // SAFETY: as in `tell_network`.
            unsafe { callback(level, text.as_ptr(), user_data.get()) };
        }
    }

    /// Whether log records go anywhere.
    pub fn wants_logs(&self) -> bool {
        self.log.get().is_some()
    }
}

/// The original's TIMLogLevel.
pub mod log_level {
    use std::ffi::c_int;

    /// Nothing is told.
    pub const OFF: c_int = 0;
    /// The chattiest that the client has.
    pub const VERBOSE: c_int = 2;
    /// User content from here down only.
    pub const DEBUG: c_int = 3;
    /// The default.
    pub const INFO: c_int = 4;
    /// The connection was lost, say.
    pub const WARN: c_int = 5;
    /// A bug of this library.
    pub const ERROR: c_int = 6;
}

/// The client's level for what a program asks for; `None`: off.
pub fn client_level(level: c_int) -> Option<LogLevel> {
    match level {
        ..=log_level::OFF => None,
        1 | log_level::VERBOSE => Some(LogLevel::Trace),
        log_level::DEBUG => Some(LogLevel::Debug),
        log_level::INFO => Some(LogLevel::Info),
        log_level::WARN => Some(LogLevel::Warn),
        log_level::ERROR.. => Some(LogLevel::Error),
    }
}

/// The original's number for a record of the client.
pub fn tim_level(level: LogLevel) -> c_int {
    match level {
        LogLevel::Trace => log_level::VERBOSE,
        LogLevel::Debug => log_level::DEBUG,
        LogLevel::Info => log_level::INFO,
        LogLevel::Warn => log_level::WARN,
        LogLevel::Error => log_level::ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_the_originals() {
        for level in [
            LogLevel::Trace,
            LogLevel::Debug,
            LogLevel::Info,
            LogLevel::Warn,
            LogLevel::Error,
        ] {
            assert_eq!(client_level(tim_level(level)), Some(level));
        }
        assert_eq!(client_level(0), None);
        assert_eq!(client_level(-1), None);
        assert_eq!(client_level(7), Some(LogLevel::Error), "Assert");
    }

    #[test]
    fn a_slot_is_replaced_and_cleared() {
        unsafe extern "C" fn nothing(_: *const c_void) {}
        let slot: Slot<PlainFn> = Slot::new();
        assert!(slot.get().is_none());
        slot.set(Some(nothing), std::ptr::without_provenance(7));
        assert_eq!(slot.get().map(|(_, user_data)| user_data.get().addr()), Some(7));
        slot.set(None, std::ptr::null());
        assert!(slot.get().is_none());
    }
}
