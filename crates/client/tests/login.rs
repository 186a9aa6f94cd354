//! How a session begins, and how the server ends it: R8.1–R8.4, R8.7.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use presence::ids::SessionId;
use presence_client::LoginState;
use presence_protocol::errors::code;
use presence_protocol::message::{Reply, Request, ServerMessage};
use support::{App, Server, login_reply};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn the_result_of_a_login_comes_before_the_notification_of_oneself() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    assert_eq!(app.client.login_state(), LoginState::LoggedOut);
    app.log_in();
    assert_eq!(app.client.login_state(), LoginState::LoggingIn);
    assert_eq!(app.client.server_time_ms(), None);
    let mut peer = server.accept().await;
    let (request_id, login) = peer.login().await;
    assert_eq!(
        (login.sdk_app_id, login.user_id.as_str(), login.user_sig.as_str()),
        (7, "alice", "sig")
    );
    assert_eq!(
        (login.session, login.list_generation, login.known.len()),
        (None, 0, 0)
    );
    assert!((1..=64).contains(&login.instance.len()), "R1.3");
    peer.reply(Reply {
        request_id,
        login: Some(login_reply(1)),
        ..Reply::default()
    })
    .await;
    peer.push(&[("alice", 10)]).await;
    let told = app.until("alice@10").await;
    assert_eq!(
        told,
        ["Connecting 0", "Connected 0", "=login 0", "alice@10"],
        "R8.2"
    );
    assert_eq!(app.client.login_state(), LoginState::LoggedIn);
    assert_eq!(app.client.login_user().as_deref(), Some("alice"));
    tokio::time::advance(Duration::from_millis(1_500)).await;
    assert_eq!(app.client.server_time_ms(), Some(1_700_000_001_500));
}

#[tokio::test(start_paused = true)]
async fn until_the_result_other_calls_answer_6014_and_logins_7501() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.set("early");
    app.log_in();
    app.set("busy");
    app.client.login("bob", "sig", app.note("bob")).unwrap();
    server.accept_login().await;
    let told = app.until("=bob 7501").await;
    assert_eq!(
        told,
        [
            "=early 6014",
            "Connecting 0",
            "Connected 0",
            "=login 0",
            "=busy 6014",
            "=bob 7501"
        ],
        "R8.2"
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_while_logged_in_is_0_for_the_same_user_and_7014_for_another() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client.login("alice", "other", app.note("again")).unwrap();
    app.client.login("bob", "sig", app.note("bob")).unwrap();
    assert_eq!(app.until("=bob 7014").await, ["=again 0", "=bob 7014"], "R8.2");
    peer.hears_nothing_for(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_gives_the_servers_code_and_does_not_retry() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.client
        .login("alice", "sig", {
            let note = app.note("login");
            Box::new(move |outcome| {
                assert_eq!((outcome.retry_after_ms, &*outcome.message), (9_000, "wait"));
                note(outcome);
            })
        })
        .unwrap();
    let mut peer = server.accept().await;
    let (request_id, _) = peer.login().await;
    let reply = Reply {
        request_id,
        code: 70050,
        message: "wait".into(),
        retry_after_ms: 9_000,
        ..Reply::default()
    };
    peer.reply(reply).await;
    assert_eq!(
        app.until("=login 70050").await,
        ["Connecting 0", "Disconnected 70050", "=login 70050"]
    );
    peer.closed().await;
    assert_eq!(app.client.login_state(), LoginState::LoggedOut);
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed());
}

#[tokio::test(start_paused = true)]
async fn an_ill_formed_user_id_is_7003_without_asking() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    for (index, bad) in ["", "ä", "123456789012345678901234567890123"]
        .into_iter()
        .enumerate()
    {
        app.client
            .login(bad, "sig", app.note(&index.to_string()))
            .unwrap();
    }
    assert_eq!(
        app.until("=2 7003").await,
        ["=0 7003", "=1 7003", "=2 7003"],
        "R1.2"
    );
    assert_eq!(app.client.login_state(), LoginState::LoggedOut);
    assert!(!server.was_dialed());
}

