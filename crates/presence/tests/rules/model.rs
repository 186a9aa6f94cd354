//! The rules once more, as plainly as they are written: flat lists and loops, no regard for cost, nothing shared with
//! the machines but the names of things. With a [`Mutant`] it has one rule wrong, to show that the comparison notices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use presence::gates::{Call, Refusal};
use presence::ids::{AppId, ConnectionId, DeviceKey, Platform, SessionId, UserId, UserKey};
use presence::settings::{AppSettings, MultiLogin, Plan};
use presence::status::{InvalidCustomStatus, Reason, Status};
use presence::time::{Mono, Now};
use presence::user::{Ended, EndedBy, Login, LoginRefusal, Loss};

use crate::mutant::Mutant;
use crate::step::{
    Answer, IdAnswer, ListSeen, ListTold, Outcome, Rules, Seen, Step, Told, UserView, View, by_session,
};

struct Account {
    key: UserKey,
    status: Status,
    custom: String,
    version: u64,
    since: i64,
    reason: Reason,
    last_session: u64,
    revoked_until_s: Option<i64>,
    generation: u64,
    restorable: bool,
    /// When the list is cleared, since the user is not ONLINE.
    linger_end: Option<Mono>,
}

#[derive(Clone)]
struct Device {
    owner: UserKey,
    key: DeviceKey,
    session: SessionId,
    connection: Option<ConnectionId>,
    grace: Option<(Mono, Loss)>,
    forget_at: Option<Mono>,
}

impl Device {
    fn counts_as_live(&self) -> bool {
        self.connection.is_some() || self.grace.is_some()
    }
}

/// What is kept of a deleted account (R1.5).
struct Deleted {
    key: UserKey,
    version: u64,
    last_session: u64,
    revoked_until_s: Option<i64>,
    generation: u64,
}

/// See the module.
pub struct Model {
    mutant: Option<Mutant>,
    floor: u64,
    now: Now,
    settings: BTreeMap<AppId, AppSettings>,
    accounts: Vec<Account>,
    deleted: Vec<Deleted>,
    devices: Vec<Device>,
    displaced: Vec<(UserKey, DeviceKey, SessionId)>,
    /// Subscriber and watched user, oldest first.
    subscriptions: Vec<(UserKey, UserId)>,
    /// Owner and friend.
    friends: Vec<(UserKey, UserId)>,
    /// Calls that count (R7.5).
    calls: Vec<(UserKey, Call, Mono)>,
    told: Vec<Told>,
    lists: Vec<ListTold>,
}

impl Rules for Model {
    fn step(&mut self, now: Now, step: &Step) -> Outcome {
        self.now = now;
        let answer = self.answer(step);
        Outcome::sorted(
            answer,
            std::mem::take(&mut self.told),
            std::mem::take(&mut self.lists),
        )
    }

    fn view(&self) -> View {
        let users = self.accounts.iter().map(|account| {
            let devices = self.devices.iter().filter(|device| device.owner == account.key);
            let connections = devices
                .filter_map(|device| Some((device.session, device.connection?)))
                .collect();
            let view = UserView {
                seen: self.seen(account.key),
                list: self.list_seen(account.key),
                connections,
            };
            (account.key, view)
        });
        let graces = self.devices.iter().filter_map(|device| Some(device.grace?.0));
        let retentions = self.devices.iter().filter_map(|device| device.forget_at);
        let lingers = self
            .accounts
            .iter()
            .filter(|account| !self.list(account.key).is_empty());
        let lingers = lingers.filter_map(|account| account.linger_end);
        View {
            users: users.collect(),
            next_deadline: graces.chain(retentions).chain(lingers).min(),
        }
    }
}

impl Model {
    pub fn new(floor: u64, settings: &BTreeMap<AppId, AppSettings>, mutant: Option<Mutant>) -> Model {
        Model {
            mutant,
            floor,
            now: Now::default(),
            settings: settings.clone(),
            accounts: Vec::new(),
            deleted: Vec::new(),
            devices: Vec::new(),
            displaced: Vec::new(),
            subscriptions: Vec::new(),
            friends: Vec::new(),
            calls: Vec::new(),
            told: Vec::new(),
            lists: Vec::new(),
        }
    }

