//! WebSocket on a node's ports: the upgrade, and what a peer that is not ours may do. That everything else is as without
//! it, the stories of the other files show, which run over WebSocket too.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::{SinkExt as _, StreamExt as _};
use presence_node::NodeConfig;
use presence_protocol::frame::{self as presence_frame, Next, PREFACE};
use presence_protocol::message::{Request, ServerMessage, decode_server, encode_request};
use support::socket::{PATIENCE, dial, expect, expect_echo, node_with_certificate, rest};
use support::{Kind, TestNode, app, encrypted, in_websocket, settings, within};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Config, Message, WebSocketStream};

const REQUEST: &str = "GET /any?path HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: upgrade\r\n\
    Origin: https://elsewhere.example\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// A heartbeat of the server, in a frame of its own.
const HEARTBEAT: &[u8] = b"\x82\x01\x00";

/// A connection whose upgrade was agreed to.
async fn upgraded(address: SocketAddr) -> TcpStream {
    let mut stream = dial(address).await;
    stream.write_all(REQUEST.as_bytes()).await.expect("it is open");
    let head = within(
        "the answer",
        PATIENCE,
        presence_transport::websocket::read_head(&mut stream),
    )
    .await;
    let head = String::from_utf8(head.expect("a head")).expect("text");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0xa5, 0x5a, 0x0f, 0xf0];
    let length = u8::try_from(payload.len()).expect("a short one");
    let mut frame = vec![first, 0x80 | length];
    frame.extend_from_slice(&key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

#[tokio::test]
async fn an_upgrade_and_frames_may_come_byte_by_byte_in_fragments_with_pings_between() {
    let node = Kind::Loops(1).node(settings());
    let mut stream = dial(node.address()).await;
    for byte in REQUEST.bytes() {
        stream.write_all(&[byte]).await.expect("it is open");
    }
    let head = presence_transport::websocket::read_head(&mut stream)
        .await
        .expect("a head");
    assert!(head.starts_with(b"HTTP/1.1 101 "));

    let stream_bytes = [&PREFACE[..], &[0]].concat();
    let mut wire = Vec::new();
    for (index, byte) in stream_bytes.iter().enumerate() {
        let first = if index == 0 { 0x02 } else { 0x00 };
        wire.extend(frame(first, &[*byte]));
        wire.extend(frame(0x00, b""));
    }
    wire.extend(frame(0x80, b""));
    for byte in wire {
        stream.write_all(&[byte]).await.expect("it is open");
    }
    expect(&mut stream, HEARTBEAT).await;
    stream.write_all(&frame(0x02, b"")).await.expect("it is open");
    stream
        .write_all(&frame(0x89, b"are you there"))
        .await
        .expect("it is open");
    expect(&mut stream, b"\x8a\x0dare you there").await;
    // The message goes on after the ping.
    stream.write_all(&frame(0x80, &[0])).await.expect("it is open");
    expect(&mut stream, HEARTBEAT).await;
    node.stop().await;
}

#[tokio::test]
async fn a_request_and_what_follows_it_may_come_at_once() {
    let node = Kind::Loops(1).node(settings());
    let mut stream = dial(node.address()).await;
    let all = [REQUEST.as_bytes(), &frame(0x82, &PREFACE[..]), &frame(0x82, &[0])].concat();
    stream.write_all(&all).await.expect("it is open");
    presence_transport::websocket::read_head(&mut stream)
        .await
        .expect("a head");
    expect(&mut stream, HEARTBEAT).await;
    node.stop().await;
}

/// The next message of the protocol, whatever messages of WebSocket it comes in.
async fn told(socket: &mut WebSocketStream<TcpStream>, received: &mut BytesMut) -> ServerMessage {
    loop {
        if let Next::Frame { body, consumed } =
            presence_frame::next(received, usize::MAX >> 8).expect("the node frames well")
        {
            let message = decode_server(body).expect("the node speaks the protocol");
            drop(received.split_to(consumed));
            return message;
        }
        let message = within("a message", PATIENCE, socket.next()).await;
        let message = message.expect("it is open").expect("it is well-formed");
        assert!(message.is_binary(), "{message:?}");
        received.extend_from_slice(message.as_payload());
    }
}

/// tokio-websockets, which has never seen ours; it sends what is long in fragments.
#[tokio::test]
async fn a_client_of_another_implementation_logs_in_is_answered_and_takes_its_leave() {
    let node = Kind::Loops(2).node(settings());
    let (mut socket, _) = ClientBuilder::new()
        .uri("ws://presence.example/any?path")
        .expect("a URL")
        .config(Config::default().frame_size(7))
        .connect_on(dial(node.address()).await)
        .await
        .expect("the node agrees as that implementation expects it");
    let mut wire = BytesMut::from(&PREFACE[..]);
    encode_request(1, &Request::Login(node.login_request("alice")), &mut wire);
    socket
        .send(Message::binary(wire.freeze()))
        .await
        .expect("it is open");
    let mut received = BytesMut::new();
    let ServerMessage::Reply(reply) = told(&mut socket, &mut received).await else {
        panic!("not a reply")
    };
    assert_eq!((reply.request_id, reply.code), (1, 0), "{}", reply.message);
    let own = told(&mut socket, &mut received).await;
    assert!(matches!(own, ServerMessage::Push(_)), "{own:?}");

    socket
        .send(Message::ping("are you there"))
        .await
        .expect("it is open");
    let pong = within("a pong", PATIENCE, socket.next()).await;
    let pong = pong.expect("it is open").expect("it is well-formed");
    assert!(
        pong.is_pong() && pong.as_payload()[..] == *b"are you there",
        "{pong:?}"
    );
    within("the end", PATIENCE, socket.close())
        .await
        .expect("it is open");
    while let Some(last) = within("the end", PATIENCE, socket.next()).await {
        assert!(last.expect("it is well-formed").is_close());
    }
    node.stop().await;
}

#[tokio::test]
async fn a_close_is_answered_and_the_connection_ends() {
    let node = Kind::Loops(1).node(settings());
    let mut stream = upgraded(node.address()).await;
    stream
        .write_all(&frame(0x88, &1001u16.to_be_bytes()))
        .await
        .expect("it is open");
    assert_eq!(rest(&mut stream).await, b"\x88\x02\x03\xe8");
    node.stop().await;
}

#[tokio::test]
async fn what_may_not_be_is_told_its_status_and_harms_nobody() {
    let node = Kind::Loops(1).node(settings());
    let cases: [(&[u8], u16); 4] = [
        (b"\x82\x01\x00", 1002), // not masked
        (&frame(0x81, b"text"), 1003),
        (&frame(0xc2, b"compressed"), 1002),
        (&frame(0x80, b"a piece of nothing"), 1002),
    ];
    for (wire, status) in cases {
        let mut stream = upgraded(node.address()).await;
        stream.write_all(wire).await.expect("it is open");
        let close = [&[0x88, 2], &status.to_be_bytes()[..]].concat();
        assert_eq!(rest(&mut stream).await, close, "{wire:?}");
    }
    // A frame of 2^63 - 1 bytes is but announced; its bytes are those of a protocol that is not ours.
    let mut stream = upgraded(node.address()).await;
    let mut endless = vec![
        0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ];
    endless.extend_from_slice(&[b'x'; 100]);
    stream.write_all(&endless).await.expect("it is open");
    rest(&mut stream).await;
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test]
async fn a_browser_that_only_looks_is_told_what_this_is() {
    let node = Kind::Loops(1).node(settings());
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "426 Upgrade Required"),
        ("GET / HTTP/1.0\r\n\r\n", "400 Bad Request"),
        ("GET \r\n\r\n", "400 Bad Request"),
    ] {
        let mut stream = dial(node.address()).await;
        stream.write_all(request.as_bytes()).await.expect("it is open");
        let answer = String::from_utf8(rest(&mut stream).await).expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
    }
    let mut stream = dial(node.address()).await;
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "y".repeat(20_000));
    // It may be refused before all of it is written.
    let _ = stream.write_all(endless.as_bytes()).await;
    rest(&mut stream).await;
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test]
async fn websocket_within_websocket_is_refused() {
    let node = Kind::Loops(1).node(settings());
    let mut stream = upgraded(node.address()).await;
    stream
        .write_all(&frame(0x82, b"GET / HTTP/1.1\r\n"))
        .await
        .expect("it is open");
    rest(&mut stream).await;
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_stands_still_ends_with_the_login_deadline() {
    let config = NodeConfig {
        login_deadline: Duration::from_secs(1),
        ..NodeConfig::default()
    };
    let node = TestNode::over_tcp(config, 1, app(settings()));
    let mut begun = dial(node.address()).await;
    begun.write_all(b"GET / HT").await.expect("it is open");
    let mut agreed = upgraded(node.address()).await;
    for stream in [&mut begun, &mut agreed] {
        rest(stream).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_flood_of_pings_that_nobody_reads_the_answers_of_is_cut_or_answered_and_delays_nobody() {
    let node = Kind::Loops(1).node(settings());
    let mut flood = upgraded(node.address()).await;
    let pings = frame(0x89, &[b'p'; 100]).repeat(20_000);
    let writing = tokio::spawn(async move {
        // It is not read, so it may never end.
        let _ = flood.write_all(&pings).await;
    });
    let mut alice = node.login("alice").await;
    assert_eq!(alice.set("still heard").await.code, 0);
    writing.abort();
    node.stop().await;
}

#[tokio::test]
async fn websocket_goes_over_tls_too() {
    let authority = presence_transport::testing::Authority::new();
    let node = node_with_certificate(&authority.issue(&["127.0.0.1"]).server());
    let stream = encrypted(dial(node.tls_addresses()[0]).await, &authority.client()).await;
    let mut stream = in_websocket(stream).await;
    stream.write_all(PREFACE).await.expect("it is open");
    expect_echo(&mut stream).await;
    node.stop(PATIENCE).expect("it stops");
}

/// R2.6: any byte counts, also one that carries none of ours.
#[tokio::test(start_paused = true)]
async fn a_ping_is_a_sign_of_life() {
    let node = Kind::Memory.node(settings());
    let mut alice = node.dial().await;
    let mut login = BytesMut::from(&PREFACE[..]);
    encode_request(1, &Request::Login(node.login_request("alice")), &mut login);
    let length = u16::try_from(login.len()).expect("a short one").to_be_bytes();
    // With a mask of zeros.
    let header = [0x82, 0xfe, length[0], length[1], 0, 0, 0, 0];
    alice
        .send_raw(&[REQUEST.as_bytes(), &header, &login].concat())
        .await;
    for _ in 0..3 {
        assert!(!alice.is_closed_within(Duration::from_secs(399)).await);
        alice.send_raw(&frame(0x89, b"")).await;
    }
    assert!(alice.is_closed_within(Duration::from_secs(402)).await);
    node.stop().await;
}
