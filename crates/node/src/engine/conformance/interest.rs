//! Looking, watching, and who hears of what.

use super::*;

pub(super) fn a_look_is_answered_in_the_order_asked(world: &mut World) {
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

pub(super) fn a_look_on_the_spot_shows_what_a_look_answers(world: &mut World) {
    let users = world.scattered(6);
    for user in &users[..5] {
        let session = world.online(user);
        assert_eq!(world.set(user, session, user.user.as_str()), Answer::Done);
        let home = world.home(user);
        world.change(home, user);
    }
    let names = [5, 0, 4, 1, 3, 2].map(|index: usize| users[index].user);
    for from in 0..world.engines.len() {
        let tag = world.submit(
            from,
            Command::Look {
                app: world.app,
                users: names.to_vec(),
            },
        );
        let Answer::Users(snapshots) = world.answer(from, tag) else {
            panic!("{}", world.case)
        };
        // A name that is no user id, too, has its place.
        let mut asked: Vec<&str> = names.iter().map(UserId::as_str).collect();
        asked.insert(1, "\u{fc}");
        let Some(mut seen) = world.look_now(from, &asked) else {
            continue;
        };
        assert_eq!(seen.remove(1), None, "{}", world.case);
        assert_eq!(seen, snapshots, "{}", world.case);
    }
}

pub(super) fn every_interested_loop_hears_of_a_change_once(world: &mut World) {
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

pub(super) fn a_watch_ends_and_begins_again(world: &mut World) {
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

pub(super) fn who_watches_nobody_yet_hears_of_its_making(world: &mut World) {
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

pub(super) fn a_mention_makes_accounts_where_the_app_says_so(world: &mut World) {
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
