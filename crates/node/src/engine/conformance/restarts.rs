//! What an engine with a durable store must do across the ends of servers, in order or not: [`run_restarts`].

use super::*;
use crate::durable::StoreHandle;
use crate::durable::held::Held;

/// Makes the engines of a node with this store: one for each of so many loops, with the app, `restart_grace` and the
/// time of their start.
pub type DurableFactory<'a> =
    dyn FnMut(usize, &StoreHandle, (AppId, AppSettings), Duration, Now) -> Vec<Box<dyn Engine>> + 'a;

/// Runs every case; panics with the case's name and what was wrong.
pub fn run_restarts(
    mut factory: impl FnMut(usize, &StoreHandle, (AppId, AppSettings), Duration, Now) -> Vec<Box<dyn Engine>>,
) {
    for loops in [1, 3] {
        for (name, case) in CASES {
            let mut servers = Servers::new(loops, &mut factory);
            servers.world.case = format!("{name}, {loops} loops");
            case(&mut servers);
        }
    }
}

const GRACE: Duration = Duration::from_secs(45);

/// A sentence about behaviour, and what proves it.
type RestartCase = (&'static str, fn(&mut Servers<'_>));

const CASES: &[RestartCase] = &[
    (
        "who returns in the grace of a restart was never away",
        who_returns_in_the_grace_of_a_restart_was_never_away,
    ),
    (
        "who stays away becomes offline and its watchers hear of it",
        who_stays_away_becomes_offline_and_its_watchers_hear_of_it,
    ),
    (
        "what was not kept is never shown under a version that was",
        what_was_not_kept_is_never_shown_under_a_version_that_was,
    ),
    (
        "who was told after one crash knows what did not change until after the next",
        who_was_told_after_one_crash_knows_what_did_not_change_until_after_the_next,
    ),
    (
        "after an orderly end the versions stay as they were",
        after_an_orderly_end_the_versions_stay,
    ),
    (
        "lists, friends, kicks and deletions outlive the server",
        lists_friends_kicks_and_deletions_outlive_the_server,
    ),
    (
        "a linger goes on and ends while there is no server",
        a_linger_goes_on_and_ends_while_there_is_no_server,
    ),
    (
        "a list that changed after a crash has a generation of its own",
        a_list_that_changed_after_a_crash_has_a_generation_of_its_own,
    ),
];

/// One server after the other, with what outlives them.
struct Servers<'a> {
    world: World,
    held: Held,
    loops: usize,
    factory: &'a mut DurableFactory<'a>,
}

impl<'a> Servers<'a> {
    fn new(loops: usize, factory: &'a mut DurableFactory<'a>) -> Servers<'a> {
        let mut held = Held::default();
        let store = held.open(FLOOR, false);
        let world = World::new(loops, &mut |loops, _, app| {
            factory(loops, &store, app, GRACE, START)
        });
        Servers {
            world,
            held,
            loops,
            factory,
        }
    }

    /// Long enough for all that happened to be handed over.
    fn settle(&mut self) {
        self.pass(Duration::from_millis(2 * crate::durable::COLLECT_MS));
    }

    fn pass(&mut self, time: Duration) {
        self.world.now.mono = self.world.now.mono.after(time);
        self.world.now.wall.0 += i64::try_from(time.as_millis()).expect("short");
        let now = self.world.now;
        for engine in &mut self.world.engines {
            while engine
                .next_deadline()
                .is_some_and(|deadline| deadline <= now.mono)
            {
                engine.advance(now);
            }
        }
    }

    /// In order: everything is handed over.
    fn stop(&mut self) {
        let now = self.world.now;
        for engine in &mut self.world.engines {
            engine.close(now);
        }
    }

    /// The next server, with what was kept.
    fn start(&mut self, crashed: bool) {
        let store = self.held.open(FLOOR, crashed);
        // Its monotonic clock knows nothing of that of the last one.
        self.world.now.mono = Mono(11);
        let app = (self.world.app, self.world.settings.clone());
        self.world.engines = (self.factory)(self.loops, &store, app, GRACE, self.world.now);
        self.world.outputs = self.world.engines.iter().map(|_| VecDeque::new()).collect();
    }

    fn restart(&mut self) {
        self.stop();
        self.start(false);
    }

    fn look(&mut self, user: &UserKey) -> Option<Snapshot> {
        let look = Command::Look {
            app: user.app,
            users: vec![user.user],
        };
        let shown = match self.world.ask(user, look) {
            Answer::Users(mut users) => users.pop().flatten(),
            other => panic!("{}: {other:?}", self.world.case),
        };
        let home = self.world.home(user);
        if let Some(seen) = self.world.look_now(home, &[user.user.as_str()]) {
            assert_eq!(seen, std::slice::from_ref(&shown), "{}", self.world.case);
        }
        shown
    }

    fn resume(&mut self, user: &UserKey, session: SessionId) -> Answer {
        let mut login = self.world.login("device");
        login.resumes = Some(session);
        self.world.ask(user, Command::LogIn { user: *user, login })
    }
}

