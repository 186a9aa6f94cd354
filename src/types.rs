//! Types: the handle of a client, what a user's status looks like, and how a call's result arrives.

use std::ffi::{c_char, c_void};

/// A client: one user's session with one presence server.
///
/// A number, not a pointer: 0 is never a client, and a handle that was destroyed, is of another kind or was made up is
/// answered with TIM_ERR_INVALID_HANDLE by every function. Any thread may use it at any time. A process may have many.
pub type TimClient = u64;

/// The client could not learn the user's status, or a newer server sent one that this version does not know.
pub const TIM_STATUS_UNKNOWN: i32 = 0;
/// At least one device of the user is connected.
pub const TIM_STATUS_ONLINE: i32 = 1;
/// No device is connected, and at least one went away without logging out: its connection was lost or fell silent.
pub const TIM_STATUS_OFFLINE: i32 = 2;
/// Every device logged out, or the account has never logged in.
pub const TIM_STATUS_UNLOGINED: i32 = 3;

/// The reason is not known.
pub const TIM_REASON_UNKNOWN: i32 = 0;
/// A device logged in.
pub const TIM_REASON_LOGIN: i32 = 1;
/// The last device logged out.
pub const TIM_REASON_LOGOUT: i32 = 2;
/// The last connection ended: the program exited, crashed, or the network reported it.
pub const TIM_REASON_LINK_CLOSED: i32 = 3;
/// The last connection fell silent for longer than the heartbeat timeout.
pub const TIM_REASON_TIMEOUT: i32 = 4;
/// The custom status was set or cleared by its user.
pub const TIM_REASON_CUSTOM_STATUS: i32 = 5;
/// The backend kicked the account.
pub const TIM_REASON_KICKED: i32 = 6;
/// The UserSig of the last device expired while it was connected.
pub const TIM_REASON_EXPIRED: i32 = 7;
/// The server did it: registration, restart, deletion of the account.
pub const TIM_REASON_SERVER: i32 = 8;

/// Bit in TimUserStatus.platforms: a platform that none of the others names.
pub const TIM_PLATFORM_OTHER: u32 = 1;
/// Bit in TimUserStatus.platforms: iPhone.
pub const TIM_PLATFORM_IOS: u32 = 2;
/// Bit in TimUserStatus.platforms: Android.
pub const TIM_PLATFORM_ANDROID: u32 = 4;
/// Bit in TimUserStatus.platforms: a browser.
pub const TIM_PLATFORM_WEB: u32 = 8;
/// Bit in TimUserStatus.platforms: Windows.
pub const TIM_PLATFORM_WINDOWS: u32 = 16;
/// Bit in TimUserStatus.platforms: macOS.
pub const TIM_PLATFORM_MAC: u32 = 32;
/// Bit in TimUserStatus.platforms: Linux.
pub const TIM_PLATFORM_LINUX: u32 = 64;
/// Bit in TimUserStatus.platforms: iPad.
pub const TIM_PLATFORM_IPAD: u32 = 128;

/// One user's status. The library fills it in; it and its strings are valid only during the callback they came with:
/// copy what you keep. Lists of users are arrays of pointers, so that a program compiled against an older, shorter
/// version of this struct still finds each of them.
#[repr(C)]
#[derive(Debug)]
pub struct TimUserStatus {
    /// sizeof(TimUserStatus) of the library that filled it in. Fields are only ever added at the end.
    pub struct_size: u32,
    /// The result for this user: TIM_OK, or TIM_ERR_ACCOUNT_NOT_FOUND (70107), TIM_ERR_INVALID_USER_ID (7003) or
    /// TIM_ERR_INVALID_PARAMETERS (6017). Unless it is TIM_OK, everything below but user_id is 0 or "".
    pub code: i32,
    /// One of TIM_STATUS_*: TIM_STATUS_UNKNOWN also for what a newer server says and this version does not know.
    pub status: i32,
    /// Why the status last changed: one of TIM_REASON_*, or a number that a newer server knows.
    pub reason: i32,
    /// The platforms that are online now: bits TIM_PLATFORM_*. In a notification it may be 0; a change of this alone
    /// is not notified.
    pub platforms: u32,
    /// 0.
    pub reserved: u32,
    /// Orders the states of one user: a higher version is newer. Below 2^53. Says nothing across users.
    pub version: u64,
    /// When the status last changed, by the server's clock: milliseconds since 1970-01-01 UTC.
    pub since_ms: i64,
    /// The user. Never NULL.
    pub user_id: *const c_char,
    /// What the user set with timSetSelfStatus. Never NULL; "" if nothing, and always unless TIM_STATUS_ONLINE.
    pub custom_status: *const c_char,
}

/// How a call ended. Valid, with everything it points to, only during the callback.
#[repr(C)]
#[derive(Debug)]
pub struct TimResult {
    /// sizeof(TimResult) of the library that filled it in. Fields are only ever added at the end.
    pub struct_size: u32,
    /// TIM_OK, or one of TIM_ERR_*.
    pub code: i32,
    /// For a person, in English; never NULL and never empty, "success" included. Do not compare it: use code.
    pub message: *const c_char,
    /// With TIM_ERR_RATE_LIMITED and TIM_ERR_TOO_MANY_FAILURES: milliseconds to wait before trying again. Else 0.
    pub retry_after_ms: u32,
    /// 0.
    pub reserved: u32,
    /// One pointer per user, in the order the call says; NULL when item_count is 0.
    pub items: *const *const TimUserStatus,
    /// How many users items has.
    pub item_count: usize,
    /// With timSubscribeUserStatus: the users who fell off the full list, oldest first. NULL when evicted_count is 0.
    pub evicted: *const *const c_char,
    /// How many users evicted has.
    pub evicted_count: usize,
}

/// Receives the result of one call.
///
/// Called exactly once if, and only if, the call returned TIM_OK, on the client's callback thread (option "delivery");
/// never from inside the call itself. NULL is allowed where you do not want the result, together with a NULL
/// user_data. May call any function of this header; timClientDestroy of its own client answers
/// TIM_ERR_WOULD_DEADLOCK. Must not throw, and must not jump out with longjmp.
pub type TimResultFn = Option<unsafe extern "C" fn(result: *const TimResult, user_data: *mut c_void)>;

/// Receives a listener's user_data back when it will not be used again.
///
/// Called exactly once for each listener that was accepted, after the last call that used it returned: when it was
/// replaced, removed, or its client destroyed. A setter that did not return TIM_OK never calls it. Runs on the client's
/// callback thread, or inside timClientDestroy. NULL where there is nothing to free.
pub type TimFreeFn = Option<unsafe extern "C" fn(user_data: *mut c_void)>;
