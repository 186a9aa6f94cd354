//! Users of whom a client was told something by an earlier start of the server, and of whom this start knows nothing:
//! after a crash, accounts made in its last moments; without a store, everybody who has not come back. R2.9 holds for
//! them, too: who comes back within `restart_grace` was never away, and the others are OFFLINE to whoever was told that
//! they are ONLINE. Without this they would stay so for ever, since nobody is left of whom a change could be told.
//!
//! Whoever was last told as OFFLINE or UNLOGINED is so still, and nothing is said (R6.6): so it counts what the client says
//! that it was told, and one that does not say it waits for nobody. OFFLINE, and not UNLOGINED: who was ONLINE and is not
//! back did not log out (R2.4), for a logout said late makes the account again (R8.8, R1.2). What is told is above every version that an
//! earlier start gave out and below every one of this start (R6.5), so it hides nothing. It is told to the user whose
//! client named them or restored them, and to nobody else: a client may say what it likes.
//!
//! Who may not be told at that moment, because a switch is off or the plan was lost (R7.2–R7.4), goes on waiting and is told
//! when the settings change (R7.3: on again, subscribers catch up). It waits no longer than it watches: whoever logs out
//! or takes the absent user off its list waits for it no more, and its next login names whom it was told of anew.

use std::collections::HashMap;
use std::sync::Arc;

use presence::ids::{AppId, UserId, UserKey};
use presence::status::{CustomStatus, Presence, Reason, Status, VERSION_MAX, Version};
use presence::time::{Mono, Wall};

use super::pending::{Known, Told};
use crate::event_loop::Loop;
use crate::hub::Watched;
use crate::slab::Id;
use crate::transport::Transport;

/// See the module.
pub(crate) struct Absent {
    /// The end of `restart_grace`.
    over: Mono,
    /// That end was carried out: who waits still may not be told yet.
    is_over: bool,
    /// Users here, and whom of those that they watch they wait for: in all no more than they watch.
    waiting: HashMap<UserKey, Vec<Id>>,
}

impl Absent {
    pub(crate) fn until(over: Mono) -> Absent {
        Absent {
            over,
            is_over: false,
            waiting: HashMap::new(),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        (!self.is_over && !self.waiting.is_empty()).then_some(self.over)
    }

    /// Everyone who waited, once it is time, in an order that does not depend on a hash.
    pub(crate) fn take_due(&mut self, now: Mono) -> Vec<(UserKey, Vec<Id>)> {
        if self.is_over || now < self.over {
            return Vec::new();
        }
        self.is_over = true;
        in_order(std::mem::take(&mut self.waiting))
    }

    /// Those of `app` who waited on although it was time: its settings allow more now. In the same order.
    pub(crate) fn take_withheld(&mut self, app: AppId) -> Vec<(UserKey, Vec<Id>)> {
        if !self.is_over {
            return Vec::new();
        }
        in_order(self.waiting.extract_if(|user, _| user.app == app).collect())
    }

    /// `user` has no device here any more.
    pub(crate) fn forget(&mut self, user: &UserKey) {
        self.waiting.remove(user);
    }
}

/// Told as ONLINE, and by an earlier start.
fn was_online_below(version: Version, told: &Told) -> bool {
    told.online && told.version < version
}

/// Those of `known` who may be absent. `None`, and no memory for as long as the connection lives: nobody.
fn online_below(version: Version, but: &UserId, known: &Known) -> Option<Known> {
    let those: HashMap<UserId, Told> = known
        .iter()
        .filter(|(id, told)| *id != but && was_online_below(version, told))
        .map(|(id, told)| (*id, *told))
        .collect();
    (!those.is_empty()).then(|| Arc::new(those))
}

fn in_order(waiting: HashMap<UserKey, Vec<Id>>) -> Vec<(UserKey, Vec<Id>)> {
    let mut all: Vec<_> = waiting.into_iter().collect();
    all.sort_unstable_by_key(|(user, _)| *user);
    all
}

impl<T: Transport> Loop<T> {
    /// Below every version of this start, and above those before it.
    fn version_of_absent(&self) -> Version {
        Version(self.engine.floor().0.saturating_sub(1))
    }

    /// Those of `ids` that have no account, though the client was told by an earlier start that they are ONLINE: if they are
    /// not back when `restart_grace` is over, they are OFFLINE to all devices of `user`.
    pub(crate) fn await_absent(&mut self, user: UserKey, ids: &[UserId], known: &Known) {
        let version = self.version_of_absent();
        let was_online = |told: &Told| was_online_below(version, told);
        let absent: Vec<Id> = ids
            .iter()
            .filter(|id| known.get(id).is_some_and(was_online))
            .filter_map(|id| {
                let app = user.app;
                self.hub.watched_id(&UserKey { app, user: *id })
            })
            .filter(|id| self.watched_absent(*id).is_some())
            .collect();
        if absent.is_empty() {
            return;
        }
        if self.now.mono >= self.absent.over {
            self.tell_absent(user, absent);
        } else {
            self.wait_for(user, absent);
        }
    }

