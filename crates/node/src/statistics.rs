//! What a loop has done since it began, and what it holds now: plain numbers that the loop alone writes and, when it is
//! asked, reads. Nothing is shared, so counting costs an addition.

use std::time::Duration;

use presence::gates::Call;
use presence::ids::AppId;
use presence_protocol::message::Request;

use crate::event_loop::Loop;
use crate::transport::Transport;

/// Upper ends of the classes of [`LoopStatistics::turns_by_length`], in microseconds; the last class has none.
pub const LATENCY_BUCKETS_US: [u64; 9] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 100_000];

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum RequestKind {
    /// R8.1.
    #[default]
    Login,
    /// R8.8.
    Logout,
    /// R8.4.
    RenewUserSig,
    /// R3.
    SetSelfStatus,
    /// R4.
    GetUserStatus,
    /// R5.1.
    Subscribe,
    /// R5.7.
    Unsubscribe,
    /// R5.9.
    GetSubscriptions,
    /// R9.1.
    GetFriends,
    /// R5.8.
    RestoreSubscriptions,
    /// One that this version does not know.
    Unknown,
}

impl RequestKind {
    /// The request's name, in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            RequestKind::Login => "login",
            RequestKind::Logout => "logout",
            RequestKind::RenewUserSig => "renew_user_sig",
            RequestKind::SetSelfStatus => "set_self_status",
            RequestKind::GetUserStatus => "get_user_status",
            RequestKind::Subscribe => "subscribe",
            RequestKind::Unsubscribe => "unsubscribe",
            RequestKind::GetSubscriptions => "get_subscriptions",
            RequestKind::GetFriends => "get_friends",
            RequestKind::RestoreSubscriptions => "restore_subscriptions",
            RequestKind::Unknown => "unknown",
        }
    }

    /// What a request is.
    pub(crate) fn of(request: &Request) -> RequestKind {
        match request {
            Request::Login(_) => RequestKind::Login,
            Request::Logout => RequestKind::Logout,
            Request::RenewUserSig { .. } => RequestKind::RenewUserSig,
            Request::SetSelfStatus { .. } => RequestKind::SetSelfStatus,
            Request::GetUserStatus { .. } => RequestKind::GetUserStatus,
            Request::Subscribe { .. } => RequestKind::Subscribe,
            Request::Unsubscribe { .. } => RequestKind::Unsubscribe,
            Request::GetSubscriptions => RequestKind::GetSubscriptions,
            Request::GetFriends => RequestKind::GetFriends,
            Request::RestoreSubscriptions { .. } => RequestKind::RestoreSubscriptions,
            Request::Unknown => RequestKind::Unknown,
        }
    }

    /// What a call on users is.
    pub(crate) fn of_call(call: Call) -> RequestKind {
        match call {
            Call::Query => RequestKind::GetUserStatus,
            Call::Subscribe => RequestKind::Subscribe,
            Call::Unsubscribe => RequestKind::Unsubscribe,
        }
    }
}

/// Replies to one kind of request with one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replies {
    /// What was asked.
    pub kind: RequestKind,
    /// As in docs/ERRORS.md; 0: done.
    pub code: i32,
    /// How many.
    pub count: u64,
}

/// One loop's numbers. Those not said to be "now" are counted since the loop began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoopStatistics {
    /// Connections now, those that have not logged in included.
    pub connections: u64,
    /// Devices with a connection now.
    pub devices: u64,
    /// Users with such a device now.
    pub users: u64,
    /// Users who are watched here now.
    pub watched: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Logins, reconnects included.
    pub logins: u64,
    /// Logins refused.
    pub logins_refused: u64,
    /// Requests of clients, logins included, heartbeats not.
    pub requests: u64,
    /// Changes of status or custom status of users at home here.
    pub changes: u64,
    /// Changes put into the outboxes of connections: one for each device that is told.
    pub deliveries: u64,
    /// Replies, by request and code. A pair that was never replied is not here.
    pub replies: Vec<Replies>,
    /// Changes that a newer one of the same user took the place of in a full outbox (R6.3).
    pub merged: u64,
    /// Connections refused: the node has `connections_max`.
    pub refused_full: u64,
    /// Connections refused: their address has `connections_per_address_max`.
    pub refused_address_full: u64,
    /// Connections refused: their address opened more than `accepts_per_address_max` in a second.
    pub refused_address_fast: u64,
    /// Connections that the other end closed.
    pub closed_link: u64,
    /// Connections that were silent for the heartbeat timeout (R2.6).
    pub closed_silent: u64,
    /// Connections that did not read what they were sent (R8.10).
    pub closed_slow: u64,
    /// Connections that did not log in in time.
    pub closed_no_login: u64,
    /// Connections that did not speak the protocol.
    pub closed_protocol: u64,
    /// Turns of the loop, by how long they took: what waits for this loop waits at most for one turn, so this is the
    /// delay that the server adds. Classes as in [`LATENCY_BUCKETS_US`], and one more for all that is longer.
    pub turns_by_length: [u64; LATENCY_BUCKETS_US.len() + 1],
    /// The length of all turns, in microseconds.
    pub turns_us: u64,
}

