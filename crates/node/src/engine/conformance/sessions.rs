//! Sessions: what is answered, ended and told, and in which order; floors.

use super::*;

pub(super) fn a_login_is_answered_before_its_change(world: &mut World) {
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

pub(super) fn a_session_is_ended_after_the_answer_to_who_ends_it(world: &mut World) {
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

pub(super) fn a_kick_ends_sessions_before_it_is_told(world: &mut World) {
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
    let check = |world: &mut World, signed_at_s| {
        let check = Command::CheckRevoked {
            user: alice,
            signed_at_s,
        };
        world.ask(&alice, check)
    };
    let revoked = Answer::LoginRefused(LoginRefusal::Revoked);
    assert_eq!(check(world, at_the_kick), revoked);
    assert_eq!(check(world, at_the_kick + 1), Answer::Done);
    // R1.5: also once the account is gone.
    assert_eq!(world.ask(&alice, Command::Delete { user: alice }), Answer::Done);
    assert_eq!(check(world, at_the_kick), revoked);
    assert_eq!(check(world, at_the_kick + 1), Answer::Done);
    let nobody = world.user("nobody");
    assert_eq!(world.ask(&nobody, Command::Kick { user: nobody }), Answer::Done);
}

pub(super) fn a_refused_login_changes_nothing(world: &mut World) {
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
            kept_version: kicked.version,
            presence: kicked,
            platforms: 0
        })])
    );
}

pub(super) fn a_stale_session_changes_nothing(world: &mut World) {
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

pub(super) fn versions_and_sessions_are_above_the_floor_and_rise(world: &mut World) {
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
