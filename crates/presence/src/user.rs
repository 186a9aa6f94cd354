//! One account: its devices, its presence, its version (R1.3–R1.5, R2, R3, R6.5, R8.3, R8.7).

use crate::devices::Devices;
use crate::ids::{ConnectionId, DeviceKey, SessionId};
use crate::settings::AppSettings;
use crate::status::{CustomStatus, Presence, Reason, Status, Version};
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
    /// Sessions this login ended, those in grace and lost ones included. A resume names its own session here with the
    /// old connection if that had not ended yet: only the connection ends, the session goes on.
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

/// What must outlive a deleted account (R1.5), so that a later one of its name is newer than all that was told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The last version given out.
    pub version: Version,
    /// The last session number given out.
    pub session: SessionId,
    /// UserSigs made up to this second are revoked (R8.7). `i64::MIN`: none.
    pub revoked_until_s: i64,
}

/// One account. See the module.
///
/// Time passes by [`User::advance`] alone: call it first when [`User::next_deadline`] is not after now. A step that
/// finds a grace that ended but was not carried out takes it as still running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    presence: Presence,
    devices: Devices,
    last_session: SessionId,
    /// UserSigs made up to this second are revoked (R8.7).
    revoked_until_s: i64,
}

impl User {
    /// A newly registered account: UNLOGINED, at a version not below the floor, so that a watcher that knew it before a
    /// restart learns what is true now (R1.2, R6.5).
    #[must_use]
    pub fn registered(context: Context<'_>) -> User {
        let never = Mark {
            version: Version(0),
            session: SessionId(0),
            revoked_until_s: i64::MIN,
        };
        User::registered_again(never, context)
    }

    /// A newly registered account whose name an account had that was deleted since (R1.5).
    #[must_use]
    pub fn registered_again(mark: Mark, context: Context<'_>) -> User {
        let presence = Presence {
            status: Status::Unlogined,
            custom: CustomStatus::default(),
            version: mark.version.next(context.floor),
            since: context.now.wall,
            reason: Reason::Server,
        };
        User {
            presence,
            devices: Devices::default(),
            last_session: mark.session,
            revoked_until_s: mark.revoked_until_s,
        }
    }

    /// What to keep when the account is deleted, after [`User::kick`] (R1.5).
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark {
            version: self.presence.version,
            session: self.last_session,
            revoked_until_s: self.revoked_until_s,
        }
    }

    /// What others may see.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// The platforms of live devices, as bits (R1.4).
    #[must_use]
    pub fn platforms(&self) -> u32 {
        self.devices.platforms()
    }

    /// The sessions that have a connection now, with it: who hears of this user's changes as its own device (R6.1).
    pub fn connections(&self) -> impl Iterator<Item = (SessionId, ConnectionId)> + '_ {
        self.devices.connections()
    }

    /// Whether `session` is live on `connection`: events of any other connection are stale and change nothing.
    #[must_use]
    pub fn is_current(&self, session: SessionId, connection: ConnectionId) -> bool {
        self.devices.is_current(session, connection)
    }

    /// Whether a UserSig made at this second since the epoch is revoked (R8.7).
    #[must_use]
    pub fn is_revoked(&self, signed_at_s: i64) -> bool {
        signed_at_s <= self.revoked_until_s
    }

    /// A device logs in or comes back (R2.4, R2.7, R8.3). Of a live user nothing changes but the platforms (R1.4).
    pub fn log_in(&mut self, login: Login, context: Context<'_>) -> Result<LoggedIn, LoginRefusal> {
        if self.is_revoked(login.signed_at_s) {
            return Err(LoginRefusal::Revoked);
        }
        let next_session = SessionId((self.last_session.0 + 1).max(context.floor.0));
        let Some((session, ended)) = self.devices.enter(&login, next_session, context.settings) else {
            return Err(LoginRefusal::Displaced);
        };
        self.last_session = self.last_session.max(session);
        let changed = self.settle(Reason::Login, context);
        Ok(LoggedIn {
            session,
            ended,
            changed,
        })
    }

    /// A connection went away without a logout (R2.6, R2.8). True if the presence changed. A stale event changes nothing (R2.7).
    pub fn lose(
        &mut self,
        session: SessionId,
        connection: ConnectionId,
        loss: Loss,
        context: Context<'_>,
    ) -> bool {
        self.devices
            .lose(session, connection, loss, context.now.mono, context.settings)
            && self.settle(loss.reason(), context)
    }

    /// A device logs out (R8.8). True if the presence changed. A stale event changes nothing.
    pub fn log_out(&mut self, session: SessionId, connection: ConnectionId, context: Context<'_>) -> bool {
        self.devices.leave(session, connection) && self.settle(Reason::Logout, context)
    }

    /// A device sets the custom status (R3). True if the presence changed (R3.2). The caller has checked that the
    /// device [is current](User::is_current); without a live device there is no custom status to set (R3.3).
    pub fn set_custom_status(&mut self, custom: CustomStatus, context: Context<'_>) -> bool {
        if self.presence.status != Status::Online || self.presence.custom == custom {
            return false;
        }
        self.presence.custom = custom;
        self.change(Reason::CustomStatus, context);
        true
    }

    /// The backend ends all devices and revokes every UserSig made up to this second (R8.7). The sessions that ended,
    /// lost ones too, and whether the presence changed.
    pub fn kick(&mut self, context: Context<'_>) -> (Vec<Ended>, bool) {
        // The wall clock may have gone back since the last kick, whose word still holds.
        self.revoked_until_s = self.revoked_until_s.max(context.now.wall.0.div_euclid(1000));
        let ended = self.devices.end_all();
        let changed = self.become_status(Status::Unlogined, Reason::Kicked, context);
        (ended, changed)
    }

    /// When [`User::advance`] has something to do: the end of a grace or of a retention.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.devices.next_deadline()
    }

    /// Carries out what is due (R2.4, R2.8). True if the presence changed.
    pub fn advance(&mut self, context: Context<'_>) -> bool {
        let lost = self.devices.end_graces(context.now.mono, context.settings);
        let changed = lost.is_some_and(|loss| self.settle(loss.reason(), context));
        // After the above: a device may pass through both, and forgetting never changes the status (R2.4).
        self.devices.forget_lost(context.now.mono);
        changed
    }

    /// Draws the status from the devices (R2.4). Only after a device came or went.
    fn settle(&mut self, reason: Reason, context: Context<'_>) -> bool {
        let status = if self.devices.any_live() {
            Status::Online
        } else if self.devices.any_lost() {
            Status::Offline
        } else {
            Status::Unlogined
        };
        self.become_status(status, reason, context)
    }

    /// The custom status goes in the same change (R3.3).
    fn become_status(&mut self, status: Status, reason: Reason, context: Context<'_>) -> bool {
        if self.presence.status == status {
            return false;
        }
        self.presence.status = status;
        if status != Status::Online {
            self.presence.custom = CustomStatus::default();
        }
        self.change(reason, context);
        true
    }

    /// One change: a new version (R6.5), its time and its reason (R6.7).
    fn change(&mut self, reason: Reason, context: Context<'_>) {
        self.presence.version = self.presence.version.next(context.floor);
        // The wall clock may go back; what is told does not.
        self.presence.since = self.presence.since.max(context.now.wall);
        self.presence.reason = reason;
    }
}

impl Loss {
    /// What watchers are told (R6.7).
    fn reason(self) -> Reason {
        match self {
            Loss::LinkClosed | Loss::SlowReceiver => Reason::LinkClosed,
            Loss::Timeout => Reason::Timeout,
            Loss::Expired => Reason::Expired,
        }
    }
}
