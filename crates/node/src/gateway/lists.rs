//! A user's subscription list as its devices see it: subscribing, unsubscribing, restoring and listing, once the engine
//! has answered (R5). The index follows the list, and every device hears of its changes (R5.3).

use std::collections::HashMap;

use presence::ids::{UserId, UserKey};
use presence::subscriptions::ListChange;
use presence_protocol::message::{Reply, ServerMessage, StatusRef, SubscriptionsChanged};

use super::pending::{Asker, Devices, Named, Pending};
use super::replies::{done, frame_of, per_user, plain, simple, status, statuses};
use super::requests::users_of;
use super::texts;
use crate::engine::{Answer, Command, Snapshot};
use crate::event_loop::Loop;
use crate::hub::watchers::Reasons;
use crate::slab::Id;
use crate::transport::Transport;

impl<T: Transport> Loop<T> {
    /// Those whom a subscribe names are watched, and this is what they show: whoever has an account is subscribed to.
    pub(super) fn subscribe_watched(
        &mut self,
        asker: Asker,
        user: UserKey,
        named: Vec<Named>,
        held: Vec<Id>,
        answer: Answer,
    ) {
        let Answer::Users(snapshots) = answer else {
            self.release_all(&held);
            self.reply(asker.connection, simple(asker, &answer));
            return;
        };
        self.learn_held(&held, &snapshots);
        let mut found = users_of(&named);
        let mut exists = snapshots.iter().map(Option::is_some);
        found.retain(|_| exists.next().unwrap_or(false));
        if found.is_empty() {
            self.release_all(&held);
            self.reply_per_user(asker, &statuses(&named, &snapshots));
            return;
        }
        let platforms = snapshots
            .iter()
            .map(|snapshot| snapshot.as_ref().map(|found| found.platforms))
            .collect();
        self.ask(
            Pending::Subscribe {
                asker,
                user,
                named,
                held,
                platforms,
            },
            Command::Subscribe { user, ids: found },
        );
    }

    /// R5.6: from the moment of the reply on the watcher is in the index, and the reply says the newest that was heard
    /// until then.
    pub(super) fn subscribed(
        &mut self,
        asker: Asker,
        user: UserKey,
        named: &[Named],
        held: &[Id],
        platforms: &[Option<u32>],
        answer: &Answer,
    ) {
        let Answer::List { change, generation } = answer else {
            self.release_all(held);
            self.reply(asker.connection, simple(asker, answer));
            return;
        };
        self.apply(user, change);
        let mut shown = held.iter().zip(platforms);
        let statuses: Vec<StatusRef<'_>> = named
            .iter()
            .map(|name| {
                let Named::User(id) = name else {
                    return plain(name);
                };
                let shown = shown.next();
                status(
                    id,
                    shown.and_then(|(place, platforms)| Some((self.hub.presence_at(*place)?, (*platforms)?))),
                )
            })
            .collect();
        let evicted = change.evicted.iter().map(|id| id.as_str().to_owned()).collect();
        let reply = Reply {
            evicted,
            ..per_user(asker.request_id, &statuses)
        };
        let frame = frame_of(&reply, &statuses);
        self.send_reply_frame(asker, reply.code, frame);
        self.tell_list(user, change, *generation);
        self.tell_other_devices(asker, user, &change.added);
        self.release_all(held);
    }

    /// R5.3: the list is the user's, so its other devices, too, know from now on what the newly watched show. Only the
    /// one that subscribed has it in its result.
    fn tell_other_devices(&mut self, asker: Asker, user: UserKey, added: &[UserId]) {
        let others: Vec<Id> = self
            .hub
            .devices(&user)
            .iter()
            .copied()
            .filter(|device| *device != asker.connection)
            .collect();
        if others.is_empty() {
            return;
        }
        for id in added {
            let key = UserKey {
                app: user.app,
                user: *id,
            };
            let Some(presence) = self.hub.presence(&key).cloned() else {
                continue;
            };
            for other in &others {
                self.send_presence(*other, &key, &presence);
            }
        }
    }

    /// R5.7: after the reply, no more of these.
    pub(super) fn unsubscribed(&mut self, asker: Asker, user: UserKey, named: &[Named], answer: &Answer) {
        let Answer::List { change, generation } = answer else {
            self.reply(asker.connection, simple(asker, answer));
            return;
        };
        let users: Vec<StatusRef<'_>> = named.iter().map(plain).collect();
        self.apply(user, change);
        self.reply_per_user(asker, &users);
        self.tell_list(user, change, *generation);
    }

