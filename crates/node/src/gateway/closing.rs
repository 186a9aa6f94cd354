//! How connections end: by the other end, by a deadline, by a mistake, or with a last word of the server's.

use std::io;

use presence::ids::{ConnectionId, UserKey};
use presence::login::{Ended, EndedBy, Loss};
use presence::time::Mono;
use presence_protocol::errors::code;
use presence_protocol::frame::FrameError;
use presence_protocol::message::{DecodeError, ServerMessage};

use super::connection::{Flushed, Phase, Received, Session};
use crate::engine::{Command, Departure};
use crate::event_loop::Loop;
use crate::slab::Id;
use crate::transport::Transport;

/// Why a connection is closed without a last word.
#[derive(Debug)]
pub(crate) enum Close {
    /// FIN, RST, or a write that failed.
    Link,
    /// R2.6.
    Silent,
    /// R8.10.
    SlowReceiver,
    /// No login in time.
    NoLogin,
    /// It does not speak this protocol.
    Preface,
    /// It does not speak that of a layer below: TLS, WebSocket.
    Layer(io::Error),
    /// A frame that cannot be.
    Frame(FrameError),
    /// A frame that is no message.
    Message(DecodeError),
}

impl Close {
    /// What the rules make of it (R2.2).
    fn loss(&self) -> Loss {
        match self {
            Close::Silent => Loss::Timeout,
            Close::SlowReceiver => Loss::SlowReceiver,
            Close::Link
            | Close::NoLogin
            | Close::Preface
            | Close::Layer(_)
            | Close::Frame(_)
            | Close::Message(_) => Loss::LinkClosed,
        }
    }
}

impl std::fmt::Display for Close {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Close::Link => f.write_str("the other end closed it"),
            Close::Silent => f.write_str("nothing was heard for the heartbeat timeout"),
            Close::SlowReceiver => f.write_str("it did not read what it was sent"),
            Close::NoLogin => f.write_str("it did not log in in time"),
            Close::Preface => f.write_str("it does not begin with the preface"),
            Close::Layer(error) => error.fmt(f),
            Close::Frame(error) => error.fmt(f),
            Close::Message(error) => error.fmt(f),
        }
    }
}

/// How long a connection that was told its end may take to end itself. Closing at once could lose the last word: a
/// socket closed with unread bytes is reset.
const END_AWAITED_MS: u64 = 2_000;

/// What cannot be merged (changes of the list, made by the user's other devices) may pile up to the larger of these
/// before a receiver that reads nothing is cut early: its share of memory, whatever R8.10 would still allow it.
const HOARD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// In outboxes of the configured size.
const HOARD_FACTOR: usize = 16;

impl<T: Transport> Loop<T> {
    /// Ends a connection now; a login on it is lost (R2.2).
    pub(crate) fn close(&mut self, id: Id, why: Close) {
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        *match why {
            Close::Link => &mut self.counted.closed_link,
            Close::Silent => &mut self.counted.closed_silent,
            Close::SlowReceiver => &mut self.counted.closed_slow,
            Close::NoLogin => &mut self.counted.closed_no_login,
            Close::Preface | Close::Layer(_) | Close::Frame(_) | Close::Message(_) => {
                &mut self.counted.closed_protocol
            }
        } += 1;
        match why {
            Close::Preface | Close::Layer(_) | Close::Frame(_) | Close::Message(_) | Close::NoLogin => {
                if let Some(left_out) = self.strangers_logged.take(self.now.mono) {
                    tracing::info!(peer = %connection.peer, reason = %why, left_out, "connection refused");
                }
            }
            Close::Link | Close::Silent | Close::SlowReceiver => {
                tracing::debug!(peer = %connection.peer, reason = %why, "connection closed");
            }
        }
        if let Some(session) = connection.session() {
            self.lose(id, session, why.loss());
        }
        self.forget(id);
    }

    /// The session of `id` is lost: it is no device of its user any more.
    fn lose(&mut self, id: Id, session: Session, loss: Loss) {
        let user = self.hub.locals.get(session.local).map(|user| user.key);
        self.detach(id, session);
        // R2.9: who goes now is expected back, and the store keeps it as it is.
        if let Some(user) = user.filter(|_| !(self.draining && loss != Loss::Expired)) {
            let leave = Command::Leave {
                user,
                session: session.id,
                connection: ConnectionId(id.to_bits()),
                how: Departure::Lost(loss),
            };
            self.submit(None, leave);
        }
    }

