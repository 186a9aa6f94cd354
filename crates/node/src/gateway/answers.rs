//! What the engine says, carried out: what it answers goes to whoever waits for it (`pending`), what it tells to whom it
//! is about.

use std::task::{Context, Poll};

use presence::time::Wall;
use presence_protocol::errors::code;

use super::connection::Phase;
use super::pending::{Asker, Pending};
use super::replies::{done, simple, statuses};
use super::texts;
use crate::engine::{Answer, Command, Output, Tag};
use crate::event_loop::Loop;
use crate::slab::Id;
use crate::transport::Transport;

impl<T: Transport> Loop<T> {
    /// Gives the engine a command whose answer is for `pending`. A connection that asked is not read until then.
    pub(crate) fn ask(&mut self, pending: Pending, command: Command) {
        if let Some(asker) = pending.asker()
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
                Output::FriendsChanged { user, friends } => self.friends_changed(user, &friends),
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
        let asker = pending.asker();
        if let Some(connection) = asker.and_then(|asker| self.connections.get_mut(asker.connection)) {
            connection.busy = false;
        }
        self.use_answer(pending, answer);
        if let Some(asker) = asker {
            self.go_on(asker.connection);
        }
    }

    fn use_answer(&mut self, pending: Pending, answer: Answer) {
        match pending {
            Pending::LogIn(entering) => self.login_decided(entering, answer),
            Pending::LogOut(asker) => {
                self.reply(asker.connection, done(asker));
                // R8.8: no status follows, not even the one this makes.
                self.finish(asker.connection);
            }
            Pending::LogOutLate(asker) => self.logged_out_late(asker, &answer),
            Pending::SetCustom(asker) => self.reply(asker.connection, simple(asker, &answer)),
            Pending::Renew { asker, expires } => self.renewed(asker, expires, &answer),
            Pending::Query { asker, named } => match &answer {
                Answer::Users(snapshots) => self.reply_per_user(asker, &statuses(&named, snapshots)),
                _ => self.reply(asker.connection, simple(asker, &answer)),
            },
            Pending::SubscribeWatch {
                asker,
                user,
                named,
                held,
            } => self.subscribe_watched(asker, user, named, held, answer),
            Pending::Subscribe {
                asker,
                user,
                named,
                held,
                platforms,
            } => self.subscribed(asker, user, &named, &held, &platforms, &answer),
            Pending::Unsubscribe { asker, user, named } => self.unsubscribed(asker, user, &named, &answer),
            Pending::RestoreWatch {
                asker,
                user,
                generation,
                ids,
                held,
            } => self.restore_watched(asker, user, generation, ids, held, answer),
            Pending::Restore { asker, user, held } => self.restored(asker, user, &held, answer),
            Pending::List {
                asker,
                user,
                with_status,
            } => match answer {
                Answer::Ids(ids) => self.listed(asker, user, ids, with_status),
                _ => self.reply(asker.connection, simple(asker, &answer)),
            },
            Pending::ListShown { asker, named } => match &answer {
                Answer::Users(snapshots) => self.reply_list(asker, &statuses(&named, snapshots)),
                _ => self.reply(asker.connection, simple(asker, &answer)),
            },
            Pending::CatchUp {
                user,
                devices,
                reason,
                ids,
                known,
            } => self.caught_up(user, devices, reason, &ids, &known, &answer),
            Pending::Friends { user, devices, known } => self.friends_listed(user, devices, known, answer),
            Pending::Admin(waiting) => {
                // Who asked may have stopped waiting.
                let _ = waiting.send(answer);
            }
        }
    }

    fn renewed(&mut self, asker: Asker, expires: Wall, answer: &Answer) {
        let reply = match answer {
            Answer::LoginRefused(_) => texts::refused(asker.request_id, code::USER_SIG_REVOKED),
            _ => simple(asker, answer),
        };
        self.reply(asker.connection, reply);
        if *answer != Answer::Done {
            return;
        }
        if let Some(connection) = self.connections.get_mut(asker.connection)
            && let Phase::Open(session) = &mut connection.phase
        {
            session.expires = expires;
        }
        self.schedule(asker.connection);
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
}
