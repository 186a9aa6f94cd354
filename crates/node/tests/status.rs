//! Status, custom status, queries and notifications as clients see them (R1–R4, R6).

mod support;

use presence_node::NodeConfig;
use presence_node::engine::Detail;
use presence_protocol::message::{Request, ServerMessage};
use support::{Kind, OFFLINE, ONLINE, UNLOGINED, app, app_id, names, settings, user, user_id};

stories!(
    two_users_see_each_other,
    every_device_of_a_user_hears_of_its_changes_once_and_the_causing_one_after_its_reply_r6_1_r6_4,
    a_second_device_changes_platforms_but_no_status_r1_4,
    a_user_with_a_live_device_stays_online_r2_4,
    a_custom_status_is_checked_and_an_equal_one_is_no_change_r3,
    a_query_is_answered_user_by_user_in_order_of_first_mention_r4,
    a_query_of_too_many_or_none_is_refused_r4_1,
    a_query_of_oneself_alone_passes_every_gate_r4_2,
    the_same_device_connecting_anew_replaces_its_old_connection_silently_r2_7,
    a_logout_is_answered_and_followed_by_nothing_r8_8,
    a_kick_ends_all_devices_in_one_change_and_revokes_r8_7,
    a_deleted_account_is_gone_from_lists_and_newer_when_it_returns_r1_5,
    an_imported_account_exists_without_a_login_r1_2,
    nothing_crosses_accounts_that_nobody_mentioned_r1_2,
    many_accounts_are_described_in_the_order_asked,
);

async fn two_users_see_each_other(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    assert_eq!(alice.follow(&["bob"]).await[0].status, UNLOGINED);
    let mut bob = node.login("bob").await;
    let online = alice.push_of("bob").await;
    assert_eq!((online.status, online.reason), (ONLINE, 1));

    assert_eq!(bob.set("in a call").await.code, 0);
    assert_eq!(bob.push_of("bob").await.custom_status, "in a call");
    let change = alice.push_of("bob").await;
    assert_eq!(
        (change.status, change.custom_status.as_str(), change.reason),
        (ONLINE, "in a call", 5)
    );
    assert!(change.version > online.version, "R6.5");
    assert!(change.since_ms >= online.since_ms);

    // R3.3: gone and cleared in one change.
    drop(bob);
    let change = alice.push_of("bob").await;
    assert_eq!(
        (change.status, change.custom_status.as_str(), change.reason),
        (OFFLINE, "", 3)
    );

    // The next thing alice hears is bob's return, so there was no second change.
    let bob = node.login("bob").await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);
    bob.log_out().await;
    let change = alice.push_of("bob").await;
    assert_eq!((change.status, change.reason), (UNLOGINED, 2));
    node.stop().await;
}

async fn every_device_of_a_user_hears_of_its_changes_once_and_the_causing_one_after_its_reply_r6_1_r6_4(
    kind: Kind,
) {
    let node = kind.node(settings());
    let mut phone = node.login_device("alice", "iOS", "phone").await;
    let mut desk = node.login_device("alice", "Linux", "desk").await;
    let id = phone
        .send(Request::SetSelfStatus {
            custom_status: "busy".to_owned(),
        })
        .await;
    match phone.message().await {
        ServerMessage::Reply(reply) => assert_eq!((reply.request_id, reply.code), (id, 0)),
        other => panic!("the reply comes first, not {other:?}"),
    }
    assert_eq!(phone.push_of("alice").await.custom_status, "busy");
    assert_eq!(desk.push_of("alice").await.custom_status, "busy");
    phone.hears_nothing().await;
    desk.hears_nothing().await;
    node.stop().await;
}

async fn a_second_device_changes_platforms_but_no_status_r1_4(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let mut phone = node.login_device("bob", "iOS", "phone").await;
    let before = alice.look_at("bob").await;
    let _desk = node.login_device("bob", "Linux", "desk").await;
    phone.hears_nothing().await;
    let after = alice.look_at("bob").await;
    assert_eq!(before.version, after.version);
    assert_eq!((before.platforms, after.platforms), (1 << 1, 1 << 1 | 1 << 6));
    node.stop().await;
}

async fn a_user_with_a_live_device_stays_online_r2_4(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    alice.follow(&["bob"]).await;
    let phone = node.login_device("bob", "iOS", "phone").await;
    let mut desk = node.login_device("bob", "Linux", "desk").await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);
    drop(phone);
    desk.set("still here").await;
    assert_eq!(alice.push_of("bob").await.custom_status, "still here");
    // The phone was lost, so one logout leaves OFFLINE.
    desk.push_of("bob").await;
    desk.log_out().await;
    assert_eq!(alice.push_of("bob").await.status, OFFLINE);
    node.stop().await;
}