/// R2.9, R8.3.
fn who_returns_in_the_grace_of_a_restart_was_never_away(servers: &mut Servers<'_>) {
    let alice = servers.world.user("alice");
    let session = servers.world.online(&alice);
    assert_eq!(servers.world.set(&alice, session, "busy"), Answer::Done);
    let home = servers.world.home(&alice);
    let before = servers.world.change(home, &alice);
    servers.restart();
    servers.pass(GRACE - Duration::from_millis(1));
    let shown = servers.look(&alice).expect("the account is there");
    assert_eq!(
        (&shown.presence, shown.platforms),
        (&before, Platform::Linux.bit())
    );
    match servers.resume(&alice, session.0) {
        Answer::LoggedIn(back) => assert_eq!((back.session, &back.presence), (session.0, &before)),
        other => panic!("{}: {other:?}", servers.world.case),
    }
    servers.pass(GRACE * 2);
    servers.world.quiet(home, &alice);
}

/// R2.9, R3.3, R6.7.
fn who_stays_away_becomes_offline_and_its_watchers_hear_of_it(servers: &mut Servers<'_>) {
    let [alice, bob] = servers.world.scattered(2)[..] else {
        panic!("two users")
    };
    let session = servers.world.online(&alice);
    assert_eq!(servers.world.set(&alice, session, "busy"), Answer::Done);
    servers.settle();
    servers.held = servers.held.snapshot();
    servers.start(true);
    let watching = servers.world.home(&bob);
    let online = servers.world.watch(watching, &[alice], false);
    let online = online.into_iter().next().flatten().expect("the account is there");
    assert_eq!(online.presence.status, Status::Online);
    servers.pass(GRACE);
    let offline = servers.world.change(watching, &alice);
    assert_eq!(
        (offline.status, offline.reason, offline.custom.as_str()),
        (Status::Offline, Reason::Server, "")
    );
    assert!(offline.version > online.presence.version);
}

/// R6.5, R6.6.
fn what_was_not_kept_is_never_shown_under_a_version_that_was(servers: &mut Servers<'_>) {
    let alice = servers.world.user("alice");
    let home = servers.world.home(&alice);
    let session = servers.world.online(&alice);
    servers.settle();
    let kept = servers.look(&alice).expect("an account").presence;
    let left = servers.held.snapshot();
    assert_eq!(servers.world.set(&alice, session, "lost"), Answer::Done);
    let lost = servers.world.change(home, &alice);
    servers.held = left;
    servers.start(true);
    let shown = servers.look(&alice).expect("an account");
    assert!(
        shown.presence.version > lost.version,
        "{}: a watcher that heard of the lost change must hear of its end",
        servers.world.case
    );
    assert_eq!(
        (shown.presence.custom.as_str(), shown.kept_version),
        ("", kept.version)
    );
    // It does not go back, neither with the next change nor with the next start.
    let Answer::LoggedIn(back) = servers.resume(&alice, session.0) else {
        panic!("{}: it may come back", servers.world.case)
    };
    assert_eq!(
        (back.presence.version, back.kept_version),
        (shown.presence.version, kept.version)
    );
    servers.restart();
    assert_eq!(servers.look(&alice), Some(shown.clone()));
    let logged_in = servers.world.log_in(&alice, "device");
    let session = (logged_in.0.session, logged_in.1);
    assert_eq!(servers.world.set(&alice, session, "new"), Answer::Done);
    let new = servers.world.change(home, &alice);
    assert!(new.version > shown.presence.version);
}

