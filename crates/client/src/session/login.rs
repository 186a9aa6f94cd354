//! How a session begins, continues on another connection, and is ended by the server (R8.1–R8.4).

use presence::ids::UserId;
use presence_protocol::errors::{self, code};
use presence_protocol::frame::FRAME_BYTES_MAX;
use presence_protocol::message::{LoginReply, LoginRequest, Reply, Request};
use tokio::time::{Duration, Instant};

use super::calls::Seq;
use super::link::outcome_of;
use super::machine::{Account, Attempt, Heart, Link, Machine, Phase, Session};
use super::told::{ListCopy, Told};
use super::wire::Purpose;
use crate::api::{ConnectionState, LogLevel, LoginState, Outcome, text_of};
use crate::delivery::queue::Item;

/// What this library calls itself in the server's log.
pub(super) const CLIENT_NAME: &str = concat!("tim-presence/", env!("CARGO_PKG_VERSION"));

/// Bytes of a login frame that are not versions told: ids, names, and a UserSig with much to spare.
const LOGIN_BYTES: usize = 8 * 1024;

/// Bounds of the heartbeat interval a server may ask for: below, it would be a flood by mistake; above, no sign of life.
const HEARTBEAT_INTERVAL: std::ops::RangeInclusive<u32> = 10..=3_600_000;

/// The least that "the largest frame" of a server is taken to be: were less believed, the next login would not fit and
/// the session would end for good by a server's mistake.
const FRAME_BYTES_MIN: usize = 1024;

/// The longest wait a server may ask for before the next login.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(120);

/// How a session ended other than by its own wish.
enum End {
    /// R8.3, R8.7, or refused for good.
    Kicked,
    /// R8.4.
    Expired,
}

impl Machine {
    /// R8.1, R8.2.
    pub(super) fn log_in(&mut self, user_id: &str, user_sig: String, call: Seq, now: Instant) {
        match &self.phase {
            Phase::LoggingIn(_) => self.complete(call, Outcome::of(code::LOGIN_IN_PROGRESS)),
            Phase::LoggedIn(session) if session.account.user.as_str() == user_id => {
                self.complete(call, Outcome::of(code::OK));
            }
            Phase::LoggedIn(_) | Phase::LoggingOut(_) => self.complete(
                call,
                Outcome::with_text(
                    code::INVALID_OPERATION,
                    "another user is logged in: log out first",
                ),
            ),
            Phase::LoggedOut => {
                let Ok(user) = UserId::new(user_id) else {
                    self.outlet.visible.set_login_state(LoginState::LoggedOut);
                    self.complete(call, Outcome::of(code::INVALID_USER_ID));
                    return;
                };
                self.phase = Phase::LoggingIn(Attempt {
                    account: Account { user, user_sig },
                    call,
                    give_up_at: now + self.options.login_timeout,
                    last_failure: None,
                    login_sent: false,
                });
                self.outlet.visible.set_login_state(LoginState::LoggingIn);
                self.stop_farewell_of(user);
                self.backoff.reset();
                self.dial(now);
            }
        }
    }

    /// The first frame of a connection. False if it is larger than the server takes.
    pub(super) fn send_login(&mut self, now: Instant) -> bool {
        let only_to_log_out = matches!(self.phase, Phase::LoggingOut(_));
        let (account, session, list_generation, known) = match &self.phase {
            Phase::LoggedOut => return true,
            Phase::LoggingIn(attempt) => (&attempt.account, None, 0, Vec::new()),
            Phase::LoggingOut(leaving) => (&leaving.account, leaving.number, 0, Vec::new()),
            Phase::LoggedIn(session) => {
                let own = std::iter::once(session.account.user.as_str());
                let first = own.chain(session.list.ids.iter().map(String::as_str));
                let known = session
                    .told
                    .known(first, self.wire.frame_bytes_max.saturating_sub(LOGIN_BYTES));
                (
                    &session.account,
                    Some(session.number),
                    session.list.generation,
                    known,
                )
            }
        };
        let login = Request::Login(LoginRequest {
            sdk_app_id: self.options.sdk_app_id,
            user_id: account.user.as_str().to_owned(),
            user_sig: account.user_sig.clone(),
            platform: self.options.platform.clone(),
            instance: self.identity.instance.clone(),
            session,
            list_generation,
            known,
            client: CLIENT_NAME.to_owned(),
            only_to_log_out,
        });
        let purpose = if only_to_log_out {
            Purpose::LateLogout
        } else {
            Purpose::Login
        };
        let sent = self.transmit(purpose, &login, now).is_ok();
        if let Phase::LoggingIn(attempt) = &mut self.phase {
            attempt.login_sent |= sent;
        }
        sent
    }

    pub(super) fn login_answered(&mut self, reply: Reply, now: Instant) {
        match (reply.code, reply.login.clone()) {
            (code::OK, Some(login)) => self.logged_in(login, now),
            (code::OK, None) => {
                self.lose_link("the server's answer to the login lacks its contents", None, now)
            }
            _ => self.login_refused(reply, now),
        }
    }

