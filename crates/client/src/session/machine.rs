//! The state of a client and what the application does to it. The other parts: [`login`](super::login) for how a
//! session begins and is ended, [`logout`](super::logout) for how it ends by its own wish, [`link`](super::link) for what
//! comes and goes over its connection.

use std::collections::VecDeque;
use std::sync::Arc;

use presence::ids::{SessionId, UserId};
use presence_protocol::errors::code;
use presence_protocol::message::Request;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::calls::{Calls, Seq};
use super::restarts::Restarts;
use super::told::{ListCopy, Told};
use super::wire::Wire;
use super::{Command, Discarded};
use crate::api::{Completion, ConnectionState, Listener, LogLevel, LoginState, Outcome};
use crate::data_dir::{Identity, UnsaidLogout};
use crate::delivery::queue::Item;
use crate::delivery::{Outlet, poll};
use crate::dial::{Dialer, failure_code};
use crate::options::Options;
use crate::world::World;

/// R1.3.
const FOLDER_IN_USE: &str =
    "the data directory is in use by another client: this one is a new device, which stores nothing";

/// Items there is room for while nothing happens: a result and a notification or two.
const IDLE_ITEMS: usize = 4;

/// Who logs in.
pub(crate) struct Account {
    pub(crate) user: UserId,
    /// A secret.
    pub(crate) user_sig: String,
}

/// Who is logged in.
pub(crate) enum Phase {
    /// Nobody.
    LoggedOut,
    /// A first login (R8.5).
    LoggingIn(Attempt),
    /// A session, on its connection or being restored.
    LoggedIn(Box<Session>),
    /// A logout, said or about to be (R8.8).
    LoggingOut(Leaving),
}

/// A first login: gives up as a whole, retries within.
pub(crate) struct Attempt {
    pub(crate) account: Account,
    pub(crate) call: Seq,
    pub(crate) give_up_at: Instant,
    /// Why the last connection was lost, or was not to be had.
    pub(crate) last_failure: Option<String>,
    /// On this connection or an earlier one: the server may have let the device in, whether its answer comes or not.
    pub(crate) login_sent: bool,
}

/// The login of this device, which outlives connections.
pub(crate) struct Session {
    pub(crate) account: Account,
    pub(crate) number: SessionId,
    pub(crate) told: Told,
    pub(crate) list: ListCopy,
    /// A list on its way back to the server (R5.8).
    pub(crate) restoring: Option<Vec<String>>,
}

/// A session about to end by its own wish.
pub(crate) struct Leaving {
    pub(crate) account: Account,
    /// `None`: the server knows of no login. 0: of whichever this device has, for no answer told the number.
    pub(crate) number: Option<SessionId>,
    pub(crate) call: Seq,
    pub(crate) give_up_at: Instant,
    /// The Logout is on the wire.
    pub(crate) said: bool,
}

/// The connection.
pub(crate) enum Link {
    /// None, and none is wanted.
    Idle,
    /// None; the next attempt is due at `until`.
    Waiting { until: Instant },
    /// Being made.
    Dialing { give_up_at: Instant },
    /// There; the login on it has no answer yet.
    Greeting,
    /// The session lives on it.
    Up(Heart),
}

/// The life signs of a connection.
pub(crate) struct Heart {
    /// When the login on it succeeded.
    pub(crate) up_since: Instant,
    /// R2.6.
    pub(crate) interval: std::time::Duration,
    /// When a heartbeat was sent that nothing followed yet.
    pub(crate) unanswered_since: Option<Instant>,
    /// The server asked to go: reconnect then, and send nothing more here.
    pub(crate) leave_for: Option<Instant>,
}

/// What the shell is to do about the logouts of an earlier time.
pub(crate) enum FarewellWish {
    /// Leave it as it is.
    None,
    /// Begin to say these, instead of whichever are being said.
    Start(Vec<UnsaidLogout>),
    /// Stop saying any.
    Stop,
}

/// See the module.
pub(crate) struct Machine {
    pub(crate) options: Options,
    pub(crate) identity: Identity,
    pub(crate) world: Arc<dyn World>,
    pub(crate) dialer: Dialer,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) phase: Phase,
    pub(crate) link: Link,
    pub(crate) wire: Wire,
    pub(crate) calls: Calls,
    pub(crate) backoff: Backoff,
    /// For the application, in order; the shell hands them on after each step.
    pub(crate) items: Vec<Item>,
    /// The shell is to drop the connection, or the attempt to make one.
    pub(crate) hang_up: bool,
    /// The shell is to make a connection.
    pub(crate) dial: bool,
    pub(crate) farewell: FarewellWish,
    /// Of the connection, by changes of the network.
    pub(super) restarts: Restarts,
    /// Of the saying of earlier logouts, by the same.
    pub(super) farewell_restarts: Restarts,
    /// Who asked whether the server can be reached, and has no answer.
    reaching: Vec<Completion>,
    /// Logouts of an earlier time that the server has not heard of (R8.8), one a user, oldest first.
    pub(super) unsaid: Vec<UnsaidLogout>,
    /// The list of a session that ended without a logout, in case its user returns (R5.8).
    pub(super) last_list: Option<(UserId, Vec<String>)>,
    /// Came during a logout, to be done after it.
    stash: VecDeque<Command>,
    /// Somebody goes through the stash already.
    unstashing: bool,
    connection_told: ConnectionState,
    /// A warning from before there could be a log listener.
    notice: Option<String>,
}