async fn a_custom_status_is_checked_and_an_equal_one_is_no_change_r3(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let reply = alice.set(&"x".repeat(101)).await;
    assert_eq!(reply.code, 6017);
    assert!(reply.message.contains("100"), "{}", reply.message);
    assert_eq!(alice.set("a\0b").await.code, 6017);
    assert_eq!(alice.set("").await.code, 0);
    let longest = "é".repeat(50);
    assert_eq!(alice.set(&longest).await.code, 0);
    assert_eq!(
        alice.push_of("alice").await.custom_status,
        longest,
        "the refused ones changed nothing"
    );
    assert_eq!(alice.set(&longest).await.code, 0);
    assert_eq!(alice.set("").await.code, 0);
    assert_eq!(
        alice.push_of("alice").await.custom_status,
        "",
        "R3.2: the equal one was no change"
    );
    alice.hears_nothing().await;
    node.stop().await;
}

async fn a_query_is_answered_user_by_user_in_order_of_first_mention_r4(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let _users: Vec<_> = log_in_all(&node, &["bob", "carol", "dave", "erin"]).await;
    let reply = alice
        .query(&[
            "erin", "nobody", "bob", "", "erin", "carol", "bob", "alice", "dave",
        ])
        .await;
    assert_eq!(reply.code, 0);
    let answers: Vec<_> = reply
        .users
        .iter()
        .map(|user| (user.user_id.as_str(), user.code, user.status))
        .collect();
    assert_eq!(
        answers,
        [
            ("erin", 0, ONLINE),
            ("nobody", 70107, 0),
            ("bob", 0, ONLINE),
            ("", 7003, 0),
            ("carol", 0, ONLINE),
            ("alice", 0, ONLINE),
            ("dave", 0, ONLINE)
        ]
    );
    let reply = alice.query(&["nobody", "\u{7f}"]).await;
    assert_eq!(
        reply.code, 70107,
        "nobody succeeded: the first user's code (R4.3)"
    );
    assert!(!reply.message.is_empty());
    assert_eq!(
        reply.users.iter().map(|user| user.code).collect::<Vec<_>>(),
        [70107, 7003]
    );
    assert_eq!(alice.query(&["\u{7f}"]).await.code, 7003);
    node.stop().await;
}

async fn log_in_all(node: &support::TestNode, users: &[&str]) -> Vec<support::TestClient> {
    let mut clients = Vec::new();
    for user in users {
        clients.push(node.login(user).await);
    }
    clients
}

