//! Subscriptions, their snapshots, and friends (R5, R6.6, R7, R9).

mod support;

use presence::settings::{AppSettings, Plan};
use presence_node::NodeConfig;
use presence_protocol::message::{Request, ServerMessage};
use support::{Event, Kind, ONLINE, UNLOGINED, app, app_id, names, owned, resume, settings, user, user_id};

stories!(
    the_list_is_the_users_and_every_device_hears_of_its_changes_r5_3,
    the_oldest_are_evicted_and_named_r5_2,
    oneself_and_ill_formed_ids_are_refused_each_r5_4,
    an_unknown_account_is_refused_where_mention_does_not_make_one_r5_5,
    batches_have_a_size_r5_1,
    after_an_unsubscribe_nothing_more_is_told_r5_7,
    a_snapshot_and_what_follows_it_neither_lose_nor_repeat_r5_6,
    a_reconnect_is_told_what_differs_r6_6,
    a_list_is_restored_whole_though_some_have_not_come_back_yet_r5_8,
    a_refused_restore_makes_no_accounts_r7,
    a_login_has_a_few_restores_and_no_more_r5_8,
    the_switch_stops_calls_and_pushes_and_lists_stay_r7_3,
    losing_the_plan_stops_pushes_too_r7_2,
    friends_are_told_while_the_switch_is_on_r7_4,
    a_friend_who_is_subscribed_to_is_told_of_once_r6_2,
    a_friend_who_was_deleted_meanwhile_is_online_no_more_r6_6,
    friends_are_the_backends_and_may_be_listed_r9_1,
    a_third_of_many_users_find_each_other_whatever_loop_they_are_on,
);

async fn the_list_is_the_users_and_every_device_hears_of_its_changes_r5_3(kind: Kind) {
    let node = kind.node(settings());
    let mut desk = node.login_device("alice", "Linux", "desk").await;
    let mut phone = node.login_device("alice", "iOS", "phone").await;
    let reply = desk.subscribe(&["bob", "carol"]).await;
    assert_eq!((reply.code, names(&reply.users)), (0, vec!["bob", "carol"]));
    let (here, there) = (desk.list_change().await, phone.list_change().await);
    assert_eq!(here, there);
    assert_eq!(here.added, ["bob", "carol"]);
    for user in ["bob", "carol"] {
        // Only the desk has it in its result; found by the simulation, seed 1.
        assert_eq!(phone.push_of(user).await.status, UNLOGINED);
    }

    let mut bob = node.login("bob").await;
    assert_eq!(desk.push_of("bob").await.status, ONLINE);
    assert_eq!(
        phone.push_of("bob").await.status,
        ONLINE,
        "all of its devices hear the changes"
    );

    // R5.2: again makes it the newest.
    assert_eq!(phone.follow(&["bob"]).await[0].status, ONLINE);
    let change = desk.list_change().await;
    assert_eq!(change.added, ["bob"]);
    assert!(change.generation > here.generation);
    assert_eq!(
        names(&desk.subscriptions().await),
        ["carol", "bob"],
        "R5.9: oldest first"
    );
    assert_eq!(desk.push_of("bob").await.status, ONLINE, "as the phone's result");
    bob.set("hello").await;
    assert_eq!(desk.push_of("bob").await.custom_status, "hello");
    node.stop().await;
}

async fn the_oldest_are_evicted_and_named_r5_2(kind: Kind) {
    let node = kind.node(AppSettings {
        subscriptions_max: 3,
        ..settings()
    });
    let mut alice = node.login("alice").await;
    alice.follow(&["a", "b", "c"]).await;
    let reply = alice.subscribe(&["d", "b", "e"]).await;
    assert_eq!(reply.evicted, ["a", "c"]);
    let change = alice.list_change().await;
    assert_eq!(
        (change.added, change.evicted),
        (owned(&["d", "b", "e"]), owned(&["a", "c"]))
    );
    assert_eq!(names(&alice.subscriptions().await), ["d", "b", "e"]);
    let _a = node.login("a").await;
    let _b = node.login("b").await;
    assert_eq!(alice.push().await.user_id, "b", "who was evicted is not told of");
    node.stop().await;
}

