//! What is no protocol, or too much of it: each has a code or a closed connection, and harms nobody else.

mod support;

use std::time::Duration;

use bytes::BytesMut;
use presence_node::{Node, NodeConfig};
use presence_protocol::frame::{HEARTBEAT, PREFACE};
use presence_protocol::message::{Request, ServerMessage, encode_request};
use support::{Event, Kind, TestNode, app, settings, within};
use tokio::io::AsyncReadExt;

/// For waits over TCP.
const PATIENCE: Duration = Duration::from_secs(60);

stories!(
    a_wrong_preface_closes_the_connection,
    garbage_after_the_preface_closes_the_connection,
    a_frame_over_the_limit_closes_the_connection_before_it_is_sent,
    a_frame_may_come_byte_by_byte_and_many_in_one_write,
    half_a_frame_and_then_the_end_harms_nobody,
    garbage_of_a_logged_in_client_is_a_lost_connection,
    a_request_this_server_does_not_know_is_answered,
    heartbeats_are_echoed_each,
    a_flood_of_tiny_frames_delays_nobody_else,
    random_bytes_never_harm_the_node,
);

async fn a_wrong_preface_closes_the_connection(kind: Kind) {
    let node = kind.node(settings());
    for wrong in [&b"POST / HTTP/1.1\r\n\r\n"[..], b"TIMP\x02", b"\x16\x03\x01"] {
        let mut client = node.dial().await;
        client.send_raw(wrong).await;
        client.ended().await;
    }
    node.login("alice").await;
    node.stop().await;
}

async fn garbage_after_the_preface_closes_the_connection(kind: Kind) {
    let node = kind.node(settings());
    for garbage in [&b"\x05\xff\xff\xff\xff\xff"[..], b"\xff\xff\xff\xff\xff\xff"] {
        let mut client = node.connect().await;
        client.send_raw(garbage).await;
        client.ended().await;
    }
    node.stop().await;
}

async fn a_frame_over_the_limit_closes_the_connection_before_it_is_sent(kind: Kind) {
    let config = NodeConfig {
        frame_bytes_max: 1_024,
        ..NodeConfig::default()
    };
    let node = kind.node_with(config, app(settings()));
    let mut client = node.login("alice").await;
    // Announces 1 025 bytes and sends none.
    client.send_raw(&[0x81, 0x08]).await;
    client.ended().await;

    let mut client = node.login("alice").await;
    let largest = Request::SetSelfStatus {
        custom_status: "x".repeat(1_000),
    };
    assert_eq!(
        client.call(largest).await.code,
        6017,
        "one within the limit is answered"
    );
    node.stop().await;
}

async fn a_frame_may_come_byte_by_byte_and_many_in_one_write(kind: Kind) {
    let node = kind.node(settings());
    let mut bytes = BytesMut::from(&PREFACE[..]);
    encode_request(1, &Request::Login(node.login_request("alice")), &mut bytes);
    for id in 2..10 {
        encode_request(
            id,
            &Request::SetSelfStatus {
                custom_status: id.to_string(),
            },
            &mut bytes,
        );
    }
    let mut slow = node.dial().await;
    for byte in &bytes {
        slow.send_raw(&[*byte]).await;
    }
    for id in 1..10 {
        assert_eq!(slow.reply_to(id).await.code, 0);
    }
    drop(slow);
    let mut fast = node.dial().await;
    fast.send_raw(&bytes).await;
    for id in 1..10 {
        assert_eq!(fast.reply_to(id).await.code, 0);
    }
    node.stop().await;
}

async fn half_a_frame_and_then_the_end_harms_nobody(kind: Kind) {
    let node = kind.node(settings());
    let mut bytes = BytesMut::from(&PREFACE[..]);
    encode_request(1, &Request::Login(node.login_request("alice")), &mut bytes);
    encode_request(
        2,
        &Request::SetSelfStatus {
            custom_status: "hello".to_owned(),
        },
        &mut bytes,
    );
    for end in 0..bytes.len() {
        let mut client = node.dial().await;
        client.send_raw(&bytes[..end]).await;
    }
    // Not alice: one of those logins may still be on its way, and the same device connecting anew wins (R2.7).
    let mut bob = node.login("bob").await;
    assert_eq!(bob.set("unharmed").await.code, 0);
    node.stop().await;
}

async fn garbage_of_a_logged_in_client_is_a_lost_connection(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    let mut bob = node.login("bob").await;
    alice.follow(&["bob"]).await;
    bob.send_raw(b"\x03\xff\xff\xff").await;
    bob.ended().await;
    let change = alice.push_of("bob").await;
    assert_eq!((change.status, change.reason), (support::OFFLINE, 3));
    node.stop().await;
}

async fn a_request_this_server_does_not_know_is_answered(kind: Kind) {
    let node = kind.node(settings());
    let mut alice = node.login("alice").await;
    // request_id 9, and field 1 000 as an empty message.
    alice.send_raw(&[5, 0x08, 9, 0xc2, 0x3e, 0]).await;
    assert_eq!(alice.reply_to(9).await.code, 7013);
    assert_eq!(alice.set("unharmed").await.code, 0);
    node.stop().await;
}

