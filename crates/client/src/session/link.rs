//! What comes and goes over the connection: making and losing it (R8.5, R8.6), heartbeats (R2.6), requests and their
//! answers, notifications (R6).

use std::borrow::Cow;
use std::io;

use presence::ids::UserId;
use presence::status::Status;
use presence_protocol::errors::code;
use presence_protocol::message::{Reply, Request, ServerMessage, SubscriptionsChanged, UserStatus};
use tokio::time::{Duration, Instant};

use super::backoff::up_to;
use super::calls::Seq;
use super::machine::{Heart, Link, Machine, Phase};
use super::trace::name_of;
use super::wire::{Effect, Purpose, TooLarge};
use crate::api::{ConnectionState, LogLevel, Outcome, text_of};
use crate::delivery::queue::Item;
use crate::dial::failure_code;

/// The longest spread that a server may ask for: a mistaken one shall not keep clients away.
const SPREAD_MAX: Duration = Duration::from_secs(120);

/// What is said of a user whose status could not be learnt (R2.5).
const UNKNOWN: i32 = 0;

impl Machine {
    /// Makes a connection now.
    pub(super) fn dial(&mut self, now: Instant) {
        self.restarts.unwant();
        self.tell_connection(ConnectionState::Connecting, code::OK, "");
        self.link = Link::Dialing {
            give_up_at: now + self.options.connect_timeout,
        };
        self.dial = true;
    }

    /// No connection was to be had.
    pub(crate) fn dial_failed(&mut self, error: &io::Error, now: Instant) {
        let (code, why) = (failure_code(error), error.to_string());
        if code == code::SERVER_NOT_TRUSTED && matches!(self.phase, Phase::LoggingIn(_)) {
            // R8.5 has it try again where trying helps; this is for somebody to mend.
            return self.login_failed(Outcome::with_text(code, why), now);
        }
        self.lose_link_with(code, &why, None, now);
    }

    /// The shell has a connection.
    pub(crate) fn connected(&mut self, now: Instant) {
        self.wire.open(now);
        self.link = Link::Greeting;
        if !self.send_login(now) {
            self.login_too_large(now);
        }
    }

    /// The connection is lost, or was not to be had: the next attempt is due after a backoff, and not before
    /// `not_before` (R8.5).
    pub(crate) fn lose_link(&mut self, why: &str, not_before: Option<Instant>, now: Instant) {
        self.lose_link_with(code::NO_CONNECTION, why, not_before, now);
    }

    fn lose_link_with(&mut self, code: i32, why: &str, not_before: Option<Instant>, now: Instant) {
        let was_up = match &self.link {
            Link::Up(heart) => {
                // A login alone is no proof: a server that accepts and closes shall not be asked four times a second.
                if heart.up_since + self.options.backoff_max <= now {
                    self.backoff.reset();
                }
                true
            }
            Link::Idle | Link::Greeting | Link::Waiting { .. } | Link::Dialing { .. } => false,
        };
        self.hang_up = true;
        self.dial = false;
        self.wire.reset();
        // A certificate that is wrong does not get better by itself: whoever reads logs shall know of each attempt.
        let level = if was_up || code == code::SERVER_NOT_TRUSTED {
            LogLevel::Warn
        } else {
            LogLevel::Info
        };
        self.log(level, || format!("no connection: {why}"));
        let backoff = self.backoff.next(self.world.random());
        let until = not_before.map_or(now + backoff, |earliest| earliest.max(now + backoff));
        match &mut self.phase {
            Phase::LoggedOut => self.link = Link::Idle,
            Phase::LoggingIn(attempt) => {
                attempt.last_failure = Some(why.to_owned());
                self.wait_for_link(until, code, why);
            }
            Phase::LoggedIn(_) => {
                if was_up {
                    self.calls
                        .connection_died(now + self.options.disconnected_wait, &mut self.items);
                }
                self.wait_for_link(until, code, why);
            }
            // No answer will come; if the server did not hear it, the farewell will say it.
            Phase::LoggingOut(leaving) if leaving.said => self.finish_logout(now),
            Phase::LoggingOut(_) => self.wait_for_link(until, code, why),
        }
    }

    fn wait_for_link(&mut self, until: Instant, code: i32, why: &str) {
        self.link = Link::Waiting { until };
        self.tell_connection(ConnectionState::Disconnected, code, why);
    }

    /// Nobody needs the connection any more.
    pub(super) fn close_link(&mut self, code: i32, text: &str) {
        self.link = Link::Idle;
        self.hang_up = true;
        self.dial = false;
        self.wire.reset();
        self.tell_connection(ConnectionState::Disconnected, code, text);
    }