async fn oneself_and_ill_formed_ids_are_refused_each_r5_4(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    assert_eq!(alice.subscribe(&["alice"]).await.code, 6017);
    let reply = alice.subscribe(&["alice", "bob", "\u{7}"]).await;
    let codes: Vec<_> = reply
        .users
        .iter()
        .map(|user| (user.user_id.as_str(), user.code))
        .collect();
    assert_eq!(
        (reply.code, codes),
        (0, vec![("alice", 6017), ("bob", 0), ("\u{7}", 7003)])
    );
    alice.list_change().await;
    assert_eq!(names(&alice.subscriptions().await), ["bob"]);
    let reply = alice.unsubscribe(&["\u{7}"]).await;
    assert_eq!(reply.code, 7003);
    let reply = alice.unsubscribe(&["nobody", "bob"]).await;
    assert_eq!(
        (reply.code, names(&reply.users)),
        (0, vec!["nobody", "bob"]),
        "not subscribed is a success (R5.7)"
    );
    node.stop().await;
}

async fn an_unknown_account_is_refused_where_mention_does_not_make_one_r5_5(kind: Kind) {
    let node = kind.node(AppSettings {
        auto_register_on_mention: false,
        ..settings()
    });
    let mut alice = node.login("alice").await;
    assert_eq!(alice.subscribe(&["bob"]).await.code, 70107);
    alice.hears_nothing().await;
    let _bob = node.login("bob").await;
    let reply = alice.subscribe(&["nobody", "bob"]).await;
    let codes: Vec<_> = reply.users.iter().map(|user| (user.code, user.status)).collect();
    assert_eq!((reply.code, codes), (0, vec![(70107, 0), (0, ONLINE)]));
    assert_eq!(alice.list_change().await.added, ["bob"]);
    node.stop().await;
}

