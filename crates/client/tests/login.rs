//! How a session begins and ends: R8.1–R8.4, R8.7, R8.8.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use presence::ids::SessionId;
use presence_client::LoginState;
use presence_protocol::errors::code;
use presence_protocol::message::{Reply, Request, ServerMessage};
use support::{App, Heard, Server, login_reply};
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
                assert_eq!(
                    (outcome.retry_after_ms, outcome.message.as_str()),
                    (9_000, "wait")
                );
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

#[tokio::test(start_paused = true)]
async fn a_logout_ends_what_is_pending_and_no_status_follows_it() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.set("busy");
    peer.request().await;
    app.client.logout(app.note("logout")).unwrap();
    app.set("late");
    let (request_id, request) = peer.request().await;
    assert_eq!(request, Request::Logout);
    assert_eq!(app.client.login_state(), LoginState::LoggingOut);
    peer.push(&[("alice", 10)]).await;
    peer.reply(Reply {
        request_id,
        ..Reply::default()
    })
    .await;
    peer.push(&[("alice", 11)]).await;
    let told = app.until("=late 6014").await;
    assert_eq!(
        told,
        ["=busy 6023", "Disconnected 0", "=logout 0", "=late 6014"],
        "R8.8"
    );
    assert_eq!(
        (app.client.login_state(), app.client.login_user()),
        (LoginState::LoggedOut, None)
    );
    peer.closed().await;
    app.is_told_nothing_for(Duration::from_secs(600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_login_right_after_a_logout_waits_for_its_end() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.client.logout(app.note("logout")).unwrap();
    app.client.logout(app.note("twice")).unwrap();
    app.client.login("bob", "sig", app.note("bob")).unwrap();
    app.set("early");
    assert_eq!(peer.accept_request().await, Request::Logout);
    let (_peer, login) = server.accept_login().await;
    assert_eq!(login.user_id, "bob");
    let told = app.until("=early 6014").await;
    let results: Vec<&String> = told.iter().filter(|line| line.starts_with('=')).collect();
    assert_eq!(results, ["=logout 0", "=twice 6014", "=bob 0", "=early 6014"]);
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_nobody_answers_is_0_after_3_s() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    let begun = Instant::now();
    app.client.logout(app.note("logout")).unwrap();
    peer.request().await;
    app.until("=logout 0").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3), "R8.8");
}

#[tokio::test(start_paused = true)]
async fn a_logout_without_a_connection_is_0_within_3_s() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    server.world.refusing.store(true, Ordering::SeqCst);
    drop(peer);
    app.until("Disconnected 9523").await;
    let begun = Instant::now();
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
    assert!(begun.elapsed() <= Duration::from_secs(3), "R8.8");
    assert_eq!(app.client.login_state(), LoginState::LoggedOut);
    server.world.refusing.store(false, Ordering::SeqCst);
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed(), "nothing is kept without a data directory");
}

#[tokio::test(start_paused = true)]
async fn a_logout_while_reconnecting_is_said_if_the_server_comes_back_in_time() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    drop(peer);
    app.until("Disconnected 9523").await;
    app.client.logout(app.note("logout")).unwrap();
    let (mut peer, login) = server.accept_login().await;
    assert_eq!(login.session, Some(SessionId(1)));
    assert_eq!(peer.accept_request().await, Request::Logout);
    app.until("=logout 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_logout_during_a_login_ends_both() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.log_in();
    let mut peer = server.accept().await;
    let (request_id, _) = peer.login().await;
    app.client.logout(app.note("logout")).unwrap();
    app.until("=login 6023").await;
    peer.reply(Reply {
        request_id,
        login: Some(login_reply(1)),
        ..Reply::default()
    })
    .await;
    assert_eq!(peer.accept_request().await, Request::Logout);
    app.until("=logout 0").await;
    assert_eq!(peer.hear().await, Heard::End);
}

#[tokio::test(start_paused = true)]
async fn a_logout_while_logged_out_is_6014() {
    let server = Server::new();
    let mut app = App::new(&server);
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 6014").await;
}

