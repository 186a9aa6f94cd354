//! What every engine must do, as one suite: [`run`] it in a test with a factory of the engine. It proves the contract
//! of [`Engine`], not the rules (those are proved in `presence`): what is answered, what is told to whom, in which
//! order, and that time and settings arrive.
//!
//! Every case runs with one loop and with three. Engines may take their time: the suite waits for wake-ups, up to
//! [`PATIENCE`]. That something is *not* told is shown by an answer that comes after it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use presence::ids::{AppId, ConnectionId, DeviceKey, Platform, SessionId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::status::{CustomStatus, Presence, Reason, Status, Version};
use presence::time::{Mono, Now, Wall};
use presence::user::{EndedBy, Login, LoginRefusal, Loss};

use super::memory::home_of;
use super::{Answer, Command, Departure, Engine, LoggedIn, Output, Snapshot, Tag};

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
    ("a grace ends in time", a_grace_ends_in_time),
    (
        "a deleted account leaves all lists",
        a_deleted_account_leaves_all_lists,
    ),
    ("friends are replaced and listed", friends_are_replaced_and_listed),
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
                outputs.push_back(output);
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

    fn ids(&mut self, user: &UserKey, command: Command) -> Vec<UserId> {
        match self.ask(user, command) {
            Answer::Ids(ids) => ids,
            other => panic!("{}: {other:?}", self.case),
        }
    }
}

fn a_login_is_answered_before_its_change(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    world.ask(&alice, Command::Import { user: alice });
    let registered = world.change(home, &alice);
    assert_eq!(registered.status, Status::Unlogined);
    let (done, connection) = world.log_in(&alice, "device");
    assert_eq!(
        (done.presence.status, done.restorable, done.subscriptions.len()),
        (Status::Online, true, 0)
    );
    assert_eq!(world.change(home, &alice), done.presence);
    assert_eq!(
        world.set(&alice, (done.session, connection), "busy"),
        Answer::Done
    );
    let busy = world.change(home, &alice);
    assert_eq!(busy.custom.as_str(), "busy");
    assert_eq!(
        world.set(&alice, (done.session, connection), "busy"),
        Answer::Done
    );
    world.quiet(home, &alice);
    let leave = Command::Leave {
        user: alice,
        session: done.session,
        connection,
        how: Departure::LogOut,
    };
    assert_eq!(world.ask(&alice, leave), Answer::Done);
    assert_eq!(world.change(home, &alice).status, Status::Unlogined);
}

fn a_session_is_ended_after_the_answer_to_who_ends_it(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let (first, first_connection) = world.online(&alice);
    let (second, _) = world.log_in(&alice, "another");
    match world.next(home) {
        Output::Ended { user, ended } => {
            assert_eq!(
                (user, ended.session, ended.connection),
                (alice, first, Some(first_connection))
            );
            assert_eq!(ended.why, EndedBy::Displaced);
        }
        other => panic!("{}: {other:?}", world.case),
    }
    assert!(second.session > first);
    world.quiet(home, &alice);
}

fn a_kick_ends_sessions_before_it_is_told(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let (session, _) = world.online(&alice);
    assert_eq!(world.ask(&alice, Command::Kick { user: alice }), Answer::Done);
    match world.next(home) {
        Output::Ended { ended, .. } => assert_eq!((ended.session, ended.why), (session, EndedBy::Kicked)),
        other => panic!("{}: {other:?}", world.case),
    }
    assert_eq!(world.change(home, &alice).reason, Reason::Kicked);
    let at_the_kick = START.wall.0 / 1000;
    let revoked = Command::CheckRevoked {
        user: alice,
        signed_at_s: at_the_kick,
    };
    assert_eq!(
        world.ask(&alice, revoked),
        Answer::LoginRefused(LoginRefusal::Revoked)
    );
    let later = Command::CheckRevoked {
        user: alice,
        signed_at_s: at_the_kick + 1,
    };
    assert_eq!(world.ask(&alice, later), Answer::Done);
    let nobody = world.user("nobody");
    assert_eq!(world.ask(&nobody, Command::Kick { user: nobody }), Answer::Done);
}

