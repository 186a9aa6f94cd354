//! The real machines, tied together as an engine does it, in memory: users, lists, gates; who watches whom is kept
//! from the changes of the lists alone, and so is each owner's copy of its list.

use std::collections::{BTreeMap, BTreeSet};

use presence::gates::{Call, Gates};
use presence::ids::{AppId, ConnectionId, SessionId, UserId, UserKey};
use presence::settings::{AppSettings, Plan};
use presence::status::{CustomStatus, Presence, Status, Version};
use presence::subscriptions::{ListChange, SubscriptionList};
use presence::time::Now;
use presence::user::{Context, Mark, User};

use crate::step::{
    Answer, IdAnswer, ListSeen, ListTold, Outcome, Rules, Seen, Step, Told, UserView, View, by_session,
};

struct Account {
    user: User,
    list: SubscriptionList,
    gates: Gates,
    /// The owner's copy of its list, as a client keeps it.
    copy: Vec<UserId>,
}

/// See the module.
pub struct World {
    floor: Version,
    now: Now,
    settings: BTreeMap<AppId, AppSettings>,
    accounts: BTreeMap<UserKey, Account>,
    /// What is kept of deleted accounts: the mark, and the last generation of the list (R1.5).
    marks: BTreeMap<UserKey, (Mark, u64)>,
    friends: BTreeMap<UserKey, BTreeSet<UserId>>,
    /// Watched user → its subscribers.
    subscribers: BTreeMap<UserKey, BTreeSet<UserId>>,
    told: Vec<Told>,
    lists: Vec<ListTold>,
}

impl World {
    pub fn new(floor: u64, settings: &BTreeMap<AppId, AppSettings>) -> World {
        World {
            floor: Version(floor),
            now: Now::default(),
            settings: settings.clone(),
            accounts: BTreeMap::new(),
            marks: BTreeMap::new(),
            friends: BTreeMap::new(),
            subscribers: BTreeMap::new(),
            told: Vec::new(),
            lists: Vec::new(),
        }
    }
}

impl Rules for World {
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
        let users = self.accounts.iter().map(|(key, account)| {
            let list = list_seen(&account.list);
            assert_eq!(
                list.ids, account.copy,
                "the changes told give {key:?} the list it has"
            );
            assert!(list.ids.iter().all(|id| account.list.contains(id)));
            let connections: BTreeSet<_> = account.user.connections().collect();
            assert!(
                connections
                    .iter()
                    .all(|(session, on)| account.user.is_current(*session, *on))
            );
            (
                *key,
                UserView {
                    seen: seen(&account.user),
                    list,
                    connections,
                },
            )
        });
        let deadlines = self.accounts.values();
        let next_deadline = deadlines
            .flat_map(|account| [account.user.next_deadline(), account.list.next_deadline()])
            .flatten()
            .min();
        View {
            users: users.collect(),
            next_deadline,
        }
    }
}

