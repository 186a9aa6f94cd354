//! Fan-out: one change to all who are to hear of it, encoded once, in slices, so that a user with a hundred thousand
//! watchers delays nobody else.

use bytes::Bytes;
use presence::ids::{AppId, UserKey};
use presence::settings::{AppSettings, Plan};
use presence::status::Presence;
use presence::time::Now;
use presence_protocol::message::encode_change;

use super::Hub;
use super::watchers::Reasons;
use crate::engine::memory::home_of;
use crate::event_loop::Loop;
use crate::gateway::connection::{Connection, Phase};
use crate::slab::{Id, Slab};
use crate::transport::Transport;

/// Watchers told in one go. A user with more of them is told in several ticks, and whoever comes in between waits for the
/// rest of one: 200 writes of about 10 µs, so 2 ms at most. With 1 000 it was 11 (docs/PERFORMANCE.md, celebrity).
pub(crate) const SLICE_WATCHERS: usize = 200;

/// Stands for a user's own status in its outboxes, beside the ids of those it watches.
const OWN_STATUS: u64 = u64::MAX;

/// A fan-out that goes on over several ticks.
pub(crate) struct Pass {
    /// The watchers at the time of the change. Who came later had a snapshot of it or of something newer (R5.6).
    receivers: Vec<Id>,
    next: usize,
    frame: Bytes,
    /// Something newer is there: everyone is to hear of that after this pass. Several such merge into one (R6.3); a
    /// later change never overtakes this one.
    again: bool,
}

/// Which watchers of an app's users are told of changes now (R7.2–R7.4).
pub(crate) fn reasons_told(settings: &AppSettings) -> Reasons {
    let subscribers = if settings.user_status && settings.plan == Plan::Ultimate {
        Reasons::SUBSCRIBER
    } else {
        Reasons::NONE
    };
    let friends = if settings.friend_status_notify {
        Reasons::FRIEND
    } else {
        Reasons::NONE
    };
    subscribers.with(friends)
}

/// The connections, and where it is noted that one has something to write.
struct Deliveries<'a, T> {
    connections: &'a mut Slab<Box<Connection<T>>>,
    dirty: &'a mut Vec<Id>,
    /// Those whose outbox became full: their deadline moves (R8.10).
    slow: &'a mut Vec<Id>,
    /// Those that may be read again.
    again: &'a mut Vec<Id>,
    outbox_bytes_max: usize,
    now: Now,
    /// Deliveries so far.
    count: &'a mut u64,
    /// Changes merged so far.
    merged: &'a mut u64,
}

impl<T: Transport> Deliveries<'_, T> {
    fn deliver(&mut self, to: Id, watched: u64, frame: &Bytes) {
        let Some(connection) = self.connections.get_mut(to) else {
            return;
        };
        *self.count += 1;
        let was_over = connection.outbox.held_bytes() > self.outbox_bytes_max;
        if connection
            .outbox
            .push_change(watched, frame.clone(), self.outbox_bytes_max, self.merged)
        {
            connection.progress = self.now.mono;
            self.slow.push(to);
        }
        // By merging. No write will bring it below its bound, after which it would be read again.
        let is_over = connection.outbox.held_bytes() > self.outbox_bytes_max;
        if was_over && !is_over && !std::mem::replace(&mut connection.again, true) {
            self.again.push(to);
        }
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(to);
        }
    }

    fn deliver_to_user(&mut self, hub: &Hub, user: u32, watched: Id, frame: &Bytes) {
        let devices = hub
            .locals
            .at(user)
            .map_or(&[][..], |user| user.devices.as_slice());
        for device in devices {
            self.deliver(*device, watched.to_bits(), frame);
        }
    }
}

impl<T: Transport> Loop<T> {
    /// As [`reasons_told`], of the users of `app` now.
    pub(crate) fn reasons_told(&self, app: AppId) -> Reasons {
        self.apps
            .get(&app)
            .map_or(Reasons::NONE, |app| reasons_told(&app.settings))
    }

    /// R6.1: tells everyone here who is to hear that `user` shows `presence`.
    pub(crate) fn change(&mut self, user: UserKey, presence: &Presence) {
        if self.loops == 1 || home_of(&user, self.loops) == self.index {
            self.count_change(user.app);
        }
        let delivered = self.counted.deliveries;
        let frame = self.tell_own_devices(user, presence);
        if let Some(watched) = self.hub.learn(&user, presence) {
            self.tell_watchers_with(watched, frame);
        }
        self.count_deliveries(user.app, delivered);
    }

    /// Sends one connection what someone it watches shows. Nothing if it is gone.
    pub(crate) fn send_presence(&mut self, to: Id, user: &UserKey, presence: &Presence) {
        let Some(watched) = self.hub.watched_id(user) else {
            return;
        };
        let frame = encode_change(&user.user, presence);
        let delivered = self.counted.deliveries;
        self.deliveries().1.deliver(to, watched.to_bits(), &frame);
        self.count_deliveries(user.app, delivered);
    }

    /// Sends one connection its user's own status (R8.2).
    pub(crate) fn send_own_presence(&mut self, to: Id, user: &UserKey, presence: &Presence) {
        let frame = encode_change(&user.user, presence);
        let delivered = self.counted.deliveries;
        self.deliveries().1.deliver(to, OWN_STATUS, &frame);
        self.count_deliveries(user.app, delivered);
    }