/// R6.6: whether it was told before the first crash or after any of them.
fn who_was_told_after_one_crash_knows_what_did_not_change_until_after_the_next(servers: &mut Servers<'_>) {
    let alice = servers.world.user("alice");
    let home = servers.world.home(&alice);
    servers.world.online(&alice);
    servers.settle();
    let mut told = vec![servers.look(&alice).expect("an account").presence.version];
    for _ in 0..3 {
        servers.held = servers.held.snapshot();
        servers.start(true);
        let shown = servers.look(&alice).expect("an account");
        let knows = |told: &Version| servers.world.engines[home].knows(*told, shown.kept_version);
        assert!(told.iter().all(knows), "{}: {told:?}", servers.world.case);
        told.push(shown.presence.version);
    }
    // Not who was told of a change that is lost; and after a change nobody who was told before it.
    let left = servers.held.snapshot();
    let set = |servers: &mut Servers<'_>, text| {
        let (login, connection) = servers.world.log_in(&alice, "device");
        let done = servers.world.set(&alice, (login.session, connection), text);
        assert_eq!(done, Answer::Done);
        servers.world.change(home, &alice).version
    };
    let lost = set(servers, "lost");
    servers.held = left;
    servers.start(true);
    let kept = servers.look(&alice).expect("an account").kept_version;
    let engine = &servers.world.engines[home];
    assert!(!engine.knows(lost, kept), "{}", servers.world.case);
    let kept = set(servers, "kept");
    let engine = &servers.world.engines[home];
    let mut knows = told.iter().map(|told| engine.knows(*told, kept));
    assert!(!knows.any(|knows| knows), "{}: {told:?}", servers.world.case);
}

/// R6.6: nobody is told anything anew.
fn after_an_orderly_end_the_versions_stay(servers: &mut Servers<'_>) {
    let users = servers.world.scattered(3);
    for user in &users {
        servers.world.online(user);
    }
    for _ in 0..3 {
        let before: Vec<_> = users.iter().map(|user| servers.look(user)).collect();
        servers.restart();
        let after: Vec<_> = users.iter().map(|user| servers.look(user)).collect();
        assert_eq!(before, after, "{}", servers.world.case);
    }
}

/// R5.8, R8.7, R9.1, R1.5.
fn lists_friends_kicks_and_deletions_outlive_the_server(servers: &mut Servers<'_>) {
    let users = servers.world.scattered(4);
    let [alice, bob, carol, dave] = users[..] else {
        panic!("four users")
    };
    for user in &users {
        servers
            .world
            .ask_past_changes(user, Command::Import { user: *user });
    }
    let session = servers.world.online_again(&alice);
    let subscribe = Command::Subscribe {
        user: alice,
        ids: vec![bob.user, carol.user, dave.user],
    };
    let Answer::List { .. } = servers.world.ask_past_changes(&alice, subscribe) else {
        panic!("{}: a list", servers.world.case)
    };
    let befriend = Command::SetFriends {
        owner: alice,
        friends: vec![dave.user],
    };
    servers.world.ask_past_changes(&alice, befriend);
    servers.world.online_again(&carol);
    servers
        .world
        .ask_past_changes(&carol, Command::Kick { user: carol });
    servers.world.online_again(&dave);
    let told = servers.look_past_changes(&dave).expect("an account");
    servers
        .world
        .ask_past_changes(&dave, Command::Delete { user: dave });
    for _ in 0..2 {
        servers.restart();
        let subscriptions = Command::ListSubscriptions { user: alice };
        assert_eq!(
            servers.world.ids(&alice, subscriptions),
            [bob.user, carol.user],
            "{}: without the deleted one",
            servers.world.case
        );
        assert_eq!(
            servers.world.ids(&alice, Command::ListFriends { user: alice }),
            [dave.user]
        );
        let check = Command::CheckRevoked {
            user: carol,
            signed_at_s: START.wall.0 / 1000,
        };
        assert_eq!(
            servers.world.ask(&carol, check),
            Answer::LoginRefused(LoginRefusal::Revoked)
        );
        assert_eq!(servers.look(&dave), None);
    }
    assert!(matches!(
        servers.resume(&alice, session),
        Answer::LoggedIn(back) if back.session == session && back.subscriptions == [bob.user, carol.user]
    ));
    servers
        .world
        .ask_past_changes(&dave, Command::Import { user: dave });
    let again = servers.look_past_changes(&dave).expect("a new account");
    assert!(again.presence.version > told.presence.version);
    let login = servers.world.login("device");
    let refused = servers
        .world
        .ask_past_changes(&dave, Command::LogIn { user: dave, login });
    assert_eq!(
        refused,
        Answer::LoginRefused(LoginRefusal::Revoked),
        "R8.7, also of the account that was deleted"
    );
}

