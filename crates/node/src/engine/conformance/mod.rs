//! What every engine must do, as one suite: [`run`] it in a test with a factory of the engine. It proves the contract
//! of [`Engine`], not the rules (those are proved in `presence`): what is answered, what is told to whom, in which
//! order, and that time and settings arrive.
//!
//! Every case runs with one loop and with three. Engines may take their time: the suite waits for wake-ups, up to
//! [`PATIENCE`]. That something is *not* told is shown by an answer that comes after it.

mod accounts;
mod happenings;
mod interest;
mod lists;
mod restarts;
mod sessions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use presence::ids::{AppId, ConnectionId, DeviceKey, Platform, SessionId, UserId, UserKey};
use presence::login::{EndedBy, Login, LoginRefusal, Loss};
use presence::settings::AppSettings;
use presence::status::{CustomStatus, Presence, Reason, Status, Version};
use presence::time::{Mono, Now, Wall};

use self::accounts::*;
use self::happenings::*;
use self::interest::*;
use self::lists::*;
pub use self::restarts::{DurableFactory, run_restarts};
use self::sessions::*;
use super::memory::home_of;
use super::{Answer, Command, Departure, Engine, Happening, LoggedIn, Output, Snapshot, Tag};

/// Makes the engines of a node: one for each of so many loops, with a floor for versions and the app.
pub type Factory<'a> = &'a mut dyn FnMut(usize, Version, (AppId, AppSettings)) -> Vec<Box<dyn Engine>>;

/// How long the suite waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Runs every case; panics with the case's name and what was wrong.
pub fn run(factory: Factory<'_>) {
    for loops in [1, 3] {
        for (name, case) in CASES {
            let mut world = World::new(loops, factory);
            world.case = format!("{name}, {loops} loops");
            case(&mut world);
        }
    }
}