    fn is(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn answer(&mut self, step: &Step) -> Answer {
        match step {
            Step::LogIn { user, login } => self.log_in(*user, login),
            Step::Lose {
                user,
                session,
                connection,
                loss,
            } => {
                let Some(index) = self.device_on(*user, *session, *connection) else {
                    return Answer::Stale;
                };
                self.lose(index, *loss);
                Answer::Done
            }
            Step::LogOut {
                user,
                session,
                connection,
            } => {
                let Some(index) = self.device_on(*user, *session, *connection) else {
                    return Answer::Stale;
                };
                self.devices.remove(index);
                let status = self.aggregate(*user);
                self.become_status(*user, status, Reason::Logout);
                Answer::Done
            }
            Step::SetCustom {
                user,
                session,
                connection,
                text,
            } => {
                if self.device_on(*user, *session, *connection).is_none() {
                    return Answer::Stale;
                }
                self.set_custom(*user, text)
            }
            Step::Call {
                user,
                session,
                connection,
                call,
                ids,
            } => {
                if self.device_on(*user, *session, *connection).is_none() {
                    return Answer::Stale;
                }
                self.call(*user, *call, ids)
            }
            Step::List {
                user,
                session,
                connection,
            } => {
                if self.device_on(*user, *session, *connection).is_none() {
                    return Answer::Stale;
                }
                Answer::Listed(self.list(*user))
            }
            Step::Restore {
                user,
                session,
                connection,
                generation,
                ids,
            } => {
                if self.device_on(*user, *session, *connection).is_none() {
                    return Answer::Stale;
                }
                self.restore(*user, *generation, ids)
            }
            Step::Kick { user } => self.kick(*user),
            Step::Delete { user } => {
                let answer = self.kick(*user);
                self.delete(*user);
                answer
            }
            Step::Import { user } => {
                self.register(*user);
                Answer::Done
            }
            Step::Befriend { owner, friends } => {
                self.friends.retain(|(known, _)| known != owner);
                self.friends
                    .extend(friends.iter().map(|friend| (*owner, *friend)));
                Answer::Done
            }
            Step::Configure { app, settings } => {
                self.settings.insert(*app, settings.clone());
                Answer::Done
            }
            Step::Tick => {
                self.tick();
                Answer::Done
            }
            Step::Restart { floor } => {
                let floor = if self.is(Mutant::FloorForgotten) {
                    1
                } else {
                    *floor
                };
                *self = Model::new(floor, &self.settings, self.mutant);
                Answer::Done
            }
        }
    }

    // ---- R2, R8: devices ------------------------------------------------------------------------------------

    fn log_in(&mut self, user: UserKey, login: &Login) -> Answer {
        let is_new = self.account(user).is_none();
        let revoked_until_s = match self.account(user) {
            Some(account) => account.revoked_until_s,
            None => self
                .deleted
                .iter()
                .find(|old| old.key == user)
                .and_then(|old| old.revoked_until_s),
        };
        // R8.7: made at or before that second.
        let is_revoked = revoked_until_s.is_some_and(|second| {
            if self.is(Mutant::RevokesOnlyBefore) {
                login.signed_at_s < second
            } else {
                login.signed_at_s <= second
            }
        });
        if is_revoked {
            return Answer::LoginRefused(LoginRefusal::Revoked);
        }
        // R8.3: a reconnect carries its login's number.
        let mut session = None;
        let mut ended = Vec::new();
        if let Some(number) = login.resumes {
            let displaced = self.displaced.contains(&(user, login.device.clone(), number));
            if displaced && !self.is(Mutant::DisplacedReturns) {
                return Answer::LoginRefused(LoginRefusal::Displaced);
            }
            let same = |device: &&Device| {
                device.owner == user && device.key == login.device && device.session == number
            };
            if let Some(device) = self.devices.iter().find(same).cloned() {
                session = Some(number);
                if let Some(connection) = device.connection {
                    // R2.7: the old connection is closed, silently.
                    ended.push(Ended {
                        session: number,
                        connection: Some(connection),
                        why: EndedBy::Replaced,
                    });
                }
                if !device.counts_as_live()
                    && self.newer(&device, true) >= self.devices_max(user, &login.device)
                {
                    self.devices
                        .retain(|other| other.owner != user || other.session != number);
                    self.displaced.push((user, device.key, number));
                    return Answer::LoginRefused(LoginRefusal::Displaced);
                }
                // One that is live all along makes nobody leave.
                if device.counts_as_live() {
                    let device = self
                        .devices
                        .iter_mut()
                        .find(|device| device.owner == user && device.session == number);
                    let device = device.expect("found above");
                    device.grace = None;
                    device.connection = Some(login.connection);
                    return self.logged_in(user, number, ended);
                }
            }
        }
        if is_new {
            self.register(user);
        }
        let next = SessionId((self.expect_account(user).last_session + 1).max(self.floor));
        let session = session.unwrap_or(next);
        // R2.7: the same device, whatever the multi-login rule.
        for device in self.take_devices(|device| device.owner == user && device.key == login.device) {
            if device.session != session {
                ended.push(Ended {
                    session: device.session,
                    connection: device.connection,
                    why: EndedBy::Replaced,
                });
            }
        }
        self.devices.push(Device {
            owner: user,
            key: login.device.clone(),
            session,
            connection: Some(login.connection),
            grace: None,
            forget_at: None,
        });
        // R8.3 for the live, R2.4 for the lost ones: whoever is not among the newest that are allowed.
        let allowed = self.devices_max(user, &login.device);
        let leaves = |model: &Model, device: &Device| {
            let concerned = device.owner == user
                && device.session != session
                && model.same_class(user, &device.key, &login.device);
            let spared = model.is(Mutant::LoginSparesLost) && !device.counts_as_live();
            concerned && !spared && model.newer(device, device.counts_as_live()) >= allowed
        };
        let leaving: Vec<Device> = self
            .devices
            .iter()
            .filter(|device| leaves(self, device))
            .cloned()
            .collect();
        for device in leaving {
            self.devices
                .retain(|other| other.owner != user || other.session != device.session);
            ended.push(Ended {
                session: device.session,
                connection: device.connection,
                why: EndedBy::Displaced,
            });
            self.displaced.push((user, device.key, device.session));
        }
        self.logged_in(user, session, ended)
    }

    fn logged_in(&mut self, user: UserKey, session: SessionId, ended: Vec<Ended>) -> Answer {
        let account = self.account_mut(user);
        account.last_session = account.last_session.max(session.0);
        account.linger_end = None;
        self.become_status(user, Status::Online, Reason::Login);
        Answer::LoggedIn {
            session,
            ended: by_session(ended),
            user: self.seen(user),
            list: self.list_seen(user),
        }
    }

    /// How many devices a login of this one competes with, itself included (R8.3).
    fn devices_max(&self, user: UserKey, key: &DeviceKey) -> usize {
        let settings = &self.settings[&user.app];
        match settings.multi_login {
            MultiLogin::Unlimited => usize::MAX,
            MultiLogin::Single => 1,
            MultiLogin::PerPlatform if key.platform == Platform::Web && !self.is(Mutant::WebIsLikeOthers) => {
                settings.web_devices_max.max(1)
            }
            MultiLogin::PerPlatform => 1,
        }
    }

    fn same_class(&self, user: UserKey, one: &DeviceKey, other: &DeviceKey) -> bool {
        match self.settings[&user.app].multi_login {
            MultiLogin::PerPlatform => one.platform == other.platform,
            MultiLogin::Single | MultiLogin::Unlimited => true,
        }
    }

    /// Devices of the same class with a newer login: the live ones, or all.
    fn newer(&self, device: &Device, live_only: bool) -> usize {
        let mut count = 0;
        for other in &self.devices {
            if other.owner == device.owner
                && self.same_class(device.owner, &other.key, &device.key)
                && other.session > device.session
                && (other.counts_as_live() || !live_only)
            {
                count += 1;
            }
        }
        count
    }

    fn lose(&mut self, index: usize, loss: Loss) {
        let settings = &self.settings[&self.devices[index].owner.app];
        // R2.8, R8.10.
        let grace = match loss {
            Loss::LinkClosed | Loss::Timeout => settings.offline_grace,
            Loss::Expired if self.is(Mutant::ExpiredHasGrace) => settings.offline_grace,
            Loss::Expired => Duration::ZERO,
            Loss::SlowReceiver => settings.offline_grace.max(Duration::from_secs(10)),
        };
        let forget_at = self.now.mono.after(settings.lost_device_retention);
        let grace_end = self.now.mono.after(grace);
        let device = &mut self.devices[index];
        device.connection = None;
        if grace.is_zero() {
            device.forget_at = Some(forget_at);
        } else {
            device.grace = Some((grace_end, loss));
        }
        let owner = device.owner;
        let status = self.aggregate(owner);
        self.become_status(owner, status, reason_of(loss));
    }

    /// R8.7.
    fn kick(&mut self, user: UserKey) -> Answer {
        if self.account(user).is_none() {
            return Answer::Stale;
        }
        let second = self.now.wall.0.div_euclid(1000);
        let revoked = self.account(user).and_then(|account| account.revoked_until_s);
        self.account_mut(user).revoked_until_s = Some(revoked.map_or(second, |before| before.max(second)));
        let spares_lost = self.is(Mutant::KickSparesLost);
        let ended = self
            .take_devices(|device| device.owner == user && (device.counts_as_live() || !spares_lost))
            .into_iter()
            .map(|device| Ended {
                session: device.session,
                connection: device.connection,
                why: EndedBy::Kicked,
            })
            .collect();
        self.become_status(user, Status::Unlogined, Reason::Kicked);
        Answer::Kicked(by_session(ended))
    }

    /// R2.4.
    fn aggregate(&self, user: UserKey) -> Status {
        let mut devices = self.devices.iter().filter(|device| device.owner == user);
        if devices.clone().any(Device::counts_as_live) {
            Status::Online
        } else if devices.next().is_some() && !self.is(Mutant::LossIsLogout) {
            Status::Offline
        } else {
            Status::Unlogined
        }
    }

    fn tick(&mut self) {
        let now = self.now.mono;
        for user in self
            .accounts
            .iter()
            .map(|account| account.key)
            .collect::<Vec<_>>()
        {
            let retention = self.settings[&user.app].lost_device_retention;
            let mut last: Option<(Mono, SessionId, Loss)> = None;
            for device in self.devices.iter_mut().filter(|device| device.owner == user) {
                if let Some((until, loss)) = device.grace
                    && until <= now
                {
                    device.grace = None;
                    device.forget_at = Some(until.after(retention));
                    if last.is_none_or(|(end, session, _)| (until, device.session) > (end, session)) {
                        last = Some((until, device.session, loss));
                    }
                }
            }
            if let Some((_, _, loss)) = last {
                let status = self.aggregate(user);
                self.become_status(user, status, reason_of(loss));
            }
            let forgotten = self
                .take_devices(|device| device.owner == user && device.forget_at.is_some_and(|at| at <= now));
            if !forgotten.is_empty() && self.is(Mutant::ForgettingRecomputes) {
                let status = self.aggregate(user);
                self.become_status(user, status, Reason::Server);
            }
            // R5.8.
            if self.expect_account(user).linger_end.is_some_and(|end| end <= now) {
                self.account_mut(user).linger_end = None;
                let removed = self.list(user);
                if !removed.is_empty() {
                    self.subscriptions.retain(|(owner, _)| *owner != user);
                    self.account_mut(user).restorable = !self.is(Mutant::ClearedForGood);
                    self.list_told(user, Vec::new(), removed, Vec::new());
                }
            }
        }
    }

    // ---- R2, R3, R6: presence -------------------------------------------------------------------------------

    fn set_custom(&mut self, user: UserKey, text: &str) -> Answer {
        // R3.1.
        let bytes_max = self.settings[&user.app].custom_status_bytes_max;
        if text.len() > bytes_max {
            return Answer::InvalidCustom(InvalidCustomStatus::TooLong { bytes_max });
        }
        if text.contains('\0') {
            return Answer::InvalidCustom(InvalidCustomStatus::HasNul);
        }
        // R3.2.
        if self.expect_account(user).custom != text || self.is(Mutant::EqualCustomAnnounced) {
            self.account_mut(user).custom = text.to_owned();
            self.changed(user, Reason::CustomStatus);
        }
        Answer::Done
    }

    fn become_status(&mut self, user: UserKey, status: Status, reason: Reason) {
        let before = self.expect_account(user).status;
        if before == status {
            return;
        }
        let linger = self.settings[&user.app].subscription_linger;
        let linger_end = self.now.mono.after(linger);
        let keeps_custom = self.is(Mutant::CustomStays);
        let prolongs = self.is(Mutant::LingerProlonged);
        let account = self.account_mut(user);
        account.status = status;
        // R3.3.
        if status != Status::Online && !keeps_custom {
            account.custom.clear();
        }
        // R5.8: once it is no longer ONLINE.
        if status != Status::Online
            && (before == Status::Online || (prolongs && account.linger_end.is_some()))
        {
            account.linger_end = Some(linger_end);
        }
        self.changed(user, reason);
    }

    fn changed(&mut self, user: UserKey, reason: Reason) {
        let floor = self.floor;
        let wall = self.now.wall.0;
        let account = self.account_mut(user);
        account.version = (account.version + 1).max(floor);
        account.since = account.since.max(wall);
        account.reason = reason;
        self.told_of(user);
    }

    /// R6.1, R6.2.
    fn told_of(&mut self, user: UserKey) {
        let settings = &self.settings[&user.app];
        let mut to = BTreeSet::new();
        for device in self.devices.iter().filter(|device| device.owner.app == user.app) {
            let Some(connection) = device.connection else {
                continue;
            };
            let own = device.owner == user && !self.is(Mutant::OwnDevicesNotTold);
            let pushes = settings.plan == Plan::Ultimate && settings.user_status;
            let subscribed = self.subscriptions.contains(&(device.owner, user.user))
                && (pushes || self.is(Mutant::SwitchedOffPushes));
            let befriended = self.friends.contains(&(device.owner, user.user))
                && (settings.friend_status_notify || self.is(Mutant::FriendsAlwaysTold));
            if own || subscribed || befriended {
                to.insert(connection);
            }
        }
        let change = Seen {
            platforms: 0,
            ..self.seen(user)
        };
        self.told.push(Told { user, change, to });
    }

    // ---- R4, R5, R7: calls ----------------------------------------------------------------------------------

    fn call(&mut self, user: UserKey, call: Call, ids: &[String]) -> Answer {
        let mut different: Vec<String> = Vec::new();
        for id in ids {
            if !different.contains(id) || self.is(Mutant::RepeatsCounted) {
                different.push(id.clone());
            }
        }
        let itself_only = call == Call::Query
            && !different.is_empty()
            && different.iter().all(|id| id == user.user.as_str());
        if (!itself_only || self.is(Mutant::SelfQueryGated))
            && let Err(refusal) = self.gate(user, call, &different)
        {
            return Answer::Refused(refusal);
        }
        if different.is_empty() {
            let removed = self.list(user);
            self.subscriptions.retain(|(owner, _)| *owner != user);
            self.account_mut(user).restorable = false;
            self.list_told(user, Vec::new(), removed, Vec::new());
            return Answer::Users {
                users: Vec::new(),
                evicted: Vec::new(),
            };
        }
        let mut users = Vec::new();
        let mut good = Vec::new();
        for text in different {
            let answer = match UserId::new(&text) {
                Err(_) => IdAnswer::IllFormed,
                Ok(id) if call == Call::Subscribe && id == user.user => IdAnswer::Oneself,
                Ok(id) => {
                    let key = UserKey {
                        app: user.app,
                        user: id,
                    };
                    let exists = self.account(key).is_some();
                    if exists || call == Call::Unsubscribe {
                        good.push(id);
                    }
                    match call {
                        Call::Unsubscribe => IdAnswer::Off,
                        Call::Query | Call::Subscribe if exists => IdAnswer::Is(self.seen(key)),
                        Call::Query | Call::Subscribe => IdAnswer::NoAccount,
                    }
                }
            };
            users.push((text, answer));
        }
        let evicted = match call {
            Call::Query => Vec::new(),
            _ if good.is_empty() => Vec::new(),
            Call::Subscribe => self.subscribe(user, &good),
            Call::Unsubscribe => {
                let mut removed = self.list(user);
                removed.retain(|id| good.contains(id));
                self.subscriptions
                    .retain(|(owner, id)| *owner != user || !good.contains(id));
                self.account_mut(user).restorable = false;
                self.list_told(user, Vec::new(), removed, Vec::new());
                Vec::new()
            }
        };
        Answer::Users { users, evicted }
    }

    /// R7.1: plan, switch, size, rate.
    fn gate(&mut self, user: UserKey, call: Call, different: &[String]) -> Result<(), Refusal> {
        let settings = self.settings[&user.app].clone();
        if self.is(Mutant::SwitchBeforePlan) && !settings.user_status {
            return Err(Refusal::SwitchedOff);
        }
        if settings.plan == Plan::Basic {
            return Err(Refusal::Plan);
        }
        if !settings.user_status {
            return Err(Refusal::SwitchedOff);
        }
        if different.is_empty() && call != Call::Unsubscribe {
            return Err(Refusal::NoIds);
        }
        let ids_max = if call == Call::Query {
            settings.query_batch_max
        } else {
            settings.subscribe_batch_max
        };
        if different.len() > ids_max {
            return Err(Refusal::TooManyIds { ids_max });
        }
        if settings.rate_calls == 0 {
            return Ok(());
        }
        // R7.5: those in the window count.
        let now = self.now.mono;
        let window = settings.rate_window;
        self.calls
            .retain(|(caller, kind, at)| *caller != user || *kind != call || now.since(*at) < window);
        let mine: Vec<Mono> = self
            .calls
            .iter()
            .filter(|(caller, kind, _)| *caller == user && *kind == call)
            .map(|it| it.2)
            .collect();
        let allowed = settings.rate_calls + usize::from(self.is(Mutant::OneCallTooMany));
        if mine.len() >= allowed {
            // So many have to leave the window first.
            let surplus = mine.len() - allowed + 1;
            let leaves = mine[surplus - 1].after(window);
            return Err(Refusal::Rate {
                retry_after: leaves.since(now),
            });
        }
        self.calls.push((user, call, now));
        Ok(())
    }

    /// R5.2: one after the other.
    fn subscribe(&mut self, user: UserKey, good: &[UserId]) -> Vec<UserId> {
        let subscriptions_max = self.settings[&user.app].subscriptions_max;
        for id in good {
            if self.is(Mutant::OldSubscriptionStays) && self.subscriptions.contains(&(user, *id)) {
                continue;
            }
            self.subscriptions.retain(|known| *known != (user, *id));
            self.subscriptions.push((user, *id));
        }
        let mut evicted = Vec::new();
        loop {
            let list = self.list(user);
            if list.len() <= subscriptions_max {
                break;
            }
            let victim = if self.is(Mutant::NewestEvicted) {
                list[list.len() - 1]
            } else {
                list[0]
            };
            self.subscriptions.retain(|known| *known != (user, victim));
            evicted.push(victim);
        }
        let list = self.list(user);
        let added = good.iter().copied().filter(|id| list.contains(id)).collect();
        self.account_mut(user).restorable = false;
        self.list_told(user, added, Vec::new(), evicted.clone());
        evicted
    }

    /// R5.8.
    fn restore(&mut self, user: UserKey, generation: u64, ids: &[UserId]) -> Answer {
        let account = self.expect_account(user);
        let refused = !account.restorable || account.generation != generation;
        if refused && !self.is(Mutant::RestoresAnytime) {
            return Answer::NotRestorable;
        }
        let mut added: Vec<UserId> = Vec::new();
        for id in ids {
            let key = UserKey {
                app: user.app,
                user: *id,
            };
            if key != user && self.account(key).is_some() && !added.contains(id) {
                added.push(*id);
            }
        }
        while added.len() > self.settings[&user.app].subscriptions_max {
            added.remove(0);
        }
        for id in &added {
            self.subscriptions.retain(|known| *known != (user, *id));
            self.subscriptions.push((user, *id));
        }
        self.account_mut(user).restorable = false;
        self.list_told(user, added, Vec::new(), Vec::new());
        Answer::Done
    }

    /// R5.3: to every device of the owner.
    fn list_told(&mut self, owner: UserKey, added: Vec<UserId>, removed: Vec<UserId>, evicted: Vec<UserId>) {
        if added.is_empty() && removed.is_empty() && evicted.is_empty() {
            return;
        }
        self.account_mut(owner).generation += 1;
        let generation = self.expect_account(owner).generation;
        let devices = self.devices.iter().filter(|device| device.owner == owner);
        let to = devices.filter_map(|device| device.connection).collect();
        self.lists.push(ListTold {
            owner,
            added,
            removed,
            evicted,
            generation,
            to,
        });
    }

    // ---- R1: accounts ---------------------------------------------------------------------------------------

    fn register(&mut self, user: UserKey) {
        if self.account(user).is_some() {
            return;
        }
        let mut account = Account {
            key: user,
            status: Status::Unlogined,
            custom: String::new(),
            version: self.floor,
            since: self.now.wall.0,
            reason: Reason::Server,
            last_session: 0,
            revoked_until_s: None,
            generation: self.floor,
            restorable: true,
            linger_end: None,
        };
        if let Some(old) = self.deleted.iter().find(|old| old.key == user) {
            account.version = (old.version + 1).max(self.floor);
            account.last_session = old.last_session;
            account.revoked_until_s = old.revoked_until_s;
            account.generation = old.generation + 1;
        }
        self.accounts.push(account);
    }

    /// R1.5, after the kick.
    fn delete(&mut self, user: UserKey) {
        if self.account(user).is_none() {
            return;
        }
        let own = self.list(user);
        self.subscriptions.retain(|(owner, _)| *owner != user);
        self.list_told(user, Vec::new(), own, Vec::new());
        for owner in self
            .accounts
            .iter()
            .map(|account| account.key)
            .collect::<Vec<_>>()
        {
            if owner.app == user.app && self.subscriptions.contains(&(owner, user.user)) {
                self.subscriptions.retain(|known| *known != (owner, user.user));
                self.account_mut(owner).restorable = false;
                self.list_told(owner, Vec::new(), vec![user.user], Vec::new());
            }
        }
        let index = self
            .accounts
            .iter()
            .position(|account| account.key == user)
            .expect("seen above");
        let account = self.accounts.remove(index);
        self.displaced.retain(|(owner, _, _)| *owner != user);
        self.calls.retain(|(caller, _, _)| *caller != user);
        self.deleted.retain(|old| old.key != user);
        self.deleted.push(Deleted {
            key: user,
            version: account.version,
            last_session: account.last_session,
            revoked_until_s: account.revoked_until_s,
            generation: account.generation,
        });
    }

    fn account(&self, user: UserKey) -> Option<&Account> {
        self.accounts.iter().find(|account| account.key == user)
    }

    fn expect_account(&self, user: UserKey) -> &Account {
        self.account(user).expect("the account exists")
    }

    fn account_mut(&mut self, user: UserKey) -> &mut Account {
        self.accounts
            .iter_mut()
            .find(|account| account.key == user)
            .expect("the account exists")
    }

    fn device_on(&self, user: UserKey, session: SessionId, connection: ConnectionId) -> Option<usize> {
        self.devices.iter().position(|device| {
            device.owner == user && device.session == session && device.connection == Some(connection)
        })
    }

    fn take_devices(&mut self, which: impl Fn(&Device) -> bool) -> Vec<Device> {
        let taken = self
            .devices
            .iter()
            .filter(|device| which(device))
            .cloned()
            .collect();
        self.devices.retain(|device| !which(device));
        taken
    }

    fn list(&self, owner: UserKey) -> Vec<UserId> {
        self.subscriptions
            .iter()
            .filter(|(subscriber, _)| *subscriber == owner)
            .map(|(_, id)| *id)
            .collect()
    }

    fn list_seen(&self, owner: UserKey) -> ListSeen {
        let account = self.expect_account(owner);
        ListSeen {
            ids: self.list(owner),
            generation: account.generation,
            restorable: account.restorable,
        }
    }

    fn seen(&self, user: UserKey) -> Seen {
        let account = self.expect_account(user);
        let mut platforms = 0;
        for device in self
            .devices
            .iter()
            .filter(|device| device.owner == user && device.counts_as_live())
        {
            platforms |= device.key.platform.bit();
        }
        Seen {
            status: account.status,
            custom: account.custom.clone(),
            version: account.version,
            since: account.since,
            reason: account.reason,
            platforms,
        }
    }
}

/// R6.7; R8.10 is told as LINK_CLOSED.
fn reason_of(loss: Loss) -> Reason {
    match loss {
        Loss::LinkClosed | Loss::SlowReceiver => Reason::LinkClosed,
        Loss::Timeout => Reason::Timeout,
        Loss::Expired => Reason::Expired,
    }
}
