//! How a session ends by its own wish, and which logouts are said later (R8.8).

use presence::ids::{SessionId, UserId};
use presence_protocol::errors::code;
use presence_protocol::message::Request;
use tokio::time::Instant;

use super::calls::Seq;
use super::machine::{Attempt, FarewellWish, Leaving, Link, Machine, Phase, Session};
use super::wire::Purpose;
use crate::api::{LogLevel, LoginState, Outcome};
use crate::data_dir::{UnsaidLogout, add_unsaid};

/// Said of a login whose number was not told: whichever the device has (`LoginRequest.only_to_log_out`).
const WHICHEVER_LOGIN: SessionId = SessionId(0);

impl Machine {
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

    pub(super) fn say_logout(&mut self, now: Instant) {
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

    pub(super) fn stop_farewell_of(&mut self, user: UserId) {
        if self.unsaid_of(user).is_some() {
            self.start_farewell();
        }
    }

    pub(super) fn forget_logout_of(&mut self, user: UserId) {
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