    /// R8.5: at once, but see [`restarts`](super::restarts). An attempt under way, its first frames included, may hang in the old network: it is given up for a new
    /// one, and so is the saying of earlier logouts (R8.8), whatever else goes on. A connection that is there is asked for a
    /// sign of life instead, for it may live on.
    pub(super) fn network_changed(&mut self, now: Instant) {
        self.backoff.reset();
        if !self.unsaid.is_empty() {
            self.restart_farewell(now);
        }
        let due = self.restarts.due(now);
        match &mut self.link {
            Link::Idle => {}
            Link::Waiting { until } if *until <= due => {}
            Link::Waiting { .. } | Link::Dialing { .. } | Link::Greeting if due <= now => {
                self.start_anew(now)
            }
            Link::Waiting { until } => {
                *until = due;
                self.restarts.begin(due);
            }
            Link::Dialing { .. } | Link::Greeting => self.restarts.want(due),
            // Once is enough: whoever calls this in a loop floods nobody.
            Link::Up(Heart {
                unanswered_since: Some(_),
                ..
            }) => {}
            Link::Up(heart) => {
                heart.unanswered_since = Some(now);
                self.transmit_heartbeat(now);
            }
        }
    }

    fn start_anew(&mut self, now: Instant) {
        self.restarts.begin(now);
        self.hang_up = true;
        self.wire.reset();
        self.dial(now);
    }

    pub(super) fn link_timeout(&mut self, now: Instant) {
        let request_timeout = self.options.request_timeout;
        if self
            .wire
            .oldest()
            .is_some_and(|sent_at| sent_at + request_timeout <= now)
        {
            return self.lose_link("the server did not answer a request", None, now);
        }
        match &mut self.link {
            Link::Waiting { until } if *until <= now => self.dial(now),
            Link::Dialing { .. } | Link::Greeting if self.restarts.is_due(now) => self.start_anew(now),
            Link::Dialing { give_up_at } if *give_up_at <= now => {
                let why = "the server did not answer in time";
                self.lose_link_with(code::CONNECT_TIMEOUT, why, None, now);
            }
            Link::Up(Heart {
                unanswered_since: Some(since),
                ..
            }) if *since + request_timeout <= now => {
                self.lose_link("the server did not answer a heartbeat", None, now);
            }
            Link::Up(heart)
                if heart.unanswered_since.is_none() && self.wire.last_sent + heart.interval <= now =>
            {
                heart.unanswered_since = Some(now);
                self.transmit_heartbeat(now);
            }
            _ => {}
        }
    }

    /// Bytes came: whatever they are, the server lives.
    pub(crate) fn heard(&mut self) {
        if let Link::Up(heart) = &mut self.link {
            heart.unanswered_since = None;
        }
    }

    /// Sends the calls that wait, as far as the wire has room.
    pub(crate) fn pump(&mut self, now: Instant) {
        if !matches!(
            (&self.link, &self.phase),
            (Link::Up(Heart { leave_for: None, .. }), Phase::LoggedIn(_))
        ) {
            return;
        }
        while self.wire.has_room() {
            let Some((call, request)) = self.calls.next_unsent() else {
                return;
            };
            let name = name_of(request);
            match self.wire.send(Purpose::Call(call, Effect::None), request, now) {
                Ok(()) => {
                    match self.calls.sent(call) {
                        Some(Request::Subscribe { .. }) => self.wire.set_last_effect(Effect::Tells),
                        Some(Request::RenewUserSig { user_sig }) => {
                            self.wire.set_last_effect(Effect::NewUserSig(user_sig));
                        }
                        _ => {}
                    }
                    self.trace_sent(name);
                }
                Err(TooLarge) => {
                    let bytes_max = self.wire.frame_bytes_max;
                    let text =
                        format!("the request is larger than the {bytes_max} bytes that the server accepts");
                    let outcome = Outcome::with_text(code::INVALID_PARAMETERS, text);
                    self.calls.refuse(call, outcome, &mut self.items);
                }
            }
        }
    }

    /// A message of the server.
    pub(crate) fn received(&mut self, mut message: ServerMessage, now: Instant) {
        self.trace_received(Some(&message));
        match &mut message {
            ServerMessage::Reply(Reply { users, .. }) | ServerMessage::Push(users) => read_statuses(users),
            _ => {}
        }
        match message {
            ServerMessage::Reply(reply) => self.answered(reply, now),
            ServerMessage::SessionEnded { code, message } => self.ended_by_server(code, &message, now),
            ServerMessage::GoAway { spread_ms, message } => self.asked_to_go(spread_ms, &message, now),
            ServerMessage::Unknown => self.log(LogLevel::Debug, || {
                "a message this version does not know".to_owned()
            }),
            ServerMessage::Push(_) | ServerMessage::SubscriptionsChanged(_)
                if matches!(self.link, Link::Greeting) =>
            {
                self.lose_link("the server told of users before it answered the login", None, now);
            }
            ServerMessage::Push(changes) => self.tell_changes(changes),
            ServerMessage::SubscriptionsChanged(change) => self.list_changed(change),
        }
    }

