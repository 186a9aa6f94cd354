//! One account: its devices, its presence, its version (R1.3–R1.5, R2, R3, R6.5, R8.3, R8.7).

use crate::ids::{ConnectionId, DeviceKey, SessionId};
use crate::settings::AppSettings;
use crate::status::{CustomStatus, Presence, Version};
use crate::time::{Mono, Now};

/// What every step needs besides its event.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time of the step.
    pub now: Now,
    /// Above every version given out before this start of the engine (R6.5); session numbers rise from it too.
    pub floor: Version,
    /// The app's settings at this moment.
    pub settings: &'a AppSettings,
}

/// A device that wants in: its UserSig has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Which device.
    pub device: DeviceKey,
    /// The connection it came on.
    pub connection: ConnectionId,
    /// The login it continues, if this is a reconnect (R8.3).
    pub resumes: Option<SessionId>,
    /// `TLS.time` of its UserSig in seconds since the epoch, for R8.7.
    pub signed_at_s: i64,
}

/// How a connection went away without a logout (R2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// FIN or RST.
    LinkClosed,
    /// Silence for `heartbeat_timeout`.
    Timeout,
    /// Its UserSig expired. No grace (R2.8).
    Expired,
    /// It read nothing with a full outbox (R8.10): at least [`SLOW_RECEIVER_GRACE`] of grace. Told as LINK_CLOSED.
    SlowReceiver,
}

/// Grace of a receiver cut by R8.10.
pub const SLOW_RECEIVER_GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// Why a login is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginRefusal {
    /// The login it continues was displaced meanwhile (R8.3): 6208.
    Displaced,
    /// Its UserSig was made at or before the last kick (R8.7): 70052.
    Revoked,
}

/// A login that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The number of this login; a reconnect keeps its number.
    pub session: SessionId,
    /// Sessions this login ended.
    pub ended: Vec<Ended>,
    /// Whether the user's presence changed.
    pub changed: bool,
}

/// A session that a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The session.
    pub session: SessionId,
    /// Its connection, if it had one at that moment.
    pub connection: Option<ConnectionId>,
    /// Why, which is what its client is told.
    pub why: EndedBy,
}

/// Why a session ended other than by its own doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndedBy {
    /// The same device connected anew: close silently (R2.7).
    Replaced,
    /// The multi-login rule (R8.3): 6208.
    Displaced,
    /// The backend kicked or deleted the account (R8.7, R1.5): 70052.
    Kicked,
}

/// One account. See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    // (private: presence, devices live/grace/lost, displaced sessions, last session number, revocation second)
}

impl User {
    /// A newly registered account: UNLOGINED, at a version not below the floor, so that a watcher that knew it before a
    /// restart learns what is true now (R1.2, R6.5).
    #[must_use]
    pub fn registered(context: Context<'_>) -> User { let _ = context; todo!() }

    /// What others may see.
    #[must_use]
    pub fn presence(&self) -> &Presence { todo!() }

    /// The platforms of live devices, as bits (R1.4).
    #[must_use]
    pub fn platforms(&self) -> u32 { todo!() }

    /// Whether `session` is live on `connection`: events of any other connection are stale and change nothing.
    #[must_use]
    pub fn is_current(&self, session: SessionId, connection: ConnectionId) -> bool { let _ = (session, connection); todo!() }

    /// A device logs in or comes back (R2.4, R2.7, R8.3).
    pub fn log_in(&mut self, login: Login, context: Context<'_>) -> Result<LoggedIn, LoginRefusal> { let _ = (login, context); todo!() }

    /// A connection went away without a logout (R2.6, R2.8). True if the presence changed. A stale event changes nothing (R2.7).
    pub fn lose(&mut self, session: SessionId, connection: ConnectionId, loss: Loss, context: Context<'_>) -> bool { let _ = (session, connection, loss, context); todo!() }

    /// A device logs out (R8.8). True if the presence changed.
    pub fn log_out(&mut self, session: SessionId, connection: ConnectionId, context: Context<'_>) -> bool { let _ = (session, connection, context); todo!() }

    /// A device sets the custom status (R3). True if the presence changed (R3.2).
    pub fn set_custom_status(&mut self, custom: CustomStatus, context: Context<'_>) -> bool { let _ = (custom, context); todo!() }

    /// The backend ends all devices and revokes every UserSig made up to this second (R8.7). The Ended, and whether the presence changed.
    pub fn kick(&mut self, context: Context<'_>) -> (Vec<Ended>, bool) { let _ = context; todo!() }

    /// When [`User::advance`] has something to do: the end of a grace or of a retention.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> { todo!() }

    /// Carries out what is due (R2.4, R2.8). True if the presence changed.
    pub fn advance(&mut self, context: Context<'_>) -> bool { let _ = context; todo!() }
}
