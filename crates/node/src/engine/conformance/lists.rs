//! Lists and what time does: subscriptions, friends, grace, deletion.

use super::*;

pub(super) fn a_list_is_changed_listed_cleared_and_restored(world: &mut World) {
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
    world.due(home, linger);
    world.now.mono = world.now.mono.after(linger);
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

/// R5.8: a subscribe that was on its way when its user's last connection went.
pub(super) fn a_list_that_grows_after_its_owner_left_lingers_too(world: &mut World) {
    let alice = world.user("alice");
    let home = world.home(&alice);
    let (session, connection) = world.online(&alice);
    let how = Departure::LogOut;
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
    let ids = vec![world.user("bob").user];
    world.ask(&alice, Command::Subscribe { user: alice, ids });
    let linger = world.settings.subscription_linger;
    world.due(home, linger);
    world.now.mono = world.now.mono.after(linger);
    world.engines[home].advance(world.now);
    assert_eq!(world.ids(&alice, Command::ListSubscriptions { user: alice }), []);
}

pub(super) fn a_grace_ends_in_time(world: &mut World) {
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
    world.due(home, Duration::from_secs(20));
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
        kept_version: offline.version,
        presence: offline,
        platforms: 0,
    })]);
    assert_eq!(world.answer(home, tag), shown);
}

pub(super) fn a_deleted_account_leaves_all_lists(world: &mut World) {
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

pub(super) fn friends_are_replaced_and_listed(world: &mut World) {
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
