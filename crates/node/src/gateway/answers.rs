//! What the engine says, carried out: replies to requests, changes to the hub, ends to connections.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::{Context, Poll};

use presence::ids::{UserId, UserKey};
use presence::status::Presence;
use presence::subscriptions::ListChange;
use presence_protocol::errors::code;
use presence_protocol::message::{Reply, ServerMessage, StatusRef, SubscriptionsChanged};

use super::connection::Phase;
use super::pending::{Asker, Devices, Known, Named, Pending, Told};
use super::requests::{frame_per_user, users_of};
use super::texts;
use crate::engine::{Answer, Command, Output, Snapshot, Tag};
use crate::event_loop::Loop;
use crate::hub::fanout::reasons_told;
use crate::hub::watchers::Reasons;
use crate::slab::Id;
use crate::transport::Transport;

impl<T: Transport> Loop<T> {
    /// Gives the engine a command whose answer is for `pending`. A connection that asked is not read until then.
    pub(crate) fn ask(&mut self, pending: Pending, command: Command) {
        if let Some(asker) = asker_of(&pending)
            && let Some(connection) = self.connections.get_mut(asker.connection)
        {
            connection.busy = true;
        }
        let tag = Tag(self.pending.insert(pending).to_bits());
        self.submit(Some(tag), command);
    }

    /// Gives the engine a command.
    pub(crate) fn submit(&mut self, tag: Option<Tag>, command: Command) {
        // In this order, so that interest which begins anew is not ended by its own past.
        self.tell_dropped();
        self.engine.submit(self.now, tag, command);
    }

    /// Tells the engine whom nobody here watches any more.
    pub(crate) fn tell_dropped(&mut self) {
        let mut dropped = self.hub.take_dropped().into_iter().peekable();
        while let Some(first) = dropped.next() {
            let mut users = vec![first.user];
            while let Some(next) = dropped.next_if(|next| next.app == first.app) {
                users.push(next.user);
            }
            self.engine.submit(
                self.now,
                None,
                Command::Unwatch {
                    app: first.app,
                    users,
                },
            );
        }
    }

    /// Carries out what the engine has to say by now.
    pub(crate) fn use_outputs(&mut self) {
        // Always the loop's own waker: an output that comes later is for the next tick.
        let driver = self.driver.clone();
        let mut cx = Context::from_waker(&driver);
        while let Poll::Ready(output) = self.engine.poll_output(self.now, &mut cx) {
            match output {
                Output::Answer { tag, answer } => {
                    if let Some(pending) = self.pending.remove(Id::from_bits(tag.0)) {
                        self.answered(pending, answer);
                    }
                }
                Output::Change { user, presence } => self.change(user, &presence),
                Output::Ended { user, ended } => self.session_ended(user, ended),
                Output::ListChanged {
                    user,
                    change,
                    generation,
                } => self.list_changed(user, &change, generation),
                Output::FriendsChanged { user, friends } => self.friends_changed(user, friends),
                Output::Happened {
                    user,
                    platform,
                    connection,
                    what,
                } => self.tell_backend(user, platform, connection, what),
            }
        }
    }