impl World {
    fn answer(&mut self, step: &Step) -> Answer {
        match step {
            Step::LogIn { user, login } => {
                let settings = self.settings_of(user);
                let context = self.context(&settings);
                let known = self.accounts.remove(user);
                let is_new = known.is_none();
                let mut account = known.unwrap_or_else(|| self.registered(user, context));
                let result = account.user.log_in(login.clone(), context);
                let seen = seen(&account.user);
                match result {
                    Err(refusal) => {
                        // Registered by its first successful login (R1.2).
                        if !is_new {
                            self.accounts.insert(*user, account);
                        }
                        Answer::LoginRefused(refusal)
                    }
                    Ok(logged_in) => {
                        account.list.owner_online();
                        let list = list_seen(&account.list);
                        self.accounts.insert(*user, account);
                        self.tell(user, logged_in.changed);
                        let ended = by_session(logged_in.ended);
                        Answer::LoggedIn {
                            session: logged_in.session,
                            ended,
                            user: seen,
                            list,
                        }
                    }
                }
            }
            Step::Lose {
                user,
                session,
                connection,
                loss,
            } => self.change(user, |account, context| {
                let is_current = account.user.is_current(*session, *connection);
                let changed = account.user.lose(*session, *connection, *loss, context);
                assert!(is_current || !changed, "a stale event changed something");
                if is_current {
                    (Answer::Done, changed)
                } else {
                    (Answer::Stale, changed)
                }
            }),
            Step::LogOut {
                user,
                session,
                connection,
            } => self.change(user, |account, context| {
                let is_current = account.user.is_current(*session, *connection);
                let changed = account.user.log_out(*session, *connection, context);
                assert!(is_current || !changed, "a stale event changed something");
                if is_current {
                    (Answer::Done, changed)
                } else {
                    (Answer::Stale, changed)
                }
            }),
            Step::LogOutLate { user, login } => self.change(user, |account, context| {
                match account.user.log_out_late(login, context) {
                    Err(refusal) => (Answer::LoginRefused(refusal), false),
                    Ok(left) => {
                        assert_eq!(left.was_known, !left.ended.is_empty());
                        (Answer::LeftLate(left.ended), left.changed)
                    }
                }
            }),
            Step::SetCustom {
                user,
                session,
                connection,
                text,
            } => self.change(user, |account, context| {
                if !account.user.is_current(*session, *connection) {
                    return (Answer::Stale, false);
                }
                match CustomStatus::new(text, context.settings.custom_status_bytes_max) {
                    Err(invalid) => (Answer::InvalidCustom(invalid), false),
                    Ok(custom) => (Answer::Done, account.user.set_custom_status(custom, context)),
                }
            }),
            Step::Call {
                user,
                session,
                connection,
                call,
                ids,
            } => {
                if !self.is_current(user, *session, *connection) {
                    return Answer::Stale;
                }
                self.call(user, *call, ids)
            }
            Step::List {
                user,
                session,
                connection,
            } => {
                if !self.is_current(user, *session, *connection) {
                    return Answer::Stale;
                }
                Answer::Listed(self.accounts[user].list.ids().collect())
            }
            Step::Restore {
                user,
                session,
                connection,
                generation,
                ids,
            } => {
                if !self.is_current(user, *session, *connection) {
                    return Answer::Stale;
                }
                let known = |id: &UserId| *id != user.user && self.account(user.app, *id).is_some();
                let ids: Vec<UserId> = ids.iter().copied().filter(known).collect();
                let settings = self.settings_of(user);
                let account = self.accounts.get_mut(user).expect("it is current");
                match account.list.restore(*generation, &ids, &settings) {
                    None => Answer::NotRestorable,
                    Some(change) => {
                        self.list_changed(user, &change);
                        Answer::Done
                    }
                }
            }
            Step::Kick { user } => self.change(user, |account, context| {
                let (ended, changed) = account.user.kick(context);
                (Answer::Kicked(by_session(ended)), changed)
            }),
            Step::Delete { user } => {
                let answer = self.answer(&Step::Kick { user: *user });
                self.delete(user);
                answer
            }
            Step::Import { user } => {
                if !self.accounts.contains_key(user) {
                    let settings = self.settings_of(user);
                    let account = self.registered(user, self.context(&settings));
                    self.accounts.insert(*user, account);
                }
                Answer::Done
            }
            Step::Befriend { owner, friends } => {
                self.friends.insert(*owner, friends.iter().copied().collect());
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
                *self = World::new(*floor, &self.settings);
                Answer::Done
            }
        }
    }

    fn call(&mut self, user: &UserKey, call: Call, ids: &[String]) -> Answer {
        let settings = self.settings_of(user);
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let account = self.accounts.get_mut(user).expect("it is current");
        let different = match account
            .gates
            .admit(call, &user.user, &ids, self.now.mono, &settings)
        {
            Err(refusal) => return Answer::Refused(refusal),
            Ok(different) => different,
        };
        if different.is_empty() {
            let change = account.list.clear();
            self.list_changed(user, &change);
            return Answer::Users {
                users: Vec::new(),
                evicted: Vec::new(),
            };
        }
        let mut good = Vec::new();
        let mut users = Vec::new();
        for text in different {
            let answer = match UserId::new(text) {
                Err(_) => IdAnswer::IllFormed,
                Ok(id) if call == Call::Subscribe && id == user.user => IdAnswer::Oneself,
                Ok(id) if call == Call::Unsubscribe => {
                    good.push(id);
                    IdAnswer::Off
                }
                Ok(id) => match self.account(user.app, id) {
                    None => IdAnswer::NoAccount,
                    Some(account) => {
                        good.push(id);
                        IdAnswer::Is(seen(&account.user))
                    }
                },
            };
            users.push((text.to_owned(), answer));
        }
        let account = self.accounts.get_mut(user).expect("it is current");
        let change = match call {
            Call::Query => ListChange::default(),
            Call::Subscribe => account.list.subscribe(&good, &settings),
            Call::Unsubscribe => account.list.unsubscribe(&good),
        };
        self.list_changed(user, &change);
        Answer::Users {
            users,
            evicted: change.evicted,
        }
    }