    fn deliveries(&mut self) -> (&Hub, Deliveries<'_, T>) {
        let deliveries = Deliveries {
            connections: &mut self.connections,
            dirty: &mut self.dirty,
            slow: &mut self.slow,
            again: &mut self.again,
            outbox_bytes_max: self.config.outbox_bytes_max,
            now: self.now,
            count: &mut self.counted.deliveries,
            merged: &mut self.counted.merged,
        };
        (&self.hub, deliveries)
    }

    /// Answers the change as bytes, if any device was told of it.
    fn tell_own_devices(&mut self, user: UserKey, presence: &Presence) -> Option<Bytes> {
        let mut frame = None;
        let (hub, mut deliveries) = self.deliveries();
        for device in hub.devices(&user) {
            let Some(connection) = deliveries.connections.get_mut(*device) else {
                continue;
            };
            let Phase::Open(session) = &mut connection.phase else {
                continue;
            };
            // The login that made the change was told with its reply.
            if session.own_version >= presence.version {
                continue;
            }
            session.own_version = presence.version;
            let frame = frame.get_or_insert_with(|| encode_change(&user.user, presence));
            deliveries.deliver(*device, OWN_STATUS, frame);
        }
        frame
    }

    /// Tells all watchers of `id` the newest that was heard of it.
    pub(crate) fn tell_watchers(&mut self, id: Id) {
        self.tell_watchers_with(id, None);
    }

    /// The same, with that as bytes where they are at hand.
    fn tell_watchers_with(&mut self, id: Id, frame: Option<Bytes>) {
        let Some(watched) = self.hub.watched.get_mut(id) else {
            return;
        };
        if let Some(pass) = &mut watched.pass {
            pass.again = true;
            return;
        }
        if watched.watchers.is_empty() {
            return;
        }
        let app = watched.key.app;
        let told = self.reasons_told(app);
        let Some(watched) = self.hub.watched.get_mut(id) else {
            return;
        };
        if told.meets(Reasons::SUBSCRIBER) {
            watched.missed = false;
        } else if watched
            .watchers
            .as_slice()
            .iter()
            .any(|watcher| watcher.reasons.meets(Reasons::SUBSCRIBER))
        {
            self.note_missed(app, id);
        }
        if told.is_empty() {
            return;
        }
        let Some(watched) = self.hub.watched.get_mut(id) else {
            return;
        };
        let Some(presence) = &watched.presence else { return };
        let frame = frame.unwrap_or_else(|| encode_change(&watched.key.user, presence));
        if watched.watchers.len() > SLICE_WATCHERS {
            let receivers = watched
                .watchers
                .as_slice()
                .iter()
                // A celebrity's are many, and all are noted in this one turn.
                .filter_map(|watcher| self.hub.locals.id_in_use(watcher.user))
                .collect();
            watched.pass = Some(Box::new(Pass {
                receivers,
                next: 0,
                frame,
                again: false,
            }));
            self.hub.passes.push_back(id);
            return;
        }
        let (hub, mut deliveries) = self.deliveries();
        let Some(watched) = hub.watched.get(id) else {
            return;
        };
        for watcher in watched.watchers.as_slice() {
            if watcher.reasons.meets(told) {
                deliveries.deliver_to_user(hub, watcher.user, id, &frame);
            }
        }
    }

    /// R7.3: the subscribers of `id` were not told something, and will be when the switch is on again.
    pub(crate) fn note_missed(&mut self, app: AppId, id: Id) {
        let Some(watched) = self.hub.watched.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut watched.missed, true) {
            return;
        }
        let Some(app) = self.apps.get_mut(&app) else {
            return;
        };
        app.missed.push(id);
        // Watched users come and go while the switch is off; the list is to be no longer than they are many.
        if app.missed.len() > 2 * self.hub.watched.len() + 64 {
            app.missed.sort_unstable();
            app.missed.dedup();
            app.missed.retain(|id| self.hub.watched.get(*id).is_some());
        }
    }

    /// The next slice of the passes under way. True if there is more to do.
    pub(crate) fn tell_next_slice(&mut self) -> bool {
        let Some(id) = self.hub.passes.pop_front() else {
            return false;
        };
        let Some(mut pass) = self
            .hub
            .watched
            .get_mut(id)
            .and_then(|watched| watched.pass.take())
        else {
            return !self.hub.passes.is_empty();
        };
        let Some(app) = self.hub.watched.get(id).map(|watched| watched.key.app) else {
            return true;
        };
        let told = self.reasons_told(app);
        if !told.meets(Reasons::SUBSCRIBER) {
            self.note_missed(app, id);
        }
        let end = (pass.next + SLICE_WATCHERS).min(pass.receivers.len());
        let delivered = self.counted.deliveries;
        let (hub, mut deliveries) = self.deliveries();
        if let Some(watched) = hub.watched.get(id) {
            for receiver in pass.receivers.get(pass.next..end).unwrap_or(&[]) {
                // Who left meanwhile, or ended the subscription, hears no more (R5.7).
                let is_here = hub.locals.get(*receiver).is_some();
                if is_here && watched.watchers.reasons_of(receiver.place()).meets(told) {
                    deliveries.deliver_to_user(hub, receiver.place(), id, &pass.frame);
                }
            }
        }
        pass.next = end;
        if pass.next < pass.receivers.len() {
            if let Some(watched) = self.hub.watched.get_mut(id) {
                watched.pass = Some(pass);
            }
            self.hub.passes.push_back(id);
        } else if pass.again {
            self.tell_watchers(id);
        }
        self.count_deliveries(app, delivered);
        !self.hub.passes.is_empty()
    }
}