    /// Those whom a restore names are watched, and this is what they show.
    pub(super) fn restore_watched(
        &mut self,
        asker: Asker,
        user: UserKey,
        generation: u64,
        ids: Vec<UserId>,
        held: Vec<Id>,
        answer: Answer,
    ) {
        let Answer::Users(snapshots) = answer else {
            self.release_all(&held);
            self.reply(asker.connection, simple(asker, &answer));
            return;
        };
        self.learn_held(&held, &snapshots);
        // Those without an account, too: after a restart without a store, who has not come back yet has none.
        let restore = Command::Restore {
            user,
            generation,
            ids,
        };
        self.ask(Pending::Restore { asker, user, held }, restore);
    }

    /// The reply names nobody; what the restored users show is pushed, and the client drops what it knows (R6.6).
    pub(super) fn restored(&mut self, asker: Asker, user: UserKey, held: &[Id], answer: Answer) {
        match answer {
            Answer::List { change, generation } => {
                self.apply(user, &change);
                self.reply(asker.connection, done(asker));
                self.tell_list(user, &change, generation);
                let nothing = HashMap::new();
                self.send_known(user, Devices::All, Reasons::SUBSCRIBER, &change.added, &nothing);
                self.await_restored(asker.connection, user, &change.added);
                // R1.2, and not before it succeeded: a refused restore changes nothing.
                let mention = Command::Watch {
                    app: user.app,
                    users: change.added,
                    mention: true,
                };
                self.submit(None, mention);
            }
            Answer::NotRestorable => {
                self.reply(asker.connection, texts::not_restorable(asker.request_id));
            }
            answer => self.reply(asker.connection, simple(asker, &answer)),
        }
        self.release_all(held);
    }

    /// A list, with what its members show where that may be seen (R7.2, R7.3).
    pub(super) fn listed(&mut self, asker: Asker, user: UserKey, ids: Vec<UserId>, with_status: bool) {
        let named: Vec<Named> = ids.iter().copied().map(Named::User).collect();
        if with_status && !ids.is_empty() {
            self.ask(
                Pending::ListShown { asker, named },
                Command::Look {
                    app: user.app,
                    users: ids,
                },
            );
        } else {
            let users: Vec<StatusRef<'_>> = named.iter().map(plain).collect();
            self.reply_list(asker, &users);
        }
    }

    /// Something else changed the list than a request of a device's.
    pub(super) fn list_changed(&mut self, user: UserKey, change: &ListChange, generation: u64) {
        self.apply(user, change);
        self.tell_list(user, change, generation);
    }

    /// The index follows the list.
    fn apply(&mut self, user: UserKey, change: &ListChange) {
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        let key = |id: &UserId| UserKey {
            app: user.app,
            user: *id,
        };
        for added in &change.added {
            self.hub.watch(local, key(added), Reasons::SUBSCRIBER);
        }
        for gone in change.removed.iter().chain(&change.evicted) {
            self.hub.unwatch(local, &key(gone), Reasons::SUBSCRIBER);
        }
        self.wait_for_watched(user);
    }

    /// R5.3: every device hears of the list's change, the one that made it included.
    fn tell_list(&mut self, user: UserKey, change: &ListChange, generation: u64) {
        if change.is_empty() {
            return;
        }
        let names = |ids: &[UserId]| ids.iter().map(|id| id.as_str().to_owned()).collect();
        let message = ServerMessage::SubscriptionsChanged(SubscriptionsChanged {
            generation,
            added: names(&change.added),
            removed: names(&change.removed),
            evicted: names(&change.evicted),
        });
        for device in self.hub.devices(&user).to_vec() {
            self.send(device, &message);
        }
    }

    /// Of users who are held in the hub at these places.
    fn learn_held(&mut self, held: &[Id], snapshots: &[Option<Snapshot>]) {
        for (id, snapshot) in held.iter().zip(snapshots) {
            if let Some(snapshot) = snapshot {
                self.hub.learn_at(*id, &snapshot.presence);
            }
        }
    }

    fn release_all(&mut self, held: &[Id]) {
        for id in held {
            self.hub.release(*id);
        }
    }
}