#[tokio::test(start_paused = true)]
async fn a_first_login_gives_up_after_30_s_and_does_not_go_on_behind_ones_back() {
    let server = Server::new();
    server.world.refusing.store(true, Ordering::SeqCst);
    let mut app = App::new(&server);
    let begun = Instant::now();
    app.log_in();
    app.until("=login 9523").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(30), "R8.5");
    let dials = server.world.dials.load(Ordering::SeqCst);
    assert!(dials > 2, "it tried again within");
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert_eq!(server.world.dials.load(Ordering::SeqCst), dials);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_the_login_is_given_up_too() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    let begun = Instant::now();
    app.log_in();
    let mut silent = server.accept().await;
    silent.login().await;
    silent.closed().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(15), "R8.6");
    app.until("=login 9523").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(30), "R8.5");
}

#[tokio::test(start_paused = true)]
async fn a_login_larger_than_any_server_takes_is_refused_here() {
    let server = Server::new();
    let mut app = App::new(&server);
    app.client
        .login("alice", &"s".repeat(200_000), app.note("login"))
        .unwrap();
    assert_eq!(
        app.until("=login 6017").await,
        ["Connecting 0", "Disconnected 6017", "=login 6017"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_displaced_or_kicked_client_is_logged_out_and_stays_away() {
    for (ended, called) in [(6208, "kicked 6208"), (70052, "kicked 70052")] {
        let mut server = Server::new();
        let (mut app, mut peer) = App::online(&mut server).await;
        app.set("busy");
        peer.request().await;
        peer.send(&ServerMessage::SessionEnded {
            code: ended,
            message: String::new(),
        })
        .await;
        let disconnected = format!("Disconnected {ended}");
        assert_eq!(
            app.until(called).await,
            ["=busy 6023", disconnected.as_str(), called],
            "R8.3, R8.7"
        );
        peer.closed().await;
        assert_eq!(
            (app.client.login_state(), app.client.login_user()),
            (LoginState::LoggedOut, None)
        );
        app.is_told_nothing_for(Duration::from_secs(600)).await;
        assert!(!server.was_dialed());
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_user_sig_is_told_and_waits_for_a_new_login() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    peer.send(&ServerMessage::SessionEnded {
        code: 6206,
        message: String::new(),
    })
    .await;
    assert_eq!(
        app.until("expired").await,
        ["Disconnected 6206", "expired"],
        "R8.4"
    );
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed());
    app.client.login("alice", "new", app.note("again")).unwrap();
    let (_peer, login) = server.accept_login().await;
    assert_eq!((login.user_sig.as_str(), login.session), ("new", None));
    app.until("=again 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_that_is_refused_ends_the_session() {
    for (code, told) in [
        (code::USER_SIG_EXPIRED, "expired"),
        (code::USER_SIG_REVOKED, "kicked 70052"),
        (code::KICKED_OFFLINE, "kicked 6208"),
        (code::USER_SIG_WRONG_KEY, "kicked 70009"),
    ] {
        let mut server = Server::new();
        let (mut app, peer) = App::online(&mut server).await;
        drop(peer);
        let mut peer = server.accept().await;
        let (request_id, login) = peer.login().await;
        assert_eq!(login.session, Some(SessionId(1)), "R8.3");
        peer.reply(Reply {
            request_id,
            code,
            ..Reply::default()
        })
        .await;
        app.until(told).await;
        app.is_told_nothing_for(Duration::from_secs(600)).await;
        assert!(!server.was_dialed(), "R8.4");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reconnect_that_may_succeed_later_is_tried_again_not_before_the_server_said() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    drop(peer);
    let mut peer = server.accept().await;
    let (request_id, _) = peer.login().await;
    let refused = Instant::now();
    peer.reply(Reply {
        request_id,
        code: 70050,
        retry_after_ms: 60_000,
        ..Reply::default()
    })
    .await;
    server.accept_login().await;
    assert!(refused.elapsed() >= Duration::from_secs(60));
    app.until("Connected 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_renewed_user_sig_is_the_one_to_return_with() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client.renew_user_sig("bad", app.note("bad")).unwrap();
    let (request_id, _) = peer.request().await;
    peer.reply(Reply {
        request_id,
        code: 70009,
        ..Reply::default()
    })
    .await;
    app.client.renew_user_sig("good", app.note("good")).unwrap();
    assert_eq!(
        peer.accept_request().await,
        Request::RenewUserSig {
            user_sig: "good".into()
        }
    );
    assert_eq!(app.until("=good 0").await, ["=bad 70009", "=good 0"]);
    drop(peer);
    let (_peer, login) = server.accept_login().await;
    assert_eq!(login.user_sig, "good", "R8.4");
}