fn a_refused_login_changes_nothing(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    world.online(&alice);
    world.ask(&alice, Command::Kick { user: alice });
    world.next(home);
    let kicked = world.change(home, &alice);
    let login = world.login("device");
    let refused = world.ask(&alice, Command::LogIn { user: alice, login });
    assert_eq!(refused, Answer::LoginRefused(LoginRefusal::Revoked));
    let shown = world.ask(
        &alice,
        Command::Look {
            app: alice.app,
            users: vec![alice.user],
        },
    );
    assert_eq!(
        shown,
        Answer::Users(vec![Some(Snapshot {
            presence: kicked,
            platforms: 0
        })])
    );
}

fn a_stale_session_changes_nothing(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let (session, connection) = world.online(&alice);
    let stale = world.connection();
    let lost = |connection| Command::Leave {
        user: alice,
        session,
        connection,
        how: Departure::Lost(Loss::LinkClosed),
    };
    assert_eq!(world.ask(&alice, lost(stale)), Answer::Done);
    assert_eq!(world.set(&alice, (session, stale), "unheard"), Answer::Stale);
    world.quiet(home, &alice);
    assert_eq!(world.ask(&alice, lost(connection)), Answer::Done);
    assert_eq!(world.change(home, &alice).status, Status::Offline);
    let nobody = world.user("nobody");
    assert_eq!(
        world.set(&nobody, (session, connection), "unheard"),
        Answer::Stale
    );
}

fn a_look_is_answered_in_the_order_asked(world: &mut World) {
    let users = world.scattered(6);
    for user in &users[..5] {
        world.online(user);
    }
    let asked = [5, 0, 4, 1, 3, 2];
    let ids = asked.iter().map(|index| users[*index].user).collect();
    for from in 0..world.engines.len() {
        let tag = world.submit(
            from,
            Command::Look {
                app: world.app,
                users: Clone::clone(&ids),
            },
        );
        let Answer::Users(snapshots) = world.answer(from, tag) else {
            panic!("{}", world.case)
        };
        let statuses: Vec<_> = snapshots
            .iter()
            .map(|snapshot| snapshot.as_ref().map(|found| found.presence.status))
            .collect();
        let online = Some(Status::Online);
        assert_eq!(
            statuses,
            [None, online, online, online, online, online],
            "{}",
            world.case
        );
        assert!(
            snapshots
                .iter()
                .flatten()
                .all(|found| found.platforms == Platform::Linux.bit())
        );
    }
}

