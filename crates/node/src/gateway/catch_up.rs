//! Catching up: who begins to watch, or comes back, is sent what the users it watches show and it does not know (R6.6);
//! and the friends that a user watches (R9.2).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use presence::ids::{AppId, UserId, UserKey};

use super::pending::{Devices, Known, Pending, Told};
use crate::engine::{Answer, Command, Snapshot};
use crate::event_loop::Loop;
use crate::hub::watchers::Reasons;
use crate::slab::Id;
use crate::transport::Transport;

impl<T: Transport> Loop<T> {
    /// `ids` are watched for `reason` from now on: what they show now is sent to those who do not know it.
    pub(crate) fn catch_up(
        &mut self,
        user: UserKey,
        devices: Devices,
        reason: Reasons,
        ids: Vec<UserId>,
        known: Known,
    ) {
        if ids.is_empty() {
            return;
        }
        let watch = Command::Watch {
            app: user.app,
            users: ids.clone(),
            mention: false,
        };
        self.ask(
            Pending::CatchUp {
                user,
                devices,
                reason,
                ids,
                known,
            },
            watch,
        );
    }

    /// They are watched, and this is what they show.
    pub(super) fn caught_up(
        &mut self,
        user: UserKey,
        devices: Devices,
        reason: Reasons,
        ids: &[UserId],
        known: &Known,
        answer: &Answer,
    ) {
        let Answer::Users(snapshots) = answer else {
            warn_of_late_catch_up();
            return;
        };
        self.learn_all(user, ids, snapshots);
        // After a crash: only the version is another (R6.6).
        let mut known = Arc::clone(known);
        for (id, snapshot) in ids.iter().zip(snapshots) {
            if let Some(snapshot) = snapshot
                && snapshot.kept_version != snapshot.presence.version
                && let Some(told) = known.get(id).copied()
                && self.engine.knows(told.version, snapshot.kept_version)
            {
                let told = Told {
                    version: snapshot.presence.version,
                    ..told
                };
                Arc::make_mut(&mut known).insert(*id, told);
            }
        }
        self.send_known(user, devices, reason, ids, &known);
        self.await_absent(user, ids, &known);
        if let Devices::One(device) = devices {
            self.tell_deleted(user, device, ids, &known);
        }
    }

    /// Sends what watched users show to devices that were told something else, or nothing (R6.6).
    pub(super) fn send_known(
        &mut self,
        user: UserKey,
        devices: Devices,
        reason: Reasons,
        ids: &[UserId],
        known: &HashMap<UserId, Told>,
    ) {
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        let told = self.reasons_told(user.app);
        let mut receivers = self.hub.devices(&user).to_vec();
        if let Devices::One(connection) = devices {
            // None, if it logged out meanwhile (R8.8).
            receivers.retain(|device| *device == connection);
        }
        for id in ids {
            let key = UserKey {
                app: user.app,
                user: *id,
            };
            // It may be off the list since it was asked for (R5.7).
            if !self.hub.reasons(local, &key).meets(reason) {
                continue;
            }
            let Some(presence) = self.hub.presence(&key).cloned() else {
                continue;
            };
            if known.get(id).is_some_and(|told| told.version == presence.version) {
                continue;
            }
            let reasons = self.hub.reasons(local, &key);
            // Who is subscribed to, too, was told for that reason (R6.2).
            let is_told_as_subscriber = told.meets(Reasons::SUBSCRIBER)
                && reasons.meets(Reasons::SUBSCRIBER)
                && reason != Reasons::SUBSCRIBER;
            if told.meets(reasons) && !is_told_as_subscriber {
                for receiver in &receivers {
                    self.send_presence(*receiver, &key, &presence);
                }
            }
            if !told.meets(Reasons::SUBSCRIBER)
                && reason.meets(Reasons::SUBSCRIBER)
                && let Some(watched) = self.hub.watched_id(&key)
            {
                self.note_missed(user.app, watched);
            }
        }
    }

    fn learn_all(&mut self, user: UserKey, ids: &[UserId], snapshots: &[Option<Snapshot>]) {
        for (id, snapshot) in ids.iter().zip(snapshots) {
            if let Some(snapshot) = snapshot {
                self.hub.learn(
                    &UserKey {
                        app: user.app,
                        user: *id,
                    },
                    &snapshot.presence,
                );
            }
        }
    }

    /// R7.4.
    pub(crate) fn friends_are_told(&self, app: AppId) -> bool {
        self.reasons_told(app).meets(Reasons::FRIEND)
    }

    /// The friends of a user who is here are known: it watches them, and nobody else for that reason.
    pub(super) fn friends_listed(&mut self, user: UserKey, devices: Devices, known: Known, answer: Answer) {
        let Answer::Ids(friends) = answer else {
            warn_of_late_catch_up();
            return;
        };
        if let Some(local) = self.hub.local(&user) {
            self.watch_friends(local, user, &friends);
            self.catch_up(user, devices, Reasons::FRIEND, friends, known);
        }
    }

    /// R9.1. Those who were friends before have been told of, so devices hear of the new ones alone.
    pub(super) fn friends_changed(&mut self, user: UserKey, friends: &[UserId]) {
        // Off: they are asked for when the switch is on again.
        if self.friends_are_told(user.app)
            && let Some(local) = self.hub.local(&user)
        {
            let new = self.watch_friends(local, user, friends);
            self.catch_up(user, Devices::All, Reasons::FRIEND, new, Arc::default());
        }
    }

    /// R9.2: the user watches these for being friends, and nobody else. Answers whom of them it did not watch so before.
    fn watch_friends(&mut self, local: Id, user: UserKey, friends: &[UserId]) -> Vec<UserId> {
        let now: HashSet<UserId> = friends.iter().copied().collect();
        let mut before = HashSet::new();
        for old in self.hub.watched_by(local, Reasons::FRIEND) {
            if now.contains(&old.user) {
                before.insert(old.user);
            } else {
                self.hub.unwatch(local, &old, Reasons::FRIEND);
            }
        }
        let new: Vec<UserId> = friends
            .iter()
            .copied()
            .filter(|friend| !before.contains(friend))
            .collect();
        for friend in &new {
            let key = UserKey {
                app: user.app,
                user: *friend,
            };
            self.hub.watch(local, key, Reasons::FRIEND);
        }
        self.wait_for_watched(user);
        new
    }
}

fn warn_of_late_catch_up() {
    // The client is caught up by its next login.
    tracing::warn!("the engine could not say what users show; some devices catch up later");
}