async fn heartbeats_are_echoed_each(kind: Kind) {
    let node = kind.node(settings());
    let mut client = node.connect().await;
    client.send_raw(&[HEARTBEAT[0]; 500]).await;
    for _ in 0..500 {
        assert_eq!(client.next().await, Event::Heartbeat);
    }
    node.stop().await;
}

async fn a_flood_of_tiny_frames_delays_nobody_else(kind: Kind) {
    let node = kind.node(settings());
    let mut flooder = node.connect().await;
    let mut alice = node.login("alice").await;
    let flood = tokio::spawn(async move {
        for _ in 0..50 {
            flooder.send_raw(&[0; 1_000]).await;
            for _ in 0..1_000 {
                assert_eq!(flooder.next().await, Event::Heartbeat);
            }
        }
    });
    for number in 0..50 {
        assert_eq!(alice.set(&number.to_string()).await.code, 0);
    }
    flood.await.expect("every heartbeat was echoed");
    node.stop().await;
}

async fn random_bytes_never_harm_the_node(kind: Kind) {
    let node = kind.node(settings());
    // A small generator of its own: the same bytes in every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..200 {
        let mut client = node.connect().await;
        if round % 2 == 0 {
            let id = client.send(Request::Login(node.login_request("alice"))).await;
            client.reply_to(id).await;
        }
        let bytes: Vec<u8> = (0..random() % 64).map(|_| random() as u8).collect();
        client.send_raw(&bytes).await;
    }
    let mut bob = node.login("bob").await;
    assert_eq!(bob.set("unharmed").await.code, 0);
    node.stop().await;
}