fn every_interested_loop_hears_of_a_change_once(world: &mut World) {
    let users = world.scattered(3);
    let bob = users[2];
    let session = world.online(&bob);
    for from in 0..world.engines.len() {
        let snapshot = world.watch(from, &[bob], false).remove(0).expect("it exists");
        assert_eq!(snapshot.presence.status, Status::Online);
        // Being interested already is no error.
        world.watch(from, &[bob, users[0]], false);
    }
    assert_eq!(world.set(&bob, session, "one"), Answer::Done);
    assert_eq!(world.set_and_look(&bob, session, "two"), ["one", "two"]);
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

fn a_watch_ends_and_begins_again(world: &mut World) {
    let bob = world.scattered(3)[2];
    let home = world.home(&bob);
    let session = world.online(&bob);
    let from = (home + 1) % world.engines.len();
    world.watch(from, &[bob], false);
    world.engines[from].submit(
        world.now,
        None,
        Command::Unwatch {
            app: bob.app,
            users: vec![bob.user],
        },
    );
    // So that it has arrived before the change.
    world.quiet(from, &bob);
    assert_eq!(world.set(&bob, session, "unheard elsewhere"), Answer::Done);
    let unheard = world.change(home, &bob);
    if from != home {
        world.quiet(from, &bob);
    }
    let snapshot = world.watch(from, &[bob], false).remove(0).expect("it exists");
    assert_eq!(snapshot.presence, unheard);
    assert_eq!(world.set(&bob, session, "heard"), Answer::Done);
    let heard = world.change(home, &bob);
    if from != home {
        assert_eq!(world.change(from, &bob), heard);
    }
}

fn who_watches_nobody_yet_hears_of_its_making(world: &mut World) {
    let bob = world.scattered(3)[2];
    let home = world.home(&bob);
    let from = (home + 1) % world.engines.len();
    assert_eq!(world.watch(from, &[bob], false), [None]);
    world.ask(&bob, Command::Import { user: bob });
    assert_eq!(world.change(home, &bob).status, Status::Unlogined);
    if from != home {
        assert_eq!(world.change(from, &bob).status, Status::Unlogined);
    }
    // Importing once more is no change.
    assert_eq!(world.ask(&bob, Command::Import { user: bob }), Answer::Done);
    world.quiet(home, &bob);
}

fn a_mention_makes_accounts_where_the_app_says_so(world: &mut World) {
    let users = world.scattered(3);
    assert_eq!(world.watch(0, &users, true), [None, None, None]);
    world.configure(AppSettings {
        auto_register_on_mention: true,
        ..AppSettings::default()
    });
    // A watch without a mention makes none.
    assert_eq!(world.watch(0, &users, false), [None, None, None]);
    let tag = world.submit(
        0,
        Command::Watch {
            app: world.app,
            users: users.iter().map(|user| user.user).collect(),
            mention: true,
        },
    );
    // The making may be told before the answer; it is the same presence.
    let mut made = Vec::new();
    let snapshots = loop {
        match world.next(0) {
            Output::Change { presence, .. } => made.push(presence),
            Output::Answer {
                tag: answered,
                answer: Answer::Users(snapshots),
            } if answered == tag => break snapshots,
            other => panic!("{}: {other:?}", world.case),
        }
    };
    assert!(
        snapshots.iter().flatten().count() == 3 && made.len() <= 3,
        "{}",
        world.case
    );
    assert!(
        snapshots
            .iter()
            .flatten()
            .all(|found| found.presence.status == Status::Unlogined)
    );
}

fn a_list_is_changed_listed_cleared_and_restored(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let (session, connection) = world.online(&alice);
    let [bob, carol, dave] = ["bob", "carol", "dave"].map(|name| world.user(name).user);
    world.configure(AppSettings {
        subscriptions_max: 2,
        ..AppSettings::default()
    });

    let list = |answer| match answer {
        Answer::List { change, generation } => (change, generation),
        other => panic!("{other:?}"),
    };
    let (change, first) = list(world.ask(
        &alice,
        Command::Subscribe {
            user: alice,
            ids: vec![bob, carol],
        },
    ));
    assert_eq!((change.added, change.evicted), (vec![bob, carol], vec![]));
    let (change, second) = list(world.ask(
        &alice,
        Command::Subscribe {
            user: alice,
            ids: vec![dave],
        },
    ));
    assert_eq!((change.added, change.evicted), (vec![dave], vec![bob]));
    assert!(second > first);
    let (change, _) = list(world.ask(
        &alice,
        Command::Unsubscribe {
            user: alice,
            ids: vec![bob, carol],
        },
    ));
    assert_eq!(change.removed, [carol]);
    assert_eq!(
        world.ids(&alice, Command::ListSubscriptions { user: alice }),
        [dave]
    );
    let restore = |generation| Command::Restore {
        user: alice,
        generation,
        ids: vec![bob, carol],
    };
    assert_eq!(world.ask(&alice, restore(second)), Answer::NotRestorable);

    // The linger (R5.8).
    let how = Departure::Lost(Loss::LinkClosed);
    world.ask(
        &alice,
        Command::Leave {
            user: alice,
            session,
            connection,
            how,
        },
    );
    world.change(home, &alice);
    let linger = world.settings.subscription_linger;
    let deadline = world.engines[home].next_deadline().expect("the linger ends");
    assert_eq!(deadline, world.now.mono.after(linger), "{}", world.case);
    world.now.mono = deadline;
    world.engines[home].advance(world.now);
    assert_eq!(world.ids(&alice, Command::ListSubscriptions { user: alice }), []);
    let (done, _) = world.log_in(&alice, "device");
    world.change(home, &alice);
    assert!(done.restorable && done.generation > second);
    let (change, _) = list(world.ask(&alice, restore(done.generation)));
    assert_eq!(change.added, [bob, carol]);
    let (change, _) = list(world.ask(&alice, Command::ClearSubscriptions { user: alice }));
    assert_eq!(change.removed, [bob, carol]);
}

fn a_grace_ends_in_time(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    world.configure(AppSettings {
        offline_grace: Duration::from_secs(20),
        ..AppSettings::default()
    });
    let (session, connection) = world.online(&alice);
    let how = Departure::Lost(Loss::Timeout);
    world.ask(
        &alice,
        Command::Leave {
            user: alice,
            session,
            connection,
            how,
        },
    );
    world.quiet(home, &alice);
    assert_eq!(
        world.engines[home].next_deadline(),
        Some(world.now.mono.after(Duration::from_secs(20)))
    );
    world.now.mono = world.now.mono.after(Duration::from_millis(19_999));
    world.engines[home].advance(world.now);
    world.quiet(home, &alice);
    // A command finds what is due carried out, even if nobody advanced.
    world.now.mono = world.now.mono.after(Duration::from_millis(1));
    let tag = world.submit(
        home,
        Command::Look {
            app: alice.app,
            users: vec![alice.user],
        },
    );
    let offline = world.change(home, &alice);
    assert_eq!(
        (offline.status, offline.reason),
        (Status::Offline, Reason::Timeout)
    );
    let shown = Answer::Users(vec![Some(Snapshot {
        presence: offline,
        platforms: 0,
    })]);
    assert_eq!(world.answer(home, tag), shown);
}

fn a_deleted_account_leaves_all_lists(world: &mut World) {
    let users = world.scattered(4);
    let bob = users[3];
    world.online(&bob);
    for user in &users[..3] {
        world.online(user);
        world.ask(
            user,
            Command::Subscribe {
                user: *user,
                ids: vec![bob.user],
            },
        );
    }
    let home = world.home(&bob);
    let tag = world.submit(home, Command::Delete { user: bob });
    assert_eq!(world.answer(home, tag), Answer::Done);
    assert!(matches!(world.next(home), Output::Ended { .. }), "{}", world.case);
    let gone = world.change(home, &bob);
    for user in &users[..3] {
        let at = world.home(user);
        match world.next(at) {
            // With one loop they come in the order of their names, as `scattered` gave them.
            Output::ListChanged {
                user: owner, change, ..
            } => {
                assert_eq!((owner, change.removed), (*user, vec![bob.user]), "{}", world.case);
            }
            other => panic!("{}: {other:?}", world.case),
        }
    }
    for user in &users[..3] {
        assert_eq!(world.ids(user, Command::ListSubscriptions { user: *user }), []);
    }
    assert_eq!(
        world.ask(
            &bob,
            Command::Look {
                app: bob.app,
                users: vec![bob.user]
            }
        ),
        Answer::Users(vec![None])
    );
    world.ask(&bob, Command::Import { user: bob });
    assert!(
        world.change(home, &bob).version > gone.version,
        "{}: R1.5",
        world.case
    );
}

fn friends_are_replaced_and_listed(world: &mut World) {
    let users = world.scattered(4);
    let owner = users[0];
    let home = world.home(&owner);
    let friends: Vec<UserId> = users[1..].iter().map(|user| user.user).collect();
    let tag = world.submit(
        home,
        Command::SetFriends {
            owner,
            friends: friends.clone(),
        },
    );
    // The owner is made; who hears of that first is not said.
    let mut done = 0;
    while done < 3 {
        match world.next(home) {
            Output::Answer {
                tag: answered,
                answer: Answer::Done,
            } if answered == tag => done += 1,
            Output::Change { user, .. } if user == owner => done += 1,
            Output::FriendsChanged { user, friends: now } => {
                assert_eq!((user, &now), (owner, &friends));
                done += 1;
            }
            other => panic!("{}: {other:?}", world.case),
        }
    }
    assert_eq!(world.ids(&owner, Command::ListFriends { user: owner }), friends);
    assert_eq!(world.watch(home, &users[1..], false), [None, None, None]);
}

fn versions_and_sessions_are_above_the_floor_and_rise(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let (first, connection) = world.online(&alice);
    assert!(first.0 >= FLOOR.0);
    let mut last = Version(0);
    for round in 0..5 {
        world.set(&alice, (first, connection), &round.to_string());
        let change = world.change(home, &alice);
        assert!(
            change.version > last && change.version > FLOOR,
            "{}: R6.5",
            world.case
        );
        last = change.version;
    }
    let (second, _) = world.log_in(&alice, "another");
    assert!(second.session > first);
}