    /// R8.8: the device came back only to log out.
    pub(super) fn late_logout_answered(&mut self, reply: Reply, now: Instant) {
        match (reply.code, reply.login.clone()) {
            // A server that does not know of late logouts let it in.
            (code::OK, Some(login)) => self.logged_in(login, now),
            (code::OK, None) => self.logout_answered(now),
            _ => self.login_refused(reply, now),
        }
    }

    fn logged_in(&mut self, login: LoginReply, now: Instant) {
        let offset_ms = login.server_time_ms.saturating_sub_unsigned(self.world.mono_ms());
        self.outlet.visible.set_clock_offset_ms(offset_ms);
        self.wire.frame_bytes_max = match login.frame_bytes_max {
            // Not said.
            0 => FRAME_BYTES_MAX,
            said => usize::try_from(said).unwrap_or(usize::MAX).max(FRAME_BYTES_MIN),
        };
        let interval_ms = login
            .heartbeat_interval_ms
            .clamp(*HEARTBEAT_INTERVAL.start(), *HEARTBEAT_INTERVAL.end());
        self.restarts.succeeded();
        let heart = Heart {
            up_since: now,
            interval: Duration::from_millis(u64::from(interval_ms)),
            unanswered_since: None,
            leave_for: None,
        };
        match std::mem::replace(&mut self.phase, Phase::LoggedOut) {
            Phase::LoggedOut => {}
            Phase::LoggingIn(attempt) => {
                self.link = Link::Up(heart);
                self.begin_session(attempt, login, now);
            }
            Phase::LoggedIn(session) => {
                self.link = Link::Up(heart);
                self.resume_session(session, login, now);
            }
            Phase::LoggingOut(mut leaving) => {
                self.link = Link::Up(heart);
                leaving.number = Some(login.session);
                self.phase = Phase::LoggingOut(leaving);
                self.say_logout(now);
            }
        }
    }

    /// R8.2: first the result; the server pushes one's own status after its reply.
    fn begin_session(&mut self, attempt: Attempt, login: LoginReply, now: Instant) {
        let Attempt { account, call, .. } = attempt;
        let ids = match self.last_list.take() {
            Some((user, ids)) if user == account.user => ids,
            _ => Vec::new(),
        };
        self.forget_logout_of(account.user);
        self.outlet
            .visible
            .set_login_user(Some(account.user.as_str().to_owned()));
        self.outlet.visible.set_login_state(LoginState::LoggedIn);
        self.tell_connection(ConnectionState::Connected, code::OK, "");
        self.calls.connected(&mut self.items);
        self.complete(call, Outcome::of(code::OK));
        let user = account.user;
        self.log(LogLevel::Info, || "logged in".to_owned());
        self.log(LogLevel::Debug, || format!("logged in as {user}"));
        let list = ListCopy { generation: 0, ids };
        self.continue_session(
            Box::new(Session {
                account,
                number: login.session,
                told: Told::default(),
                list,
                restoring: None,
            }),
            login,
            now,
        );
    }

    fn resume_session(&mut self, mut session: Box<Session>, login: LoginReply, now: Instant) {
        session.number = login.session;
        self.tell_connection(ConnectionState::Connected, code::OK, "");
        self.calls.connected(&mut self.items);
        self.log(LogLevel::Info, || "the connection is restored".to_owned());
        self.continue_session(session, login, now);
    }

    /// The list, restored if it was lost while the user was away (R5.8); then the calls that waited.
    fn continue_session(&mut self, mut session: Box<Session>, login: LoginReply, now: Instant) {
        let before = session
            .restoring
            .take()
            .unwrap_or_else(|| session.list.ids.clone());
        let restorable = login.subscriptions.restorable;
        let list_generation = login.subscriptions.generation;
        session.list.take_over(login.subscriptions);
        let restore = restorable && self.options.restore_subscriptions && !before.is_empty();
        if restore {
            session.restoring = Some(before.clone());
        }
        self.phase = Phase::LoggedIn(session);
        if restore {
            let count = before.len();
            self.log(LogLevel::Info, || {
                format!("the server cleared the subscription list: restoring {count}")
            });
            let request = Request::RestoreSubscriptions {
                list_generation,
                user_ids: before,
            };
            if self.transmit(Purpose::Restore, &request, now).is_err() {
                self.log(LogLevel::Warn, || {
                    "the subscription list is too large to be restored".to_owned()
                });
                self.restored(None);
            }
        }
        self.pump(now);
    }

    /// The answer to a restore; `None`: there will be none.
    pub(super) fn restored(&mut self, reply: Option<Reply>) {
        if let Phase::LoggedIn(session) = &mut self.phase {
            session.restoring = None;
        }
        match reply {
            // It tells of each user what the notifications that were missed would have (R6.6).
            Some(Reply {
                code: code::OK,
                users,
                ..
            }) => self.tell_changes(users),
            Some(Reply {
                code: code::INVALID_OPERATION,
                ..
            }) => {
                self.log(LogLevel::Info, || {
                    "another device restored the subscription list first".to_owned()
                });
            }
            Some(Reply { code, .. }) => {
                self.log(LogLevel::Warn, || {
                    format!("the subscription list was not restored: {}", text_of(code))
                });
            }
            None => {}
        }
    }