    /// Takes a connection out of the hub: it hears no more, and the session's end is someone else's to tell.
    pub(crate) fn detach(&mut self, id: Id, session: Session) {
        let user = self.hub.locals.get(session.local).map(|user| user.key);
        let mut app = user.and_then(|user| self.apps.get_mut(&user.app));
        let window = app
            .as_ref()
            .map_or(std::time::Duration::ZERO, |app| app.settings.rate_window);
        if let Some(app) = &mut app {
            app.counted.devices = app.counted.devices.saturating_sub(1);
        }
        self.hub
            .detach(session.local, id, self.now.mono, self.now.mono.after(window));
        if let Some(user) = user
            && self.hub.locals.get(session.local).is_none()
        {
            self.absent.forget(&user);
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.phase = Phase::Login;
        }
    }

    /// Drops a connection that nobody counts on any more.
    pub(crate) fn forget(&mut self, id: Id) {
        if let Some(connection) = self.connections.remove(id) {
            self.note_departed(id, connection.peer.ip());
            self.limits.close_one(connection.peer.ip());
        }
    }

    /// What is in the outbox is the last; once it is out, the connection ends.
    pub(crate) fn finish(&mut self, id: Id) {
        if self
            .connections
            .get(id)
            .is_some_and(|connection| matches!(connection.phase, Phase::Closing { .. }))
        {
            return;
        }
        let until = Mono(self.now.mono.0.saturating_add(END_AWAITED_MS));
        if let Some(session) = self
            .connections
            .get(id)
            .and_then(|connection| connection.session())
        {
            self.detach(id, session);
        }
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.phase = Phase::Closing {
            until,
            shut_down: false,
        };
        connection.unread = Box::default();
        self.mark_dirty(id);
        self.schedule(id);
    }

    /// A session was ended by the engine (R2.7, R8.3, R8.7, R1.5).
    pub(crate) fn session_ended(&mut self, _user: UserKey, ended: Ended) {
        let Some(id) = ended.connection.map(|connection| Id::from_bits(connection.0)) else {
            return;
        };
        let Some(session) = self
            .connections
            .get(id)
            .and_then(|connection| connection.session())
        else {
            return;
        };
        if session.id != ended.session {
            return;
        }
        let (code, message) = match ended.why {
            EndedBy::Replaced => {
                self.detach(id, session);
                self.forget(id);
                return;
            }
            EndedBy::Displaced => (code::KICKED_OFFLINE, "the account logged in on another device"),
            EndedBy::Kicked => (
                code::USER_SIG_REVOKED,
                "the backend ended all sessions of this account",
            ),
        };
        self.end_session(id, code, message);
    }

    fn end_session(&mut self, id: Id, code: i32, message: &str) {
        let ended = ServerMessage::SessionEnded {
            code,
            message: message.to_owned(),
        };
        self.send(id, &ended);
        self.finish(id);
    }

    /// Writes what the connections of this tick have to write.
    pub(crate) fn flush_dirty(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for id in dirty.drain(..) {
            self.flush(id);
        }
        // Flushing may have closed connections, whose users' other devices are told in the next tick.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn flush(&mut self, id: Id) {
        let bytes_max = self.config.outbox_bytes_max;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.dirty = false;
        let was_over = connection.outbox.held_bytes() > bytes_max;
        let flushed = connection.flush(&mut self.gather, self.now.mono);
        let is_over = connection.outbox.held_bytes() > bytes_max;
        if was_over && !is_over && connection.session().is_some() {
            // It was not read meanwhile, and that it takes bytes is a sign of life.
            connection.heard = self.now.mono;
        }
        match flushed {
            Flushed::Broken => self.close(id, Close::Link),
            Flushed::All => {
                if let Phase::Closing { shut_down: false, .. } = connection.phase {
                    self.await_end(id);
                }
            }
            Flushed::Some => {
                if connection.outbox.held_bytes()
                    > HOARD_BYTES_MAX.max(bytes_max.saturating_mul(HOARD_FACTOR))
                {
                    self.close(id, Close::SlowReceiver);
                }
            }
        }
        if was_over && !is_over {
            self.serve_again(id);
        }
    }