    /// `user` waits for these, too.
    fn wait_for(&mut self, user: UserKey, absent: Vec<Id>) {
        let waiting = self.absent.waiting.entry(user).or_default();
        waiting.extend(absent);
        waiting.sort_unstable();
        waiting.dedup();
        self.wait_for_watched(user);
    }

    /// `user` waits for nobody whom it does not watch any more, or who has an account by now.
    pub(crate) fn wait_for_watched(&mut self, user: UserKey) {
        let Some(mut waiting) = self.absent.waiting.remove(&user) else {
            return;
        };
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        waiting.retain(|id| {
            self.watched_absent(*id)
                .is_some_and(|watched| !watched.watchers.reasons_of(local.place()).is_empty())
        });
        if !waiting.is_empty() {
            waiting.shrink_to_fit();
            self.absent.waiting.insert(user, waiting);
        }
    }

    /// What is to be kept of what a client says that it was told, until it restores its list (R5.8).
    pub(crate) fn told_earlier(&self, user: &UserId, known: &Known) -> Option<Known> {
        online_below(self.version_of_absent(), user, known)
    }

    /// `user` restored its list (R5.8): what it was told of these, its login said.
    pub(crate) fn await_restored(&mut self, connection: Id, user: UserKey, ids: &[UserId]) {
        let known = self
            .connections
            .get_mut(connection)
            .and_then(|connection| connection.known.take());
        let settings = self.apps.get(&user.app).map(|app| &app.settings);
        // Where being mentioned makes an account, that account is told of (R1.2).
        if settings.is_none_or(|settings| settings.auto_register_on_mention) {
            return;
        }
        if let Some(known) = known {
            self.await_absent(user, ids, &known);
        }
    }

    /// Someone watched who has no account.
    fn watched_absent(&self, id: Id) -> Option<&Watched> {
        let watched = self.hub.watched.get(id)?;
        watched.presence.is_none().then_some(watched)
    }

    /// They are not back. Who may not be told of it waits on.
    pub(crate) fn tell_absent(&mut self, user: UserKey, absent: Vec<Id>) {
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        let told = self.reasons_told(user.app);
        let devices = self.hub.devices(&user).to_vec();
        let presence = Presence {
            status: Status::Offline,
            custom: CustomStatus::default(),
            version: self.version_of_absent(),
            since: self.end_of_grace(),
            reason: Reason::Server,
        };
        let mut withheld = Vec::new();
        for id in absent {
            let Some(watched) = self.watched_absent(id) else {
                continue;
            };
            let key = watched.key;
            if told.meets(watched.watchers.reasons_of(local.place())) {
                for device in &devices {
                    self.send_presence(*device, &key, &presence);
                }
            } else {
                withheld.push(id);
            }
        }
        if !withheld.is_empty() {
            self.wait_for(user, withheld);
        }
    }

    /// Those of `ids` that have no account, though this start told the client on `device` that they are ONLINE: they were
    /// deleted while it was away (R1.5), and are its friends still (R6.6). The deletion made a change, the next version at
    /// the least, and whoever has the account anew is above that. Nobody else is told: a client may say what it likes.
    pub(crate) fn tell_deleted(&mut self, user: UserKey, device: Id, ids: &[UserId], known: &Known) {
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        let reasons = self.reasons_told(user.app);
        let of_this_start = self.version_of_absent()..VERSION_MAX;
        for id in ids {
            let Some(told) = known.get(id) else { continue };
            let key = UserKey {
                app: user.app,
                user: *id,
            };
            let watched = self.hub.watched_id(&key);
            let Some(watched) = watched.and_then(|id| self.watched_absent(id)) else {
                continue;
            };
            let may_be_told = reasons.meets(watched.watchers.reasons_of(local.place()));
            if may_be_told && told.online && of_this_start.contains(&told.version) {
                let presence = Presence {
                    status: Status::Unlogined,
                    custom: CustomStatus::default(),
                    version: Version(told.version.0 + 1),
                    since: self.now.wall,
                    reason: Reason::Server,
                };
                self.send_presence(device, &key, &presence);
            }
        }
    }

    /// By the wall clock: one moment to all who are told, however late (R4.4).
    fn end_of_grace(&self) -> Wall {
        let since = self.now.mono.since(self.absent.over).as_millis();
        Wall(
            self.now
                .wall
                .0
                .saturating_sub_unsigned(u64::try_from(since).unwrap_or(0)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_client_was_told_only_who_may_be_absent_is_kept() {
        let id = |name: &str| UserId::new(name).expect("a user id");
        let known = |all: &[(&str, u64, bool)]| -> Known {
            let told = |version, online| Told {
                version: Version(version),
                online,
            };
            let all = all.iter();
            Arc::new(
                all.map(|(name, version, online)| (id(name), told(*version, *online)))
                    .collect(),
            )
        };
        let own_and_others = known(&[("me", 7, true), ("here", 100, true), ("away", 7, false)]);
        assert!(online_below(Version(99), &id("me"), &own_and_others).is_none());
        let one = known(&[("me", 7, true), ("bob", 98, true), ("carol", 99, true)]);
        let kept = online_below(Version(99), &id("me"), &one).expect("bob");
        assert_eq!(kept.keys().collect::<Vec<_>>(), [&id("bob")]);
    }
}