/// Whether commands go on.
pub(crate) enum Next {
    /// They do.
    Continue,
    /// That was the last.
    Closed(Option<Box<dyn FnOnce() + Send>>),
}

impl Machine {
    pub(crate) fn new(
        options: Options,
        identity: Identity,
        world: Arc<dyn World>,
        dialer: Dialer,
        outlet: Arc<Outlet>,
        now: Instant,
    ) -> Machine {
        let backoff = Backoff::new(options.backoff_base, options.backoff_max);
        let mut notice = identity.folder_in_use.then(|| FOLDER_IN_USE.to_owned());
        let unsaid = match &identity.data_dir {
            None => Vec::new(),
            Some(data_dir) => data_dir
                .unsaid_logouts(options.sdk_app_id)
                .unwrap_or_else(|error| {
                    notice = Some(format!("earlier logouts stay unsaid: {error}"));
                    Vec::new()
                }),
        };
        let mut machine = Machine {
            options,
            identity,
            world,
            dialer,
            outlet,
            phase: Phase::LoggedOut,
            link: Link::Idle,
            wire: Wire::new(now),
            calls: Calls::default(),
            backoff,
            items: Vec::new(),
            hang_up: false,
            dial: false,
            farewell: FarewellWish::None,
            restarts: Restarts::default(),
            farewell_restarts: Restarts::default(),
            reaching: Vec::new(),
            unsaid,
            last_list: None,
            stash: VecDeque::new(),
            unstashing: false,
            connection_told: ConnectionState::Disconnected,
            notice,
        };
        machine.start_farewell();
        machine
    }

    /// Carries out what the application asks.
    pub(crate) fn command(&mut self, command: Command, now: Instant) -> Next {
        match command {
            Command::Login { .. } | Command::Logout { .. } | Command::Call { .. } => {
                self.ordered(command, now)
            }
            // One attempt answers all who ask while it runs.
            Command::Reach { done } => self.reaching.push(done),
            Command::Listen(listener) => {
                let for_logs = matches!(listener, Listener::Log(..));
                self.items.push(Item::Listen(listener));
                if for_logs && let Some(notice) = self.notice.take() {
                    self.items.push(Item::Log(LogLevel::Warn, notice));
                }
            }
            Command::Unlisten(kind) => self.items.push(Item::Unlisten(kind)),
            Command::Hook(hook) => self.items.push(Item::Hook(hook)),
            Command::Wake(callback) => {
                // It is called on this thread alone, so the old one's last call has returned.
                if let Some(old) = poll::set_wake_callback(&self.outlet, callback) {
                    let old: Discarded = Box::new(old);
                    self.items.push(Item::Discard(old));
                }
            }
            Command::NetworkChanged => {
                self.outlet.visible.network_change_seen();
                self.network_changed(now);
            }
            Command::Close { closed } => {
                self.end(code::SHUTDOWN);
                return Next::Closed(closed);
            }
        }
        Next::Continue
    }

    /// Calls, in the order of their acceptance.
    fn ordered(&mut self, command: Command, now: Instant) {
        let leaving = matches!(self.phase, Phase::LoggingOut(_));
        // What needs the end of a logout waits for it, and so does all that follows, to keep the order.
        if leaving && (!self.stash.is_empty() || !matches!(command, Command::Call { .. })) {
            self.stash.push_back(command);
            return;
        }
        match command {
            Command::Login {
                user_id,
                user_sig,
                done,
            } => {
                // First of all, here and below: a panic in what follows must not lose the result.
                let call = self.calls.accept_session(done);
                self.log_in(&user_id, user_sig, call, now);
            }
            Command::Logout { done } => {
                let call = self.calls.accept_session(done);
                self.log_out(call, now);
            }
            Command::Call { ask, done } => self.request(ask.into(), done, now),
            _ => {}
        }
    }

    /// Goes on with what a logout held up.
    pub(super) fn unstash(&mut self, now: Instant) {
        // Not from within itself: a logout may end at once, and so may the one after it, ten thousand deep.
        if std::mem::replace(&mut self.unstashing, true) {
            return;
        }
        while !matches!(self.phase, Phase::LoggingOut(_)) {
            let Some(command) = self.stash.pop_front() else {
                break;
            };
            self.ordered(command, now);
        }
        self.unstashing = false;
    }

    fn request(&mut self, request: Request, done: Completion, now: Instant) {
        #[cfg(feature = "test-panic")]
        if let Request::SetSelfStatus { custom_status } = &request
            && custom_status == crate::planted::IN_SESSION
        {
            self.calls.accept_session(done);
            panic!("planted: {custom_status}");
        }
        match &self.phase {
            Phase::LoggedIn(_) => {
                let until = match self.link {
                    Link::Up(_) => None,
                    _ => Some(now + self.options.disconnected_wait),
                };
                self.calls.accept_request(done, request, until);
                self.pump(now);
            }
            // R8.2: until the login's result.
            Phase::LoggedOut | Phase::LoggingIn(_) | Phase::LoggingOut(_) => {
                self.refuse(done, code::NOT_LOGGED_IN)
            }
        }
    }

