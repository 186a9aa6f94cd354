//! How a session ends by its own wish, and how that is said later: R8.8.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use presence::ids::SessionId;
use presence_client::LoginState;
use presence_protocol::message::{Reply, Request};
use support::{App, Heard, Peer, Server, login_reply};
use tempfile::TempDir;
use tokio::time::Instant;

/// The options of a client that keeps what it could not say.
fn keeping(folder: &TempDir) -> String {
    format!(r#","data_dir":{:?}"#, folder.path())
}

/// The connection is lost, nobody can be reached, and the user logs out.
async fn logs_out_unheard(server: &Server, app: &mut App, peer: Peer) {
    server.world.refusing.store(true, Ordering::SeqCst);
    drop(peer);
    app.client.logout(app.note("logout")).unwrap();
    app.until("=logout 0").await;
}

/// The connection is lost, and then the user logs out.
async fn logs_out_when_lost(app: &mut App, peer: Peer) {
    app.loses(peer).await;
    app.client.logout(app.note("logout")).unwrap();
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
    app.loses(peer).await;
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
    logs_out_when_lost(&mut app, peer).await;
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
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder);
    let mut server = Server::new();
    let (mut app, peer) = App::online_with(&mut server, &more, login_reply(41)).await;
    logs_out_unheard(&server, &mut app, peer).await;
    app.end().await;

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
    app.end().await;

    let mut app = App::with(&server, &more);
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed(), "R8.8: once");
}

#[tokio::test(start_paused = true)]
async fn a_user_who_returns_has_no_logout_to_be_said() {
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder) + r#","logout_timeout_ms":0"#;
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
    logs_out_unheard(server, app, peer).await;
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
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder);
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
    logs_out_when_lost(&mut app, peer).await;
    let said = accept_late_logout(&mut server, 0).await;
    assert_eq!(said, ("alice".to_owned(), Some(SessionId(1))));
    app.until("=logout 0").await;
    app.is_told_nothing_for(Duration::from_secs(600)).await;
    assert!(!server.was_dialed());
}

#[tokio::test(start_paused = true)]
async fn each_user_of_a_device_has_its_logout_said_later() {
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder) + r#","logout_timeout_ms":0"#;
    let mut server = Server::new();
    let mut app = App::with(&server, &more);
    leaves_unsaid(&mut server, &mut app, "alice", 1).await;
    leaves_unsaid(&mut server, &mut app, "bob", 2).await;
    leaves_unsaid(&mut server, &mut app, "carol", 3).await;
    app.end().await;

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
    app.end().await;
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.contains(&"logout".to_owned()), "{names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_has_an_unsaid_logout_said_at_once() {
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder);
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
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder);
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
    let folder = TempDir::new().unwrap();
    let more = keeping(&folder);
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
            logs_out_when_lost(&mut app, peer).await;
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
