//! The hub knows who is here: the users with a device on this loop, and whom they watch. It decides nothing about
//! status and touches no socket; `fanout` delivers along it.

pub(crate) mod fanout;
pub(crate) mod watchers;

use std::collections::{HashMap, VecDeque};

use presence::gates::Gates;
use presence::ids::UserKey;
use presence::status::{Presence, Version};
use presence::time::Mono;

use self::fanout::Pass;
use self::watchers::{ROOM_STEP, Reasons, Watchers};
use crate::keyed::{Keyed, KeyedSlab};
use crate::slab::Id;

/// The connections of one user. Most have one, which then costs no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Devices {
    One(Id),
    /// None, or more than one.
    Many(Vec<Id>),
}

impl Devices {
    pub(crate) fn as_slice(&self) -> &[Id] {
        match self {
            Devices::One(connection) => std::slice::from_ref(connection),
            Devices::Many(connections) => connections,
        }
    }

    fn add(&mut self, connection: Id) {
        match self {
            Devices::One(first) => *self = Devices::Many(vec![*first, connection]),
            Devices::Many(connections) if connections.is_empty() => *self = Devices::One(connection),
            Devices::Many(connections) => connections.push(connection),
        }
    }

    fn remove(&mut self, connection: Id) {
        match self {
            Devices::One(only) if *only == connection => *self = Devices::Many(Vec::new()),
            Devices::One(_) => {}
            Devices::Many(connections) => {
                connections.retain(|other| *other != connection);
                if let [only] = connections.as_slice() {
                    *self = Devices::One(*only);
                }
            }
        }
    }
}

/// A user with a logged-in device on this loop, and so at home here.
pub(crate) struct LocalUser {
    pub(crate) key: UserKey,
    pub(crate) devices: Devices,
    /// R7.5. They outlive the connections by a window.
    pub(crate) gates: Gates,
    /// The places of those in whose [`Watchers`] it is: they stay as long as it is in there.
    watching: Vec<u32>,
}

impl Keyed for LocalUser {
    fn key(&self) -> &UserKey {
        &self.key
    }
}

/// A user someone here watches.
pub(crate) struct Watched {
    pub(crate) key: UserKey,
    pub(crate) watchers: Watchers,
    /// Requests in flight that rely on this loop's interest in it.
    holds: u32,
    /// The newest that was heard. `None`: nothing yet, or no such account.
    pub(crate) presence: Option<Presence>,
    /// Subscribers were not told something (R7.3).
    pub(crate) missed: bool,
    /// A fan-out that goes on over several ticks.
    pub(crate) pass: Option<Box<Pass>>,
}

impl Keyed for Watched {
    fn key(&self) -> &UserKey {
        &self.key
    }
}

/// See the module.
pub(crate) struct Hub {
    pub(crate) locals: KeyedSlab<LocalUser>,
    pub(crate) watched: KeyedSlab<Watched>,
    /// Users nobody here watches any more, for the engine to be told.
    dropped: Vec<UserKey>,
    /// Allowances of users whose last device went, until they are as good as new.
    resting_gates: HashMap<UserKey, (Mono, Gates)>,
    /// By the time they began to rest.
    resting_order: VecDeque<UserKey>,
    /// Watched users with a pass under way.
    pub(crate) passes: VecDeque<Id>,
    /// Devices of all `locals`.
    devices_len: usize,
}

impl Hub {
    pub(crate) fn new() -> Hub {
        Hub {
            locals: KeyedSlab::new(),
            watched: KeyedSlab::new(),
            dropped: Vec::new(),
            resting_gates: HashMap::new(),
            resting_order: VecDeque::new(),
            passes: VecDeque::new(),
            devices_len: 0,
        }
    }

    pub(crate) fn local(&self, key: &UserKey) -> Option<Id> {
        self.locals.id_of(key)
    }

    /// The connections of `key`'s devices here.
    pub(crate) fn devices(&self, key: &UserKey) -> &[Id] {
        self.locals.of(key).map_or(&[], |user| user.devices.as_slice())
    }

    /// Devices that are logged in here.
    pub(crate) fn devices_len(&self) -> usize {
        self.devices_len
    }

    /// A device of `key` logged in on `connection`.
    pub(crate) fn attach(&mut self, key: UserKey, connection: Id) -> Id {
        self.devices_len += 1;
        if let Some(local) = self.local(&key) {
            if let Some(user) = self.locals.get_mut(local) {
                user.devices.add(connection);
            }
            return local;
        }
        self.locals.insert(LocalUser {
            key,
            devices: Devices::One(connection),
            gates: self
                .resting_gates
                .remove(&key)
                .map(|(_, gates)| gates)
                .unwrap_or_default(),
            watching: Vec::new(),
        })
    }