/// R5.8.
fn a_linger_goes_on_and_ends_while_there_is_no_server(servers: &mut Servers<'_>) {
    let users = servers.world.scattered(2);
    let [alice, bob] = users[..] else {
        panic!("two users")
    };
    let (session, connection) = servers.world.online(&alice);
    servers
        .world
        .ask_past_changes(&bob, Command::Import { user: bob });
    let subscribe = Command::Subscribe {
        user: alice,
        ids: vec![bob.user],
    };
    servers.world.ask_past_changes(&alice, subscribe);
    let leave = Command::Leave {
        user: alice,
        session,
        connection,
        how: Departure::LogOut,
    };
    servers.world.ask_past_changes(&alice, leave);
    servers.pass(Duration::from_secs(100));
    servers.stop();
    servers.world.now.wall.0 += 100_000;
    servers.start(false);
    let list = Command::ListSubscriptions { user: alice };
    assert_eq!(servers.world.ids(&alice, list.clone()), [bob.user]);
    servers.pass(Duration::from_millis(99_999));
    assert_eq!(servers.world.ids(&alice, list.clone()), [bob.user]);
    servers.pass(Duration::from_millis(1));
    assert!(servers.world.ids(&alice, list).is_empty());
    let (back, _) = servers.world.log_in(&alice, "device");
    assert!(back.restorable);
}

/// A copy that a client has of a list whose last changes were lost must not pass for that of another list.
fn a_list_that_changed_after_a_crash_has_a_generation_of_its_own(servers: &mut Servers<'_>) {
    let users = servers.world.scattered(4);
    let [alice, bob, carol, dave] = users[..] else {
        panic!("four users")
    };
    for user in &users {
        servers
            .world
            .ask_past_changes(user, Command::Import { user: *user });
    }
    servers.world.online_again(&alice);
    let generation = |servers: &mut Servers<'_>, id: UserId| {
        let subscribe = Command::Subscribe {
            user: alice,
            ids: vec![id],
        };
        match servers.world.ask_past_changes(&alice, subscribe) {
            Answer::List { generation, .. } => generation,
            other => panic!("{}: {other:?}", servers.world.case),
        }
    };
    generation(servers, bob.user);
    servers.settle();
    let left = servers.held.snapshot();
    let lost = generation(servers, carol.user);
    servers.held = left;
    servers.start(true);
    assert!(generation(servers, dave.user) > lost);
}

impl World {
    /// As `online`, of an account whose changes nobody looks at.
    fn online_again(&mut self, user: &UserKey) -> SessionId {
        let login = self.login("device");
        match self.ask_past_changes(user, Command::LogIn { user: *user, login }) {
            Answer::LoggedIn(done) => done.session,
            other => panic!("{}: {other:?}", self.case),
        }
    }

    /// As `ask`; what else was told before is passed over.
    fn ask_past_changes(&mut self, user: &UserKey, command: Command) -> Answer {
        let home = self.home(user);
        let expected = self.submit(home, command);
        loop {
            if let Output::Answer { tag, answer } = self.next(home)
                && tag == expected
            {
                return answer;
            }
        }
    }
}

impl Servers<'_> {
    fn look_past_changes(&mut self, user: &UserKey) -> Option<Snapshot> {
        let look = Command::Look {
            app: user.app,
            users: vec![user.user],
        };
        match self.world.ask_past_changes(user, look) {
            Answer::Users(mut users) => users.pop().flatten(),
            other => panic!("{}: {other:?}", self.world.case),
        }
    }
}