    /// One step of one user's machine; the list follows its status (R5.8).
    fn change(
        &mut self,
        user: &UserKey,
        step: impl FnOnce(&mut Account, Context<'_>) -> (Answer, bool),
    ) -> Answer {
        let settings = self.settings_of(user);
        let context = self.context(&settings);
        let Some(account) = self.accounts.get_mut(user) else {
            return Answer::Stale;
        };
        let (answer, changed) = step(account, context);
        if changed && account.user.presence().status != Status::Online {
            account.list.owner_gone(context.now, &settings);
        }
        self.tell(user, changed);
        answer
    }

    fn tick(&mut self) {
        let is_due =
            |deadline: Option<presence::time::Mono>, now: Now| deadline.is_some_and(|at| at <= now.mono);
        let users: Vec<UserKey> = self.accounts.keys().copied().collect();
        for user in &users {
            if is_due(self.accounts[user].user.next_deadline(), self.now) {
                self.change(user, |account, context| {
                    (Answer::Done, account.user.advance(context))
                });
            }
        }
        for user in &users {
            let account = self.accounts.get_mut(user).expect("a tick deletes nobody");
            if is_due(account.list.next_deadline(), self.now) {
                let change = account.list.advance(self.now);
                self.list_changed(user, &change);
            }
            let account = &self.accounts[user];
            assert!(
                !is_due(account.user.next_deadline(), self.now),
                "it did what was due"
            );
            assert!(
                !is_due(account.list.next_deadline(), self.now),
                "it did what was due"
            );
        }
    }

    /// R1.5, after the kick.
    fn delete(&mut self, user: &UserKey) {
        let Some(account) = self.accounts.get_mut(user) else {
            return;
        };
        let change = account.list.clear();
        self.list_changed(user, &change);
        for subscriber in self.subscribers.remove(user).unwrap_or_default() {
            let subscriber = UserKey {
                app: user.app,
                user: subscriber,
            };
            let watching = self
                .accounts
                .get_mut(&subscriber)
                .expect("a subscriber has an account");
            let change = watching.list.unsubscribe(&[user.user]);
            assert!(!change.is_empty(), "the index says it subscribed");
            self.list_changed(&subscriber, &change);
        }
        let account = self.accounts.remove(user).expect("seen above");
        self.marks
            .insert(*user, (account.user.mark(), account.list.generation()));
    }

    /// R6.1 and R6.2: every connection concerned, once.
    fn tell(&mut self, user: &UserKey, changed: bool) {
        if !changed {
            return;
        }
        let settings = self.settings_of(user);
        let mut watchers: BTreeSet<UserId> = BTreeSet::from([user.user]);
        if settings.plan == Plan::Ultimate && settings.user_status {
            watchers.extend(self.subscribers.get(user).into_iter().flatten());
        }
        if settings.friend_status_notify {
            let friends = self.friends.iter();
            let having =
                friends.filter(|(owner, friends)| owner.app == user.app && friends.contains(&user.user));
            watchers.extend(having.map(|(owner, _)| owner.user));
        }
        let accounts = watchers
            .into_iter()
            .filter_map(|watcher| self.account(user.app, watcher));
        let to = accounts
            .flat_map(|account| account.user.connections())
            .map(|(_, connection)| connection)
            .collect();
        let change = Seen {
            platforms: 0,
            ..seen(&self.accounts[user].user)
        };
        self.told.push(Told {
            user: *user,
            change,
            to,
        });
    }

    /// The index of watchers, the owner's copy and its devices (R5.3) follow a list.
    fn list_changed(&mut self, owner: &UserKey, change: &ListChange) {
        if change.is_empty() {
            return;
        }
        let account = self.accounts.get_mut(owner).expect("a list has an owner");
        for id in &change.added {
            account.copy.retain(|known| known != id);
            account.copy.push(*id);
            self.subscribers
                .entry(UserKey {
                    app: owner.app,
                    user: *id,
                })
                .or_default()
                .insert(owner.user);
        }
        for id in change.removed.iter().chain(&change.evicted) {
            account.copy.retain(|known| known != id);
            if let Some(subscribers) = self.subscribers.get_mut(&UserKey {
                app: owner.app,
                user: *id,
            }) {
                subscribers.remove(&owner.user);
            }
        }
        self.lists.push(ListTold {
            owner: *owner,
            added: change.added.clone(),
            removed: change.removed.clone(),
            evicted: change.evicted.clone(),
            generation: account.list.generation(),
            to: account
                .user
                .connections()
                .map(|(_, connection)| connection)
                .collect(),
        });
    }

    fn registered(&self, user: &UserKey, context: Context<'_>) -> Account {
        let (registered, list) = match self.marks.get(user) {
            None => (User::registered(context), SubscriptionList::new(self.floor.0)),
            Some((mark, generation)) => (
                User::registered_again(*mark, context),
                SubscriptionList::new(generation + 1),
            ),
        };
        Account {
            user: registered,
            list,
            gates: Gates::default(),
            copy: Vec::new(),
        }
    }

    fn account(&self, app: AppId, user: UserId) -> Option<&Account> {
        self.accounts.get(&UserKey { app, user })
    }

    fn is_current(&self, user: &UserKey, session: SessionId, connection: ConnectionId) -> bool {
        self.accounts
            .get(user)
            .is_some_and(|account| account.user.is_current(session, connection))
    }

    fn settings_of(&self, user: &UserKey) -> AppSettings {
        self.settings[&user.app].clone()
    }

    fn context<'a>(&self, settings: &'a AppSettings) -> Context<'a> {
        Context {
            now: self.now,
            floor: self.floor,
            settings,
        }
    }
}

fn seen(user: &User) -> Seen {
    let Presence {
        status,
        custom,
        version,
        since,
        reason,
    } = user.presence();
    Seen {
        status: *status,
        custom: custom.as_str().to_owned(),
        version: version.0,
        since: since.0,
        reason: *reason,
        platforms: user.platforms(),
    }
}

fn list_seen(list: &SubscriptionList) -> ListSeen {
    ListSeen {
        ids: list.ids().collect(),
        generation: list.generation(),
        restorable: list.is_restorable(),
    }
}
