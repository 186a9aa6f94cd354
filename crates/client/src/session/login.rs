//! How a session begins, continues on another connection, and ends (R8.1–R8.4, R8.8).

use presence::ids::{SessionId, UserId};
use presence_protocol::errors::{self, code};
use presence_protocol::frame::FRAME_BYTES_MAX;
use presence_protocol::message::{LoginReply, LoginRequest, Reply, Request};
use tokio::time::{Duration, Instant};

use super::calls::Seq;
use super::link::outcome_of;
use super::machine::{Account, Attempt, FarewellWish, Heart, Leaving, Link, Machine, Phase, Session};
use super::told::{ListCopy, Told};
use super::wire::Purpose;
use crate::api::{ConnectionState, LogLevel, LoginState, Outcome, text_of};
use crate::data_dir::{UnsaidLogout, add_unsaid};
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

/// Said of a login whose number was not told: whichever the device has (`LoginRequest.only_to_log_out`).
const WHICHEVER_LOGIN: SessionId = SessionId(0);

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
        self.calls.connected();
        self.tell_connection(ConnectionState::Connected, code::OK, "");
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
        self.close_link(outcome.code, &outcome.message.clone());
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
            Phase::LoggingIn(_) => self.login_failed(Outcome::with_text(code, text), now),
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

    /// R8.8.
    pub(super) fn log_out(&mut self, call: Seq, now: Instant) {
        let give_up_at = now + self.options.logout_timeout;
        match std::mem::replace(&mut self.phase, Phase::LoggedOut) {
            Phase::LoggedOut => self.complete(call, Outcome::of(code::NOT_LOGGED_IN)),
            Phase::LoggingOut(leaving) => {
                self.phase = Phase::LoggingOut(leaving);
                self.complete(call, Outcome::of(code::NOT_LOGGED_IN));
            }
            Phase::LoggingIn(attempt) => {
                self.complete(attempt.call, Outcome::of(code::LOGGED_OUT));
                let Attempt {
                    account, login_sent, ..
                } = attempt;
                self.leave(
                    Leaving {
                        account,
                        number: login_sent.then_some(WHICHEVER_LOGIN),
                        call,
                        give_up_at,
                        said: false,
                    },
                    now,
                );
            }
            Phase::LoggedIn(session) => {
                self.calls.end_requests(code::LOGGED_OUT, &mut self.items);
                let Session { account, number, .. } = *session;
                self.leave(
                    Leaving {
                        account,
                        number: Some(number),
                        call,
                        give_up_at,
                        said: false,
                    },
                    now,
                );
            }
        }
    }

    fn leave(&mut self, leaving: Leaving, now: Instant) {
        self.last_list = None;
        let no_login_sent = leaving.number.is_none();
        self.phase = Phase::LoggingOut(leaving);
        self.outlet.visible.set_login_state(LoginState::LoggingOut);
        match &self.link {
            // The server does not know this login: there is nothing to say.
            _ if no_login_sent => self.logout_answered(now),
            Link::Up(_) => self.say_logout(now),
            // Its answer comes first.
            Link::Greeting | Link::Dialing { .. } => {}
            Link::Waiting { .. } | Link::Idle => self.dial(now),
        }
    }

    fn say_logout(&mut self, now: Instant) {
        // A frame of a few bytes: no server refuses it for its size.
        let said = self.transmit(Purpose::Logout, &Request::Logout, now).is_ok();
        if let Phase::LoggingOut(leaving) = &mut self.phase {
            leaving.said = said;
        }
    }

    /// The server knows.
    pub(super) fn logout_answered(&mut self, now: Instant) {
        if let Phase::LoggingOut(leaving) = &mut self.phase {
            leaving.number = None;
        }
        self.finish_logout(now);
    }

    /// R8.8: with 0, whether the server heard of it or not; if not, it will if there is a data directory.
    pub(super) fn finish_logout(&mut self, now: Instant) {
        let Phase::LoggingOut(leaving) = std::mem::replace(&mut self.phase, Phase::LoggedOut) else {
            return;
        };
        self.remember_logout(&leaving);
        self.close_link(code::OK, "logged out");
        self.outlet.visible.set_login_state(LoginState::LoggedOut);
        self.outlet.visible.set_login_user(None);
        self.log(LogLevel::Info, || "logged out".to_owned());
        self.complete(leaving.call, Outcome::of(code::OK));
        self.start_farewell();
        self.unstash(now);
    }

    /// Keeps a logout that the server may not have heard of.
    pub(super) fn remember_logout(&mut self, leaving: &Leaving) {
        let (Some(session), Some(data_dir)) = (leaving.number, &self.identity.data_dir) else {
            return;
        };
        let unsaid = UnsaidLogout {
            sdk_app_id: self.options.sdk_app_id,
            user_id: leaving.account.user.as_str().to_owned(),
            user_sig: leaving.account.user_sig.clone(),
            session,
        };
        // A few bytes, once a logout without a connection: not worth a thread, though it is the runtime's.
        let kept = data_dir.remember(&unsaid);
        add_unsaid(&mut self.unsaid, unsaid);
        if let Err(error) = kept {
            self.log(LogLevel::Warn, || {
                format!("the logout cannot be kept in the data directory: {error}")
            });
        }
    }

    /// Begins to say the logouts of an earlier time, but for one of whoever is here: a device that returns by its login
    /// forgets what the logout would have (R2.4), and the two would displace each other.
    pub(super) fn start_farewell(&mut self) {
        self.farewell_restarts.unwant();
        let here = match &self.phase {
            Phase::LoggedOut => None,
            Phase::LoggingIn(attempt) => Some(attempt.account.user),
            Phase::LoggedIn(session) => Some(session.account.user),
            Phase::LoggingOut(leaving) => Some(leaving.account.user),
        };
        let mut unsaid = self.unsaid.clone();
        unsaid.retain(|logout| here.is_none_or(|user| logout.user_id != user.as_str()));
        self.farewell = if unsaid.is_empty() {
            FarewellWish::Stop
        } else {
            FarewellWish::Start(unsaid)
        };
    }

    /// The network changed: what says earlier logouts may hang in the old one.
    pub(super) fn restart_farewell(&mut self, now: Instant) {
        let due = self.farewell_restarts.due(now);
        if due <= now {
            self.farewell_restarts.begin(now);
            self.start_farewell();
        } else {
            self.farewell_restarts.want(due);
        }
    }

    /// A logout of an earlier time was said, or the server wants to hear nothing of it.
    pub(crate) fn farewell_said(&mut self, said: &UnsaidLogout) {
        self.log(LogLevel::Info, || "an earlier logout was said".to_owned());
        self.forget_logout(said);
        self.farewell_restarts.succeeded();
        self.start_farewell();
    }

    fn unsaid_of(&self, user: UserId) -> Option<UnsaidLogout> {
        let mut unsaid = self.unsaid.iter();
        unsaid.find(|unsaid| unsaid.user_id == user.as_str()).cloned()
    }

    fn stop_farewell_of(&mut self, user: UserId) {
        if self.unsaid_of(user).is_some() {
            self.start_farewell();
        }
    }

    fn forget_logout_of(&mut self, user: UserId) {
        if let Some(unsaid) = self.unsaid_of(user) {
            self.forget_logout(&unsaid);
        }
    }

    fn forget_logout(&mut self, said: &UnsaidLogout) {
        self.unsaid.retain(|logout| logout != said);
        if let Some(Err(error)) = self
            .identity
            .data_dir
            .as_ref()
            .map(|data_dir| data_dir.forget_logout(said))
        {
            self.log(LogLevel::Warn, || {
                format!("the data directory keeps a logout that was said: {error}")
            });
        }
    }
}

/// Whether a login refused with `code` may succeed later with the same UserSig. Codes of a newer server may.
fn may_pass(code: i32) -> bool {
    errors::find(code).is_none_or(|entry| entry.flags & errors::RETRIABLE != 0)
}
