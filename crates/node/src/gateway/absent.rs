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

use std::collections::HashMap;

use presence::ids::{UserId, UserKey};
use presence::status::{CustomStatus, Presence, Reason, Status, Version};
use presence::time::Mono;

use super::pending::{Known, Told};
use crate::event_loop::Loop;
use crate::hub::Watched;
use crate::hub::fanout::reasons_told;
use crate::slab::Id;
use crate::transport::Transport;

/// See the module. Nothing once `restart_grace` is over.
pub(crate) struct Absent {
    /// The end of `restart_grace`.
    over: Mono,
    /// Users here, and whom of those that they watch they wait for: in all no more than they watch.
    waiting: HashMap<UserKey, Vec<Id>>,
}

impl Absent {
    pub(crate) fn until(over: Mono) -> Absent {
        Absent {
            over,
            waiting: HashMap::new(),
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        (!self.waiting.is_empty()).then_some(self.over)
    }

    /// Everyone who waited, once it is time, in an order that does not depend on a hash.
    pub(crate) fn take_due(&mut self, now: Mono) -> Vec<(UserKey, Vec<Id>)> {
        if self.waiting.is_empty() || now < self.over {
            return Vec::new();
        }
        let mut due: Vec<_> = std::mem::take(&mut self.waiting).into_iter().collect();
        due.sort_unstable_by_key(|(user, _)| *user);
        due
    }
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
        let was_online = |told: &Told| told.online && told.version < version;
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
            self.tell_absent(user, &absent);
            return;
        }
        let waiting = self.absent.waiting.entry(user).or_default();
        waiting.retain(|id| self.hub.watched.get(*id).is_some());
        waiting.extend(absent);
        waiting.sort_unstable();
        waiting.dedup();
        waiting.shrink_to_fit();
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

    /// They are not back.
    pub(crate) fn tell_absent(&mut self, user: UserKey, absent: &[Id]) {
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        let told = self.apps.get(&user.app).map(|app| reasons_told(&app.settings));
        let devices = self.hub.devices(&user).to_vec();
        let presence = Presence {
            status: Status::Offline,
            custom: CustomStatus::default(),
            version: self.version_of_absent(),
            since: self.now.wall,
            reason: Reason::Server,
        };
        for id in absent {
            let Some(watched) = self.watched_absent(*id) else {
                continue;
            };
            let key = watched.key;
            let reasons = watched.watchers.reasons_of(local.place());
            if told.is_some_and(|told| told.meets(reasons)) {
                for device in &devices {
                    self.send_presence(*device, &key, &presence);
                }
            }
        }
    }
}