    /// `connection` is no device of `local` any more. With the last one the user is forgotten here, all but its
    /// allowances, which rest until `gates_until` (R7.5).
    pub(crate) fn detach(&mut self, local: Id, connection: Id, now: Mono, gates_until: Mono) {
        let Some(user) = self.locals.get_mut(local) else {
            return;
        };
        let devices_before = user.devices.as_slice().len();
        user.devices.remove(connection);
        self.devices_len -= devices_before - user.devices.as_slice().len();
        if !user.devices.as_slice().is_empty() {
            return;
        }
        let Some(user) = self.locals.remove(local) else {
            return;
        };
        for place in user.watching {
            let Some(watched) = self.watched.id_at(place) else {
                continue;
            };
            if let Some(entry) = self.watched.get_mut(watched) {
                entry
                    .watchers
                    .remove(local.place(), Reasons::SUBSCRIBER.with(Reasons::FRIEND));
            }
            self.drop_if_idle(watched);
        }
        self.forget_rested(now);
        if user.gates != Gates::default() && !self.resting_gates.contains_key(&user.key) {
            self.resting_order.push_back(user.key);
            self.resting_gates.insert(user.key, (gates_until, user.gates));
        }
    }

    fn forget_rested(&mut self, now: Mono) {
        while let Some(key) = self.resting_order.front() {
            // Who came back took its allowances along; who left again rests further back, too.
            if self.resting_gates.get(key).is_some_and(|(until, _)| *until > now) {
                break;
            }
            self.resting_gates.remove(key);
            self.resting_order.pop_front();
        }
    }

    pub(crate) fn watched_id(&self, key: &UserKey) -> Option<Id> {
        self.watched.id_of(key)
    }

    fn entry(&mut self, key: UserKey) -> Id {
        if let Some(id) = self.watched.id_of(&key) {
            return id;
        }
        self.watched.insert(Watched {
            key,
            watchers: Watchers::default(),
            holds: 0,
            presence: None,
            missed: false,
            pass: None,
        })
    }

    /// Keeps the interest in `key` alive while a request that needs it is in flight, and its place with it. Undone by
    /// [`Hub::release`].
    pub(crate) fn hold(&mut self, key: UserKey) -> Id {
        let id = self.entry(key);
        if let Some(watched) = self.watched.get_mut(id) {
            watched.holds += 1;
        }
        id
    }

    /// Undoes [`Hub::hold`].
    pub(crate) fn release(&mut self, id: Id) {
        if let Some(watched) = self.watched.get_mut(id) {
            watched.holds = watched.holds.saturating_sub(1);
        }
        self.drop_if_idle(id);
    }

    /// `local` watches `key` for `reason` from now on.
    pub(crate) fn watch(&mut self, local: Id, key: UserKey, reason: Reasons) {
        let id = self.entry(key);
        let Some(user) = self.locals.get_mut(local) else {
            self.drop_if_idle(id);
            return;
        };
        if self
            .watched
            .get_mut(id)
            .is_some_and(|watched| watched.watchers.add(local.place(), reason))
        {
            if user.watching.len() == user.watching.capacity() {
                user.watching
                    .reserve_exact(ROOM_STEP.max(user.watching.len() / 2));
            }
            user.watching.push(id.place());
        }
    }

    /// `local` does not watch `key` for `reason` any more.
    pub(crate) fn unwatch(&mut self, local: Id, key: &UserKey, reason: Reasons) {
        let Some(id) = self.watched_id(key) else { return };
        let is_over = self
            .watched
            .get_mut(id)
            .is_some_and(|watched| watched.watchers.remove(local.place(), reason));
        if is_over && let Some(user) = self.locals.get_mut(local) {
            // Each once, in no order; who goes soon after it came stands at the end.
            if let Some(index) = user.watching.iter().rposition(|other| *other == id.place()) {
                user.watching.swap_remove(index);
            }
        }
        self.drop_if_idle(id);
    }

    /// Whom `local` watches for `reason`.
    pub(crate) fn watched_by(&self, local: Id, reason: Reasons) -> Vec<UserKey> {
        let watching = self.locals.get(local).map_or(&[][..], |user| &user.watching);
        watching
            .iter()
            .filter_map(|place| self.watched.at(*place))
            .filter(|watched| watched.watchers.reasons_of(local.place()).meets(reason))
            .map(|watched| watched.key)
            .collect()
    }

    /// Why `local` watches `key`.
    pub(crate) fn reasons(&self, local: Id, key: &UserKey) -> Reasons {
        self.watched_id(key)
            .and_then(|id| self.watched.get(id))
            .map_or(Reasons::NONE, |watched| {
                watched.watchers.reasons_of(local.place())
            })
    }