/// A sentence about behaviour, and what proves it.
type Case = (&'static str, fn(&mut World));

const CASES: &[Case] = &[
    (
        "a login is answered before its change",
        a_login_is_answered_before_its_change,
    ),
    (
        "a session is ended after the answer to who ends it",
        a_session_is_ended_after_the_answer_to_who_ends_it,
    ),
    (
        "a kick ends sessions before it is told",
        a_kick_ends_sessions_before_it_is_told,
    ),
    ("a refused login changes nothing", a_refused_login_changes_nothing),
    ("a stale session changes nothing", a_stale_session_changes_nothing),
    (
        "a look is answered in the order asked",
        a_look_is_answered_in_the_order_asked,
    ),
    (
        "a look on the spot shows what a look answers",
        a_look_on_the_spot_shows_what_a_look_answers,
    ),
    (
        "every interested loop hears of a change once",
        every_interested_loop_hears_of_a_change_once,
    ),
    ("a watch ends and begins again", a_watch_ends_and_begins_again),
    (
        "who watches someone without an account hears of its making",
        who_watches_nobody_yet_hears_of_its_making,
    ),
    (
        "a mention makes accounts where the app says so",
        a_mention_makes_accounts_where_the_app_says_so,
    ),
    (
        "a list is changed, listed, cleared and restored",
        a_list_is_changed_listed_cleared_and_restored,
    ),
    (
        "a list that grows after its owner left lingers, too",
        a_list_that_grows_after_its_owner_left_lingers_too,
    ),
    ("a grace ends in time", a_grace_ends_in_time),
    (
        "the backend is told what devices do, once each",
        the_backend_is_told_what_devices_do_once_each,
    ),
    (
        "a logout said late is told once and lets nobody in",
        a_logout_said_late_is_told_once_and_lets_nobody_in,
    ),
    (
        "a device that comes back in its grace was never lost",
        a_device_that_comes_back_in_its_grace_was_never_lost,
    ),
    (
        "a deleted account leaves all lists",
        a_deleted_account_leaves_all_lists,
    ),
    ("friends are replaced and listed", friends_are_replaced_and_listed),
    (
        "an account is described with its devices and lists",
        an_account_is_described_with_its_devices_and_lists,
    ),
    (
        "accounts are listed a part at a time and filtered",
        accounts_are_listed_a_part_at_a_time_and_filtered,
    ),
    ("accounts are counted by status", accounts_are_counted_by_status),
    (
        "a friend list is edited up to its limit",
        a_friend_list_is_edited_up_to_its_limit,
    ),
    (
        "versions and sessions are above the floor and rise",
        versions_and_sessions_are_above_the_floor_and_rise,
    ),
];

const FLOOR: Version = Version(1 << 40);
const START: Now = Now {
    mono: Mono(5_000),
    wall: Wall(1_780_000_000_000),
};

struct World {
    case: String,
    app: AppId,
    settings: AppSettings,
    engines: Vec<Box<dyn Engine>>,
    outputs: Vec<VecDeque<Output>>,
    /// What the backend is to be told (R10.1), apart: most cases are about the others.
    happened: Vec<(UserKey, Platform, Option<ConnectionId>, Happening)>,
    now: Now,
    next_tag: u64,
    next_connection: u64,
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl World {
    fn new(loops: usize, factory: Factory<'_>) -> World {
        let app = AppId::new(1_400_000_001).expect("not 0");
        let settings = AppSettings::default();
        let engines = factory(loops, FLOOR, (app, settings.clone()));
        assert_eq!(engines.len(), loops, "one engine a loop");
        World {
            case: String::new(),
            app,
            settings,
            outputs: engines.iter().map(|_| VecDeque::new()).collect(),
            engines,
            happened: Vec::new(),
            now: START,
            next_tag: 1,
            next_connection: 1,
        }
    }

    fn user(&self, name: &str) -> UserKey {
        UserKey {
            app: self.app,
            user: UserId::new(name).expect("well-formed"),
        }
    }

    /// Users at home on different loops, as far as there are loops.
    fn scattered(&self, count: usize) -> Vec<UserKey> {
        let loops = self.engines.len();
        let mut found = Vec::new();
        let mut number = 0;
        while found.len() < count {
            let user = self.user(&format!("user-{number}"));
            if home_of(&user, loops) == found.len() % loops {
                found.push(user);
            }
            number += 1;
        }
        found
    }

    fn home(&self, user: &UserKey) -> usize {
        home_of(user, self.engines.len())
    }

    fn configure(&mut self, settings: AppSettings) {
        self.settings = settings.clone();
        for engine in &mut self.engines {
            engine.submit(
                self.now,
                None,
                Command::Configure {
                    app: self.app,
                    settings: settings.clone(),
                },
            );
        }
    }

    /// The rules have something to do at `at` in so long, and nothing before; what an engine does for itself aside.
    fn due(&mut self, at: usize, time: Duration) {
        let expected = self.now.mono.after(time);
        for _ in 0..100 {
            let deadline = self.engines[at].next_deadline();
            match deadline {
                Some(mono) if mono < expected => {
                    let wall = self.now.wall;
                    self.engines[at].advance(Now { mono, wall });
                    assert!(self.outputs[at].is_empty(), "{}: too early", self.case);
                }
                deadline => {
                    assert_eq!(deadline, Some(expected), "{}", self.case);
                    return;
                }
            }
        }
        panic!("{}: no end of deadlines", self.case);
    }

    fn submit(&mut self, from: usize, command: Command) -> Tag {
        let tag = Tag(self.next_tag);
        self.next_tag += 1;
        self.engines[from].submit(self.now, Some(tag), command);
        tag
    }

    /// Moves everything on. True if anything came out.
    fn turn(&mut self, cx: &mut Context<'_>) -> bool {
        let mut came = false;
        for (engine, outputs) in self.engines.iter_mut().zip(&mut self.outputs) {
            while let Poll::Ready(output) = engine.poll_output(self.now, cx) {
                match output {
                    Output::Happened {
                        user,
                        platform,
                        connection,
                        what,
                    } => self.happened.push((user, platform, connection, what)),
                    output => outputs.push_back(output),
                }
                came = true;
            }
            engine.flush();
        }
        came
    }

    /// The next thing that loop `at` is told.
    fn next(&mut self, at: usize) -> Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(output) = self.outputs[at].pop_front() {
                return output;
            }
            if self.turn(&mut cx) {
                continue;
            }
            // What one engine flushed may be there for another now.
            if self.turn(&mut cx) {
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{}: loop {at} was told nothing more", self.case);
            std::thread::park_timeout(left.min(Duration::from_millis(10)));
        }
    }

    /// The next thing is this command's answer.
    fn answer(&mut self, at: usize, expected: Tag) -> Answer {
        match self.next(at) {
            Output::Answer { tag, answer } if tag == expected => answer,
            other => panic!("{}: an answer was expected, not {other:?}", self.case),
        }
    }

    /// Asks the home of a user.
    fn ask(&mut self, user: &UserKey, command: Command) -> Answer {
        let home = self.home(user);
        let tag = self.submit(home, command);
        self.answer(home, tag)
    }

    /// The next thing is a change of `user`.
    fn change(&mut self, at: usize, user: &UserKey) -> Presence {
        match self.next(at) {
            Output::Change {
                user: changed,
                presence,
            } if changed == *user => presence,
            other => panic!("{}: a change of {user:?} was expected, not {other:?}", self.case),
        }
    }

    /// Nothing that concerns `user` was told to `at` and not looked at yet.
    fn quiet(&mut self, at: usize, user: &UserKey) {
        let tag = self.submit(
            at,
            Command::Look {
                app: user.app,
                users: vec![user.user],
            },
        );
        let answer = self.answer(at, tag);
        assert!(matches!(answer, Answer::Users(_)), "{}: {answer:?}", self.case);
    }

    fn connection(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    fn login(&mut self, instance: &str) -> Login {
        Login {
            device: DeviceKey {
                platform: Platform::Linux,
                instance: instance.into(),
            },
            connection: self.connection(),
            resumes: None,
            signed_at_s: START.wall.0 / 1000,
        }
    }

    /// A login that succeeds: the session and its connection. Its change, if it makes one, is still to be looked at.
    fn log_in(&mut self, user: &UserKey, instance: &str) -> (LoggedIn, ConnectionId) {
        let login = self.login(instance);
        let connection = login.connection;
        match self.ask(user, Command::LogIn { user: *user, login }) {
            Answer::LoggedIn(done) => (*done, connection),
            other => panic!("{}: {other:?}", self.case),
        }
    }

    /// An account that is online, with its changes looked at.
    fn online(&mut self, user: &UserKey) -> (SessionId, ConnectionId) {
        let home = self.home(user);
        self.ask(user, Command::Import { user: *user });
        while self.change(home, user).reason != Reason::Server {}
        let (done, connection) = self.log_in(user, "device");
        assert_eq!(self.change(home, user), done.presence);
        (done.session, connection)
    }

    fn set(&mut self, user: &UserKey, session: (SessionId, ConnectionId), text: &str) -> Answer {
        let custom = CustomStatus::new(text, 100).expect("short");
        self.ask(
            user,
            Command::SetCustom {
                user: *user,
                session: session.0,
                connection: session.1,
                custom,
            },
        )
    }

    fn watch(&mut self, from: usize, users: &[UserKey], mention: bool) -> Vec<Option<Snapshot>> {
        let ids = users.iter().map(|user| user.user).collect();
        let tag = self.submit(
            from,
            Command::Watch {
                app: self.app,
                users: ids,
                mention,
            },
        );
        match self.answer(from, tag) {
            Answer::Users(snapshots) => snapshots,
            other => panic!("{}: {other:?}", self.case),
        }
    }

    /// What users show by [`Engine::look_now`], if the engine has them at hand.
    fn look_now(&mut self, at: usize, names: &[&str]) -> Option<Vec<Option<Snapshot>>> {
        let mut seen = Vec::new();
        let mut asked = names.iter();
        let is_done = self.engines[at].look_now(self.now, self.app, names, &mut |sight| {
            let name = asked.next().expect("no more than were asked for");
            seen.push(sight.map(|sight| {
                assert_eq!(sight.user.as_str(), *name);
                let mut presence = sight.presence.clone();
                presence.version = sight.version;
                Snapshot {
                    presence,
                    kept_version: sight.presence.version,
                    platforms: sight.platforms,
                }
            }));
        });
        assert!(is_done || seen.is_empty(), "{}", self.case);
        is_done.then_some(seen)
    }

    fn ids(&mut self, user: &UserKey, command: Command) -> Vec<UserId> {
        match self.ask(user, command) {
            Answer::Ids(ids) => ids,
            other => panic!("{}: {other:?}", self.case),
        }
    }
}

impl World {
    /// Sets a custom status, and what every loop is told of it, after what it was told before.
    fn set_and_look(
        &mut self,
        user: &UserKey,
        session: (SessionId, ConnectionId),
        text: &str,
    ) -> [String; 2] {
        let home = self.home(user);
        let first = self.change(home, user);
        assert_eq!(self.set(user, session, text), Answer::Done);
        let second = self.change(home, user);
        for at in (0..self.engines.len()).filter(|at| *at != home) {
            assert_eq!(self.change(at, user), first, "{}: loop {at}", self.case);
            assert_eq!(self.change(at, user), second, "{}: loop {at}", self.case);
            self.quiet(at, user);
        }
        self.quiet(home, user);
        [
            first.custom.as_str().to_owned(),
            second.custom.as_str().to_owned(),
        ]
    }
}