    /// A connection that was told its end: waits for the other end to close, and reads what it still says unheard.
    pub(crate) fn await_end(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if let Phase::Closing {
            until,
            shut_down: false,
        } = connection.phase
        {
            if connection.wants_write() || !connection.shut_down() {
                return;
            }
            connection.phase = Phase::Closing {
                until,
                shut_down: true,
            };
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        match connection.receive(&mut scratch) {
            Received::Bytes(_) => self.serve_again(id),
            Received::Nothing => {}
            Received::End | Received::Foreign(_) => self.forget(id),
        }
        self.scratch = scratch;
    }

    /// When the connection must be looked at.
    fn deadline_of(&self, id: Id) -> Option<Mono> {
        let connection = self.connections.get(id)?;
        Some(match connection.phase {
            Phase::Preface | Phase::Login | Phase::LoggingIn => {
                connection.heard.after(self.config.login_deadline)
            }
            Phase::Closing { until, .. } => until,
            Phase::Open(session) => {
                let left_ms = u64::try_from(session.expires.0.saturating_sub(self.now.wall.0)).unwrap_or(0);
                let expiry = Mono(self.now.mono.0.saturating_add(left_ms));
                let slow = connection.progress.after(self.config.slow_receiver_timeout);
                let slow = connection.outbox.is_full().then_some(slow);
                // One that is not read because it does not read cannot be heard either: R8.10 is the measure of it.
                let is_read = connection.outbox.held_bytes() <= self.config.outbox_bytes_max;
                let silence = connection.heard.after(self.config.heartbeat_timeout);
                let silence = is_read.then_some(silence);
                [slow, silence].into_iter().flatten().fold(expiry, Mono::min)
            }
        })
    }

    /// Puts the connection into the wheel, if it is not there for an earlier moment.
    pub(crate) fn schedule(&mut self, id: Id) {
        let Some(deadline) = self.deadline_of(id) else {
            return;
        };
        let bucket = self.wheel.bucket_of(deadline);
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.bucket == 0 || bucket < connection.bucket {
            connection.bucket = self.wheel.schedule(id, deadline);
        }
    }

    /// Looks at the connections whose bucket came up.
    pub(crate) fn turn_wheel(&mut self) {
        while let Some((bucket, ids)) = self.wheel.pop_due(self.now.mono) {
            for id in ids {
                if let Some(connection) = self
                    .connections
                    .get_mut(id)
                    .filter(|connection| connection.bucket == bucket)
                {
                    connection.bucket = 0;
                    self.look_after(id);
                    self.schedule(id);
                }
            }
        }
    }

    fn look_after(&mut self, id: Id) {
        let now = self.now;
        if self.deadline_of(id).is_none_or(|deadline| deadline > now.mono) {
            return;
        }
        // What has arrived and was not read yet counts as heard: this process, too, may have been stopped for a while.
        self.serve(id);
        if self.deadline_of(id).is_none_or(|deadline| deadline > now.mono) {
            return;
        }
        let Some(connection) = self.connections.get(id) else {
            return;
        };
        match connection.phase {
            Phase::Preface | Phase::Login | Phase::LoggingIn => self.close(id, Close::NoLogin),
            Phase::Closing { .. } => self.forget(id),
            Phase::Open(session) if session.expires <= now.wall => {
                // R8.4: it hears why, and nothing of the change that this makes.
                self.lose(id, session, Loss::Expired);
                self.end_session(
                    id,
                    code::USER_SIG_EXPIRED_ONLINE,
                    "the UserSig of this session expired",
                );
            }
            Phase::Open(_) => {
                let slow = connection.progress.after(self.config.slow_receiver_timeout);
                let is_slow = connection.outbox.is_full() && now.mono >= slow;
                self.close(
                    id,
                    if is_slow {
                        Close::SlowReceiver
                    } else {
                        Close::Silent
                    },
                );
            }
        }
    }
}
