//! What happens as time passes, in virtual time: silence, grace, expiry, linger, rates, slow receivers.

mod support;

use std::time::Duration;

use presence::settings::AppSettings;
use presence_node::NodeConfig;
use presence_protocol::frame::{HEARTBEAT, PREFACE};
use presence_protocol::message::{LoginRequest, Request, ServerMessage};
use support::{Event, OFFLINE, ONLINE, TestNode, app, app_id, names, owned, resume, seconds, settings};
use tokio::time::{Instant, advance, sleep};

fn node(settings: AppSettings) -> TestNode {
    TestNode::in_memory(NodeConfig::default(), app(settings))
}

/// Runs `future`, and says how many virtual milliseconds it took.
async fn timed<F: Future>(future: F) -> (F::Output, u64) {
    let start = Instant::now();
    let output = future.await;
    (
        output,
        u64::try_from(start.elapsed().as_millis()).expect("not that long"),
    )
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_is_given_up_after_the_heartbeat_timeout_r2_6() {
    let node = TestNode::in_memory(
        NodeConfig {
            heartbeat_timeout: Duration::from_millis(300),
            ..NodeConfig::default()
        },
        app(settings()),
    );
    let mut bob = node.login("bob").await;
    let mut alice = node.login("alice").await;
    alice.follow(&["bob"]).await;
    let heartbeats = tokio::spawn(async move {
        loop {
            sleep(Duration::from_millis(100)).await;
            alice.send_raw(HEARTBEAT).await;
            match alice.next().await {
                Event::Heartbeat => {}
                other => return (alice, other),
            }
        }
    });
    let ((), waited) = timed(bob.ended()).await;
    assert!((300..=340).contains(&waited), "{waited} ms");
    let (alice, heard) = heartbeats.await.expect("alice was not cut: she sent heartbeats");
    match heard {
        Event::Message(ServerMessage::Push(changes)) => {
            assert_eq!((changes[0].status, changes[0].reason), (OFFLINE, 4));
        }
        other => panic!("{other:?}"),
    }
    drop(alice);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn any_byte_is_a_sign_of_life_r2_6() {
    let node = node(settings());
    let mut alice = node.login("alice").await;
    // One byte of a frame at a time, 399 s apart.
    for byte in [5, 0x08, 9, 0xc2, 0x3e, 0] {
        seconds(399).await;
        alice.send_raw(&[byte]).await;
    }
    assert_eq!(alice.reply_to(9).await.code, 7013);
    let ((), waited) = timed(alice.ended()).await;
    assert!((400_000..=401_000).contains(&waited), "{waited} ms");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_login_that_never_comes_ends_the_connection() {
    let node = node(settings());
    let mut silent = node.dial().await;
    let ((), waited) = timed(silent.ended()).await;
    assert!((10_000..=11_000).contains(&waited), "{waited} ms");
    let mut chatty = node.connect().await;
    let (_, waited) = timed(async {
        loop {
            seconds(1).await;
            chatty.send_raw(HEARTBEAT).await;
            if chatty.next().await == Event::End {
                break;
            }
        }
    })
    .await;
    assert!(
        (10_000..=12_000).contains(&waited),
        "heartbeats do not extend it: {waited} ms"
    );
    node.stop().await;
}

/// A byte a second of the upgrade, of a frame's header, or of a message: none of it is a login.
#[tokio::test(start_paused = true)]
async fn a_websocket_that_comes_byte_by_byte_has_no_longer_to_log_in() {
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    // A frame of 2^32 bytes, whose header alone takes longer, with a mask of 0: the preface, and the length of a login.
    let header = [0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    let begun = [&header[..], &PREFACE[..], &[0x7f]].concat();
    let all = [upgrade.as_bytes(), &begun].concat();
    let head = upgrade.len();
    for at_once in [0, head, head + header.len(), all.len()] {
        let node = node(settings());
        let mut stranger = node.dial().await;
        let (now, later) = all.split_at(at_once);
        stranger.send_raw(now).await;
        let begin = Instant::now();
        let mut slowly = later.iter().chain(std::iter::repeat(&0x01));
        while !stranger.is_closed_within(Duration::from_secs(1)).await {
            assert!(
                begin.elapsed() < Duration::from_secs(60),
                "{at_once} bytes, then slowly"
            );
            stranger.send_raw(&[*slowly.next().expect("without end")]).await;
        }
        // login_deadline, and the wheel's second.
        let took = begin.elapsed();
        assert!(
            (10_000..=11_300).contains(&took.as_millis()),
            "{at_once}: {took:?}"
        );
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_has_its_grace_r2_8() {
    let node = node(AppSettings {
        offline_grace: Duration::from_secs(20),
        ..settings()
    });
    let mut alice = node.login("alice").await;
    let (mut bob, login, _) = node.login_with(node.login_request("bob")).await;
    bob.set("busy").await;
    alice.follow(&["bob"]).await;
    drop(bob);
    seconds(19).await;
    let shown = alice.look_at("bob").await;
    assert_eq!((shown.status, shown.custom_status.as_str()), (ONLINE, "busy"));
    let (bob, again, own) = node
        .login_with(resume(node.login_request("bob"), &login, &[]))
        .await;
    assert_eq!(
        (again.session, own.custom_status.as_str()),
        (login.session, "busy")
    );
    alice.hears_nothing().await;
    drop(bob);
    let (change, waited) = timed(alice.push_of("bob")).await;
    assert_eq!((change.status, change.custom_status.as_str()), (OFFLINE, ""));
    assert!((20_000..20_100).contains(&waited), "{waited} ms");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_sig_that_expires_ends_the_session_without_grace_r8_4() {
    let node = node(AppSettings {
        offline_grace: Duration::from_secs(20),
        ..settings()
    });
    let mut alice = node.login("alice").await;
    let short = LoginRequest {
        user_sig: node.sign("bob", 30),
        ..node.login_request("bob")
    };
    let (mut bob, _, _) = node.login_with(short).await;
    alice.follow(&["bob"]).await;
    let ((), waited) = timed(bob.session_ended(6206)).await;
    assert!((29_000..=31_500).contains(&waited), "{waited} ms");
    let change = alice.push_of("bob").await;
    assert_eq!((change.status, change.reason), (OFFLINE, 7));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_renewed_user_sig_keeps_the_session_and_a_shorter_one_ends_it_sooner_r8_4() {
    let node = node(settings());
    let short = LoginRequest {
        user_sig: node.sign("bob", 30),
        ..node.login_request("bob")
    };
    let (mut bob, _, _) = node.login_with(short).await;
    seconds(20).await;
    let longer = Request::RenewUserSig {
        user_sig: node.sign("bob", 300),
    };
    assert_eq!(bob.call(longer).await.code, 0);
    seconds(200).await;
    bob.hears_nothing().await;
    let shorter = Request::RenewUserSig {
        user_sig: node.sign("bob", 10),
    };
    assert_eq!(bob.call(shorter).await.code, 0);
    let ((), waited) = timed(bob.session_ended(6206)).await;
    assert!((9_000..=11_500).contains(&waited), "{waited} ms");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_jumps_back_does_not_take_versions_or_since_along_r6_5() {
    let node = node(settings());
    let mut alice = node.login("alice").await;
    alice.set("one").await;
    let one = alice.push_of("alice").await;
    node.shift_wall(-3_600_000);
    alice.set("two").await;
    let two = alice.push_of("alice").await;
    assert!(two.version > one.version && two.since_ms >= one.since_ms);
    alice.hears_nothing().await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_twenty_first_call_of_a_kind_in_five_seconds_is_refused_r7_5() {
    let node = node(AppSettings {
        rate_calls: 20,
        ..settings()
    });
    let mut desk = node.login_device("alice", "Linux", "desk").await;
    let mut phone = node.login_device("alice", "iOS", "phone").await;
    for call in 0..20 {
        let device = if call % 2 == 0 { &mut desk } else { &mut phone };
        assert_ne!(device.query(&["bob"]).await.code, 7008);
        advance(Duration::from_millis(100)).await;
    }
    let reply = desk.query(&["bob"]).await;
    assert_eq!(reply.code, 7008, "all devices of a user share it");
    assert_eq!(reply.retry_after_ms, 3_000);
    assert!(reply.message.contains("3.0 s"), "{}", reply.message);
    assert_eq!(
        desk.follow(&["bob"]).await.len(),
        1,
        "each kind has its own allowance"
    );
    phone.list_change().await;
    phone.push_of("bob").await;
    phone.log_out().await;
    desk.log_out().await;
    // Leaving and coming back is no way around it.
    let mut desk = node.login_device("alice", "Linux", "desk").await;
    desk.push_of("bob").await;
    assert_eq!(desk.query(&["bob"]).await.code, 7008);
    advance(Duration::from_millis(3_000)).await;
    assert_ne!(desk.query(&["bob"]).await.code, 7008);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_door_opens_again_r8_9() {
    let node = node(settings());
    let wrong = LoginRequest {
        user_sig: "garbage".to_owned(),
        ..node.login_request("alice")
    };
    for _ in 0..10 {
        assert_eq!(node.try_login(wrong.clone()).await.1.code, 70003);
    }
    let (_, reply) = node.try_login(node.login_request("alice")).await;
    assert_eq!(reply.code, 70050);
    advance(Duration::from_millis(u64::from(reply.retry_after_ms))).await;
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_list_lingers_and_is_then_restored_by_the_first_device_r5_8() {
    let node = node(settings());
    let mut bob = node.login("bob").await;
    let (mut alice, login, _) = node.login_with(node.login_request("alice")).await;
    let told = alice.follow(&["carol", "bob"]).await;
    drop(alice);

    // Within the linger the list is there.
    seconds(299).await;
    bob.hears_nothing().await;
    let known: Vec<_> = told.iter().collect();
    let (alice, again, _) = node
        .login_with(resume(node.login_request("alice"), &login, &known))
        .await;
    assert_eq!(again.subscriptions.user_ids, Some(owned(&["carol", "bob"])));
    assert!(!again.subscriptions.restorable);
    drop(alice);

    // After it, it is gone, and whoever knew it may put it back.
    seconds(301).await;
    bob.set("while the list was gone").await;
    let (mut desk, cleared, _) = node
        .login_with(resume(node.login_request("alice"), &again, &known))
        .await;
    assert_eq!(cleared.subscriptions.user_ids, Some(vec![]));
    assert!(cleared.subscriptions.restorable);
    assert!(cleared.subscriptions.generation > again.subscriptions.generation);
    let mut phone = node.login_device("alice", "iOS", "phone").await;
    let restore = |generation| Request::RestoreSubscriptions {
        list_generation: generation,
        user_ids: owned(&["carol", "alice", "", "bob", "carol"]),
    };
    assert_eq!(
        desk.call(restore(again.subscriptions.generation)).await.code,
        7014
    );
    assert_eq!(desk.call(restore(cleared.subscriptions.generation)).await.code, 0);
    for device in [&mut desk, &mut phone] {
        assert_eq!(device.list_change().await.added, ["bob", "carol"]);
        let pushed = [device.push().await, device.push().await];
        assert_eq!(names(&pushed), ["bob", "carol"]);
        assert_eq!(pushed[0].custom_status, "while the list was gone");
    }
    assert_eq!(
        phone.call(restore(cleared.subscriptions.generation)).await.code,
        7014,
        "another was first"
    );
    bob.set("and now").await;
    assert_eq!(desk.push_of("bob").await.custom_status, "and now");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn after_a_logout_the_list_is_cleared_by_the_linger_too_and_a_touched_list_is_not_restorable_r5_8() {
    let node = node(settings());
    let (mut alice, _, _) = node.login_with(node.login_request("alice")).await;
    alice.follow(&["bob"]).await;
    alice.unsubscribe(&[]).await;
    alice.list_change().await;
    let (_phone, login, _) = node
        .login_with(LoginRequest {
            platform: "iOS".to_owned(),
            ..node.login_request("alice")
        })
        .await;
    assert!(!login.subscriptions.restorable, "the user cleared it");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn on_again_everyone_is_caught_up_within_thirty_seconds_spread_over_time_r7_3() {
    let node = node(settings());
    let mut alice = node.login("alice").await;
    let users: Vec<String> = (0..100).map(|number| format!("user-{number}")).collect();
    let all: Vec<&str> = users.iter().map(String::as_str).collect();
    alice.follow(&all).await;
    node.admin
        .set_app_settings(
            app_id(),
            AppSettings {
                user_status: false,
                ..settings()
            },
        )
        .await;
    let mut clients = Vec::new();
    for name in &all {
        clients.push(node.login(name).await);
    }
    alice.hears_nothing().await;
    let start = Instant::now();
    node.admin.set_app_settings(app_id(), settings()).await;
    let mut times = Vec::new();
    let mut told = std::collections::BTreeSet::new();
    for _ in &all {
        assert!(told.insert(alice.push().await.user_id));
        times.push(start.elapsed());
    }
    assert!(times[99] < Duration::from_secs(30));
    assert!(
        times[99] > Duration::from_secs(1),
        "not all at once: {:?}",
        times[99]
    );
    alice.hears_nothing().await;
    node.stop().await;
}

/// What fills the outbox of a receiver that reads nothing.
enum Filler {
    /// Changes of others, which merge.
    Changes,
    /// Replies to its own requests, which do not; so it is not read any more.
    Replies,
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_nothing_is_cut_with_ten_seconds_of_grace_r8_10() {
    reads_nothing(Filler::Changes).await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_and_reads_nothing_is_cut_so_too_and_not_for_silence_r8_10() {
    reads_nothing(Filler::Replies).await;
}

async fn reads_nothing(filler: Filler) {
    let config = NodeConfig {
        outbox_bytes_max: 2_000,
        heartbeat_timeout: Duration::from_secs(20),
        ..NodeConfig::default()
    };
    let node = TestNode::in_memory(config, app(settings()));
    let mut bob = node.login("bob").await;
    let mut carol = node.login("carol").await;
    carol.follow(&["alice"]).await;
    let mut alice = node.login("alice").await;
    alice.follow(&["bob"]).await;
    assert_eq!(carol.push_of("alice").await.status, ONLINE);
    // Alice reads no more; she goes on sending heartbeats.
    let start = Instant::now();
    for round in 0..1_500 {
        match filler {
            Filler::Changes => {
                assert_eq!(bob.set(&format!("{round:0>90}")).await.code, 0);
                bob.push_of("bob").await;
            }
            Filler::Replies => {
                alice.send(Request::GetSubscriptions).await;
            }
        }
    }
    let change = loop {
        for client in [&mut alice, &mut bob, &mut carol] {
            client.send_raw(HEARTBEAT).await;
        }
        match carol.next().await {
            Event::Message(ServerMessage::Push(mut changes)) => break changes.remove(0),
            Event::Heartbeat => seconds(1).await,
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(100));
    };
    assert_eq!(
        (change.user_id.as_str(), change.status, change.reason),
        ("alice", OFFLINE, 3)
    );
    let waited = start.elapsed();
    assert!(
        (Duration::from_secs(70)..Duration::from_secs(73)).contains(&waited),
        "{waited:?}"
    );
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_misses_what_is_in_between_and_never_the_last_r6_3() {
    let config = NodeConfig {
        outbox_bytes_max: 2_000,
        ..NodeConfig::default()
    };
    let node = TestNode::in_memory(config, app(settings()));
    let mut bob = node.login("bob").await;
    let mut alice = node.login("alice").await;
    alice.follow(&["bob", "carol"]).await;
    let _carol = node.login("carol").await;
    for round in 0..2_000 {
        assert_eq!(bob.set(&format!("{round:0>60}")).await.code, 0);
        bob.push_of("bob").await;
    }
    let (mut version, mut told, mut carol_online) = (0, 0, false);
    while version != bob_version(&mut bob).await {
        let change = alice.push().await;
        match change.user_id.as_str() {
            "bob" => {
                assert!(change.version > version, "in order");
                version = change.version;
                told += 1;
            }
            "carol" => carol_online = change.status == ONLINE,
            other => panic!("{other}"),
        }
    }
    assert!(carol_online, "nobody else's change is lost by it");
    assert!(told < 1_000, "it was merged: {told}");
    assert_eq!(
        alice.look_at("bob").await.version,
        version,
        "and it is answered again"
    );
    node.stop().await;
}

async fn bob_version(bob: &mut support::TestClient) -> u64 {
    bob.look_at("bob").await.version
}

#[tokio::test(start_paused = true)]
async fn a_user_with_thousands_of_watchers_is_told_in_slices_and_misses_no_last_word() {
    // A task as the node is one, so that they take turns: what is in between the slices is what it is about.
    tokio::spawn(thousands_of_watchers()).await.expect("it ends well");
}

async fn thousands_of_watchers() {
    const WATCHERS: usize = 2_500;
    let node = node(settings());
    let mut star = node.login("star").await;
    let mut watchers = Vec::new();
    for number in 0..WATCHERS {
        let mut watcher = node.login(&format!("watcher-{number}")).await;
        watcher.follow(&["star"]).await;
        watchers.push(watcher);
    }
    // While the first is on its way: more of them, one who leaves, and one who comes.
    let first = star
        .send(Request::SetSelfStatus {
            custom_status: "one".to_owned(),
        })
        .await;
    let second = star
        .send(Request::SetSelfStatus {
            custom_status: "two".to_owned(),
        })
        .await;
    let third = star
        .send(Request::SetSelfStatus {
            custom_status: "three".to_owned(),
        })
        .await;
    for id in [first, second, third] {
        assert_eq!(star.reply_to(id).await.code, 0);
    }
    let mut leaver = watchers.pop().expect("there are many");
    assert_eq!(leaver.unsubscribe(&["star"]).await.code, 0);
    let mut comer = node.login("comer").await;
    let mut shown = comer.follow(&["star"]).await.remove(0);
    for watcher in &mut watchers {
        let mut last = 0;
        loop {
            let change = watcher.push_of("star").await;
            assert!(change.version > last, "in order, each once");
            last = change.version;
            // The last word, though it came while the first was being told.
            if change.custom_status == "three" {
                break;
            }
        }
        watcher.hears_nothing().await;
    }
    while shown.custom_status != "three" {
        shown = comer.push_of("star").await;
    }
    // Who left heard nothing after that.
    let heard = leaver.until_heartbeat().await;
    assert!(
        matches!(heard.last(), Some(ServerMessage::SubscriptionsChanged(_))),
        "{heard:?}"
    );
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_again_is_alive_r2_6() {
    let config = NodeConfig {
        outbox_bytes_max: 2_000,
        heartbeat_timeout: Duration::from_secs(20),
        ..NodeConfig::default()
    };
    let node = TestNode::in_memory(config, app(settings()));
    let mut alice = node.login("alice").await;
    // All in one write, and so in one read: nothing more is heard of her later.
    let mut requests = bytes::BytesMut::new();
    for id in 2..1_000 {
        let own = Request::GetUserStatus {
            user_ids: owned(&["alice"]),
        };
        presence_protocol::message::encode_request(id, &own, &mut requests);
    }
    alice.send_raw(&requests).await;
    // Longer than the heartbeat timeout, shorter than R8.10 allows.
    seconds(50).await;
    for id in 2..1_000 {
        assert_eq!(alice.reply_to(id).await.code, 0);
    }
    seconds(15).await;
    alice.hears_nothing().await;
    node.stop().await;
}

/// A turn accepts only so many; whoever is behind them waits for the next turn, not for somebody's deadline.
#[tokio::test(start_paused = true)]
async fn whoever_comes_behind_a_crowd_is_accepted_at_once() {
    let node = node(settings());
    let mut crowd = Vec::new();
    for _ in 0..64 {
        crowd.push(node.dial().await);
    }
    let (_alice, waited) = timed(node.login("alice")).await;
    assert_eq!(waited, 0, "ms");
    node.stop().await;
}
