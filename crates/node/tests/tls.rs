//! TLS on a node's own port: what its handshake takes and refuses. That everything else is as without it, the stories of
//! the other files show, which run over TLS too.

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use presence_node::{Node, NodeConfig};
use presence_protocol::frame::PREFACE;
use presence_transport::testing::Authority;
use support::socket::{PATIENCE, dial, expect_echo, node_with_certificate, rest};
use support::{Kind, TestNode, app, encrypted, settings};
use tokio::io::AsyncWriteExt;

/// A ClientHello of TLS 1.2: no extension says that newer versions are known. Its cipher suites are those of 1.2.
const HELLO_OF_TLS_1_2: &[u8] = b"\x16\x03\x01\x00\x39\x01\x00\x00\x35\x03\x03\
    0123456789abcdef0123456789abcdef\x00\x00\x04\xc0\x2b\xc0\x2f\x01\x00\x00\x08\x00\x0d\x00\x04\x00\x02\x04\x03";
/// An alert, fatal: protocol_version.
const ALERT_VERSION: &[u8] = &[21, 3, 3, 0, 2, 2, 70];

async fn answer_to(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = dial(address).await;
    // It may be closed before all is written.
    let _ = stream.write_all(bytes).await;
    rest(&mut stream).await
}

#[tokio::test]
async fn a_client_that_knows_only_tls_1_2_is_told_so_and_refused() {
    let node = Kind::Tls.node(settings());
    assert_eq!(answer_to(node.address(), HELLO_OF_TLS_1_2).await, ALERT_VERSION);
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test]
async fn a_client_without_tls_on_the_port_with_it_is_refused() {
    let node = Kind::Tls.node(settings());
    for bytes in [&PREFACE[..], b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff"] {
        let answer = answer_to(node.address(), bytes).await;
        assert_eq!(answer.first(), Some(&21), "a TLS alert to {bytes:?}: {answer:?}");
    }
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test]
async fn a_client_with_tls_on_the_port_without_it_is_refused() {
    let node = Kind::Loops(1).node(settings());
    assert_eq!(answer_to(node.address(), HELLO_OF_TLS_1_2).await, b"");
    node.login("alice").await;
    node.stop().await;
}

#[tokio::test]
async fn a_handshake_that_stands_still_ends_with_the_login_deadline_and_others_log_in_meanwhile() {
    let config = NodeConfig {
        login_deadline: Duration::from_secs(2),
        ..NodeConfig::default()
    };
    let node = TestNode::over_tls(config, 2, app(settings()));
    let mut stuck = Vec::new();
    for bytes in [&b""[..], b"\x16", &HELLO_OF_TLS_1_2[..20]] {
        let mut stream = dial(node.address()).await;
        stream.write_all(bytes).await.expect("it is open");
        stuck.push(stream);
    }
    node.login("alice").await;
    for stream in &mut stuck {
        rest(stream).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn a_certificate_is_replaced_for_new_connections_and_old_ones_go_on() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = old.issue(&["127.0.0.1"]).server();
    let node = node_with_certificate(&tls);
    let dial = || dial(node.tls_addresses()[0]);
    let mut before = encrypted(dial().await, &old.client()).await;
    before.write_all(PREFACE).await.expect("it is open");

    let issued = new.issue(&["127.0.0.1"]);
    assert!(tls.replace_with(&issued.server()));
    assert!(!tls.replace_with(&issued.server()), "the same again");
    let mut after = encrypted(dial().await, &new.client()).await;

    after.write_all(PREFACE).await.expect("it is open");
    for stream in [&mut before, &mut after] {
        expect_echo(stream).await;
    }
    node.stop(PATIENCE).expect("it stops");
}

#[test]
fn to_listen_with_tls_takes_a_certificate() {
    let config = NodeConfig {
        listen_tls: vec![([127, 0, 0, 1], 0).into()],
        ..NodeConfig::default()
    };
    let error = Node::start(config, vec![app(settings())]).err().expect("none");
    assert!(error.to_string().contains("certificate"), "{error}");
}
