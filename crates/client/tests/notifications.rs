//! What the application is told, once and in order: R5.2, R5.6, R5.8, R6.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use presence::status::Status;
use presence_protocol::message::{
    KnownUser, LoginReply, Reply, Request, ServerMessage, SubscriptionSummary, SubscriptionsChanged,
    UserStatus,
};
use support::{App, Server, ids, login_reply, login_reply_with, status};

fn list(generation: u64, restorable: bool, user_ids: &str) -> SubscriptionSummary {
    SubscriptionSummary {
        generation,
        restorable,
        user_ids: Some(ids(user_ids)),
    }
}

fn versions(known: &[KnownUser]) -> Vec<(&str, u64)> {
    known
        .iter()
        .map(|known| (known.user_id.as_str(), known.version.0))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn versions_never_come_twice_or_go_back() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    peer.push(&[("bob", 5)]).await;
    app.until("bob@5").await;
    peer.push(&[("bob", 5)]).await;
    peer.push(&[("bob", 4)]).await;
    peer.push(&[("bob", 6), ("carol", 1)]).await;
    assert_eq!(app.until("bob@6 carol@1").await, ["bob@6 carol@1"], "R6.5");
}

#[tokio::test(start_paused = true)]
async fn changes_of_a_slow_receiver_are_merged_and_the_last_is_told() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    for version in 1..=50 {
        peer.push(&[("bob", version), ("carol", version)]).await;
    }
    // Nobody polls until the client has read everything: the answer to this comes after it.
    app.set("busy");
    peer.accept_request().await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let told = app.until("=busy 0").await;
    assert_eq!(told, ["bob@50 carol@50", "=busy 0"], "R6.3");
}

#[tokio::test(start_paused = true)]
async fn a_subscribe_tells_and_a_query_does_not() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client.subscribe(ids("bob"), app.note("subscribe")).unwrap();
    let (request_id, _) = peer.request().await;
    peer.reply(Reply {
        request_id,
        users: vec![status("bob", 7)],
        ..Reply::default()
    })
    .await;
    app.client
        .get_user_status(ids("carol"), app.note("query"))
        .unwrap();
    let (request_id, _) = peer.request().await;
    peer.reply(Reply {
        request_id,
        users: vec![status("carol", 7)],
        ..Reply::default()
    })
    .await;
    peer.push(&[("bob", 7), ("carol", 7)]).await;
    peer.push(&[("bob", 8)]).await;
    let told = app.until("carol@7 bob@8").await;
    assert_eq!(told, ["=subscribe 0", "=query 0", "carol@7 bob@8"], "R5.6, R6.5");
}

#[tokio::test(start_paused = true)]
async fn a_users_failure_in_a_subscribe_tells_nothing() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client.subscribe(ids("bob"), app.note("subscribe")).unwrap();
    let (request_id, _) = peer.request().await;
    let failed = UserStatus {
        user_id: "bob".into(),
        code: 70107,
        version: 9,
        ..UserStatus::default()
    };
    peer.reply(Reply {
        request_id,
        code: 70107,
        users: vec![failed],
        ..Reply::default()
    })
    .await;
    peer.push(&[("bob", 1)]).await;
    assert_eq!(app.until("bob@1").await, ["=subscribe 70107", "bob@1"]);
}

