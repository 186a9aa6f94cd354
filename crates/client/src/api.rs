//! What passes between the application and a client: refusals, results, listeners and the states that can be asked for.

use std::borrow::Cow;
use std::fmt;

use presence_protocol::errors;
use presence_protocol::message::UserStatus;

/// A refusal at the call itself: a negative code of the table and a text that names what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// From `presence_protocol::errors::code`.
    pub code: i32,
    /// For a person; names the argument or key.
    pub text: String,
}

impl CallError {
    pub(crate) fn new(code: i32, text: impl Into<String>) -> CallError {
        CallError {
            code,
            text: text.into(),
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.code)
    }
}

impl std::error::Error for CallError {}

/// What a result callback is given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// 0 or a code of the table.
    pub code: i32,
    /// For a person, never empty. The table's text, where there is no other, costs no allocation.
    pub message: Cow<'static, str>,
    /// With 7008 and 70050; else 0.
    pub retry_after_ms: u32,
    /// Per user (query, subscribe, unsubscribe, lists).
    pub users: Vec<UserStatus>,
    /// With subscribe (R5.2).
    pub evicted: Vec<String>,
}

impl Outcome {
    /// A result of nothing but a code, with the table's text.
    pub(crate) fn of(code: i32) -> Outcome {
        Outcome {
            code,
            message: text_of(code).into(),
            ..Outcome::default()
        }
    }

    /// A result with a text that says more than the table.
    pub(crate) fn with_text(code: i32, message: impl Into<Cow<'static, str>>) -> Outcome {
        Outcome {
            code,
            message: message.into(),
            ..Outcome::default()
        }
    }
}

/// The table's text of `code`; codes of a newer server have one too.
pub(crate) fn text_of(code: i32) -> &'static str {
    errors::find(code).map_or("a code this version does not know", |entry| entry.message)
}

/// Called once with the result of a call, on the delivery's thread. Dropped after it returned.
pub type Completion = Box<dyn FnOnce(Outcome) + Send>;

/// See [`Listener::StatusChanged`].
pub type StatusChangedFn = Box<dyn FnMut(&[UserStatus]) + Send>;
/// See [`Listener::ConnectionState`].
pub type ConnectionStateFn = Box<dyn FnMut(ConnectionState, i32, &str) + Send>;
/// See [`Listener::KickedOffline`].
pub type KickedOfflineFn = Box<dyn FnMut(i32, &str) + Send>;
/// See [`Listener::UserSigExpired`].
pub type UserSigExpiredFn = Box<dyn FnMut() + Send>;
/// See [`Listener::SubscriptionsEvicted`].
pub type SubscriptionsEvictedFn = Box<dyn FnMut(&[String]) + Send>;
/// See [`Listener::Log`].
pub type LogFn = Box<dyn FnMut(LogLevel, &str) + Send>;

/// A standing callback. Dropping the box is how the application learns that it will not be called again: setters do not
/// wait, the old box is dropped on the delivery's thread after its last call returned.
pub enum Listener {
    /// R6: the changes that were ready together, at most one per user.
    StatusChanged(StatusChangedFn),
    /// The connection to the server: state and, for a failure, a code and text. Code 0: not a failure.
    ConnectionState(ConnectionStateFn),
    /// R8.3, R8.7: code 6208 or 70052, and text. Any other code is one with which the server refused to continue this
    /// session for good, for example 70009 after its secret key was changed.
    KickedOffline(KickedOfflineFn),
    /// R8.4.
    UserSigExpired(UserSigExpiredFn),
    /// R5.2: the evicted ids, oldest first.
    SubscriptionsEvicted(SubscriptionsEvictedFn),
    /// Log records at or above the level asked for: level, text.
    Log(LogLevel, LogFn),
}

/// Which listener to remove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are those of `Listener`
pub enum ListenerKind {
    StatusChanged,
    ConnectionState,
    KickedOffline,
    UserSigExpired,
    SubscriptionsEvicted,
    Log,
}

/// Severity of a log record; the numbers are the C ABI's. `Error` means a bug in this library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the usual five
pub enum LogLevel {
    Trace = 1,
    Debug = 2,
    Info = 3,
    Warn = 4,
    Error = 5,
}

/// The connection to the server; the numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// No connection. Unless the client is logged out it will try again.
    Disconnected = 1,
    /// Connecting and logging in.
    Connecting = 2,
    /// Logged in on this connection: calls reach the server.
    Connected = 3,
}

/// R8.2; the numbers are the C ABI's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginState {
    /// Nobody is logged in.
    LoggedOut = 1,
    /// A login was accepted and has no result yet.
    LoggingIn = 2,
    /// Logged in, be the connection there or being restored (R8.5).
    LoggedIn = 3,
    /// A logout was accepted and has no result yet.
    LoggingOut = 4,
}

impl LoginState {
    pub(crate) fn from_number(number: u8) -> LoginState {
        match number {
            2 => LoginState::LoggingIn,
            3 => LoginState::LoggedIn,
            4 => LoginState::LoggingOut,
            _ => LoginState::LoggedOut,
        }
    }
}