    /// A result that is there at once.
    pub(super) fn refuse(&mut self, done: Completion, code: i32) {
        self.refuse_with(done, Outcome::of(code));
    }

    pub(super) fn refuse_with(&mut self, done: Completion, outcome: Outcome) {
        let call = self.calls.accept_session(done);
        self.complete(call, outcome);
    }

    pub(super) fn complete(&mut self, call: Seq, outcome: Outcome) {
        self.calls.complete(call, outcome, &mut self.items);
    }

    /// Whether the shell is to try to connect for those who ask.
    pub(crate) fn wants_to_reach(&self) -> bool {
        !self.reaching.is_empty()
    }

    /// How that went.
    pub(crate) fn reached(&mut self, tried: std::io::Result<()>) {
        let outcome = match tried {
            Ok(()) => Outcome::of(code::OK),
            Err(error) => Outcome::with_text(failure_code(&error), error.to_string()),
        };
        self.answer_reach(&outcome);
    }

    fn answer_reach(&mut self, outcome: &Outcome) {
        for done in std::mem::take(&mut self.reaching) {
            self.items.push(Item::Result(done, outcome.clone()));
        }
    }

    /// Gives back the memory of a burst: to be called when nothing is left to do.
    pub(crate) fn tidy(&mut self) {
        if self.items.is_empty() && self.items.capacity() > IDLE_ITEMS {
            self.items = Vec::new();
        }
    }

    /// Ends everything with `code`: the client is being destroyed, or has failed. What was held up ends too.
    pub(crate) fn end(&mut self, code: i32) {
        if let Phase::LoggingOut(leaving) = std::mem::replace(&mut self.phase, Phase::LoggedOut) {
            self.remember_logout(&leaving);
        }
        for command in std::mem::take(&mut self.stash) {
            if let Command::Login { done, .. } | Command::Logout { done } | Command::Call { done, .. } =
                command
            {
                self.calls.accept_session(done);
            }
        }
        self.calls.end_all(code, &mut self.items);
        self.answer_reach(&Outcome::of(code));
        self.link = Link::Idle;
        self.hang_up = true;
        self.dial = false;
        self.outlet.visible.set_login_state(LoginState::LoggedOut);
        self.outlet.visible.set_login_user(None);
    }

    /// When [`Machine::timeout`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::LoggingIn(attempt) => Some(attempt.give_up_at),
            Phase::LoggingOut(leaving) => Some(leaving.give_up_at),
            Phase::LoggedOut | Phase::LoggedIn(_) => None,
        };
        let link = match &self.link {
            Link::Idle => None,
            Link::Greeting => self.restarts.wanted(),
            Link::Waiting { until } => Some(*until),
            Link::Dialing { give_up_at } => {
                let wanted = self.restarts.wanted();
                Some(wanted.map_or(*give_up_at, |at| at.min(*give_up_at)))
            }
            Link::Up(heart) => Some(match heart.unanswered_since {
                Some(since) => since + self.options.request_timeout,
                None => self.wire.last_sent + heart.interval,
            }),
        };
        let answer = self
            .wire
            .oldest()
            .map(|sent_at| sent_at + self.options.request_timeout);
        let waiting = if matches!(self.link, Link::Up(_)) {
            None
        } else {
            self.calls.next_give_up()
        };
        let farewell = self.farewell_restarts.wanted();
        [phase, link, answer, waiting, farewell]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does whatever is due at `now`.
    pub(crate) fn timeout(&mut self, now: Instant) {
        match &self.phase {
            Phase::LoggingIn(attempt) if attempt.give_up_at <= now => self.login_gave_up(now),
            Phase::LoggingOut(leaving) if leaving.give_up_at <= now => self.finish_logout(now),
            _ => {}
        }
        self.link_timeout(now);
        if self.farewell_restarts.is_due(now) {
            self.restart_farewell(now);
        }
        if !matches!(self.link, Link::Up(_)) && self.calls.next_give_up().is_some_and(|at| at <= now) {
            self.calls.give_up(now, &mut self.items);
        }
    }

    /// Tells of the connection, if that is news.
    pub(super) fn tell_connection(&mut self, state: ConnectionState, code: i32, text: &str) {
        if self.connection_told != state {
            self.connection_told = state;
            self.items.push(Item::Connection(state, code, text.to_owned()));
        }
    }

    /// For the log listener. The text is made only if somebody listens. Never a secret; user content at `Debug` only.
    pub(crate) fn log(&mut self, level: LogLevel, text: impl FnOnce() -> String) {
        if self.outlet.visible.logs(level) {
            // One line, whatever a server put into it.
            let text = text().replace(char::is_control, " ");
            self.items.push(Item::Log(level, text));
        }
    }
}
