//! The rules once more, as plainly as they are written: flat lists and loops, no regard for cost, nothing shared with
//! the machines but the names of things. With a [`Mutant`] it has one rule wrong, to show that the comparison notices.

mod calls;
mod devices;

use std::collections::{BTreeMap, BTreeSet};

use presence::gates::Call;
use presence::ids::{AppId, ConnectionId, DeviceKey, SessionId, UserId, UserKey};
use presence::login::Loss;
use presence::settings::{AppSettings, Plan};
use presence::status::{InvalidCustomStatus, Reason, Status};
use presence::time::{Mono, Now};

use crate::mutant::Mutant;
use crate::step::{Answer, ListSeen, ListTold, Outcome, Rules, Seen, Step, Told, UserView, View};

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
                let mut index = self.device_on(*user, *session, *connection);
                if index.is_none() && self.is(Mutant::StaleLossCounts) {
                    let mut devices = self.devices.iter();
                    index = devices.position(|device| device.owner == *user && device.session == *session);
                }
                let Some(index) = index else { return Answer::Stale };
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
            Step::LogOutLate { user, login } => self.log_out_late(*user, login),
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
