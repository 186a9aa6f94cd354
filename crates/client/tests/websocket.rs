//! A client in WebSocket, and what middleboxes make of it: fragments of a byte, pings, an upgrade byte by byte, refusals.

mod middle;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, SystemTime};

use futures_util::{SinkExt as _, StreamExt as _};
use middle::{HttpProxy, read_head};
use presence::ids::AppId;
use presence::settings::AppSettings;
use presence_client::{Client, Listener, Outcome};
use presence_node::{AppConfig, Node, NodeConfig};
use presence_protocol::errors::code;
use presence_protocol::user_sig;
use presence_transport::testing::Authority;

const PATIENCE: Duration = Duration::from_secs(60);
const KEY: &str = "a key of this test";

struct Server {
    node: Node,
    authority: Authority,
}

impl Server {
    fn start() -> Server {
        let authority = Authority::new();
        let config = NodeConfig {
            listen: vec![([127, 0, 0, 1], 0).into()],
            listen_tls: vec![([127, 0, 0, 1], 0).into()],
            tls: Some(authority.issue(&["localhost", "127.0.0.1"]).server()),
            loops: 2,
            ..NodeConfig::default()
        };
        let settings = AppSettings {
            auto_register_on_mention: true,
            ..AppSettings::default()
        };
        let app = AppConfig {
            id: AppId::new(7).unwrap(),
            secret_key: KEY.into(),
            settings,
            accounts: Vec::new(),
            friends: Default::default(),
        };
        let node = Node::start(config, vec![app]).unwrap();
        Server { node, authority }
    }

    fn plain(&self) -> SocketAddr {
        self.node.addresses()[0]
    }

    fn ca_file(&self) -> String {
        format!(r#","ca_file":"{}""#, self.authority.file().display())
    }
}

/// A client of `server`, not logged in.
fn client(server: &str, more: &str) -> Client {
    let json =
        format!(r#"{{"server":"{server}","sdk_app_id":7,"backoff_base_ms":20,"backoff_max_ms":100{more}}}"#);
    Client::create(&json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn result(call: impl FnOnce(Box<dyn FnOnce(Outcome) + Send>)) -> Outcome {
    let (tell, told) = mpsc::channel();
    call(Box::new(move |outcome| {
        let _ = tell.send(outcome);
    }));
    told.recv_timeout(PATIENCE).expect("a result")
}

fn log_in(client: &Client, user: &str) -> Outcome {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let user_sig = user_sig::sign(AppId::new(7).unwrap(), KEY, user, now.as_secs() as i64, 3600);
    result(|done| client.login(user, &user_sig, done).unwrap())
}

/// What `client` is told of `user`'s custom status.
fn customs_of(client: &Client, user: &'static str) -> Receiver<String> {
    let (tell, told) = mpsc::channel();
    let tell_changes = Listener::StatusChanged(Box::new(move |changes| {
        for change in changes.iter().filter(|change| change.user_id == user) {
            let _ = tell.send(change.custom_status.clone());
        }
    }));
    client.set_listener(tell_changes).unwrap();
    told
}

/// Alice, at `address`, watches bob, who is there without anything between: a story with long and short messages both ways.
fn story(server: &Server, address: &str, more: &str) {
    let alice = client(address, more);
    let bob = client(&format!("tim://{}", server.plain()), "");
    for (client, user) in [(&alice, "alice"), (&bob, "bob")] {
        let outcome = log_in(client, user);
        assert_eq!(outcome.code, 0, "{user}: {}", outcome.message);
    }
    let told = customs_of(&alice, "bob");
    let subscribed = result(|done| alice.subscribe(vec!["bob".into()], done).unwrap());
    assert_eq!(subscribed.code, 0);
    for custom in ["short", &"long ".repeat(20)] {
        let set = result(|done| bob.set_self_status(custom, done).unwrap());
        assert_eq!(set.code, 0);
        while told.recv_timeout(PATIENCE).expect("alice is told") != custom {}
    }
    // An answer of some thousand bytes, and a request as long.
    let many: Vec<String> = (0..400).map(|number| format!("nobody-{number}")).collect();
    let answer = result(|done| alice.get_user_status(many.clone(), done).unwrap());
    assert_eq!(
        (answer.code, answer.users.len()),
        (code::ACCOUNT_NOT_FOUND, many.len()),
        "nobody is known, and each is named"
    );
    for client in [alice, bob] {
        client.destroy(PATIENCE).unwrap();
    }
}

#[test]
fn a_client_in_websocket_does_all_that_one_without_does() {
    let server = Server::start();
    story(&server, &format!("tim+ws://{}/any/path", server.plain()), "");
    let tls = server.node.tls_addresses()[0].port();
    story(&server, &format!("tims+ws://localhost:{tls}"), &server.ca_file());
    server.node.stop(PATIENCE).unwrap();
}

/// tokio-websockets in front of `to`, for one connection: what it is sent in messages goes there as it is, and comes back in
/// fragments. At its end it says whether its ping was answered, or what it has to complain of.
struct OtherServer {
    address: SocketAddr,
    verdict: Receiver<Result<bool, String>>,
}

impl OtherServer {
    fn start(to: SocketAddr) -> OtherServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, verdict) = mpsc::channel();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let told = runtime.unwrap().block_on(async {
                let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                relay(stream, to).await
            });
            let _ = tell.send(told.map_err(|error| error.to_string()));
        });
        OtherServer { address, verdict }
    }
}