async fn a_query_of_too_many_or_none_is_refused_r4_1(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let many: Vec<String> = (0..501).map(|number| format!("user-{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let reply = alice.query(&many).await;
    assert_eq!((reply.code, reply.users.len()), (6017, 0));
    assert!(reply.message.contains("500"), "{}", reply.message);
    assert_eq!(alice.query(&[]).await.code, 6017);
    let mut repeated = many[..499].to_vec();
    repeated.extend(["alice"; 10]);
    let reply = alice.query(&repeated).await;
    assert_eq!(
        (reply.code, reply.users.len()),
        (0, 500),
        "repeats are removed first"
    );
    node.stop().await;
}

async fn a_query_of_oneself_alone_passes_every_gate_r4_2(kind: Kind) {
    let node = kind.node(presence::settings::AppSettings {
        user_status: false,
        rate_calls: 1,
        ..settings()
    });
    let mut alice = node.login("alice").await;
    for _ in 0..30 {
        assert_eq!(alice.query(&["alice", "alice"]).await.code, 0);
        assert_eq!(alice.set("fine").await.code, 0, "R3.4");
    }
    assert_eq!(alice.query(&["alice", "bob"]).await.code, 72001);
    node.stop().await;
}

async fn the_same_device_connecting_anew_replaces_its_old_connection_silently_r2_7(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    alice.follow(&["bob"]).await;
    let (mut old, login, own) = node.login_with(node.login_request("bob")).await;
    assert_eq!(alice.push_of("bob").await.status, ONLINE);
    let (mut new, again, own_again) = node
        .login_with(support::resume(node.login_request("bob"), &login, &[&own]))
        .await;
    assert_eq!(
        again.session, login.session,
        "a reconnect keeps its login's number (R8.3)"
    );
    assert_eq!(own_again.version, own.version);
    old.ended().await;
    new.set("back").await;
    let change = alice.push_of("bob").await;
    assert_eq!(change.custom_status, "back", "the end of the old one was silent");
    node.stop().await;
}

async fn a_logout_is_answered_and_followed_by_nothing_r8_8(kind: Kind) {
    let node = kind.node(settings());
    let mut desk = node.login_device("bob", "Linux", "desk").await;
    let phone = node.login_device("bob", "iOS", "phone").await;
    // `log_out` sees the reply, and then the end.
    phone.log_out().await;
    desk.set("here").await;
    assert_eq!(desk.push_of("bob").await.custom_status, "here");
    desk.log_out().await;
    let mut alice = node.login("alice").await;
    assert_eq!(alice.look_at("bob").await.status, UNLOGINED);
    node.stop().await;
}

async fn a_kick_ends_all_devices_in_one_change_and_revokes_r8_7(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    alice.follow(&["bob"]).await;
    let mut desk = node.login_device("bob", "Linux", "desk").await;
    let mut phone = node.login_device("bob", "iOS", "phone").await;
    alice.push_of("bob").await;
    desk.set("busy").await;
    desk.push_of("bob").await;
    phone.push_of("bob").await;
    alice.push_of("bob").await;
    let request = node.login_request("bob");

    node.admin.kick(user("bob")).await;
    desk.session_ended(70052).await;
    phone.session_ended(70052).await;
    let change = alice.push_of("bob").await;
    assert_eq!(
        (change.status, change.reason, change.custom_status.as_str()),
        (UNLOGINED, 6, "")
    );
    let (mut refused, reply) = node.try_login(request).await;
    assert_eq!(reply.code, 70052);
    refused.ended().await;
    node.admin.kick(user("nobody")).await;
    node.stop().await;
}

async fn a_deleted_account_is_gone_from_lists_and_newer_when_it_returns_r1_5(kind: Kind) {
    let node = kind.node(presence::settings::AppSettings {
        auto_register_on_mention: false,
        ..settings()
    });
    let mut alice = node.login("alice").await;
    let mut bob = node.login("bob").await;
    let _carol = node.login("carol").await;
    alice.follow(&["bob", "carol"]).await;

    let request = node.login_request("bob");
    node.admin.delete_account(user("bob")).await;
    bob.session_ended(70052).await;
    let gone = alice.push_of("bob").await;
    assert_eq!((gone.status, gone.reason), (UNLOGINED, 6));
    assert_eq!(alice.list_change().await.removed, ["bob"]);
    assert_eq!(names(&alice.subscriptions().await), ["carol"]);
    assert_eq!(alice.query(&["bob"]).await.code, 70107);
    assert_eq!(alice.subscribe(&["bob"]).await.code, 70107);

    // R1.2: a device that returns with its revoked UserSig is refused, and brings nobody back. Found by the simulation.
    let (mut refused, reply) = node.try_login(request).await;
    assert_eq!(reply.code, 70052);
    refused.ended().await;
    assert_eq!(alice.query(&["bob"]).await.code, 70107);

    node.admin.import_account(user("bob")).await;
    let back = alice.look_at("bob").await;
    assert_eq!(back.status, UNLOGINED);
    assert!(back.version > gone.version, "its version mark was kept");
    node.stop().await;
}

async fn an_imported_account_exists_without_a_login_r1_2(kind: Kind) {
    let settings = presence::settings::AppSettings {
        auto_register_on_mention: false,
        ..settings()
    };
    let mut config = app(settings);
    config.accounts = vec![user_id("configured")];
    config.friends.insert(user_id("owner"), vec![user_id("friend")]);
    let node = kind.node_with(NodeConfig::default(), config);
    let mut alice = node.login("alice").await;
    node.admin.import_account(user("imported")).await;
    let reply = alice
        .query(&["configured", "owner", "friend", "imported", "nobody"])
        .await;
    let codes: Vec<_> = reply.users.iter().map(|user| (user.code, user.status)).collect();
    assert_eq!(
        codes,
        [
            (0, UNLOGINED),
            (0, UNLOGINED),
            (0, UNLOGINED),
            (0, UNLOGINED),
            (70107, 0)
        ]
    );
    node.stop().await;
}

async fn nothing_crosses_accounts_that_nobody_mentioned_r1_2(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    assert_eq!(
        alice.query(&["mentioned"]).await.code,
        70107,
        "a query mentions nobody"
    );
    assert_eq!(alice.follow(&["mentioned"]).await[0].status, UNLOGINED);
    assert_eq!(alice.look_at("mentioned").await.status, UNLOGINED);
    node.stop().await;
}

/// More than are described in one go, the last of them unknown.
async fn many_accounts_are_described_in_the_order_asked(kind: Kind) {
    let node = kind.node(settings());
    let names: Vec<String> = (0..100).map(|number| format!("user-{number}")).collect();
    let users: Vec<_> = names.iter().map(|name| user_id(name)).collect();
    for (number, name) in names[..99].iter().enumerate() {
        node.admin.import_account(user(name)).await;
        if number % 3 != 0 {
            node.admin.set_friends(user(name), vec![users[number - 1]]).await;
        }
    }
    for (detail, has_lists) in [(Detail::Lists, true), (Detail::Devices, false)] {
        let described = node
            .admin
            .describe(app_id(), &users, detail)
            .await
            .expect("it runs");
        assert_eq!(described.len(), users.len());
        for (number, account) in described.iter().enumerate() {
            let friend = (number % 3 != 0 && has_lists).then(|| users[number - 1]);
            let friends = account.as_ref().map(|account| account.friends.as_slice());
            let expected = (number != 99).then_some(friend.as_slice());
            assert_eq!(friends, expected, "{number}");
        }
    }
    node.stop().await;
}
