//! The connection comes and goes: R2.6, R8.5, R8.6, and how calls fare meanwhile.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use presence::ids::SessionId;
use presence_client::LoginState;
use presence_protocol::message::{LoginReply, Reply, Request, ServerMessage};
use support::{App, Heard, Server, login_reply};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_restored_without_the_applications_help() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    drop(peer);
    let (_peer, login) = server.accept_login().await;
    assert_eq!(
        (login.session, login.user_id.as_str()),
        (Some(SessionId(1)), "alice"),
        "R8.3"
    );
    assert_eq!(
        app.until("Connected 0").await,
        ["Disconnected 9523", "Connecting 0", "Connected 0"],
        "R8.5"
    );
    assert_eq!(app.client.login_state(), LoginState::LoggedIn);
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_again_and_again_but_never_later_than_30_s_after_the_last_time() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    server.world.refusing.store(true, Ordering::SeqCst);
    // Draws the largest wait of every bound that counts: it is one less than a multiple of each.
    server
        .world
        .random
        .store(501 * 1001 * 2001 * 4001 - 1, Ordering::SeqCst);
    app.loses(peer).await;
    let mut last = Instant::now();
    for _ in 0..20 {
        app.until("Connecting 0").await;
        assert!(last.elapsed() <= 30 * SECOND, "R8.5");
        last = Instant::now();
        app.until("Disconnected 9511").await;
    }
    server.world.refusing.store(false, Ordering::SeqCst);
    server.accept_login().await;
    app.until("Connected 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_lets_in_and_closes_is_asked_less_and_less_often() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    // Draws the largest wait of every bound that counts: it is one less than a multiple of each.
    let largest = 501 * 1001 * 2001 * 4001 - 1;
    server.world.random.store(largest, Ordering::SeqCst);
    let mut waits = Vec::new();
    for _ in 0..4 {
        app.loses(peer).await;
        let begun = Instant::now();
        peer = server.accept_login().await.0;
        app.until("Connected 0").await;
        waits.push(begun.elapsed().as_millis());
    }
    assert_eq!(waits, [500, 1000, 2000, 4000], "R8.5");
    // One that held begins anew.
    tokio::time::advance(31 * SECOND).await;
    app.loses(peer).await;
    let begun = Instant::now();
    server.accept_login().await;
    app.until("Connected 0").await;
    assert_eq!(begun.elapsed().as_millis(), 500);
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_reconnects_at_once() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    server.world.random.store(400, Ordering::SeqCst);
    app.loses(peer).await;
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    server.accept_login().await;
    app.until("Connected 0").await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "R8.5");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_gives_up_an_attempt_that_hangs() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    server.world.hanging.store(true, Ordering::SeqCst);
    drop(peer);
    app.until("Connecting 0").await;
    server.world.hanging.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    server.accept_login().await;
    app.until("Connected 0").await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "R8.5");
}

#[tokio::test(start_paused = true)]
async fn a_change_of_network_gives_up_a_login_that_is_not_answered() {
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.log_in();
    let mut hanging = server.accept().await;
    hanging.login().await;
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    hanging.closed().await;
    let (peer, _) = server.accept_login().await;
    app.until("=login 0").await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "a first login: R8.5");

    drop(peer);
    let mut hanging = server.accept().await;
    hanging.login().await;
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    hanging.closed().await;
    let (_peer, login) = server.accept_login().await;
    app.until("Connected 0").await;
    assert_eq!(login.session, Some(SessionId(1)));
    assert!(begun.elapsed() <= SECOND / 10, "a reconnect: R8.5");
}