    fn answered(&mut self, reply: Reply, now: Instant) {
        match self.wire.answered(reply.request_id, now) {
            None => self.log(LogLevel::Warn, || {
                "the server answered a request that was not sent".to_owned()
            }),
            Some(Purpose::Login) => self.login_answered(reply, now),
            Some(Purpose::LateLogout) => self.late_logout_answered(reply, now),
            Some(Purpose::Logout) => self.logout_answered(now),
            Some(Purpose::Restore) => self.restored(Some(reply)),
            Some(Purpose::Call(call, effect)) => {
                if reply.code == code::OK {
                    self.take_effect(call, effect, &reply);
                }
                self.complete(call, outcome_from(reply));
            }
        }
        self.leave_if_quiet(now);
        self.pump(now);
    }

    fn take_effect(&mut self, call: Seq, effect: Effect, reply: &Reply) {
        let Phase::LoggedIn(session) = &mut self.phase else {
            return;
        };
        match effect {
            Effect::None => {}
            // The snapshot is a telling: what it says is not told again (R5.6, R6.5).
            Effect::Tells => {
                for status in reply.users.iter().filter(|status| status.code == code::OK) {
                    if let Ok(user) = UserId::new(&status.user_id) {
                        let list = &session.list;
                        session
                            .told
                            .tell(user, status, |user| list.contains(user.as_str()));
                    }
                }
                self.calls.drop_repeated(call, &reply.users);
            }
            Effect::NewUserSig(user_sig) => session.account.user_sig = user_sig,
        }
    }

    /// Tells the application what is news (R6.5); after the results there are by now (R6.4).
    pub(super) fn tell_changes(&mut self, changes: Vec<UserStatus>) {
        for status in changes {
            let Phase::LoggedIn(session) = &mut self.phase else {
                return;
            };
            let Ok(user) = UserId::new(&status.user_id) else {
                self.log(LogLevel::Warn, || {
                    "the server told of an ill-formed user id".to_owned()
                });
                continue;
            };
            if status.code != code::OK {
                continue;
            }
            let list = &session.list;
            if session
                .told
                .tell(user, &status, |user| list.contains(user.as_str()))
            {
                self.calls.tell(Item::Change(user, status), &mut self.items);
            } else {
                self.log(LogLevel::Debug, || {
                    format!("not news: {} at version {}", status.user_id, status.version)
                });
            }
        }
    }

    fn list_changed(&mut self, change: SubscriptionsChanged) {
        let Phase::LoggedIn(session) = &mut self.phase else {
            return;
        };
        session.list.follow(&change);
        if !change.evicted.is_empty() {
            // R5.2: every device of the user hears of it.
            self.calls.tell(Item::Evicted(change.evicted), &mut self.items);
        }
    }

    /// Goes once the answers that are under way have come, and returns after a random part of the spread.
    fn asked_to_go(&mut self, spread_ms: u32, message: &str, now: Instant) {
        let spread = Duration::from_millis(u64::from(spread_ms)).min(SPREAD_MAX);
        let back_at = now + up_to(spread, self.world.random());
        self.log(LogLevel::Info, || {
            format!("the server asked to reconnect: {message}")
        });
        match &mut self.link {
            Link::Up(heart) => {
                heart.leave_for = Some(back_at);
                self.leave_if_quiet(now);
            }
            _ => self.lose_link("the server asked to reconnect", Some(back_at), now),
        }
    }

    fn leave_if_quiet(&mut self, now: Instant) {
        if let Link::Up(Heart {
            leave_for: Some(back_at),
            ..
        }) = self.link
            && self.wire.is_quiet()
        {
            self.lose_link("the server asked to reconnect", Some(back_at), now);
        }
    }

    /// The connection ended by itself.
    pub(crate) fn link_ended(&mut self, why: &str, now: Instant) {
        let leave_for = match &self.link {
            Link::Up(heart) => heart.leave_for,
            _ => None,
        };
        self.lose_link(why, leave_for, now);
    }
}

/// R2.5: this is where statuses come in, so whatever the client says of a user it says in numbers this version knows.
fn read_statuses(users: &mut [UserStatus]) {
    for user in users {
        user.status = Status::from_number(user.status).map_or(UNKNOWN, Status::number);
    }
}

/// The result that a reply is.
fn outcome_from(reply: Reply) -> Outcome {
    let Reply {
        code,
        message,
        retry_after_ms,
        users,
        evicted,
        ..
    } = reply;
    Outcome {
        code,
        message: text_or_of(message, code),
        retry_after_ms,
        users,
        evicted,
    }
}

/// As [`outcome_from`], for a reply that is a code and a text.
pub(super) fn outcome_of(reply: &Reply) -> Outcome {
    let message = text_or_of(reply.message.clone(), reply.code);
    Outcome {
        retry_after_ms: reply.retry_after_ms,
        ..Outcome::with_text(reply.code, message)
    }
}

/// What the server says, or else the table.
fn text_or_of(message: String, code: i32) -> Cow<'static, str> {
    if message.is_empty() {
        text_of(code).into()
    } else {
        message.into()
    }
}
