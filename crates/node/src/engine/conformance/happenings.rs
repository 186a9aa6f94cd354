//! What the app's backend is told of devices (R10.1).

use super::*;

impl World {
    /// What the backend was told of `user` since the last look.
    fn happened(&mut self, user: &UserKey) -> Vec<(Option<ConnectionId>, Happening)> {
        let home = self.home(user);
        self.quiet_but_changes(home, user);
        let (of_user, others) = std::mem::take(&mut self.happened)
            .into_iter()
            .partition(|(whose, ..)| whose == user);
        self.happened = others;
        let of_user: Vec<_> = of_user;
        assert!(
            of_user
                .iter()
                .all(|(_, platform, ..)| *platform == Platform::Linux)
        );
        of_user
            .into_iter()
            .map(|(_, _, connection, what)| (connection, what))
            .collect()
    }

    /// Lets everything come that is on its way to `at`, whatever it is.
    fn quiet_but_changes(&mut self, at: usize, user: &UserKey) {
        let command = Command::Look {
            app: user.app,
            users: vec![user.user],
        };
        let expected = self.submit(at, command);
        while !matches!(self.next(at), Output::Answer { tag, .. } if tag == expected) {}
    }

    fn leave(&mut self, user: &UserKey, session: (SessionId, ConnectionId), how: Departure) {
        let leave = Command::Leave {
            user: *user,
            session: session.0,
            connection: session.1,
            how,
        };
        let home = self.home(user);
        self.submit(home, leave);
    }
}

fn login() -> Happening {
    Happening::LoggedIn { kicked: Vec::new() }
}

pub(super) fn the_backend_is_told_what_devices_do_once_each(world: &mut World) {
    let alice = world.user("alice");
    let first = world.online(&alice);
    assert_eq!(world.happened(&alice), [(Some(first.1), login())]);

    assert_eq!(world.set(&alice, first, "busy"), Answer::Done);
    let busy = CustomStatus::new("busy", 100).expect("short");
    let set = (Some(first.1), Happening::CustomStatus(busy));
    assert_eq!(world.happened(&alice), [set]);
    assert_eq!(world.set(&alice, first, "busy"), Answer::Done);
    assert_eq!(
        world.happened(&alice),
        [],
        "setting what it is, is no change (R3.2)"
    );

    let (done, connection) = world.log_in(&alice, "another");
    let kicks = Happening::LoggedIn {
        kicked: vec![Platform::Linux],
    };
    assert_eq!(world.happened(&alice), [(Some(connection), kicks)]);
    world.leave(&alice, first, Departure::Lost(Loss::LinkClosed));
    assert_eq!(
        world.happened(&alice),
        [],
        "of a kicked device, its login's kick is all"
    );

    world.leave(&alice, (done.session, connection), Departure::Lost(Loss::Timeout));
    let lost = (Some(connection), Happening::Lost(Loss::Timeout));
    assert_eq!(world.happened(&alice), [lost]);

    let (done, connection) = world.log_in(&alice, "another");
    world.leave(&alice, (done.session, connection), Departure::LogOut);
    let story = [
        (Some(connection), login()),
        (Some(connection), Happening::LoggedOut),
    ];
    assert_eq!(world.happened(&alice), story);

    let (_, connection) = world.log_in(&alice, "another");
    let home = world.home(&alice);
    world.submit(home, Command::Kick { user: alice });
    let story = [
        (Some(connection), login()),
        (Some(connection), Happening::LoggedOut),
    ];
    assert_eq!(world.happened(&alice), story, "R8.7");
}

/// R8.8.
pub(super) fn a_logout_said_late_is_told_once_and_lets_nobody_in(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let said = |world: &mut World, resumes, signed_at_s| {
        let login = Login {
            resumes,
            signed_at_s,
            ..world.login("device")
        };
        let connection = login.connection;
        (
            world.ask(&alice, Command::LogOutLate { user: alice, login }),
            connection,
        )
    };
    let signed = START.wall.0 / 1000;
    let nobodys = said(world, None, signed).0;
    assert_eq!(nobodys, Answer::Done, "there is nothing to leave");
    let look = Command::Look {
        app: alice.app,
        users: vec![alice.user],
    };
    let users = world.ask(&alice, look);
    assert_eq!(
        users,
        Answer::Users(vec![None]),
        "R1.2: no login is named, and it makes no account"
    );

    let first = world.online(&alice);
    let lost = Command::Leave {
        user: alice,
        session: first.0,
        connection: first.1,
        how: Departure::Lost(Loss::LinkClosed),
    };
    assert_eq!(world.ask(&alice, lost), Answer::Done);
    assert_eq!(world.change(home, &alice).status, Status::Offline);
    world.happened(&alice);
    let (answer, connection) = said(world, Some(first.0), signed);
    assert_eq!(answer, Answer::Done);
    let change = world.change(home, &alice);
    assert_eq!(
        (change.status, change.reason),
        (Status::Unlogined, Reason::Logout),
        "no ONLINE comes between"
    );
    let told = [(Some(connection), Happening::LoggedOut)];
    assert_eq!(world.happened(&alice), told, "R10.1");
    assert_eq!(said(world, Some(first.0), signed).0, Answer::Done);
    assert_eq!(world.happened(&alice), [], "nobody logs out twice");

    let (_, live) = world.log_in(&alice, "device");
    assert_eq!(world.change(home, &alice).status, Status::Online);
    assert_eq!(said(world, None, signed).0, Answer::Done);
    match world.next(home) {
        Output::Ended { ended, .. } => {
            let expected = (Some(live), EndedBy::Replaced);
            assert_eq!((ended.connection, ended.why), expected, "R2.7");
        }
        other => panic!("{}: {other:?}", world.case),
    }
    assert_eq!(world.change(home, &alice).status, Status::Unlogined);
    world.ask(&alice, Command::Kick { user: alice });
    let revoked = Answer::LoginRefused(LoginRefusal::Revoked);
    assert_eq!(said(world, None, signed).0, revoked, "R8.7");
    world.ask(&alice, Command::Delete { user: alice });
    assert_eq!(said(world, None, signed).0, revoked, "R1.5");
}

pub(super) fn a_device_that_comes_back_in_its_grace_was_never_lost(world: &mut World) {
    let grace = Duration::from_secs(5);
    world.configure(AppSettings {
        offline_grace: grace,
        ..AppSettings::default()
    });
    let alice = world.user("alice");
    let first = world.online(&alice);
    world.leave(&alice, first, Departure::Lost(Loss::LinkClosed));
    assert_eq!(world.happened(&alice), [(Some(first.1), login())]);

    let (done, connection) = world.log_in(&alice, "device");
    assert_eq!(world.happened(&alice), [(Some(connection), login())]);
    world.leave(&alice, (done.session, connection), Departure::Lost(Loss::Timeout));
    assert_eq!(world.happened(&alice), []);
    world.now.mono = world.now.mono.after(grace);
    assert_eq!(
        world.happened(&alice),
        [(None, Happening::Lost(Loss::Timeout))],
        "R2.8"
    );
}