    fn answered(&mut self, pending: Pending, answer: Answer) {
        let asker = asker_of(&pending);
        if let Some(connection) = asker.and_then(|asker| self.connections.get_mut(asker.connection)) {
            connection.busy = false;
        }
        match (pending, answer) {
            (
                Pending::LogIn {
                    asker,
                    user,
                    expires,
                    list_generation,
                    known,
                },
                Answer::LoggedIn(done),
            ) => {
                self.logged_in(asker, user, expires, list_generation, known, *done);
            }
            (Pending::LogIn { asker, .. } | Pending::LogOutLate(asker), Answer::LoginRefused(refusal)) => {
                self.login_refused(asker, refusal)
            }
            (Pending::LogOutLate(asker), Answer::Done) => {
                self.reply(asker.connection, done(asker));
                self.finish(asker.connection);
            }
            (Pending::LogIn { asker, .. } | Pending::LogOutLate(asker), _) => {
                self.login_failed(asker, texts::refused(asker.request_id, code::SERVER_ERROR));
            }
            (Pending::LogOut(asker), _) => {
                self.reply(asker.connection, done(asker));
                // R8.8: no status follows, not even the one this makes.
                self.finish(asker.connection);
            }
            (Pending::SetCustom(asker), answer) => self.reply(asker.connection, simple(asker, &answer)),
            (Pending::Renew { asker, expires }, Answer::Done) => {
                self.reply(asker.connection, done(asker));
                if let Some(connection) = self.connections.get_mut(asker.connection)
                    && let Phase::Open(session) = &mut connection.phase
                {
                    session.expires = expires;
                }
                self.schedule(asker.connection);
            }
            (Pending::Renew { asker, .. }, Answer::LoginRefused(_)) => {
                self.reply(
                    asker.connection,
                    texts::refused(asker.request_id, code::USER_SIG_REVOKED),
                );
            }
            (Pending::Renew { asker, .. }, answer) => self.reply(asker.connection, simple(asker, &answer)),
            (Pending::Query { asker, named }, Answer::Users(snapshots)) => {
                self.reply_per_user(asker, &statuses(&named, &snapshots));
            }
            (Pending::Query { asker, .. }, answer) => self.reply(asker.connection, simple(asker, &answer)),
            (
                Pending::SubscribeWatch {
                    asker,
                    user,
                    named,
                    held,
                },
                answer,
            ) => {
                self.subscribe_watched(asker, user, named, held, answer);
            }
            (
                Pending::Subscribe {
                    asker,
                    user,
                    named,
                    held,
                    platforms,
                },
                answer,
            ) => {
                self.subscribed(asker, user, &named, &held, &platforms, &answer);
            }
            (Pending::Unsubscribe { asker, user, named }, Answer::List { change, generation }) => {
                let users: Vec<StatusRef<'_>> = named.iter().map(plain).collect();
                self.apply(user, &change);
                self.reply_per_user(asker, &users);
                self.tell_list(user, &change, generation);
            }
            (Pending::Unsubscribe { asker, .. }, answer) => {
                self.reply(asker.connection, simple(asker, &answer))
            }
            (
                Pending::RestoreWatch {
                    asker,
                    user,
                    generation,
                    ids,
                    held,
                },
                answer,
            ) => {
                self.restore_watched(asker, user, generation, ids, held, answer);
            }
            (Pending::Restore { asker, user, held }, answer) => self.restored(asker, user, &held, answer),
            (
                Pending::List {
                    asker,
                    user,
                    with_status,
                },
                Answer::Ids(ids),
            ) => {
                self.listed(asker, user, ids, with_status);
            }
            (Pending::List { asker, .. }, answer) => self.reply(asker.connection, simple(asker, &answer)),
            (
                Pending::CatchUp {
                    user,
                    devices,
                    reason,
                    ids,
                    known,
                },
                Answer::Users(snapshots),
            ) => {
                self.caught_up(user, devices, reason, &ids, &known, &snapshots);
            }
            (Pending::Friends { user, devices, known }, Answer::Ids(friends)) => {
                self.watch_friends(user, devices, friends, known);
            }
            // The client is caught up by its next login.
            (Pending::CatchUp { .. } | Pending::Friends { .. }, _) => {
                tracing::warn!("the engine could not say what users show; some devices catch up later");
            }
            (Pending::Admin(waiting), answer) => {
                // Who asked may have stopped waiting.
                let _ = waiting.send(answer);
            }
        }
        if let Some(asker) = asker {
            self.go_on(asker.connection);
        }
    }

    /// The connection's request was answered, unless it asked another: its next may come.
    fn go_on(&mut self, id: Id) {
        let is_free = self
            .connections
            .get(id)
            .is_some_and(|connection| !connection.busy);
        if is_free && self.serving != Some(id) {
            self.serve_again(id);
        }
    }

