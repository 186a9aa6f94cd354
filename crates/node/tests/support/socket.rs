//! Bare sockets, for tests of what is below the protocol.

use std::net::SocketAddr;
use std::time::Duration;

use presence_node::{Node, NodeConfig, ServerTls};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{app, settings, within};

/// Long enough for a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub async fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("it listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream
}

/// Everything up to the end.
pub async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    // A socket closed with unread bytes is reset; what came before counts.
    drop(within("the end", PATIENCE, stream.read_to_end(&mut rest)).await);
    rest
}

/// The next bytes are these.
pub async fn expect(stream: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut given = vec![0; expected.len()];
    within("what was expected", PATIENCE, stream.read_exact(&mut given))
        .await
        .expect("it is open");
    assert_eq!(given, expected);
}

/// Sends a heartbeat, which is echoed.
pub async fn expect_echo(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    stream.write_all(&[0]).await.expect("it is open");
    expect(stream, &[0]).await;
}

/// A node with one port, which has this certificate.
pub fn node_with_certificate(tls: &ServerTls) -> Node {
    let config = NodeConfig {
        listen_tls: vec![([127, 0, 0, 1], 0).into()],
        tls: Some(tls.clone()),
        loops: 1,
        ..NodeConfig::default()
    };
    Node::start(config, vec![app(settings())]).expect("loopback can be listened on")
}
