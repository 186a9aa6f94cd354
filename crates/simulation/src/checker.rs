//! What must hold, whatever happens: the invariants of the rules, checked on what applications see. It knows nothing of
//! the network and the server's insides.

mod calm;
mod invariant;

use std::collections::{BTreeMap, BTreeSet};

use presence::status::Status;
use presence_client::{ConnectionState, Outcome};
use presence_protocol::errors::code;
use presence_protocol::message::UserStatus;

pub use self::calm::Answers;
pub use self::invariant::{Invariant, Violation};
use crate::scenario::{
    ACTIVE_USERS, Call, DeviceIndex, LONG_S, OBSERVER, RESTART_GRACE, Scenario, UserIndex,
};

/// Numbers the calls of a simulation.
pub type CallId = usize;

/// A call without a result.
#[derive(Debug)]
struct Pending {
    call: Call,
    since_ms: u64,
}

/// What an application knows of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Out,
    LoggingIn,
    In,
    Leaving,
}

/// One device as its application sees it.
#[derive(Debug)]
struct View {
    phase: Phase,
    user: UserIndex,
    /// Everyone it was logged in as: a farewell or a late segment may still speak for them.
    users_seen: BTreeSet<UserIndex>,
    connection: ConnectionState,
    pending: BTreeMap<CallId, Pending>,
    /// Told in this session: by notifications and by results of subscribe.
    told: BTreeMap<String, UserStatus>,
    /// What waits on a link that holds, or could be said late, may bring a user back.
    is_held: bool,
    /// Its UserSig may expire before the simulation ends.
    is_brief: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Checker {
    users: Vec<String>,
    has_data_dir: Vec<bool>,
    subscriptions_max: usize,
    ghost_bound_ms: u64,
    has_store: bool,
    views: Vec<View>,
    /// When each user's last device was, at the latest, alive.
    alive_until_ms: Vec<u64>,
    next_call: CallId,
    /// Whom each user is told of besides its list (R6.1): empty while friends are not told.
    friends: BTreeMap<UserIndex, Vec<UserIndex>>,
    /// The observer has subscribed to everybody in this session.
    observer_subscribed: bool,
    /// Calls before this one may have named an account that was deleted since.
    deleted_before: CallId,
    /// What the last calm moment's answers were.
    settled: BTreeMap<String, UserStatus>,
    /// Who is how, and must be seen so while the server restarts.
    unchanging: BTreeMap<String, UserStatus>,
    violations: Vec<Violation>,
}

impl Checker {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Checker {
        Checker {
            users: scenario.users.clone(),
            has_data_dir: scenario
                .devices
                .iter()
                .map(|device| device.has_data_dir)
                .collect(),
            subscriptions_max: scenario.subscriptions_max,
            ghost_bound_ms: scenario.ghost_bound_ms(),
            has_store: scenario.store,
            views: scenario
                .devices
                .iter()
                .map(|device| View::new(device.user))
                .collect(),
            alive_until_ms: vec![0; scenario.users.len()],
            next_call: 0,
            friends: friends_told(scenario),
            observer_subscribed: false,
            deleted_before: 0,
            settled: BTreeMap::new(),
            unchanging: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    /// R9.1: the backend changed a list.
    pub fn befriended(&mut self, scenario: &Scenario, user: UserIndex, friends: &[UserIndex]) {
        if scenario.switches.friend_status_notify {
            self.friends.insert(user, friends.to_vec());
        }
    }

    /// The server starts: what the backend ordered at run time is forgotten, and the lists are as configured.
    pub fn server_started(&mut self, scenario: &Scenario, at_ms: u64) {
        self.friends = friends_told(scenario);
        if scenario.store {
            // R2.9: who was live when the last one ended may be shown so a while.
            let until_ms = at_ms + RESTART_GRACE.as_millis() as u64;
            for alive_until_ms in &mut self.alive_until_ms {
                *alive_until_ms = until_ms.max(*alive_until_ms);
            }
        }
    }

    /// R1.5: nobody subscribes to it any more, and its friends are forgotten.
    pub fn deleted(&mut self, user: UserIndex) {
        self.friends.remove(&user);
        self.observer_subscribed = false;
        self.deleted_before = self.next_call;
    }

    /// The server is about to restart in order, in calm: what the last answers said must be seen until
    /// [`Checker::restart_is_over`], but of users whose UserSig may expire meanwhile.
    pub fn restart_begins(&mut self) {
        let brief: BTreeSet<&String> = self
            .views
            .iter()
            .filter(|view| view.is_brief && view.phase == Phase::In)
            .map(|view| &self.users[view.user])
            .collect();
        let mut unchanging = self.settled.clone();
        // An account that was deleted is back once the configuration is read again.
        unchanging.retain(|id, status| status.code == code::OK && !brief.contains(id));
        self.unchanging = unchanging;
    }

    /// See [`Checker::restart_begins`].
    pub fn restart_is_over(&mut self) {
        self.unchanging.clear();
    }

    fn check_unchanging(&mut self, device: DeviceIndex, status: &UserStatus, at_ms: u64) {
        let Some(before) = self.unchanging.get(&status.user_id) else {
            return;
        };
        if (before.status, &before.custom_status) != (status.status, &status.custom_status) {
            let what = format!(
                "d{device}: sees {} after {}, and the server only restarted",
                brief(status),
                brief(before)
            );
            self.violated(Invariant::RestartUnseen, at_ms, what);
        }
    }

    /// What was violated so far.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Notes a violation.
    pub fn violated(&mut self, invariant: Invariant, at_ms: u64, what: String) {
        self.violations.push(Violation {
            invariant,
            at_ms,
            what,
        });
    }

    /// A call is about to be made.
    pub fn calling(&mut self, device: DeviceIndex, call: &Call, at_ms: u64) -> CallId {
        let id = self.next_call;
        self.next_call += 1;
        let view = &mut self.views[device];
        match call {
            Call::Login { user, valid_s } if view.phase == Phase::Out => {
                view.phase = Phase::LoggingIn;
                view.user = *user;
                view.users_seen.insert(*user);
                view.is_brief = *valid_s < LONG_S;
            }
            Call::Renew(valid_s) => view.is_brief |= *valid_s < LONG_S,
            Call::Logout if matches!(view.phase, Phase::LoggingIn | Phase::In) => view.phase = Phase::Leaving,
            _ => {}
        }
        view.pending.insert(
            id,
            Pending {
                call: call.clone(),
                since_ms: at_ms,
            },
        );
        id
    }

    /// The call was refused at once.
    pub fn refused(&mut self, device: DeviceIndex, id: CallId) {
        self.views[device].pending.remove(&id);
    }

    /// The result of a call.
    pub fn result(&mut self, device: DeviceIndex, id: CallId, outcome: &Outcome, at_ms: u64) {
        let Some(pending) = self.views[device].pending.remove(&id) else {
            self.violated(
                Invariant::OneResult,
                at_ms,
                format!("d{device}: a second result of call {id}"),
            );
            return;
        };
        if let Some((first, _)) = self.views[device].pending.first_key_value()
            && *first < id
        {
            let what = format!("d{device}: the result of call {id} before that of call {first}");
            self.violated(Invariant::OneResult, at_ms, what);
        }
        if matches!(outcome.code, code::PANIC | code::SERVER_ERROR) {
            self.violated(
                Invariant::Soundness,
                at_ms,
                format!("d{device}: {:?} ended with {}", pending.call, outcome.code),
            );
        }
        match &pending.call {
            Call::Login { user, .. } => self.login_result(device, *user, outcome.code, at_ms),
            Call::Logout if outcome.code == code::OK => self.session_over(device, at_ms),
            Call::Subscribe(ids) if outcome.code == code::OK => {
                if device == OBSERVER && ids.len() + 1 == ACTIVE_USERS {
                    self.observer_subscribed = id >= self.deleted_before
                        && outcome.users.iter().all(|status| status.code == code::OK);
                }
                for status in &outcome.users {
                    self.snapshot(device, status, at_ms);
                }
            }
            Call::Query(_) if outcome.code == code::OK => {
                for status in &outcome.users {
                    self.check_custom(device, status, at_ms);
                    self.check_ghost(device, status, pending.since_ms, at_ms);
                }
            }
            _ => {}
        }
    }

    fn login_result(&mut self, device: DeviceIndex, user: UserIndex, code: i32, at_ms: u64) {
        let view = &mut self.views[device];
        match (view.phase, code) {
            // Logged in already.
            (Phase::In, _) => {}
            (_, code::OK) => {
                // A logout that follows has been called already and will end what begins here.
                if view.phase != Phase::Leaving {
                    view.phase = Phase::In;
                }
                view.user = user;
                view.users_seen.insert(user);
                view.told.clear();
                if device == OBSERVER {
                    self.observer_subscribed = false;
                }
            }
            (Phase::LoggingIn, _) if !view.is_logging_in() => self.session_over(device, at_ms),
            _ => {}
        }
    }

    /// A notification.
    pub fn told(&mut self, device: DeviceIndex, changes: &[UserStatus], at_ms: u64) {
        let view = &self.views[device];
        if view.connection != ConnectionState::Connected
            || matches!(view.phase, Phase::Out | Phase::LoggingIn)
        {
            let what = format!(
                "d{device}: told of {} while {:?} and {:?}",
                changes.first().map_or("nobody", |change| change.user_id.as_str()),
                view.connection,
                view.phase
            );
            self.violated(Invariant::Silence, at_ms, what);
        }
        let mut seen = BTreeSet::new();
        for status in changes {
            if !seen.insert(status.user_id.as_str()) {
                let what = format!("d{device}: {} twice in one callback", status.user_id);
                self.violated(Invariant::VersionsRise, at_ms, what);
            }
            self.check_custom(device, status, at_ms);
            self.check_unchanging(device, status, at_ms);
            self.check_result_first(device, status, at_ms);
            let told = &mut self.views[device].told;
            let before = told.get(&status.user_id).map_or(0, |before| before.version);
            if status.version <= before {
                let what = format!(
                    "d{device}: told {} at version {} after {before}",
                    status.user_id, status.version
                );
                self.violated(Invariant::VersionsRise, at_ms, what);
            } else {
                told.insert(status.user_id.clone(), status.clone());
            }
        }
    }

    /// What the result of a subscribe says (R5.6).
    fn snapshot(&mut self, device: DeviceIndex, status: &UserStatus, at_ms: u64) {
        if status.code != code::OK {
            return;
        }
        self.check_custom(device, status, at_ms);
        let told = &mut self.views[device].told;
        let before = told.get(&status.user_id).map_or(0, |before| before.version);
        if status.version < before {
            let what = format!(
                "d{device}: a subscribe's result has {} at version {} after {before}",
                status.user_id, status.version
            );
            self.violated(Invariant::VersionsRise, at_ms, what);
        } else {
            told.insert(status.user_id.clone(), status.clone());
        }
    }

    fn check_custom(&mut self, device: DeviceIndex, status: &UserStatus, at_ms: u64) {
        if status.code == code::OK
            && status.status != Status::Online.number()
            && !status.custom_status.is_empty()
        {
            let what = format!(
                "d{device}: {} has \"{}\" with status {}",
                status.user_id, status.custom_status, status.status
            );
            self.violated(Invariant::CustomOnlyOnline, at_ms, what);
        }
    }

    fn check_result_first(&mut self, device: DeviceIndex, status: &UserStatus, at_ms: u64) {
        let view = &self.views[device];
        let is_own = self.users[view.user] == status.user_id;
        let unanswered = view.pending.iter().find(|(_, pending)| {
            matches!(&pending.call, Call::SetStatus(text) if !text.is_empty() && *text == status.custom_status)
        });
        if is_own && let Some((id, _)) = unanswered {
            let what = format!(
                "d{device}: told of \"{}\" before the result of call {id}",
                status.custom_status
            );
            self.violated(Invariant::ResultFirst, at_ms, what);
        }
    }

    /// I1 while there is trouble: a question asked long after the last device went. The answer is the server's, and
    /// not older than the question.
    fn check_ghost(&mut self, device: DeviceIndex, status: &UserStatus, asked_at_ms: u64, at_ms: u64) {
        if status.code != code::OK || status.status != Status::Online.number() {
            return;
        }
        let Some(user) = self.users.iter().position(|id| *id == status.user_id) else {
            return;
        };
        if self.may_be_alive(user) || asked_at_ms <= self.alive_until_ms[user] + self.ghost_bound_ms {
            return;
        }
        let what = format!(
            "d{device}: {} is ONLINE, asked {} ms after its last device went",
            status.user_id,
            asked_at_ms - self.alive_until_ms[user]
        );
        self.violated(Invariant::NoGhost, at_ms, what);
    }

    /// Whether anything may speak for `user` now.
    fn may_be_alive(&self, user: UserIndex) -> bool {
        self.views
            .iter()
            .zip(&self.has_data_dir)
            .any(|(view, has_data_dir)| {
                view.users_seen.contains(&user)
                    && (view.is_held
                    // It may be saying a logout of earlier (R8.8).
                    || *has_data_dir
                    || (view.phase != Phase::Out && view.user == user))
            })
    }

    /// The device heard of its connection.
    pub fn connection(&mut self, device: DeviceIndex, state: ConnectionState) {
        self.views[device].connection = state;
    }

    /// For the planted bug: the user of a session that lost its connection and waits for nothing. Once a loss.
    pub fn take_lost_session(&mut self, device: DeviceIndex) -> Option<UserIndex> {
        let view = &mut self.views[device];
        let is_lost = view.phase == Phase::In && view.connection == ConnectionState::Disconnected;
        if !is_lost || !view.pending.is_empty() {
            return None;
        }
        view.connection = ConnectionState::Connecting;
        Some(view.user)
    }

    /// The session was ended by the server (R8.3, R8.4, R8.7).
    pub fn ended(&mut self, device: DeviceIndex, at_ms: u64) {
        self.session_over(device, at_ms);
    }

    fn session_over(&mut self, device: DeviceIndex, at_ms: u64) {
        self.touch(device, at_ms);
        let view = &mut self.views[device];
        // A login that was called before the end begins anew.
        let next = view.pending.values().find_map(|pending| match pending.call {
            Call::Login { user, .. } => Some(user),
            _ => None,
        });
        view.phase = Phase::Out;
        view.told.clear();
        if let Some(user) = next {
            view.phase = Phase::LoggingIn;
            view.user = user;
            view.users_seen.insert(user);
        }
        if device == OBSERVER {
            self.observer_subscribed = false;
        }
    }

    /// What was on the link of the device is out, and may have reached the server just now.
    pub fn link(&mut self, device: DeviceIndex, is_held: bool, at_ms: u64) {
        self.touch(device, at_ms);
        self.views[device].is_held = is_held;
    }

    fn touch(&mut self, device: DeviceIndex, at_ms: u64) {
        for user in &self.views[device].users_seen {
            self.alive_until_ms[*user] = at_ms;
        }
    }

    /// The device's process is gone, and what it waited for with it.
    pub fn killed(&mut self, device: DeviceIndex, at_ms: u64) {
        self.views[device].pending.clear();
        self.session_over(device, at_ms);
        self.views[device].connection = ConnectionState::Disconnected;
    }

    /// The client was destroyed: nothing may be left.
    pub fn destroyed(&mut self, device: DeviceIndex, at_ms: u64) {
        self.check_results(device, at_ms);
        self.killed(device, at_ms);
    }

    /// A result's callback was dropped without having been called.
    pub fn result_lost(&mut self, device: DeviceIndex, id: CallId, at_ms: u64) {
        if let Some(pending) = self.views[device].pending.remove(&id) {
            let what = format!("d{device}: {:?} was accepted and has no result", pending.call);
            self.violated(Invariant::OneResult, at_ms, what);
        }
    }

    /// By now every call has its result: each wait is bounded, and they are over.
    pub fn check_results(&mut self, device: DeviceIndex, at_ms: u64) {
        let waiting: Vec<String> = self.views[device]
            .pending
            .values()
            .map(|pending| {
                format!(
                    "d{device}: {:?} waits since {} ms",
                    pending.call, pending.since_ms
                )
            })
            .collect();
        for what in waiting {
            self.violated(Invariant::OneResult, at_ms, what);
        }
    }
}

impl View {
    fn new(user: UserIndex) -> View {
        View {
            phase: Phase::Out,
            user,
            users_seen: BTreeSet::new(),
            connection: ConnectionState::Disconnected,
            pending: BTreeMap::new(),
            told: BTreeMap::new(),
            is_held: false,
            is_brief: false,
        }
    }

    fn is_logging_in(&self) -> bool {
        self.pending
            .values()
            .any(|pending| matches!(pending.call, Call::Login { .. }))
    }
}

/// As configured.
fn friends_told(scenario: &Scenario) -> BTreeMap<UserIndex, Vec<UserIndex>> {
    if scenario.switches.friend_status_notify {
        scenario.friends.clone()
    } else {
        BTreeMap::new()
    }
}

/// A status in a few words.
#[must_use]
pub fn brief(status: &UserStatus) -> String {
    if status.code != code::OK {
        return format!("{}: {}", status.user_id, status.code);
    }
    format!(
        "{}={} v{} \"{}\" r{}",
        status.user_id, status.status, status.version, status.custom_status, status.reason
    )
}
