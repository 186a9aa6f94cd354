//! Accounts as a backend sees them: described, listed, counted, their friend lists edited.

use presence::user::Standing;

use super::*;
use crate::engine::{AccountFilter, AccountPage, Detail, FriendsEdited, StatusCounts};

/// The answer to a command at that loop; what else comes before it is told elsewhere in the suite.
fn answered(world: &mut World, at: usize, command: Command) -> Answer {
    let expected = world.submit(at, command);
    loop {
        match world.next(at) {
            Output::Answer { tag, answer } if tag == expected => return answer,
            _ => {}
        }
    }
}

fn ask(world: &mut World, user: &UserKey, command: Command) -> Answer {
    answered(world, world.home(user), command)
}

fn online(world: &mut World, user: &UserKey) -> (SessionId, ConnectionId) {
    let login = world.login("device");
    let connection = login.connection;
    match ask(world, user, Command::LogIn { user: *user, login }) {
        Answer::LoggedIn(done) => (done.session, connection),
        other => panic!("{other:?}"),
    }
}

pub(super) fn an_account_is_described_with_its_devices_and_lists(world: &mut World) {
    let [alice, bob] = ["alice", "bob"].map(|name| world.user(name));
    let (session, connection) = online(world, &alice);
    ask(world, &bob, Command::Import { user: bob });
    ask(
        world,
        &alice,
        Command::Subscribe {
            user: alice,
            ids: vec![bob.user],
        },
    );
    ask(
        world,
        &alice,
        Command::SetFriends {
            owner: alice,
            friends: vec![bob.user],
        },
    );
    let custom = CustomStatus::new("busy", 100).expect("short");
    ask(
        world,
        &alice,
        Command::SetCustom {
            user: alice,
            session,
            connection,
            custom,
        },
    );
    let nobody = world.user("nobody").user;
    for (detail, list) in [(Detail::Devices, vec![]), (Detail::Lists, vec![bob.user])] {
        let described = ask(
            world,
            &alice,
            Command::Describe {
                app: alice.app,
                users: vec![alice.user, nobody],
                detail,
            },
        );
        let Answer::Accounts(accounts) = described else {
            panic!("{described:?}")
        };
        let [Some(account), None] = accounts.as_slice() else {
            panic!("{accounts:?}")
        };
        assert_eq!(account.snapshot.presence.custom.as_str(), "busy");
        assert_eq!((&account.subscriptions, &account.friends), (&list, &list));
        let [device] = account.devices.as_slice() else {
            panic!("{:?}", account.devices)
        };
        assert_eq!((device.session, device.standing), (session, Standing::Live));
    }
}

/// All accounts that meet `filter`, two at a time.
fn list(world: &mut World, filter: AccountFilter) -> Vec<String> {
    let mut names = Vec::new();
    for loop_ in 0..world.engines.len() {
        let mut from = Some(0);
        while let Some(place) = from {
            let command = Command::ListAccounts {
                app: world.app,
                filter,
                from: place,
                count_max: 2,
            };
            let Answer::AccountPage(AccountPage { accounts, next }) = answered(world, loop_, command) else {
                panic!("no page")
            };
            assert!(accounts.len() <= 2 && next.is_none_or(|next| next > place));
            names.extend(accounts.into_iter().map(|(user, _)| user.as_str().to_owned()));
            from = next;
        }
    }
    names.sort_unstable();
    names
}

pub(super) fn accounts_are_listed_a_part_at_a_time_and_filtered(world: &mut World) {
    let names = ["alice", "alicia", "bob", "carol", "dave"];
    let users = names.map(|name| world.user(name));
    for user in &users {
        ask(world, user, Command::Import { user: *user });
    }
    let [alice, alicia, bob, carol, _] = users;
    online(world, &alice);
    online(world, &carol);
    let subscribe = Command::Subscribe {
        user: alice,
        ids: vec![bob.user],
    };
    ask(world, &alice, subscribe);
    let befriend = Command::SetFriends {
        owner: alicia,
        friends: vec![bob.user],
    };
    ask(world, &alicia, befriend);

    let all = AccountFilter::default();
    assert_eq!(list(world, all), names);
    let contains = Some(world.user("ali").user);
    assert_eq!(
        list(world, AccountFilter { contains, ..all }),
        ["alice", "alicia"]
    );
    let status = Some(Status::Online);
    assert_eq!(list(world, AccountFilter { status, ..all }), ["alice", "carol"]);
    let watches = Some(bob.user);
    assert_eq!(list(world, AccountFilter { watches, ..all }), ["alice", "alicia"]);
    let both = AccountFilter {
        status,
        watches,
        ..all
    };
    assert_eq!(list(world, both), ["alice"]);
}

pub(super) fn accounts_are_counted_by_status(world: &mut World) {
    let [alice, bob, carol] = ["alice", "bob", "carol"].map(|name| world.user(name));
    let count = |world: &mut World| {
        let mut all = StatusCounts::default();
        for loop_ in 0..world.engines.len() {
            match answered(world, loop_, Command::Count { app: alice.app }) {
                Answer::Counts(counts) => all = all + counts,
                other => panic!("{other:?}"),
            }
        }
        (all.online, all.offline, all.unlogined)
    };
    assert_eq!(count(world), (0, 0, 0));
    ask(world, &carol, Command::Import { user: carol });
    online(world, &bob);
    let (session, connection) = online(world, &alice);
    assert_eq!(count(world), (2, 0, 1));
    let leave = Command::Leave {
        user: alice,
        session,
        connection,
        how: Departure::Lost(Loss::LinkClosed),
    };
    ask(world, &alice, leave);
    assert_eq!(count(world), (1, 1, 1));
    ask(world, &bob, Command::Kick { user: bob });
    ask(world, &alice, Command::Delete { user: alice });
    assert_eq!(count(world), (0, 0, 2));
}

pub(super) fn a_friend_list_is_edited_up_to_its_limit(world: &mut World) {
    let alice = world.user("alice");
    let [bob, carol, dave] = ["bob", "carol", "dave"].map(|name| world.user(name).user);
    let edit = |add: &[UserId], remove: &[UserId]| Command::EditFriends {
        owner: alice,
        add: add.to_vec(),
        remove: remove.to_vec(),
        friends_max: 2,
    };
    assert_eq!(ask(world, &alice, edit(&[bob], &[])), Answer::FriendsEdited(None));
    ask(world, &alice, Command::Import { user: alice });
    let edited = |added: &[UserId], removed: &[UserId], no_room: &[UserId]| {
        Answer::FriendsEdited(Some(FriendsEdited {
            added: added.to_vec(),
            removed: removed.to_vec(),
            no_room: no_room.to_vec(),
        }))
    };
    let first = ask(world, &alice, edit(&[alice.user, bob, bob, carol, dave], &[]));
    assert_eq!(first, edited(&[bob, carol], &[], &[dave]));
    let second = ask(world, &alice, edit(&[dave, carol], &[bob, carol]));
    assert_eq!(
        second,
        edited(&[dave], &[bob], &[]),
        "carol is in both: nothing changes"
    );
    let friends = ask(world, &alice, Command::ListFriends { user: alice });
    assert_eq!(friends, Answer::Ids(vec![carol, dave]));
}
