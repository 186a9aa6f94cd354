//! The one table of error numbers: on the wire, in C, over HTTP and in the docs.
//!
//! `build.rs` of the C ABI and the docs test include this file as it is, so it depends on nothing. Numbers are added,
//! never renumbered, never reused. Positive numbers are those the original publishes and arrive through callbacks;
//! negative ones are ours and are returned by the call itself, which was then not accepted (or arrive through the
//! callback where their text says so).

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorEntry {
    /// The number.
    pub code: i32,
    /// The C constant, `TIM_OK` or `TIM_ERR_…`.
    pub name: &'static str,
    /// A short text for a person.
    pub message: &'static str,
    /// Any of [`RETRIABLE`], [`FATAL`], [`PROGRAMMING`].
    pub flags: u32,
    /// A paragraph: when it happens and what to do.
    pub details: &'static str,
}

/// The same call may succeed later.
pub const RETRIABLE: u32 = 1;
/// The client or session is over; retrying the call cannot help.
pub const FATAL: u32 = 2;
/// The calling program has a mistake.
pub const PROGRAMMING: u32 = 4;

macro_rules! errors {
    ($($constant:ident = $code:literal, $flags:expr, $message:literal, $details:literal;)*) => {
        /// The numbers by name.
        pub mod code {
            $(#[doc = $message] pub const $constant: i32 = $code;)*
        }
        /// Every number, in the order of the docs.
        pub const TABLE: &[ErrorEntry] = &[$(ErrorEntry {
            code: $code,
            name: if $code == 0 { "TIM_OK" } else { concat!("TIM_ERR_", stringify!($constant)) },
            message: $message,
            flags: $flags,
            details: $details,
        },)*];
    };
}

errors! {
    OK = 0, 0, "success", "The call was accepted, or the operation succeeded.";

    // ---- ours: refused at once, the callback is not called ----
    NULL_POINTER = -1, PROGRAMMING, "a required pointer is NULL",
        "An argument that must not be NULL was NULL. The text of timLastErrorMessage names it.";
    NOT_UTF8 = -2, PROGRAMMING, "a string is not valid UTF-8",
        "A string argument is not UTF-8. The text of timLastErrorMessage names it.";
    INVALID_HANDLE = -3, PROGRAMMING, "not a live handle",
        "The handle is zero, was destroyed, is of another kind, or was never given out by this library.";
    INVALID_ARGUMENT = -4, PROGRAMMING, "an argument is out of its range",
        "A number is out of range, a flag unknown, or a combination not allowed. The text of timLastErrorMessage names it.";
    INVALID_OPTIONS = -5, PROGRAMMING, "the options are not valid",
        "The options are not a JSON object, have a key this version does not know, or a value of the wrong type or range. The text of timLastErrorMessage names the key.";
    BUSY = -6, RETRIABLE, "no room for one more call",
        "The client has as many calls waiting for their result as its queue holds (option queue_max), or another thread is already in timPoll. Let results arrive, then try again.";
    WOULD_DEADLOCK = -7, PROGRAMMING, "this call would wait for the thread it runs on",
        "A call that waits for a callback thread was made from a callback of that thread. Use its asynchronous form.";
    TIMEOUT = -8, RETRIABLE, "not finished in the given time",
        "The time ran out. timClientDestroy goes on in the background and may be called again. As a result: no answer came within the bound of the operation.";
    SHUTDOWN = -9, FATAL, "the client is being destroyed",
        "As a result: the client was destroyed before the operation finished; whether it took effect is not known.";
    CLOSED = -10, FATAL, "the client is closed",
        "The handle is closing and accepts only timClientDestroy and timPoll; or this was the last timPoll.";
    FORKED = -11, FATAL, "the handle was made before fork()",
        "Handles do not survive fork() in the child. Create a new client there.";
    UNSUPPORTED = -12, 0, "not supported by this build",
        "The library was built without this feature, or the platform or delivery mode has no such thing. The text of timLastErrorMessage says which.";
    FAILED = -13, FATAL, "the client failed by an internal error",
        "An internal error ended the client; everything pending was completed. Only timClientDestroy works. Please report it.";
    PANIC = -14, FATAL, "internal error",
        "The library met a bug of its own and caught it. The client, if any, is FAILED. Please report it.";
    ABI_MISMATCH = -15, PROGRAMMING, "the library and the header do not fit",
        "The program was compiled for another major version, or a newer minor version, than the library it runs with.";
    NO_MEMORY = -16, RETRIABLE, "out of a resource",
        "The system refused memory, a thread, or a file descriptor.";
    DATA_DIR = -17, 0, "the data directory cannot be used",
        "It cannot be created, read, written or locked. Two clients that share a data directory at the same time are two devices; only one may hold the lock, the other continues as a new device without storing it. This code is given when the directory cannot be used at all.";
    ADDRESS_IN_USE = -18, RETRIABLE, "the server cannot listen there",
        "The address is in use, not of this machine, or not permitted.";
    BUFFER_TOO_SMALL = -19, PROGRAMMING, "the buffer is too small",
        "The text does not fit. Nothing was written but *needed, the capacity that suffices, terminating NUL included.";
    SERVER_NOT_TRUSTED = -20, 0, "the server is not trusted",
        "As a result, and with a connection state: the server's certificate has expired, is for another host, is of an authority that is not trusted here, or its key is not the pinned one. The text says which. A login ends with it at once; a session that was there before keeps trying, and logs each attempt.";

    // ---- the original's: through the callback ----
    NOT_INITIALIZED = 6013, PROGRAMMING, "not initialised", "Only from the drop-in library: TIMInit was not called.";
    NOT_LOGGED_IN = 6014, 0, "not logged in",
        "The call needs a logged-in user, and its login has not succeeded yet, was ended, or was kicked. Log in first.";
    INVALID_PARAMETERS = 6017, PROGRAMMING, "invalid parameters",
        "Too many or no user ids, a custom status that is too long or holds U+0000, oneself in a subscription, or the like. The text says which. Nothing was changed.";
    LOGGED_OUT = 6023, 0, "logged out before the call finished", "The user logged out, or was logged out, while the call waited for its answer.";
    INVALID_JSON = 6027, PROGRAMMING, "not JSON",
        "Only from the drop-in library: an argument that must be JSON is not. Nothing was changed.";
    USER_SIG_EXPIRED_ONLINE = 6206, 0, "the UserSig expired",
        "The UserSig of this session expired while it was online. Log in again with a new one.";
    KICKED_OFFLINE = 6208, 0, "another login took this one's place",
        "The same account logged in on another device and the app's multi-login rule allows only one of them. This client is logged out and does not reconnect.";
    INVALID_USER_ID = 7003, PROGRAMMING, "the user id is not valid",
        "A user id is 1 to 32 bytes of printable ASCII (0x20 to 0x7e).";
    RATE_LIMITED = 7008, RETRIABLE, "too many calls",
        "More than 20 calls of this kind in 5 seconds by this user. Nothing was changed; retry after retry_after_ms.";
    INTERRUPTED = 7009, 0, "interrupted",
        "Only from the drop-in library: TIMUninit was called before the operation finished; whether it took effect is not known.";
    INTERNAL_ERROR = 7012, FATAL, "internal error",
        "Only from the drop-in library: it met a bug of its own and caught it. TIMUninit and TIMInit start afresh. Please report it.";
    INTERFACE_NOT_SUPPORTED = 7013, 0, "not supported by the plan or the server",
        "The app's plan does not include this call, or the server or library does not have it.";
    INVALID_OPERATION = 7014, PROGRAMMING, "not allowed in this state",
        "For example: logging in as another user while logged in. Log out first.";
    LOGIN_IN_PROGRESS = 7501, RETRIABLE, "a login is in progress", "Another login of this client has not finished yet. Wait for its result.";
    DISCONNECTED = 9508, RETRIABLE, "the connection was lost before the answer",
        "The request was sent and the connection ended before its answer came, so whether it took effect is not known. It is not sent again by itself.";
    CONNECT_TIMEOUT = 9510, RETRIABLE, "the connection could not be made in time",
        "Told with a connection state: an attempt to connect got no answer within connect_timeout_ms.";
    CONNECTION_REFUSED = 9511, RETRIABLE, "the connection was refused",
        "Told with a connection state: nothing listens at the server's address, or a firewall refuses it.";
    UNREACHABLE = 9512, RETRIABLE, "the network is unreachable",
        "Told with a connection state: this machine has no way to the server's address.";
    NO_CONNECTION = 9523, RETRIABLE, "no connection to the server",
        "The request could not be sent within its time because there was no connection. Nothing was changed.";
    USER_SIG_EXPIRED = 70001, 0, "the UserSig is expired", "Get a new UserSig from your backend and log in with it.";
    USER_SIG_EMPTY = 70002, PROGRAMMING, "the UserSig is empty", "The UserSig given has no characters.";
    USER_SIG_INVALID = 70003, 0, "the UserSig is not valid",
        "It cannot be decoded, or a field is missing. It may have been cut: check the buffer your program copies it through.";
    USER_SIG_CHECK_FAILED = 70005, 0, "the UserSig does not check", "It decodes, but a field has a value that no generator makes.";
    USER_SIG_WRONG_KEY = 70009, 0, "the UserSig was made with another key",
        "Its signature does not fit the secret key that the server has for this app.";
    USER_SIG_OTHER_USER = 70013, 0, "the UserSig is for another user", "The user id inside it is not the one that logs in.";
    USER_SIG_OTHER_APP = 70014, 0, "the UserSig is for another app", "The app id inside it is not the one that logs in.";
    APP_NOT_FOUND = 70020, 0, "no such app", "The server does not have an app with this sdk_app_id.";
    TOO_MANY_FAILURES = 70050, RETRIABLE, "too many failed logins", "Ten logins of this account failed within a minute. Retry after retry_after_ms.";
    USER_SIG_REVOKED = 70052, 0, "the UserSig was revoked",
        "The backend kicked this account; every UserSig made at or before that second is void. Get a new one.";
    ACCOUNT_NOT_FOUND = 70107, 0, "no such account", "The user was never imported and never logged in.";
    SERVER_ERROR = 70500, RETRIABLE, "internal server error", "The server could not carry out the request. Retry later.";
    STATUS_DISABLED = 72001, 0, "user status is switched off", "The app's switch for status query and change notification is off.";
}

/// The row of `code`, if the table has it.
#[must_use]
pub fn find(code: i32) -> Option<&'static ErrorEntry> {
    TABLE.iter().find(|entry| entry.code == code)
}