async fn batches_have_a_size_r5_1(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let many: Vec<String> = (0..101).map(|number| format!("user-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(alice.subscribe(&many).await.code, 6017);
    assert_eq!(alice.unsubscribe(&many).await.code, 6017);
    assert_eq!(alice.subscribe(&[]).await.code, 6017);
    alice.hears_nothing().await;
    assert_eq!(alice.follow(&many[..100]).await.len(), 100);
    assert_eq!(
        alice.unsubscribe(&[]).await.code,
        0,
        "none at all: the whole list (R5.7)"
    );
    assert_eq!(alice.list_change().await.removed.len(), 100);
    assert_eq!(alice.subscriptions().await, vec![]);
    node.stop().await;
}

async fn after_an_unsubscribe_nothing_more_is_told_r5_7(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let mut bob = node.login("bob").await;
    let mut carol = node.login("carol").await;
    alice.follow(&["bob", "carol"]).await;
    assert_eq!(alice.unsubscribe(&["bob"]).await.code, 0);
    assert_eq!(alice.list_change().await.removed, ["bob"]);
    bob.set("unheard").await;
    carol.set("heard").await;
    assert_eq!(alice.push().await.user_id, "carol");
    // And again: interest that ended begins anew.
    assert_eq!(alice.follow(&["bob"]).await[0].custom_status, "unheard");
    bob.set("heard").await;
    assert_eq!(alice.push_of("bob").await.custom_status, "heard");
    node.stop().await;
}

async fn a_snapshot_and_what_follows_it_neither_lose_nor_repeat_r5_6(kind: Kind) {
    const ROUNDS: usize = 100;
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    // On three loops some of these share alice's and some do not.
    let users = ["bob", "carol", "dave", "erin", "frank", "grace"];
    let mut writers = Vec::new();
    for name in users {
        let mut client = node.login(name).await;
        writers.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                assert_eq!(client.set(&round.to_string()).await.code, 0);
            }
            client
        }));
    }
    let mut told = std::collections::HashMap::new();
    let mut last = std::collections::HashMap::new();
    // Subscribing again and again while everyone changes.
    for round in 0..20 {
        if round % 2 == 1 {
            assert_eq!(alice.unsubscribe(&users).await.code, 0);
        }
        let id = alice
            .send(Request::Subscribe {
                user_ids: owned(&users),
            })
            .await;
        loop {
            match alice.next().await {
                Event::Message(ServerMessage::Push(changes)) => {
                    for change in changes {
                        let before = told.insert(change.user_id.clone(), change.version);
                        assert!(
                            before < Some(change.version),
                            "{} went back or was repeated",
                            change.user_id
                        );
                    }
                }
                Event::Message(ServerMessage::Reply(reply)) if reply.request_id == id => {
                    for user in reply.users {
                        let before = told.insert(user.user_id.clone(), user.version);
                        assert!(
                            before <= Some(user.version),
                            "a snapshot of {} went back",
                            user.user_id
                        );
                    }
                    break;
                }
                Event::Message(ServerMessage::Reply(_) | ServerMessage::SubscriptionsChanged(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    let mut clients = Vec::new();
    for writer in writers {
        clients.push(writer.await.expect("its calls succeeded"));
    }
    let final_text = (ROUNDS - 1).to_string();
    for user in alice.query(&users).await.users {
        assert_eq!(user.custom_status, final_text);
        last.insert(user.user_id, user.version);
    }
    // Whatever was in the snapshots, in the end she was told everyone's last state (R6.3).
    while told != last {
        match alice.next().await {
            Event::Message(ServerMessage::Push(changes)) => {
                for change in changes {
                    let before = told.insert(change.user_id.clone(), change.version);
                    assert!(
                        before < Some(change.version),
                        "{} went back or was repeated",
                        change.user_id
                    );
                }
            }
            Event::Message(ServerMessage::SubscriptionsChanged(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    node.stop().await;
}

async fn a_reconnect_is_told_what_differs_r6_6(kind: Kind) {
    let node = kind.node(settings());
    let mut bob = node.login("bob").await;
    let _carol = node.login("carol").await;
    let (mut alice, login, own) = node.login_with(node.login_request("alice")).await;
    let told = alice.follow(&["bob", "carol", "dave"]).await;
    drop(alice);
    bob.set("while away").await;

    // It knows nothing of dave any more, an older bob, and the present carol.
    let known: Vec<_> = told[..2].iter().chain([&own]).collect();
    let request = resume(node.login_request("alice"), &login, &known);
    let (mut alice, again, own_again) = node.login_with(request).await;
    assert!(own_again.version >= own.version);
    assert!(again.subscriptions.generation > login.subscriptions.generation);
    assert_eq!(
        again.subscriptions.user_ids,
        Some(owned(&["bob", "carol", "dave"]))
    );
    assert!(!again.subscriptions.restorable);
    let missed = [alice.push().await, alice.push().await];
    assert_eq!(names(&missed), ["bob", "dave"]);
    assert_eq!(
        (missed[0].custom_status.as_str(), missed[1].status),
        ("while away", UNLOGINED)
    );

    // With the current list and everything known: nothing but the own status.
    drop(alice);
    let known: Vec<_> = [&missed[0], &told[1], &missed[1]].into_iter().collect();
    let request = resume(node.login_request("alice"), &again, &known);
    let (mut alice, third, _) = node.login_with(request).await;
    assert_eq!(third.subscriptions.user_ids, None, "the client's copy is current");
    bob.set("after").await;
    assert_eq!(alice.push_of("bob").await.custom_status, "after");
    node.stop().await;
}

/// As after a restart without a store: there are no accounts but those of the users who are back (R1.2).
async fn a_list_is_restored_whole_though_some_have_not_come_back_yet_r5_8(kind: Kind) {
    let node = kind.node(AppSettings {
        auto_register_on_mention: false,
        ..settings()
    });
    let (mut alice, login, _) = node.login_with(node.login_request("alice")).await;
    let carol = node.login("carol").await;
    let restore = Request::RestoreSubscriptions {
        list_generation: login.subscriptions.generation,
        user_ids: owned(&["bob", "carol"]),
    };
    assert_eq!(alice.call(restore).await.code, 0);
    assert_eq!(alice.list_change().await.added, ["bob", "carol"]);
    assert_eq!(alice.push().await.user_id, "carol");
    let listed = alice.call(Request::GetSubscriptions).await.users;
    let codes: Vec<_> = listed
        .iter()
        .map(|user| (user.user_id.as_str(), user.code))
        .collect();
    assert_eq!(
        codes,
        [("bob", 70107), ("carol", 0)],
        "a restore makes no accounts"
    );
    let _bob = node.login("bob").await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);
    drop(carol);
    node.stop().await;
}

async fn a_refused_restore_makes_no_accounts_r7(kind: Kind) {
    let node = kind.node(settings());
    let (mut alice, login, _) = node.login_with(node.login_request("alice")).await;
    let restore = |list_generation| Request::RestoreSubscriptions {
        list_generation,
        user_ids: owned(&["bob"]),
    };
    let bob = || Request::GetUserStatus {
        user_ids: owned(&["bob"]),
    };
    let generation = login.subscriptions.generation;
    assert_eq!(alice.call(restore(generation + 1)).await.code, 7014);
    assert_eq!(alice.call(bob()).await.code, 70107);
    assert_eq!(alice.call(restore(generation)).await.code, 0);
    assert_eq!(alice.list_change().await.added, ["bob"]);
    assert_eq!(alice.push_of("bob").await.status, UNLOGINED);
    assert_eq!(alice.call(bob()).await.code, 0, "R1.2");
    node.stop().await;
}

/// No rate stands before a restore (R7.5), so a login has a few and no more.
async fn a_login_has_a_few_restores_and_no_more_r5_8(kind: Kind) {
    let node = kind.node(settings());
    let (mut alice, login, _) = node.login_with(node.login_request("alice")).await;
    let restore = |list_generation| Request::RestoreSubscriptions {
        list_generation,
        user_ids: owned(&["bob"]),
    };
    let generation = login.subscriptions.generation;
    for _ in 0..4 {
        assert_eq!(alice.call(restore(generation + 1)).await.code, 7014);
    }
    assert_eq!(
        alice.call(restore(generation)).await.code,
        7014,
        "it was the fifth"
    );
    let (mut alice, login, _) = node.login_with(node.login_request("alice")).await;
    assert!(login.subscriptions.restorable, "none of them did anything");
    assert_eq!(alice.call(restore(generation)).await.code, 0);
    node.stop().await;
}

async fn the_switch_stops_calls_and_pushes_and_lists_stay_r7_3(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let mut bob = node.login("bob").await;
    alice.follow(&["bob"]).await;

    node.admin
        .set_app_settings(
            app_id(),
            AppSettings {
                user_status: false,
                ..settings()
            },
        )
        .await;
    assert_eq!(alice.query(&["bob"]).await.code, 72001);
    assert_eq!(alice.subscribe(&["carol"]).await.code, 72001);
    assert_eq!(alice.unsubscribe(&[]).await.code, 72001);
    bob.set("unheard").await;
    assert_eq!(
        bob.push_of("bob").await.custom_status,
        "unheard",
        "one's own are not touched by it"
    );
    // The list can be seen; what its members show cannot.
    let list = alice.subscriptions().await;
    assert_eq!(
        (names(&list), list[0].status, list[0].version),
        (vec!["bob"], 0, 0)
    );
    // A device that comes meanwhile is not told either, and is caught up later as the others.
    let mut phone = node.login_device("alice", "iOS", "phone").await;

    node.admin.set_app_settings(app_id(), settings()).await;
    assert_eq!(alice.push_of("bob").await.custom_status, "unheard");
    assert_eq!(phone.push_of("bob").await.custom_status, "unheard");
    bob.set("heard").await;
    assert_eq!(
        alice.push_of("bob").await.custom_status,
        "heard",
        "it was told once"
    );
    node.stop().await;
}

async fn losing_the_plan_stops_pushes_too_r7_2(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let mut bob = node.login("bob").await;
    alice.follow(&["bob"]).await;
    // R7.1: the plan is looked at before the switch.
    let basic = AppSettings {
        plan: Plan::Basic,
        user_status: false,
        ..settings()
    };
    node.admin.set_app_settings(app_id(), basic).await;
    assert_eq!(alice.query(&["bob"]).await.code, 7013);
    assert_eq!(alice.query(&[]).await.code, 7013);
    bob.set("unheard").await;
    node.admin.set_app_settings(app_id(), settings()).await;
    assert_eq!(alice.push_of("bob").await.custom_status, "unheard");
    node.stop().await;
}

async fn friends_are_told_while_the_switch_is_on_r7_4(kind: Kind) {
    let on = AppSettings {
        friend_status_notify: true,
        ..settings()
    };
    let node = kind.node(on.clone());
    node.admin
        .set_friends(user("alice"), vec![user_id("bob"), user_id("later")])
        .await;
    let mut bob = node.login("bob").await;
    let mut alice = node.login("alice").await;
    let told = [alice.push().await, alice.push().await];
    assert_eq!(names(&told), ["bob", "later"], "R9.2: a catch-up");
    bob.set("one").await;
    assert_eq!(alice.push_of("bob").await.custom_status, "one");

    node.admin.set_app_settings(app_id(), settings()).await;
    bob.set("two").await;
    assert_eq!(alice.look_at("bob").await.custom_status, "two");
    alice.hears_nothing().await;

    // On again: caught up, also with whom the list has only now.
    node.admin
        .set_friends(user("alice"), vec![user_id("bob"), user_id("carol")])
        .await;
    node.admin.set_app_settings(app_id(), on.clone()).await;
    let mut told = [alice.push().await, alice.push().await];
    told.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    assert_eq!(names(&told), ["bob", "carol"]);
    assert_eq!(told[0].custom_status, "two");
    // Who was taken off the list while the switch was off is not told of.
    let _later = node.login("later").await;
    bob.set("two and a half").await;
    assert_eq!(alice.push().await.custom_status, "two and a half");

    // Off the list while the switch is on; the user_status switch does not touch friends (R7.3).
    node.admin
        .set_app_settings(
            app_id(),
            AppSettings {
                user_status: false,
                ..on
            },
        )
        .await;
    node.admin
        .set_friends(user("alice"), vec![user_id("carol"), user_id("dave")])
        .await;
    assert_eq!(
        alice.push_of("dave").await.status,
        UNLOGINED,
        "the new friend alone: of the others she knows"
    );
    bob.set("three").await;
    let _carol = node.login("carol").await;
    assert_eq!(alice.push_of("carol").await.status, ONLINE);
    node.stop().await;
}

async fn a_friend_who_is_subscribed_to_is_told_of_once_r6_2(kind: Kind) {
    let node = kind.node(AppSettings {
        friend_status_notify: true,
        ..settings()
    });
    node.admin.set_friends(user("alice"), vec![user_id("bob")]).await;
    let mut alice = node.login("alice").await;
    alice.push_of("bob").await;
    alice.follow(&["bob"]).await;
    let mut bob = node.login("bob").await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);
    bob.set("hi").await;
    assert_eq!(alice.push_of("bob").await.custom_status, "hi");
    // Not subscribed any more, still a friend (R5.7).
    alice.unsubscribe(&[]).await;
    alice.list_change().await;
    bob.set("still").await;
    assert_eq!(alice.push_of("bob").await.custom_status, "still");
    node.stop().await;
}

/// R1.5: nobody is left of whom a change could be told.
async fn a_friend_who_was_deleted_meanwhile_is_online_no_more_r6_6(kind: Kind) {
    let node = kind.node(AppSettings {
        friend_status_notify: true,
        ..settings()
    });
    node.admin.set_friends(user("alice"), vec![user_id("bob")]).await;
    let _bob = node.login("bob").await;
    let (mut alice, login, _) = node.login_with(node.login_request("alice")).await;
    let online = alice.push_of("bob").await;
    assert_eq!(online.status, ONLINE);
    alice.log_out().await;
    node.admin.delete_account(user("bob")).await;

    let request = resume(node.login_request("alice"), &login, &[&online]);
    let (mut alice, _, _) = node.login_with(request).await;
    let gone = alice.push_of("bob").await;
    assert_eq!(gone.status, UNLOGINED);
    assert!(gone.version > online.version, "R6.5");
    // Once is enough, and it hides nothing.
    drop(alice);
    let request = resume(node.login_request("alice"), &login, &[&gone]);
    let (mut alice, _, _) = node.login_with(request).await;
    node.admin.import_account(user("bob")).await;
    let back = alice.push_of("bob").await;
    assert!(back.version > gone.version);
    node.stop().await;
}

async fn friends_are_the_backends_and_may_be_listed_r9_1(kind: Kind) {
    let config = NodeConfig {
        friends_max: 2,
        ..NodeConfig::default()
    };
    let node = kind.node_with(config, app(settings()));
    let friends = ["bob", "alice", "bob", "carol", "dave"].map(user_id).to_vec();
    node.admin.set_friends(user("alice"), friends).await;
    let mut alice = node.login("alice").await;
    let _bob = node.login("bob").await;
    let reply = alice.call(Request::GetFriends).await;
    let statuses: Vec<_> = reply.users.iter().map(|user| user.status).collect();
    assert_eq!(
        (names(&reply.users), statuses),
        (vec!["bob", "carol"], vec![ONLINE, UNLOGINED])
    );
    node.stop().await;
}

async fn a_third_of_many_users_find_each_other_whatever_loop_they_are_on(kind: Kind) {
    let node = kind.node(settings());
    let users: Vec<String> = (0..12).map(|number| format!("user-{number}")).collect();
    let all: Vec<&str> = users.iter().map(String::as_str).collect();
    let mut clients = Vec::new();
    for name in &all {
        let mut client = node.login(name).await;
        let others: Vec<&str> = all.iter().copied().filter(|other| other != name).collect();
        client.follow(&others).await;
        clients.push(client);
    }
    // Everyone hears everyone's word, in whatever order the loops bring them.
    for (client, name) in clients.iter_mut().zip(&all) {
        assert_eq!(client.set(&format!("I am {name}")).await.code, 0);
    }
    for client in &mut clients {
        let mut heard = std::collections::BTreeSet::new();
        while heard.len() < all.len() {
            let change = client.push().await;
            if change.custom_status == format!("I am {}", change.user_id) {
                assert!(heard.insert(change.user_id), "once each (R6.2)");
            }
        }
    }
    node.stop().await;
}