    /// Something was heard of `key`. The place where it is watched, if it is news there.
    pub(crate) fn learn(&mut self, key: &UserKey, presence: &Presence) -> Option<Id> {
        self.learn_at(self.watched_id(key)?, presence)
    }

    /// As [`Hub::learn`], where the place is known.
    pub(crate) fn learn_at(&mut self, id: Id, presence: &Presence) -> Option<Id> {
        let watched = self.watched.get_mut(id)?;
        let known = watched
            .presence
            .as_ref()
            .map_or(Version(0), |known| known.version);
        if presence.version <= known {
            return None;
        }
        watched.presence = Some(presence.clone());
        Some(id)
    }

    /// The newest that was heard of `key`, if it is watched here.
    pub(crate) fn presence(&self, key: &UserKey) -> Option<&Presence> {
        self.presence_at(self.watched_id(key)?)
    }

    /// As [`Hub::presence`], where the place is known.
    pub(crate) fn presence_at(&self, id: Id) -> Option<&Presence> {
        self.watched.get(id)?.presence.as_ref()
    }

    fn drop_if_idle(&mut self, id: Id) {
        let Some(watched) = self.watched.get(id) else {
            return;
        };
        if watched.holds == 0 && watched.watchers.is_empty() {
            let key = watched.key;
            self.watched.remove(id);
            self.dropped.push(key);
        }
    }

    /// Whom this loop is not interested in any more, since the last call.
    pub(crate) fn take_dropped(&mut self) -> Vec<UserKey> {
        let mut dropped = std::mem::take(&mut self.dropped);
        dropped.sort_unstable();
        dropped.dedup();
        // Someone else may have begun to watch it again.
        dropped.retain(|key| self.watched.id_of(key).is_none());
        dropped
    }
}

#[cfg(test)]
mod tests {
    use presence::ids::{AppId, UserId};

    use super::*;
    use crate::slab::Slab;

    fn key(name: &str) -> UserKey {
        UserKey {
            app: AppId::new(1).expect("not 0"),
            user: UserId::new(name).expect("well-formed"),
        }
    }

    #[test]
    fn interest_ends_with_the_last_watcher_and_the_last_hold() {
        let mut connections = Slab::new();
        let (first, second) = (connections.insert(()), connections.insert(()));
        let mut hub = Hub::new();
        let alice = hub.attach(key("alice"), first);
        let carol = hub.attach(key("carol"), second);
        let bob = hub.hold(key("bob"));
        hub.watch(alice, key("bob"), Reasons::SUBSCRIBER);
        hub.watch(carol, key("bob"), Reasons::FRIEND);
        hub.release(bob);
        hub.unwatch(alice, &key("bob"), Reasons::SUBSCRIBER);
        assert_eq!(hub.take_dropped(), vec![]);
        hub.detach(carol, second, Mono(0), Mono(0));
        assert_eq!(hub.take_dropped(), vec![key("bob")]);
        assert_eq!(hub.watched.len(), 0);
    }

    #[test]
    fn interest_that_began_anew_is_not_dropped() {
        let mut connections = Slab::new();
        let mut hub = Hub::new();
        let alice = hub.attach(key("alice"), connections.insert(()));
        hub.watch(alice, key("bob"), Reasons::SUBSCRIBER);
        hub.unwatch(alice, &key("bob"), Reasons::SUBSCRIBER);
        hub.watch(alice, key("bob"), Reasons::SUBSCRIBER);
        assert_eq!(hub.take_dropped(), vec![]);
        assert_eq!(hub.watched_by(alice, Reasons::SUBSCRIBER), vec![key("bob")]);
    }

    #[test]
    fn the_devices_of_a_user_come_and_go() {
        let mut connections = Slab::new();
        let ids: Vec<Id> = (0..3).map(|_| connections.insert(())).collect();
        let mut hub = Hub::new();
        let mut local = None;
        for id in &ids {
            local = Some(hub.attach(key("alice"), *id));
        }
        let local = local.expect("attached");
        assert_eq!(hub.devices(&key("alice")), ids);
        assert_eq!(hub.devices_len(), 3);
        hub.detach(local, ids[1], Mono(0), Mono(0));
        hub.detach(local, ids[1], Mono(0), Mono(0));
        hub.detach(local, ids[0], Mono(0), Mono(0));
        assert_eq!(
            hub.locals.get(local).map(|user| &user.devices),
            Some(&Devices::One(ids[2]))
        );
        hub.detach(local, ids[2], Mono(0), Mono(0));
        assert_eq!(hub.local(&key("alice")), None);
        assert_eq!((hub.devices(&key("alice")), hub.devices_len()), (&[][..], 0));
    }
}