#[tokio::test(start_paused = true)]
async fn with_a_data_directory_an_unsaid_logout_is_said_at_the_next_chance() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?}"#, folder.path());
    let mut server = Server::new();
    let (mut app, peer) = App::online_with(&mut server, &more, login_reply(41)).await;
    server.world.refusing.store(true, Ordering::SeqCst);
    drop(peer);
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
    app.client.destroy_async(Box::new(|| ())).unwrap();
    app.until("closed").await;

    // Another run of the program, before anyone logs in.
    server.world.refusing.store(false, Ordering::SeqCst);
    let mut app = App::with(&server, &more);
    app.log(presence_client::LogLevel::Info).await;
    let (mut peer, login) = server.accept_login().await;
    assert_eq!(
        (login.user_id.as_str(), login.user_sig.as_str(), login.session),
        ("alice", "sig", Some(SessionId(41)))
    );
    assert!(login.only_to_log_out, "R8.8: nobody is to see an ONLINE");
    // This server does not know that, and let it in.
    assert_eq!(peer.accept_request().await, Request::Logout);
    app.until("log: an earlier logout was said").await;
    peer.closed().await;
    app.client.destroy_async(Box::new(|| ())).unwrap();
    app.until("closed").await;

    let mut app = App::with(&server, &more);
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed(), "R8.8: once");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_returns_has_no_logout_to_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?},"logout_timeout_ms":0"#, folder.path());
    let mut server = Server::new();
    let (mut app, peer) = App::online_with(&mut server, &more, login_reply(1)).await;
    server.world.hanging.store(true, Ordering::SeqCst);
    drop(peer);
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
    server.world.hanging.store(false, Ordering::SeqCst);
    app.log_in();
    let (mut peer, login) = server.accept_login().await;
    assert_eq!(login.session, None);
    app.until("=login 0").await;
    peer.hears_nothing_for(Duration::from_secs(100)).await;
    assert!(!server.was_dialed());
}

/// Logs in and, when nobody can be reached, out.
async fn leaves_unsaid(server: &mut Server, app: &mut App, user: &str, session: u64) {
    app.client.login(user, "sig", app.note("login")).unwrap();
    let peer = loop {
        let mut peer = server.accept().await;
        let (request_id, login) = peer.login().await;
        if login.only_to_log_out {
            // Of another user, who is not heard yet.
            continue;
        }
        peer.reply(Reply {
            request_id,
            login: Some(login_reply(session)),
            ..Reply::default()
        })
        .await;
        break peer;
    };
    app.until("=login 0").await;
    server.world.refusing.store(true, Ordering::SeqCst);
    drop(peer);
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
    server.world.refusing.store(false, Ordering::SeqCst);
}

/// The login of a device that comes only to log out, answered with `code`.
async fn accept_late_logout(server: &mut Server, code: i32) -> (String, Option<SessionId>) {
    let mut peer = server.accept().await;
    let (request_id, login) = peer.login().await;
    assert!(login.only_to_log_out, "R8.8");
    peer.reply(Reply {
        request_id,
        code,
        ..Reply::default()
    })
    .await;
    peer.closed().await;
    (login.user_id, login.session)
}

#[tokio::test(start_paused = true)]
async fn a_logout_is_said_later_without_being_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?}"#, folder.path());
    let mut server = Server::new();
    let mut app = App::with(&server, &more);
    app.log(presence_client::LogLevel::Info).await;
    leaves_unsaid(&mut server, &mut app, "alice", 41).await;
    let said = accept_late_logout(&mut server, 0).await;
    assert_eq!(said, ("alice".to_owned(), Some(SessionId(41))));
    app.until("log: an earlier logout was said").await;
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed(), "R8.8: once");
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_reconnects_does_so_only_to_log_out() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    drop(peer);
    app.until("Disconnected 9523").await;
    app.client.logout(app.note("logout")).unwrap();
    let said = accept_late_logout(&mut server, 0).await;
    assert_eq!(said, ("alice".to_owned(), Some(SessionId(1))));
    app.until("=logout 0").await;
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed());
}

