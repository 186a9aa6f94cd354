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