async fn relay(stream: tokio::net::TcpStream, to: SocketAddr) -> Result<bool, Box<dyn std::error::Error>> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_websockets::{Config, Error, Message, ServerBuilder};

    let builder = ServerBuilder::new().config(Config::default().frame_size(13));
    let (_, mut socket) = builder.accept(stream).await?;
    let mut node = tokio::net::TcpStream::connect(to).await?;
    let mut read = [0; 4096];
    socket.send(Message::ping("still there?")).await?;
    let mut was_answered = false;
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message)) if message.is_binary() => node.write_all(message.as_payload()).await?,
                Some(Ok(message)) => was_answered |= message.is_pong(),
                // It has said goodbye, or is gone.
                Some(Err(Error::Io(_))) | None => return Ok(was_answered),
                Some(Err(error)) => return Err(error.into()),
            },
            count = node.read(&mut read) => match count? {
                0 => {
                    socket.close().await?;
                    return Ok(was_answered);
                }
                count => socket.send(Message::binary(read[..count].to_vec())).await?,
            },
        }
    }
}

#[test]
fn a_client_speaks_with_a_server_of_another_implementation() {
    let server = Server::start();
    let other = OtherServer::start(server.plain());
    story(&server, &format!("tim+ws://{}/presence", other.address), "");
    let verdict = other
        .verdict
        .recv_timeout(PATIENCE)
        .expect("it ends with its client");
    assert_eq!(verdict, Ok(true));
    server.node.stop(PATIENCE).unwrap();
}

#[test]
fn websocket_over_tls_goes_through_an_http_proxy() {
    let server = Server::start();
    let proxy = HttpProxy::start("HTTP/1.1 200 OK\r\n\r\n");
    let tls = server.node.tls_addresses()[0].port();
    let more = format!(r#"{},"http_proxy":"http://{}""#, server.ca_file(), proxy.address);
    story(&server, &format!("tims+ws://localhost:{tls}"), &more);
    assert!(
        proxy
            .asked
            .recv_timeout(PATIENCE)
            .expect("it was asked")
            .starts_with("CONNECT localhost:")
    );
    server.node.stop(PATIENCE).unwrap();
}

/// What the server sends, as an ugly middlebox passes it on: each byte a fragment of its own, a ping before each, empty
/// fragments, and every byte of it in a write of its own.
fn mangle(mut from: TcpStream, mut to: TcpStream) -> std::io::Result<()> {
    let head = read_head(&mut from);
    for byte in head.bytes() {
        to.write_all(&[byte])?;
    }
    loop {
        let mut start = [0; 2];
        from.read_exact(&mut start)?;
        let length = match start[1] {
            126 => {
                let mut length = [0; 2];
                from.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => panic!("no message of the story is so long"),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        let mut wire = Vec::new();
        match start[0] {
            0x82 => {
                for (index, byte) in payload.iter().enumerate() {
                    wire.extend_from_slice(b"\x89\x04ping");
                    wire.extend_from_slice(&[if index == 0 { 0x02 } else { 0x00 }, 1, *byte]);
                    wire.extend_from_slice(&[0x00, 0x00]);
                }
                wire.extend_from_slice(&[0x80, 0x00]);
            }
            // The server's answers to what the client answered, and its end.
            other => {
                wire.extend_from_slice(&[other, start[1]]);
                wire.extend_from_slice(&payload);
            }
        }
        for byte in wire {
            to.write_all(&[byte])?;
        }
    }
}

/// Passes bytes on one by one.
fn trickle(mut from: TcpStream, mut to: TcpStream) -> std::io::Result<()> {
    let mut byte = [0];
    loop {
        from.read_exact(&mut byte)?;
        to.write_all(&byte)?;
    }
}

#[test]
fn a_middlebox_that_makes_bytes_of_everything_and_pings_between_changes_nothing() {
    let server = Server::start();
    let target = server.plain();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(target).unwrap();
            for stream in [&near, &far] {
                stream.set_nodelay(true).unwrap();
            }
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            for (from, to, pass) in [
                (
                    near,
                    far,
                    trickle as fn(TcpStream, TcpStream) -> std::io::Result<()>,
                ),
                (far_too, near_too, mangle),
            ] {
                thread::spawn(move || {
                    let ends = [from.try_clone().unwrap(), to.try_clone().unwrap()];
                    // It ends when either side does, and ends the other.
                    let _ = pass(from, to);
                    for end in ends {
                        let _ = end.shutdown(Shutdown::Both);
                    }
                });
            }
        }
    });
    story(&server, &format!("tim+ws://{address}"), "");
    server.node.stop(PATIENCE).unwrap();
}

/// The result of a login at whoever answers each request with `answer`, and then ends the connection.
fn login_at(answer: &'static [u8]) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut near in listener.incoming().map_while(Result::ok) {
            read_head(&mut near);
            // The client may have gone.
            let _ = near.write_all(answer);
        }
    });
    let client = client(&format!("tim+ws://{address}"), r#","login_timeout_ms":8000"#);
    let outcome = log_in(&client, "alice");
    client.destroy(PATIENCE).unwrap();
    outcome
}

#[test]
fn an_answer_that_is_not_the_servers_is_named_in_the_result() {
    let answers = [
        (
            &b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel.example/\r\n\r\n"[..],
            "302 Found",
        ),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
            "not one to this request",
        ),
        (b"\x15\x03\x03\x00\x02\x02\x46\r\n\r\n", "does not speak HTTP"),
        (b"", "without an HTTP answer"),
    ];
    // At once, because each login takes its whole time.
    let logins = answers.map(|(answer, why)| (thread::spawn(move || login_at(answer)), why));
    for (login, why) in logins {
        let outcome = login.join().unwrap();
        assert_eq!(outcome.code, code::NO_CONNECTION);
        assert!(outcome.message.contains(why), "{why}: {}", outcome.message);
    }
}
