//! A server that does not keep to the protocol: a logged reason and a new connection, or a logged reason and nothing;
//! never a panic, never a call without a result.

mod support;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use presence_client::{Listener, LogLevel, Outcome};
use presence_protocol::message::{Reply, ServerMessage, UserStatus, encode_server};
use support::{App, Server, ids, login_reply, status};

/// Each of these ends the connection.
#[tokio::test(start_paused = true)]
async fn garbage_is_answered_with_a_new_connection() {
    let too_large: &[u8] = &[0xff, 0xff, 0xff, 0x7f];
    let endless_length: &[u8] = &[0x80; 4];
    let not_protobuf: &[u8] = &[3, 0xff, 0xff, 0xff];
    let http: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    for garbage in [too_large, endless_length, not_protobuf, http] {
        let mut server = Server::new();
        let (mut app, mut peer) = App::online(&mut server).await;
        app.log(LogLevel::Warn).await;
        app.set("busy");
        peer.request().await;
        peer.raw(garbage).await;
        let told = app.until("=busy 9508").await;
        assert!(
            told.iter()
                .any(|line| line.starts_with("log: no connection: the server")),
            "{told:?}"
        );
        server.accept_login().await;
        app.until("Connected 0").await;
    }
}

#[tokio::test(start_paused = true)]
async fn frames_in_any_pieces_are_put_together() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    let mut bytes = BytesMut::new();
    for version in 1..=3 {
        encode_server(&ServerMessage::Push(vec![status("bob", version)]), &mut bytes);
        bytes.extend_from_slice(&[0]);
    }
    for byte in &bytes[..] {
        peer.raw(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    app.until("bob@3").await;
}

#[tokio::test(start_paused = true)]
async fn half_a_frame_and_then_the_end_is_a_lost_connection() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    peer.raw(&[100, 1, 2, 3]).await;
    drop(peer);
    server.accept_login().await;
    assert_eq!(
        app.until("Connected 0").await,
        ["Disconnected 9523", "Connecting 0", "Connected 0"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nothing_is_passed_over_with_a_word() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.log(LogLevel::Warn).await;
    peer.reply(Reply {
        request_id: 4_711,
        ..Reply::default()
    })
    .await;
    app.until("log: the server answered a request that was not sent")
        .await;
    app.set("busy");
    peer.accept_request().await;
    app.until("=busy 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_to_a_request_changes_nothing() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.set("busy");
    let (request_id, _) = peer.request().await;
    peer.reply(Reply {
        request_id,
        ..Reply::default()
    })
    .await;
    peer.reply(Reply {
        request_id,
        code: 6017,
        ..Reply::default()
    })
    .await;
    app.set("again");
    peer.accept_request().await;
    assert_eq!(app.until("=again 0").await, ["=busy 0", "=again 0"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_of_a_newer_version_is_passed_over() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    // Field 99 of ServerFrame, length-delimited, empty.
    peer.raw(&[3, 0x9a, 0x06, 0x00]).await;
    peer.push(&[("bob", 1)]).await;
    app.until("bob@1").await;
}

#[tokio::test(start_paused = true)]
async fn users_with_ill_formed_names_are_not_told() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    let named = |user_id: &str, code| {
        UserStatus {
            code,
            ..status(user_id, 1)
        }
        .clone()
    };
    let mut nameless = named("x", 0);
    nameless.user_id = String::new();
    let changes = vec![
        nameless,
        named("a name with more than thirty-two bytes", 0),
        named("bob", 70107),
        named("carol", 0),
    ];
    peer.send(&ServerMessage::Push(changes)).await;
    assert_eq!(app.until("carol@1").await, ["carol@1"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_server_says_is_one_line_of_the_log() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.log(LogLevel::Info).await;
    peer.send(&ServerMessage::GoAway {
        spread_ms: 0,
        message: "later\nlogged in as root\x1b[2J".to_owned(),
    })
    .await;
    app.until("log: the server asked to reconnect: later logged in as root [2J")
        .await;
}

/// R8.6: bytes are signs of life, and no answers.
#[tokio::test(start_paused = true)]
async fn a_server_that_talks_without_end_and_does_not_answer_is_given_up() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.set("busy");
    peer.request().await;
    let flood = &server.world.weather.flood;
    flood.store(100_000, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(16)).await;
    // What wakes the client.
    peer.raw(&[0]).await;
    assert_eq!(app.until("=busy 9508").await, ["=busy 9508"]);
    assert_ne!(
        flood.swap(0, Ordering::SeqCst),
        0,
        "given up when it had nothing more to say"
    );
}

/// A write that fails says nothing about what came before.
#[tokio::test(start_paused = true)]
async fn what_a_server_said_before_the_connection_broke_is_heard() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.set("busy");
    let (request_id, _) = peer.request().await;
    let weather = &server.world.weather;
    weather.stuck.store(true, Ordering::SeqCst);
    app.set("again");
    tokio::task::yield_now().await;
    weather.broken.store(true, Ordering::SeqCst);
    peer.reply(Reply {
        request_id,
        ..Reply::default()
    })
    .await;
    peer.send(&ServerMessage::SessionEnded {
        code: 6208,
        message: String::new(),
    })
    .await;
    assert_eq!(
        app.until("kicked 6208").await,
        ["=busy 0", "=again 6023", "Disconnected 6208", "kicked 6208"]
    );
}

/// R2.5. Reasons and platforms are handed on as they are.
#[tokio::test(start_paused = true)]
async fn a_status_of_a_newer_server_reads_as_unknown_wherever_it_comes_in() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    let of_tomorrow = |number| UserStatus {
        status: number,
        reason: 77,
        platforms: 1 << 31,
        ..status("bob", 5)
    };
    let told = Arc::new(Mutex::new(Vec::new()));
    let (by_change, by_result) = (told.clone(), told.clone());
    app.client
        .set_listener(Listener::StatusChanged(Box::new(move |changes| {
            by_change.lock().unwrap().extend(changes.to_vec());
        })))
        .unwrap();
    let done = move |outcome: Outcome| by_result.lock().unwrap().extend(outcome.users);
    app.client.get_user_status(ids("bob"), Box::new(done)).unwrap();
    let (request_id, _) = peer.request().await;
    peer.reply(Reply {
        request_id,
        users: [4, -1, 3].map(of_tomorrow).to_vec(),
        ..Reply::default()
    })
    .await;
    peer.send(&ServerMessage::Push(vec![of_tomorrow(i32::MAX)])).await;
    app.set("busy");
    peer.accept_request().await;
    app.until("=busy 0").await;
    assert_eq!(*told.lock().unwrap(), [0, 0, 3, 0].map(of_tomorrow));
}

#[tokio::test(start_paused = true)]
async fn news_before_the_answer_to_the_login_ends_the_connection() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.log_in();
    let mut peer = server.accept().await;
    peer.login().await;
    peer.push(&[("alice", 1)]).await;
    peer.closed().await;
    server.accept_login().await;
    app.until("=login 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_success_without_contents_is_no_login() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.log_in();
    let mut peer = server.accept().await;
    let (request_id, _) = peer.login().await;
    peer.reply(Reply {
        request_id,
        ..Reply::default()
    })
    .await;
    peer.closed().await;
    let (mut peer, _) = server.accept_login_with(login_reply(1)).await;
    app.until("=login 0").await;
    app.set("busy");
    peer.accept_request().await;
    app.until("=busy 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_login_reply_with_absurd_numbers_is_lived_with() {
    for frame_bytes_max in [0, 1, u32::MAX] {
        let mut server = Server::new();
        let mut login = login_reply(1);
        login.heartbeat_interval_ms = 0;
        login.frame_bytes_max = frame_bytes_max;
        login.server_time_ms = i64::MIN;
        let (mut app, mut peer) = App::online_with(&mut server, "", login).await;
        app.set("busy");
        peer.accept_request().await;
        app.until("=busy 0").await;
        peer.push(&[("bob", u64::MAX)]).await;
        app.until(&format!("bob@{}", u64::MAX)).await;
        assert!(app.client.server_time_ms().is_some());
        // The way back: were 1 believed, no login would fit any more.
        drop(peer);
        let (_peer, _) = server.accept_login().await;
        app.until("Connected 0").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_bug_inside_completes_everything_and_leaves_a_client_that_can_be_destroyed() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.set("busy");
    peer.request().await;
    server
        .world
        .broken
        .store(true, std::sync::atomic::Ordering::SeqCst);
    drop(peer);
    app.until("=busy 9508").await;
    app.client.get_friends(app.note("query")).unwrap();
    app.until("=query -14").await;
    let error = app.client.get_friends(app.note("late")).unwrap_err();
    assert_eq!(error.code, presence_protocol::errors::code::FAILED);
    app.end().await;
}