    fn login_refused(&mut self, reply: Reply, now: Instant) {
        let text = outcome_of(&reply).message;
        match &self.phase {
            Phase::LoggedOut => {}
            Phase::LoggingIn(_) => self.login_failed(outcome_of(&reply), now),
            // The server did not listen: the farewell will say it.
            Phase::LoggingOut(_) if may_pass(reply.code) => self.finish_logout(now),
            // The session is over, as was wanted.
            Phase::LoggingOut(_) => self.logout_answered(now),
            Phase::LoggedIn(_) => match reply.code {
                code::USER_SIG_EXPIRED => self.session_ended(End::Expired, reply.code, &text, now),
                other if may_pass(other) => {
                    let wait = Duration::from_millis(u64::from(reply.retry_after_ms)).min(RETRY_AFTER_MAX);
                    self.lose_link(&text, Some(now + wait), now);
                }
                // R8.3, R8.4 — or for good by another code: a refused UserSig does not get better by itself.
                other => self.session_ended(End::Kicked, other, &text, now),
            },
        }
    }

    /// R8.5: a first login does not retry behind the application's back.
    pub(super) fn login_failed(&mut self, outcome: Outcome, now: Instant) {
        let Phase::LoggingIn(attempt) = std::mem::replace(&mut self.phase, Phase::LoggedOut) else {
            return;
        };
        let Outcome { code, message, .. } = &outcome;
        self.log(LogLevel::Info, || format!("the login failed: {message} ({code})"));
        self.close_link(outcome.code, &outcome.message);
        self.outlet.visible.set_login_state(LoginState::LoggedOut);
        self.complete(attempt.call, outcome);
        self.start_farewell();
        self.unstash(now);
    }

    pub(super) fn login_gave_up(&mut self, now: Instant) {
        let why = match &mut self.phase {
            Phase::LoggingIn(attempt) => attempt.last_failure.take(),
            _ => None,
        };
        let outcome = match why {
            None => Outcome::of(code::NO_CONNECTION),
            Some(why) => {
                let text = format!("{}: {why}", text_of(code::NO_CONNECTION));
                Outcome::with_text(code::NO_CONNECTION, text)
            }
        };
        self.login_failed(outcome, now);
    }

    pub(super) fn login_too_large(&mut self, now: Instant) {
        let text = "the UserSig is larger than the server accepts";
        match &self.phase {
            Phase::LoggingIn(_) => self.login_failed(Outcome::with_text(code::INVALID_PARAMETERS, text), now),
            Phase::LoggedIn(_) => self.session_ended(End::Kicked, code::INVALID_PARAMETERS, text, now),
            Phase::LoggedOut | Phase::LoggingOut(_) => self.finish_logout(now),
        }
    }

    /// The server ended the session (R8.3, R8.4, R8.7).
    pub(super) fn ended_by_server(&mut self, code: i32, message: &str, now: Instant) {
        let text = if message.is_empty() {
            text_of(code)
        } else {
            message
        };
        match &self.phase {
            Phase::LoggedOut => {}
            Phase::LoggingIn(_) => self.login_failed(Outcome::with_text(code, text.to_owned()), now),
            Phase::LoggingOut(_) => self.logout_answered(now),
            Phase::LoggedIn(_) => {
                let expired = code == code::USER_SIG_EXPIRED_ONLINE || code == code::USER_SIG_EXPIRED;
                self.session_ended(if expired { End::Expired } else { End::Kicked }, code, text, now);
            }
        }
    }

    /// No reconnect: the application has the next word. Its list is kept in case the same user returns (R5.8).
    fn session_ended(&mut self, end: End, code: i32, text: &str, now: Instant) {
        let Phase::LoggedIn(session) = std::mem::replace(&mut self.phase, Phase::LoggedOut) else {
            return;
        };
        let ids = session.restoring.unwrap_or(session.list.ids);
        self.last_list = Some((session.account.user, ids));
        self.log(LogLevel::Info, || format!("the session ended: {text} ({code})"));
        self.outlet.visible.set_login_state(LoginState::LoggedOut);
        self.outlet.visible.set_login_user(None);
        self.calls.end_requests(code::LOGGED_OUT, &mut self.items);
        self.close_link(code, text);
        self.items.push(match end {
            End::Kicked => Item::Kicked(code, text.to_owned()),
            End::Expired => Item::Expired,
        });
        self.unstash(now);
    }
}

/// Whether a login refused with `code` may succeed later with the same UserSig. Codes of a newer server may.
fn may_pass(code: i32) -> bool {
    errors::find(code).is_none_or(|entry| entry.flags & errors::RETRIABLE != 0)
}