#[tokio::test(start_paused = true)]
async fn a_result_comes_before_the_notification_of_its_change_even_when_it_is_held() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client.get_friends(app.note("first")).unwrap();
    app.set("busy");
    let (first, _) = peer.request().await;
    let (second, _) = peer.request().await;
    // A server that answers out of order: the result is held for the one before, and the change for the result.
    peer.reply(Reply {
        request_id: second,
        ..Reply::default()
    })
    .await;
    peer.push(&[("alice", 10)]).await;
    app.is_told_nothing_for(Duration::from_secs(1)).await;
    peer.reply(Reply {
        request_id: first,
        ..Reply::default()
    })
    .await;
    assert_eq!(
        app.until("alice@10").await,
        ["=first 0", "=busy 0", "alice@10"],
        "R6.4"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_says_what_was_told_and_hears_what_differs() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob carol"));
    let (mut app, mut peer) = App::online_with(&mut server, "", login).await;
    peer.push(&[("alice", 10), ("bob", 20), ("dave", 39)]).await;
    app.until("alice@10 bob@20 dave@39").await;
    let offline = UserStatus {
        status: Status::Offline.number(),
        ..status("dave", 40)
    };
    peer.send(&ServerMessage::Push(vec![offline])).await;
    app.until("dave@40").await;
    drop(peer);
    let mut peer = server.accept().await;
    let (request_id, request) = peer.login().await;
    assert_eq!(request.list_generation, 3);
    assert_eq!(
        versions(&request.known),
        [("alice", 10), ("bob", 20), ("dave", 40)],
        "R6.6"
    );
    let online: Vec<_> = request.known.iter().map(|known| known.online).collect();
    assert_eq!(
        online,
        [true, true, false],
        "R2.9: of dave it was told OFFLINE last"
    );
    let subscriptions = SubscriptionSummary {
        generation: 3,
        restorable: false,
        user_ids: None,
    };
    let login = LoginReply {
        subscriptions,
        ..login_reply(1)
    };
    peer.reply(Reply {
        request_id,
        login: Some(login),
        ..Reply::default()
    })
    .await;
    peer.push(&[("alice", 12), ("bob", 20)]).await;
    let told = app.until("alice@12").await;
    // R6.8: not a word about users in between, one's own OFFLINE included.
    assert_eq!(
        told,
        ["Disconnected 9523", "Connecting 0", "Connected 0", "alice@12"],
        "R6.6"
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_login_begins_with_nothing_told() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    peer.push(&[("alice", 10)]).await;
    app.until("alice@10").await;
    app.client.logout(app.note("logout")).unwrap();
    peer.accept_request().await;
    app.until("=logout 0").await;
    app.log_in();
    let (mut peer, login) = server.accept_login().await;
    assert!(login.known.is_empty() && login.session.is_none());
    peer.push(&[("alice", 10)]).await;
    app.until("alice@10").await;
}

#[tokio::test(start_paused = true)]
async fn evictions_are_told_and_the_copy_follows_the_list() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob carol"));
    let (mut app, mut peer) = App::online_with(&mut server, "", login).await;
    let change = SubscriptionsChanged {
        generation: 4,
        added: ids("dave"),
        removed: vec![],
        evicted: ids("bob"),
    };
    peer.send(&ServerMessage::SubscriptionsChanged(change)).await;
    assert_eq!(app.until("evicted bob").await, ["evicted bob"], "R5.2");
    drop(peer);
    let (mut peer, request) = server
        .accept_login_with(login_reply_with(1, list(9, true, "")))
        .await;
    assert_eq!(request.list_generation, 4);
    let expected = Request::RestoreSubscriptions {
        list_generation: 9,
        user_ids: ids("carol dave"),
    };
    assert_eq!(peer.accept_request().await, expected, "R5.8: oldest first");
}