#[tokio::test(start_paused = true)]
async fn changes_of_network_without_end_let_attempts_begin_less_and_less_often() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    server.world.hanging.store(true, Ordering::SeqCst);
    drop(peer);
    app.until("Connecting 0").await;
    let before = server.world.dials.load(Ordering::SeqCst);
    for _ in 0..1_000 {
        app.client.network_changed().unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    let dials = server.world.dials.load(Ordering::SeqCst) - before;
    // At 0, 100, 300 and 700 ms, at most.
    assert!((2..=4).contains(&dials), "{dials}");
    server.world.hanging.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    app.client.network_changed().unwrap();
    server.accept_login().await;
    app.until("Connected 0").await;
    assert!(begun.elapsed() <= SECOND, "R8.5");
}

#[tokio::test(start_paused = true)]
async fn changes_of_network_without_end_do_not_starve_a_slow_link() {
    const ANSWERS_AFTER: Duration = Duration::from_millis(350);
    let mut server = Server::new();
    let mut app = App::new(&server);
    app.log_in();
    let mut peer = server.accept().await;
    let (mut request_id, _) = peer.login().await;
    let begun = Instant::now();
    let changes = async {
        loop {
            app.client.network_changed().unwrap();
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
    };
    let slow_server = async {
        while let Ok(heard) = tokio::time::timeout(ANSWERS_AFTER, peer.hear()).await {
            assert_eq!(heard, Heard::End, "begun anew");
            peer = server.accept().await;
            (request_id, _) = peer.login().await;
        }
    };
    tokio::select! {
        () = changes => {}
        () = slow_server => {}
    }
    peer.reply(Reply {
        request_id,
        login: Some(login_reply(1)),
        ..Reply::default()
    })
    .await;
    app.until("=login 0").await;
    assert!(begun.elapsed() < SECOND, "R8.5: {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn changes_of_network_ask_a_living_connection_once_for_a_sign_of_life() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    for _ in 0..100 {
        app.client.network_changed().unwrap();
    }
    assert_eq!(peer.hear().await, Heard::Heartbeat);
    let begun = Instant::now();
    assert_eq!(peer.hear().await, Heard::End);
    assert_eq!(begun.elapsed(), 15 * SECOND, "R8.6");
    app.until("Disconnected 9523").await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_to_connect_is_given_up_after_10_s() {
    let server = Server::new();
    server.world.hanging.store(true, Ordering::SeqCst);
    let mut app = App::new(&server);
    let begun = Instant::now();
    app.log_in();
    app.until("Disconnected 9510").await;
    assert_eq!(begun.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_sent_when_nothing_else_was_and_at_the_servers_interval() {
    let mut server = Server::new();
    let login = LoginReply {
        heartbeat_interval_ms: 5_000,
        ..login_reply(1)
    };
    let (app, mut peer) = App::online_with(&mut server, "", login).await;
    let begun = Instant::now();
    for beat in 1..=3 {
        assert_eq!(peer.hear().await, Heard::Heartbeat);
        assert_eq!(begun.elapsed(), 5 * beat * SECOND, "R2.6");
        peer.raw(&[0]).await;
    }
    tokio::time::advance(3 * SECOND).await;
    app.set("busy");
    assert!(matches!(
        peer.accept_request().await,
        Request::SetSelfStatus { .. }
    ));
    let sent = Instant::now();
    assert_eq!(peer.hear().await, Heard::Heartbeat);
    assert_eq!(sent.elapsed(), 5 * SECOND, "R2.6: any byte counts");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_a_heartbeat_counts_as_gone() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    assert_eq!(peer.hear().await, Heard::Heartbeat);
    let begun = Instant::now();
    assert_eq!(peer.hear().await, Heard::End);
    assert_eq!(begun.elapsed(), 15 * SECOND, "R8.6");
    server.accept_login().await;
    app.until("Connected 0").await;
}

#[tokio::test(start_paused = true)]
async fn whatever_the_server_says_answers_a_heartbeat() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    assert_eq!(peer.hear().await, Heard::Heartbeat);
    tokio::time::advance(14 * SECOND).await;
    peer.push(&[("alice", 10)]).await;
    app.until("alice@10").await;
    peer.hears_nothing_for(100 * SECOND).await;
    app.is_told_nothing_for(SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_a_request_counts_as_gone() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    let begun = Instant::now();
    app.set("busy");
    peer.request().await;
    app.until("=busy 9508").await;
    assert_eq!(begun.elapsed(), 15 * SECOND, "R8.6");
    server.accept_login().await;
    app.until("Connected 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_call_while_disconnected_waits_for_the_connection() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    app.loses(peer).await;
    app.set("busy");
    let (mut peer, _) = server.accept_login().await;
    assert_eq!(
        peer.accept_request().await,
        Request::SetSelfStatus {
            custom_status: "busy".into()
        }
    );
    assert_eq!(app.until("=busy 0").await.last().unwrap(), "=busy 0", "R8.6");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_sent_ends_with_9523_after_15_s() {
    let mut server = Server::new();
    let (mut app, peer) = App::online(&mut server).await;
    server.world.refusing.store(true, Ordering::SeqCst);
    app.loses(peer).await;
    let begun = Instant::now();
    app.set("one");
    tokio::task::yield_now().await;
    tokio::time::advance(5 * SECOND).await;
    app.client.get_friends(app.note("two")).unwrap();
    app.until("=one 9523").await;
    assert_eq!(begun.elapsed(), 15 * SECOND, "R8.6");
    app.until("=two 9523").await;
    assert_eq!(begun.elapsed(), 20 * SECOND, "R8.6");
    assert_eq!(app.client.login_state(), LoginState::LoggedIn);
}

#[tokio::test(start_paused = true)]
async fn a_query_is_sent_again_and_a_change_is_not() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    app.set("busy");
    app.client
        .get_user_status(vec!["bob".into()], app.note("query"))
        .unwrap();
    app.client
        .subscribe(vec!["bob".into()], app.note("subscribe"))
        .unwrap();
    for _ in 0..3 {
        peer.request().await;
    }
    drop(peer);
    let (mut peer, _) = server.accept_login().await;
    assert_eq!(
        peer.accept_request().await,
        Request::GetUserStatus {
            user_ids: vec!["bob".into()]
        }
    );
    let told = app.until("=subscribe 9508").await;
    let results: Vec<&String> = told.iter().filter(|line| line.starts_with('=')).collect();
    assert_eq!(results, ["=busy 9508", "=query 0", "=subscribe 9508"], "R8.6");
    peer.hears_nothing_for(60 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_about_to_close_is_left_after_its_answers_and_for_a_random_time() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    server.world.random.store(10_001 + 7_000, Ordering::SeqCst);
    app.set("sent");
    let (request_id, _) = peer.request().await;
    peer.send(&ServerMessage::GoAway {
        spread_ms: 10_000,
        message: "drain".into(),
    })
    .await;
    tokio::task::yield_now().await;
    app.set("later");
    peer.hears_nothing_for(SECOND).await;
    peer.reply(Reply {
        request_id,
        ..Reply::default()
    })
    .await;
    assert_eq!(
        app.until("Disconnected 9523").await,
        ["=sent 0", "Disconnected 9523"]
    );
    let left = Instant::now();
    peer.closed().await;
    let (mut peer, _) = server.accept_login().await;
    // The wait is counted from the server's word, a second before.
    assert_eq!(left.elapsed(), 6 * SECOND);
    assert_eq!(
        peer.accept_request().await,
        Request::SetSelfStatus {
            custom_status: "later".into()
        }
    );
    app.until("=later 0").await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_goes_out_in_order_within_a_window() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    for number in 0..1_000 {
        app.set(&format!("s{number}"));
    }
    for number in 0..1_000 {
        let expected = Request::SetSelfStatus {
            custom_status: format!("s{number}"),
        };
        assert_eq!(peer.accept_request().await, expected);
    }
    let told = app.until("=s999 0").await;
    let expected: Vec<String> = (0..1_000).map(|number| format!("=s{number} 0")).collect();
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn a_request_larger_than_the_server_takes_is_refused_here_in_order() {
    let mut server = Server::new();
    let login = LoginReply {
        frame_bytes_max: 1_000,
        ..login_reply(1)
    };
    let (mut app, mut peer) = App::online_with(&mut server, "", login).await;
    app.set("before");
    let many = (0..100).map(|number| format!("user-number-{number}")).collect();
    app.client.get_user_status(many, app.note("query")).unwrap();
    app.set("after");
    assert!(matches!(
        peer.accept_request().await,
        Request::SetSelfStatus { .. }
    ));
    assert!(matches!(
        peer.accept_request().await,
        Request::SetSelfStatus { .. }
    ));
    assert_eq!(
        app.until("=after 0").await,
        ["=before 0", "=query 6017", "=after 0"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_servers_refusals_come_as_results() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    for code in [6017, 7008, 7013, 72001, 70107, 99_999] {
        app.client.get_subscriptions(app.note("call")).unwrap();
        let (request_id, _) = peer.request().await;
        peer.reply(Reply {
            request_id,
            code,
            ..Reply::default()
        })
        .await;
        app.until(&format!("=call {code}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn whether_the_server_can_be_reached_is_told_without_a_login() {
    let server = Server::new();
    let mut app = App::new(&server);
    app.client.reach(app.note("reach")).unwrap();
    app.client.reach(app.note("again")).unwrap();
    assert_eq!(app.until("=again 0").await, ["=reach 0", "=again 0"]);
    assert_eq!(
        server.world.dials.load(Ordering::SeqCst),
        1,
        "one attempt for both"
    );
    server.world.refusing.store(true, Ordering::SeqCst);
    app.client.reach(app.note("reach")).unwrap();
    assert_eq!(
        app.until("=reach 9511").await,
        ["=reach 9511"],
        "nobody else is told"
    );
    assert_eq!(app.client.login_state(), LoginState::LoggedOut);
}

#[tokio::test(start_paused = true)]
async fn no_result_waits_for_an_attempt_to_reach_the_server() {
    let server = Server::new();
    let mut app = App::new(&server);
    server.world.hanging.store(true, Ordering::SeqCst);
    app.client.reach(app.note("reach")).unwrap();
    let begun = Instant::now();
    app.set("busy");
    assert_eq!(app.until("=busy 6014").await, ["=busy 6014"]);
    app.until("=reach 9510").await;
    assert_eq!(begun.elapsed(), 10 * SECOND, "connect_timeout_ms");
    app.client.reach(app.note("reach")).unwrap();
    server.world.hanging.store(false, Ordering::SeqCst);
    app.client.destroy_async(Box::new(|| ())).unwrap();
    app.until("=reach -9").await;
}

/// R8.6: the time of a request behind others begins with the answer before its own. That of one that is passed over does not
/// begin anew.
#[tokio::test(start_paused = true)]
async fn a_slow_link_with_many_requests_on_it_is_not_given_up() {
    let mut server = Server::new();
    let (mut app, mut peer) = App::online(&mut server).await;
    let names = ["first", "second", "third", "fourth", "fifth"];
    for name in names {
        app.set(name);
    }
    let mut request_ids = Vec::new();
    for _ in names {
        request_ids.push(peer.request().await.0);
    }
    let answer = |index: usize| Reply {
        request_id: request_ids[index],
        ..Reply::default()
    };
    for (index, name) in names.iter().enumerate().take(3) {
        tokio::time::sleep(10 * SECOND).await;
        peer.reply(answer(index)).await;
        app.until(&format!("={name} 0")).await;
    }
    tokio::time::sleep(10 * SECOND).await;
    peer.reply(answer(4)).await;
    let begun = Instant::now();
    assert_eq!(
        app.until("Disconnected 9523").await,
        ["=fourth 9508", "=fifth 0", "Disconnected 9523"]
    );
    assert_eq!(begun.elapsed(), 5 * SECOND);
}