#[tokio::test(start_paused = true)]
async fn each_user_of_a_device_has_its_logout_said_later() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?},"logout_timeout_ms":0"#, folder.path());
    let mut server = Server::new();
    let mut app = App::with(&server, &more);
    leaves_unsaid(&mut server, &mut app, "alice", 1).await;
    leaves_unsaid(&mut server, &mut app, "bob", 2).await;
    leaves_unsaid(&mut server, &mut app, "carol", 3).await;
    app.client.destroy_async(Box::new(|| ())).unwrap();
    app.until("closed").await;

    let mut app = App::with(&server, &more);
    // Bob returns: his login says more than his logout would.
    app.client.login("bob", "sig", app.note("login")).unwrap();
    app.log(presence_client::LogLevel::Info).await;
    let mut heard = Vec::new();
    let mut bobs = None;
    // Alice has too many failed logins: those of the others do not wait for hers.
    let mut refuses = true;
    while heard.len() < 4 {
        let mut peer = server.accept().await;
        let (request_id, login) = peer.login().await;
        heard.push((login.user_id.clone(), login.only_to_log_out));
        let is_refused = login.user_id == "alice" && std::mem::take(&mut refuses);
        let reply = Reply {
            request_id,
            code: if is_refused { 70050 } else { 0 },
            login: (!login.only_to_log_out).then(|| login_reply(4)),
            ..Reply::default()
        };
        peer.reply(reply).await;
        if login.only_to_log_out {
            peer.closed().await;
        } else {
            bobs = Some(peer);
        }
    }
    let last = heard.pop().unwrap();
    assert_eq!(last, ("alice".to_owned(), true), "tried again: {heard:?}");
    heard.sort();
    let expected = [("alice", true), ("bob", false), ("carol", true)];
    assert_eq!(heard, expected.map(|(user, late)| (user.to_owned(), late)));
    app.until("log: an earlier logout was said").await;
    app.until("log: an earlier logout was said").await;
    bobs.unwrap().hears_nothing_for(Duration::from_secs(100)).await;
    assert!(!server.was_dialed());
    app.client.destroy_async(Box::new(|| ())).unwrap();
    app.until("closed").await;
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.contains(&"logout".to_owned()), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_has_an_unsaid_logout_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?}"#, folder.path());
    let mut server = Server::new();
    let mut app = App::with(&server, &more);
    leaves_unsaid(&mut server, &mut app, "alice", 1).await;
    let mut hanging = server.accept().await;
    hanging.login().await;
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    hanging = server.accept().await;
    hanging.login().await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "R8.8: the next chance");
    app.client.network_changed().unwrap();
    accept_late_logout(&mut server, 0).await;
    assert_eq!(begun.elapsed(), Duration::from_millis(100), "and once more");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_has_it_said_at_once_also_while_another_user_is_online() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?}"#, folder.path());
    let mut server = Server::new();
    let mut app = App::with(&server, &more);
    leaves_unsaid(&mut server, &mut app, "alice", 1).await;
    let mut hanging = server.accept().await;
    hanging.login().await;
    app.client.login("bob", "sig", app.note("bob")).unwrap();
    let (_bobs, login) = server.accept_login().await;
    assert_eq!(login.user_id, "bob");
    app.until("=bob 0").await;
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    let said = accept_late_logout(&mut server, 0).await;
    assert_eq!(said, ("alice".to_owned(), Some(SessionId(1))));
    assert_eq!(begun.elapsed(), Duration::ZERO, "R8.8: the next chance");
}

#[tokio::test(start_paused = true)]
async fn a_logout_after_a_login_that_nobody_answered_is_said_later() {
    let folder = tempfile::tempdir().unwrap();
    let more = format!(r#","data_dir":{:?}"#, folder.path());
    let mut server = Server::new();
    let mut app = App::with(&server, &more);
    app.log_in();
    let mut peer = server.accept().await;
    peer.login().await;
    let begun = Instant::now();
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3), "R8.8");
    let said = accept_late_logout(&mut server, 0).await;
    assert_eq!(said, ("alice".to_owned(), None), "of whichever login it has");
}

#[tokio::test(start_paused = true)]
async fn a_logout_after_the_connection_of_an_unanswered_login_is_said_on_the_next() {
    for changes_network in [false, true] {
        let mut server = Server::new();
        let mut app = App::new(&server);
        app.log_in();
        let mut peer = server.accept().await;
        peer.login().await;
        if changes_network {
            server.world.hanging.store(true, Ordering::SeqCst);
            app.client.network_changed().unwrap();
            peer.closed().await;
            app.client.logout(app.note("logout")).unwrap();
            app.until("=login 6023").await;
            server.world.hanging.store(false, Ordering::SeqCst);
            tokio::time::advance(Duration::from_millis(100)).await;
            app.client.network_changed().unwrap();
        } else {
            drop(peer);
            app.until("Disconnected 9523").await;
            app.client.logout(app.note("logout")).unwrap();
        }
        let said = accept_late_logout(&mut server, 0).await;
        assert_eq!(said, ("alice".to_owned(), None), "R8.8");
        app.until("=logout 0").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_logout_before_any_login_was_sent_has_nothing_to_say() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    server.world.hanging.store(true, Ordering::SeqCst);
    app.log_in();
    app.until("Connecting 0").await;
    server.world.hanging.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(!server.was_dialed());
}
