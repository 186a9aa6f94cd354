//! The safe client: one actor per client on a shared runtime. See docs/ARCHITECTURE.md, "The client".
//!
//! Contract (docs/C_API.md): a call that answers `Ok` completes its [`Completion`] exactly once, on the delivery's
//! thread; one that answers `Err` never does and drops it on the caller's thread. No call does I/O on the caller's
//! thread. No lock is held while application code runs.

use std::time::Duration;

/// A refusal at the call itself: a negative code of the table and a text that names what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// From `presence_protocol::errors::code`.
    pub code: i32,
    /// For a person; names the argument or key.
    pub text: String,
}

/// What a result callback is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// 0 or a code of the table.
    pub code: i32,
    /// For a person, never empty.
    pub message: String,
    /// With 7008 and 70050; else 0.
    pub retry_after_ms: u32,
    /// Per user (query, subscribe, unsubscribe, lists).
    pub users: Vec<presence_protocol::message::UserStatus>,
    /// With subscribe (R5.2).
    pub evicted: Vec<String>,
}

/// Called once with the result of a call, on the delivery's thread. Dropped after it returned.
pub type Completion = Box<dyn FnOnce(Outcome) + Send>;

/// A standing callback. Dropping the box is how the application learns that it will not be called again: setters do not
/// wait, the old box is dropped on the delivery's thread after its last call returned.
pub enum Listener {
    /// R6: the changes that were ready together, at most one per user.
    StatusChanged(Box<dyn FnMut(&[presence_protocol::message::UserStatus]) + Send>),
    /// The connection to the server: state and, for a failure, a code and text.
    ConnectionState(Box<dyn FnMut(ConnectionState, i32, &str) + Send>),
    /// R8.3, R8.7: code 6208 or 70052, and text.
    KickedOffline(Box<dyn FnMut(i32, &str) + Send>),
    /// R8.4.
    UserSigExpired(Box<dyn FnMut() + Send>),
    /// R5.2: the evicted ids, oldest first.
    SubscriptionsEvicted(Box<dyn FnMut(&[String]) + Send>),
    /// Log records at or above the level asked for: level, text.
    Log(LogLevel, Box<dyn FnMut(LogLevel, &str) + Send>),
}

/// Which listener to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ListenerKind { StatusChanged, ConnectionState, KickedOffline, UserSigExpired, SubscriptionsEvicted, Log }

/// Severity of a log record; the numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum LogLevel { Trace = 1, Debug = 2, Info = 3, Warn = 4, Error = 5 }

/// The connection to the server; the numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ConnectionState { Disconnected = 1, Connecting = 2, Connected = 3 }

/// R8.2; the numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LoginState { LoggedOut = 1, LoggingIn = 2, LoggedIn = 3, LoggingOut = 4 }

/// A client: cheap to clone, all clones are the same client.
#[derive(Clone)]
pub struct Client {}

impl Client {
    /// Starts a client. `options_json` as documented in `options.rs`; unknown keys are refused by name.
    pub fn create(options_json: &str) -> Result<Client, CallError> { let _ = options_json; todo!() }

    /// R8.1, R8.2.
    pub fn login(&self, user_id: &str, user_sig: &str, done: Completion) -> Result<(), CallError> { let _ = (user_id, user_sig, done); todo!() }
    /// R8.8.
    pub fn logout(&self, done: Completion) -> Result<(), CallError> { let _ = done; todo!() }
    /// R8.4.
    pub fn renew_user_sig(&self, user_sig: &str, done: Completion) -> Result<(), CallError> { let _ = (user_sig, done); todo!() }
    /// R3.
    pub fn set_self_status(&self, custom_status: &str, done: Completion) -> Result<(), CallError> { let _ = (custom_status, done); todo!() }
    /// R4.
    pub fn get_user_status(&self, user_ids: Vec<String>, done: Completion) -> Result<(), CallError> { let _ = (user_ids, done); todo!() }
    /// R5.1.
    pub fn subscribe(&self, user_ids: Vec<String>, done: Completion) -> Result<(), CallError> { let _ = (user_ids, done); todo!() }
    /// R5.7; none: the whole list.
    pub fn unsubscribe(&self, user_ids: Vec<String>, done: Completion) -> Result<(), CallError> { let _ = (user_ids, done); todo!() }
    /// R5.9.
    pub fn get_subscriptions(&self, done: Completion) -> Result<(), CallError> { let _ = done; todo!() }
    /// R9.1.
    pub fn get_friends(&self, done: Completion) -> Result<(), CallError> { let _ = done; todo!() }

    /// Replaces a listener.
    pub fn set_listener(&self, listener: Listener) -> Result<(), CallError> { let _ = listener; todo!() }
    /// Removes a listener.
    pub fn remove_listener(&self, kind: ListenerKind) -> Result<(), CallError> { let _ = kind; todo!() }
    /// Called on each callback thread as it starts (`true`) and ends (`false`); for JNI and the like.
    pub fn set_thread_hooks(&self, hook: Option<Box<dyn Fn(bool) + Send + Sync>>) -> Result<(), CallError> { let _ = hook; todo!() }

    /// Now, without waiting.
    pub fn login_state(&self) -> LoginState { todo!() }
    /// Now, without waiting; `None` when logged out.
    pub fn login_user(&self) -> Option<String> { todo!() }
    /// The server's clock as known from the last login reply and our monotonic clock; `None` before the first.
    pub fn server_time_ms(&self) -> Option<i64> { todo!() }
    /// The network came back: reconnect at once (R8.5).
    pub fn network_changed(&self) -> Result<(), CallError> { todo!() }

    /// Poll delivery: runs up to `events_max` callbacks on this thread; waits up to `timeout` for the first.
    pub fn poll(&self, events_max: usize, timeout: Duration) -> Result<usize, CallError> { let _ = (events_max, timeout); todo!() }
    /// Poll delivery: readable while callbacks wait. Owned by the client.
    pub fn wake_fd(&self) -> Result<i32, CallError> { todo!() }
    /// Poll delivery: called on a library thread when the queue stops being empty; may only signal.
    pub fn set_wake_callback(&self, wake: Option<Box<dyn Fn() + Send + Sync>>) -> Result<(), CallError> { let _ = wake; todo!() }

    /// Ends the client: see docs/C_API.md, "Lifetime". `Ok` means nothing of it is left.
    pub fn destroy(&self, timeout: Duration) -> Result<(), CallError> { let _ = timeout; todo!() }
    /// Starts to end it; `closed` is called once when nothing else will be.
    pub fn destroy_async(&self, closed: Box<dyn FnOnce() + Send>) -> Result<(), CallError> { let _ = closed; todo!() }
}