    fn subscribe_watched(
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
    fn subscribed(
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
        let (frame, code) = frame_per_user(asker.request_id, &statuses, evicted);
        self.count_reply(asker.connection, code);
        self.send_bytes(asker.connection, frame);
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

    fn restore_watched(
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
    fn restored(&mut self, asker: Asker, user: UserKey, held: &[Id], answer: Answer) {
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
    fn listed(&mut self, asker: Asker, user: UserKey, ids: Vec<UserId>, with_status: bool) {
        let named: Vec<Named> = ids.iter().copied().map(Named::User).collect();
        if with_status && !ids.is_empty() {
            self.ask(
                Pending::Query { asker, named },
                Command::Look {
                    app: user.app,
                    users: ids,
                },
            );
        } else {
            let users: Vec<StatusRef<'_>> = named.iter().map(plain).collect();
            self.reply_per_user(asker, &users);
        }
    }

    fn caught_up(
        &mut self,
        user: UserKey,
        devices: Devices,
        reason: Reasons,
        ids: &[UserId],
        known: &Known,
        snapshots: &[Option<Snapshot>],
    ) {
        self.learn_all(user, ids, snapshots);
        // After a crash: only the version is another (R6.6).
        let mut known = Arc::clone(known);
        for (id, snapshot) in ids.iter().zip(snapshots) {
            if let Some(snapshot) = snapshot
                && snapshot.kept_version != snapshot.presence.version
                && let Some(told) = known.get(id).copied()
                && told.version == snapshot.kept_version
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
    }

    /// Sends what watched users show to devices that were told something else, or nothing (R6.6).
    fn send_known(
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
        let told = self
            .apps
            .get(&user.app)
            .map_or(Reasons::NONE, |app| reasons_told(&app.settings));
        let receivers = match devices {
            Devices::One(connection) => vec![connection],
            Devices::All => self.hub.devices(&user).to_vec(),
        };
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

    /// R9.2: the user watches these for being friends, and nobody else.
    pub(crate) fn watch_friends(
        &mut self,
        user: UserKey,
        devices: Devices,
        friends: Vec<UserId>,
        known: Known,
    ) {
        let Some(local) = self.hub.local(&user) else {
            return;
        };
        let now: HashSet<UserId> = friends.iter().copied().collect();
        for old in self.hub.watched_by(local, Reasons::FRIEND) {
            if !now.contains(&old.user) {
                self.hub.unwatch(local, &old, Reasons::FRIEND);
            }
        }
        for friend in &friends {
            let key = UserKey {
                app: user.app,
                user: *friend,
            };
            self.hub.watch(local, key, Reasons::FRIEND);
        }
        self.catch_up(user, devices, Reasons::FRIEND, friends, known);
    }

    fn friends_changed(&mut self, user: UserKey, friends: Vec<UserId>) {
        // Off: they are asked for when the switch is on again.
        if self.friends_are_told(user.app) {
            self.watch_friends(user, Devices::All, friends, Arc::default());
        }
    }

    fn list_changed(&mut self, user: UserKey, change: &ListChange, generation: u64) {
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

/// The connection that waits, if one does.
fn asker_of(pending: &Pending) -> Option<Asker> {
    match pending {
        Pending::LogIn { asker, .. }
        | Pending::LogOut(asker)
        | Pending::LogOutLate(asker)
        | Pending::SetCustom(asker)
        | Pending::Renew { asker, .. }
        | Pending::Query { asker, .. }
        | Pending::SubscribeWatch { asker, .. }
        | Pending::Subscribe { asker, .. }
        | Pending::Unsubscribe { asker, .. }
        | Pending::RestoreWatch { asker, .. }
        | Pending::Restore { asker, .. }
        | Pending::List { asker, .. } => Some(*asker),
        Pending::CatchUp { .. } | Pending::Friends { .. } | Pending::Admin(_) => None,
    }
}

fn done(asker: Asker) -> Reply {
    Reply {
        request_id: asker.request_id,
        ..Reply::default()
    }
}

/// The reply to a request that is done or not.
fn simple(asker: Asker, answer: &Answer) -> Reply {
    match answer {
        Answer::Done => done(asker),
        Answer::Stale => texts::refused(asker.request_id, code::NOT_LOGGED_IN),
        Answer::Unavailable
        | Answer::NotRestorable
        | Answer::LoggedIn(_)
        | Answer::LoginRefused(_)
        | Answer::List { .. }
        | Answer::Ids(_)
        | Answer::Users(_)
        | Answer::Accounts(_)
        | Answer::AccountPage(_)
        | Answer::Counts(_)
        | Answer::FriendsEdited(_) => texts::refused(asker.request_id, code::SERVER_ERROR),
    }
}

/// A user without what it shows.
fn plain(named: &Named) -> StatusRef<'_> {
    match named {
        Named::User(user) => StatusRef::Plain {
            user_id: user.as_str(),
            code: code::OK,
        },
        Named::Refused { id, code } => StatusRef::Plain {
            user_id: id,
            code: *code,
        },
    }
}

/// A user with what it shows and the platforms it is online on; `None`: it has no account.
fn status<'a>(user: &'a UserId, shown: Option<(&'a Presence, u32)>) -> StatusRef<'a> {
    match shown {
        Some((presence, platforms)) => StatusRef::Found {
            user,
            presence,
            platforms,
        },
        None => StatusRef::Plain {
            user_id: user.as_str(),
            code: code::ACCOUNT_NOT_FOUND,
        },
    }
}

/// R4.3: everyone who was named, in that order. `snapshots` are those of the users among them.
fn statuses<'a>(named: &'a [Named], snapshots: &'a [Option<Snapshot>]) -> Vec<StatusRef<'a>> {
    let mut snapshots = snapshots.iter();
    named
        .iter()
        .map(|name| match name {
            Named::User(user) => {
                let snapshot = snapshots.next().and_then(Option::as_ref);
                status(user, snapshot.map(|found| (&found.presence, found.platforms)))
            }
            Named::Refused { .. } => plain(name),
        })
        .collect()
}