#[tokio::test(start_paused = true)]
async fn a_cleared_list_is_restored_before_anything_else_is_asked() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob carol"));
    let (mut app, peer) = App::online_with(&mut server, "", login).await;
    drop(peer);
    app.until("Disconnected 9523").await;
    app.client
        .unsubscribe(ids("bob"), app.note("unsubscribe"))
        .unwrap();
    let (mut peer, _) = server
        .accept_login_with(login_reply_with(2, list(8, true, "")))
        .await;
    let (request_id, restore) = peer.request().await;
    assert_eq!(
        restore,
        Request::RestoreSubscriptions {
            list_generation: 8,
            user_ids: ids("bob carol")
        },
        "R5.8"
    );
    peer.reply(Reply {
        request_id,
        users: vec![status("bob", 5), status("carol", 6)],
        ..Reply::default()
    })
    .await;
    assert_eq!(
        peer.accept_request().await,
        Request::Unsubscribe { user_ids: ids("bob") }
    );
    let told = app.until("=unsubscribe 0").await;
    assert!(
        told.contains(&"bob@5 carol@6".to_owned()),
        "R6.6: what was missed: {told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_restore_cut_short_is_sent_again() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob"));
    let (_app, peer) = App::online_with(&mut server, "", login).await;
    drop(peer);
    for generation in [8, 9] {
        let (mut peer, _) = server
            .accept_login_with(login_reply_with(1, list(generation, true, "")))
            .await;
        let (_, restore) = peer.request().await;
        assert_eq!(
            restore,
            Request::RestoreSubscriptions {
                list_generation: generation,
                user_ids: ids("bob")
            }
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_another_device_restored_is_taken_over() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob"));
    let (app, peer) = App::online_with(&mut server, "", login).await;
    drop(peer);
    let (mut peer, _) = server
        .accept_login_with(login_reply_with(1, list(8, true, "")))
        .await;
    let (request_id, _) = peer.request().await;
    peer.reply(Reply {
        request_id,
        code: 7014,
        ..Reply::default()
    })
    .await;
    let change = SubscriptionsChanged {
        generation: 9,
        added: ids("carol"),
        ..SubscriptionsChanged::default()
    };
    peer.send(&ServerMessage::SubscriptionsChanged(change)).await;
    app.set("busy");
    peer.accept_request().await;
    drop(peer);
    let (mut peer, _) = server
        .accept_login_with(login_reply_with(1, list(12, true, "")))
        .await;
    let (_, restore) = peer.request().await;
    assert_eq!(
        restore,
        Request::RestoreSubscriptions {
            list_generation: 12,
            user_ids: ids("carol")
        }
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_restored_when_the_option_is_off() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob"));
    let (_app, peer) = App::online_with(&mut server, r#","restore_subscriptions":false"#, login).await;
    drop(peer);
    let (mut peer, _) = server
        .accept_login_with(login_reply_with(1, list(8, true, "")))
        .await;
    peer.hears_nothing_for(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_logout_there_is_nothing_to_restore() {
    let mut server = Server::new();
    let login = login_reply_with(1, list(3, false, "bob"));
    let (mut app, mut peer) = App::online_with(&mut server, "", login).await;
    app.client.logout(app.note("logout")).unwrap();
    peer.accept_request().await;
    app.until("=logout 0").await;
    app.log_in();
    let (mut peer, _) = server
        .accept_login_with(login_reply_with(2, list(8, true, "")))
        .await;
    peer.hears_nothing_for(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn after_an_expiry_the_same_user_finds_the_list_again_and_another_does_not() {
    for (user, restored) in [("alice", true), ("bob", false)] {
        let mut server = Server::new();
        let login = login_reply_with(1, list(3, false, "carol"));
        let (mut app, mut peer) = App::online_with(&mut server, "", login).await;
        peer.send(&ServerMessage::SessionEnded {
            code: 6206,
            message: String::new(),
        })
        .await;
        app.until("expired").await;
        app.client.login(user, "new", app.note("again")).unwrap();
        let (mut peer, _) = server
            .accept_login_with(login_reply_with(2, list(8, true, "")))
            .await;
        if restored {
            let expected = Request::RestoreSubscriptions {
                list_generation: 8,
                user_ids: ids("carol"),
            };
            assert_eq!(peer.accept_request().await, expected, "R5.8");
        } else {
            peer.hears_nothing_for(Duration::from_secs(60)).await;
        }
    }
}

/// What the client answers itself waits for no event, and no event for it.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_too_large_moves_no_event_behind_an_unsubscribe_r5_7() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client
        .unsubscribe(ids("bob"), app.note("unsubscribe"))
        .unwrap();
    let (request_id, _) = peer.request().await;
    let many = (0..10_000)
        .map(|number| format!("a long user id {number:017}"))
        .collect();
    app.client.get_user_status(many, app.note("many")).unwrap();
    tokio::task::yield_now().await;
    peer.push(&[("bob", 2)]).await;
    peer.reply(Reply {
        request_id,
        ..Reply::default()
    })
    .await;
    assert_eq!(
        app.until("=many 6017").await,
        ["bob@2", "=unsubscribe 0", "=many 6017"]
    );
}

/// A change that waits for a result (R6.4) when the connection is lost again waits for the next one, too; a session that ends
/// meanwhile takes it along.
#[tokio::test(start_paused = true)]
async fn a_change_that_waits_for_a_result_is_not_told_while_disconnected_r6_8() {
    for ends in [false, true] {
        let mut server = Server::new();
        let (mut app, mut peer) = App::online(&mut server).await;
        app.client.get_friends(app.note("query")).unwrap();
        app.set("busy");
        peer.request().await;
        peer.request().await;
        drop(peer);
        let (mut peer, _) = server.accept_login().await;
        assert_eq!(peer.request().await.1, Request::GetFriends, "R8.6");
        peer.push(&[("bob", 2)]).await;
        app.until("Connected 0").await;
        server.world.refusing.store(true, Ordering::SeqCst);
        drop(peer);
        let told = app.until("=busy 9508").await;
        assert!(told.contains(&"=query 9523".to_owned()), "{told:?}");
        if ends {
            app.client.logout(app.note("logout")).unwrap();
            app.until("=logout 0").await;
            server.world.refusing.store(false, Ordering::SeqCst);
            app.log_in();
        }
        server.world.refusing.store(false, Ordering::SeqCst);
        let (mut peer, _) = server.accept_login().await;
        let told = app.until("Connected 0").await;
        assert!(!told.contains(&"bob@2".to_owned()), "{told:?}");
        peer.push(&[("carol", 1)]).await;
        let told = app.until("carol@1").await;
        assert_eq!(told.contains(&"bob@2".to_owned()), !ends, "{told:?}");
    }
}