/// What one loop, or all of them together, did for one app. Those not said to be "now" are counted since the loop began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AppStatistics {
    /// Devices with a connection now.
    pub devices: u64,
    /// Logins, reconnects included.
    pub logins: u64,
    /// Changes of status or custom status of the app's users.
    pub changes: u64,
    /// Changes put into the outboxes of connections: one for each device that is told.
    pub deliveries: u64,
    /// Changes, by how long they took from the beginning of the turn that made them to the end of the writes to the
    /// sockets of those who are told on the same loop; of a user with very many watchers, of the first slice of them.
    /// Classes as in [`LATENCY_BUCKETS_US`], and one more for all that is longer.
    pub changes_by_delay: [u64; LATENCY_BUCKETS_US.len() + 1],
}

impl AppStatistics {
    /// So many changes of one turn were written that long after it began.
    pub(crate) fn count_delay(&mut self, changes: u64, delay: Duration) {
        if let Some(count) = self.changes_by_delay.get_mut(class_of(delay)) {
            *count += changes;
        }
    }
}

impl std::ops::AddAssign for AppStatistics {
    fn add_assign(&mut self, other: AppStatistics) {
        self.devices += other.devices;
        self.logins += other.logins;
        self.changes += other.changes;
        self.deliveries += other.deliveries;
        for (sum, count) in self.changes_by_delay.iter_mut().zip(other.changes_by_delay) {
            *sum += count;
        }
    }
}

fn class_of(length: Duration) -> usize {
    let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    LATENCY_BUCKETS_US.iter().take_while(|end| us > **end).count()
}

impl LoopStatistics {
    /// A request was replied to. There are few kinds and codes, and fewer that occur.
    pub(crate) fn count_reply(&mut self, kind: RequestKind, code: i32) {
        let known = self
            .replies
            .iter_mut()
            .find(|replies| replies.kind == kind && replies.code == code);
        match known {
            Some(replies) => replies.count += 1,
            None => self.replies.push(Replies { kind, code, count: 1 }),
        }
    }

    /// A turn took that long.
    pub(crate) fn count_turn(&mut self, length: Duration) {
        let us = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.turns_by_length.get_mut(class_of(length)) {
            *count += 1;
        }
        self.turns_us = self.turns_us.saturating_add(us);
    }
}

impl<T: Transport> Loop<T> {
    /// A device of this app logged in.
    pub(crate) fn count_login(&mut self, app: AppId) {
        self.counted.logins += 1;
        if let Some(app) = self.apps.get_mut(&app) {
            app.counted.logins += 1;
            app.counted.devices += 1;
        }
    }

    /// What was delivered since the count stood at `before` was this app's.
    pub(crate) fn count_deliveries(&mut self, app: AppId, before: u64) {
        let count = self.counted.deliveries - before;
        if count > 0
            && let Some(app) = self.apps.get_mut(&app)
        {
            app.counted.deliveries += count;
        }
    }

    /// A user at home here changed. When it is written is counted at the end of the turn.
    pub(crate) fn count_change(&mut self, app: AppId) {
        self.counted.changes += 1;
        if let Some(of) = self.apps.get_mut(&app) {
            of.counted.changes += 1;
            if of.changed == 0 {
                self.changed_apps.push(app);
            }
            of.changed += 1;
        }
    }

    /// The changes of this turn are written.
    pub(crate) fn count_written(&mut self) {
        if self.changed_apps.is_empty() {
            return;
        }
        let delay = self.turn_began.elapsed();
        for app in self.changed_apps.drain(..) {
            if let Some(app) = self.apps.get_mut(&app) {
                let changes = std::mem::take(&mut app.changed);
                app.counted.count_delay(changes, delay);
            }
        }
    }

    /// The numbers of an app, of this moment; zeros of one that this server does not have.
    pub(crate) fn app_statistics(&self, app: AppId) -> AppStatistics {
        self.apps.get(&app).map(|app| app.counted).unwrap_or_default()
    }

    /// The numbers of this moment.
    pub(crate) fn statistics(&self) -> LoopStatistics {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        LoopStatistics {
            connections: count(self.connections.len()),
            devices: count(self.hub.devices_len()),
            users: count(self.hub.locals.len()),
            watched: count(self.hub.watched.len()),
            ..self.counted.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_is_counted_in_the_class_whose_end_it_does_not_pass() {
        let mut counted = LoopStatistics::default();
        for us in [0, 50, 51, 100_000, 100_001] {
            counted.count_turn(Duration::from_micros(us));
        }
        assert_eq!(counted.turns_by_length, [2, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(counted.turns_us, 200_102);
    }

    #[test]
    fn the_numbers_of_an_apps_loops_add_up() {
        let mut one = AppStatistics {
            devices: 1,
            logins: 2,
            changes: 3,
            deliveries: 4,
            ..AppStatistics::default()
        };
        one.count_delay(2, Duration::from_micros(51));
        one.count_delay(1, Duration::from_secs(1));
        let mut both = one;
        both += one;
        let mut expected = [0; LATENCY_BUCKETS_US.len() + 1];
        (expected[1], expected[9]) = (4, 2);
        assert_eq!(
            both,
            AppStatistics {
                devices: 2,
                logins: 4,
                changes: 6,
                deliveries: 8,
                changes_by_delay: expected
            }
        );
    }
}