#[tokio::test]
async fn connections_past_the_limit_are_closed_and_room_is_made_by_those_that_go() {
    let config = NodeConfig {
        connections_max: 2,
        ..NodeConfig::default()
    };
    let node = TestNode::over_tcp(config, 2, app(settings()));
    let first = node.login("alice").await;
    let mut second = node.login("bob").await;
    let mut third = node.dial().await;
    third.ended().await;
    drop(first);
    within("room for another", PATIENCE, async {
        loop {
            let mut another = node.connect().await;
            let id = another.send(Request::Login(node.login_request("carol"))).await;
            match another.next().await {
                Event::Message(ServerMessage::Reply(reply)) => {
                    assert_eq!((reply.request_id, reply.code), (id, 0));
                    break;
                }
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(second.set("unharmed").await.code, 0);
    node.stop().await;
}

#[tokio::test]
async fn a_stopping_node_tells_its_clients_to_come_back_and_ends_its_threads() {
    for loops in [1, 3] {
        let node = TestNode::over_tcp(NodeConfig::default(), loops, app(settings()));
        let mut clients = vec![
            node.login("alice").await,
            node.login("bob").await,
            node.login("carol").await,
        ];
        let address = node.address();
        node.stop().await;
        for client in &mut clients {
            match client.message().await {
                ServerMessage::GoAway { spread_ms, .. } => assert!(spread_ms > 0),
                other => panic!("{other:?}"),
            }
            client.ended().await;
        }
        assert!(
            tokio::net::TcpStream::connect(address).await.is_err(),
            "nobody listens any more"
        );
    }
}

#[test]
fn a_node_stops_without_a_runtime_and_may_be_dropped() {
    let config = NodeConfig {
        listen: vec![([127, 0, 0, 1], 0).into()],
        loops: 2,
        ..NodeConfig::default()
    };
    let node = Node::start(config.clone(), vec![app(settings())]).expect("loopback can be listened on");
    node.admin().import_account(support::user("alice"));
    node.stop(Duration::from_secs(30)).expect("it stops");

    let node = Node::start(config, vec![app(settings())]).expect("loopback can be listened on");
    let address = node.addresses()[0];
    drop(node);
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while std::net::TcpStream::connect(address).is_ok() {
        assert!(
            std::time::Instant::now() < deadline,
            "a dropped node ends by itself"
        );
        std::thread::yield_now();
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
    let config = NodeConfig {
        listen: vec![taken.local_addr().expect("bound")],
        ..NodeConfig::default()
    };
    let error = Node::start(config, Vec::new()).err().expect("the port is taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_refused_login_is_read_to_its_end_even_with_requests_behind_it() {
    // A socket closed with unread bytes is reset, which could cost the client the reply.
    let node = TestNode::over_tcp(NodeConfig::default(), 1, app(settings()));
    let mut bytes = BytesMut::from(&PREFACE[..]);
    let mut login = node.login_request("alice");
    login.user_sig = "garbage".to_owned();
    encode_request(1, &Request::Login(login), &mut bytes);
    for id in 2..2_000 {
        encode_request(id, &Request::GetSubscriptions, &mut bytes);
    }
    let stream = std::net::TcpStream::connect(node.address()).expect("it listens");
    stream.set_nonblocking(true).expect("a socket");
    let mut stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
    tokio::io::AsyncWriteExt::write_all(&mut stream, &bytes)
        .await
        .expect("it takes them");
    let mut answer = Vec::new();
    within("the end", PATIENCE, stream.read_to_end(&mut answer))
        .await
        .expect("an orderly end, no reset");
    assert!(answer.len() > 2);
    drop(stream);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_logged_with_its_reason() {
    let log = support::Log::capture();
    let config = NodeConfig {
        frame_bytes_max: 1_024,
        ..NodeConfig::default()
    };
    let node = TestNode::in_memory(config, app(settings()));
    let cases: [(&[u8], &str); 5] = [
        (b"POST / HTTP/1.1\r\n", "it does not begin with the preface"),
        (b"TIMP\x01\x81\x08", "a frame is larger than 1024 bytes"),
        (b"TIMP\x01\xff\xff\xff\xff\xff", "a frame's length is malformed"),
        (b"TIMP\x01\x03\xff\xff\xff", "not a message of this protocol"),
        (b"TIMP\x01", "it did not log in in time"),
    ];
    for (bytes, reason) in cases {
        let before = log.lines().len();
        let mut client = node.dial().await;
        client.send_raw(bytes).await;
        client.ended().await;
        let lines = log.lines();
        let refused =
            |line: &&String| line.starts_with("INFO") && line.contains(reason) && line.contains("peer=");
        assert!(
            lines[before..].iter().any(|line| refused(&line)),
            "{reason}: {lines:?}"
        );
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn secrets_are_logged_nowhere_and_user_content_at_debug_only() {
    let log = support::Log::capture();
    let node = TestNode::in_memory(NodeConfig::default(), app(settings()));
    let request = node.login_request("alice");
    let user_sig = request.user_sig.clone();
    let (mut alice, _, _) = node.login_with(request).await;
    let wrong = presence_protocol::message::LoginRequest {
        user_sig: user_sig.clone(),
        ..node.login_request("bob")
    };
    assert_eq!(node.try_login(wrong).await.1.code, 70013);
    alice
        .call(Request::RenewUserSig {
            user_sig: user_sig.clone(),
        })
        .await;
    alice.set("private words").await;
    node.stop().await;
    let lines = log.lines();
    assert!(
        lines.iter().any(|line| line.contains("login refused")),
        "{lines:?}"
    );
    for line in &lines {
        assert!(
            !line.contains(&user_sig[..20]) && !line.contains(support::KEY),
            "{line}"
        );
        let is_debug = line.starts_with("DEBUG") || line.starts_with("TRACE");
        assert!(
            is_debug || !(line.contains("alice") || line.contains("private words")),
            "{line}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_fails_is_asked_again_after_a_while() {
    let log = support::Log::capture();
    let node = TestNode::in_memory_after_failures(NodeConfig::default(), app(settings()), 5);
    let start = tokio::time::Instant::now();
    let mut alice = node.login("alice").await;
    assert_eq!(alice.set("unharmed").await.code, 0);
    let waited = start.elapsed();
    assert!((500..1_000).contains(&waited.as_millis()), "{waited:?}");
    let failures = log
        .lines()
        .iter()
        .filter(|line| line.contains("too many open files"))
        .count();
    assert_eq!(failures, 5, "it does not spin");
    node.stop().await;
}

/// R6.3: a client whose outbox is over its bound is not read, until there is room; also where merging made the room.
#[tokio::test(start_paused = true)]
async fn a_request_behind_what_filled_the_outbox_is_answered_also_where_merging_made_room() {
    let config = NodeConfig {
        outbox_bytes_max: 4_096,
        ..NodeConfig::default()
    };
    let node = TestNode::in_memory(config, app(settings()));
    let mut bob = node.login("bob").await;
    let mut alice = node.login("alice").await;
    alice.follow(&["bob"]).await;
    // Nothing waits in here, so the node gets all of it in one turn: 20 changes of about 140 bytes with their replies, an answer
    // of about 2 300 bytes that is too much, one more request, and a change that has the 20 merge.
    let mut asked = Vec::new();
    for count in 0..20 {
        let custom_status = format!("{count:0>3}");
        asked.push(alice.send(Request::SetSelfStatus { custom_status }).await);
    }
    let user_ids = (0..95).map(|count| format!("{count:0>16}")).collect();
    asked.push(alice.send(Request::GetUserStatus { user_ids }).await);
    asked.push(alice.send(Request::GetSubscriptions).await);
    let custom_status = "busy".to_owned();
    bob.send(Request::SetSelfStatus { custom_status }).await;
    for id in asked {
        alice.reply_to(id).await;
    }
    let statistics = node.admin.statistics().await.expect("it runs");
    assert!(statistics[0].merged > 0, "the changes were merged");
    node.stop().await;
}
