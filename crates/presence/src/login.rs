//! Logins: what a device comes with, what becomes of it, how it goes and what ends it (R2.2, R8.3, R8.7).

use std::time::Duration;

use crate::ids::{ConnectionId, DeviceKey, Platform, SessionId};
use crate::settings::AppSettings;
use crate::status::Reason;

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
    /// Sessions this login ended, those in grace and lost ones included. A resume names its own session here with the
    /// old connection if that had not ended yet: only the connection ends, the session goes on.
    pub ended: Vec<Ended>,
    /// The platforms of devices that counted as live and were displaced (R8.3, R10.1).
    pub kicked: Vec<Platform>,
    /// Whether the user's presence changed.
    pub changed: bool,
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
    /// The server that held it ended (R2.9): `restart_grace` from the start of the next one. Told as SERVER.
    Restart,
}

/// Grace of a receiver cut by R8.10.
pub const SLOW_RECEIVER_GRACE: Duration = Duration::from_secs(10);

impl Loss {
    /// How long a connection lost so may take to come back (R2.8, R8.10).
    pub(crate) fn grace(self, settings: &AppSettings) -> Duration {
        match self {
            Loss::LinkClosed | Loss::Timeout | Loss::Restart => settings.offline_grace,
            Loss::SlowReceiver => settings.offline_grace.max(SLOW_RECEIVER_GRACE),
            Loss::Expired => Duration::ZERO,
        }
    }

    /// What watchers are told (R6.7).
    pub(crate) fn reason(self) -> Reason {
        match self {
            Loss::LinkClosed | Loss::SlowReceiver => Reason::LinkClosed,
            Loss::Timeout => Reason::Timeout,
            Loss::Expired => Reason::Expired,
            Loss::Restart => Reason::Server,
        }
    }
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
