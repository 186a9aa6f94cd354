//! A node under test: in virtual time, or on threads of its own over TCP, TLS or WebSocket.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use presence::time::Wall;
use presence_node::clock::{Clock, RuntimeClock};
use presence_node::{AppConfig, AsyncAdmin, Listener, Node, NodeConfig, World, single};
use presence_protocol::frame::PREFACE;
use presence_protocol::message::{LoginReply, LoginRequest, Reply, Request, UserStatus};
use presence_protocol::user_sig;
use presence_transport::Layered;
use presence_transport::testing::Authority;
use presence_transport::tls::{ClientConfig, ServerName, Tls};
use presence_transport::websocket;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::client::{Stream, TestClient};
use super::{APP, KEY, app_id};

/// When the virtual world begins: a moment in 2026.
pub const START_S: i64 = 1_780_000_000;

/// Long enough for a loaded machine; a test that waits so long has failed.
const REAL_PATIENCE: Duration = Duration::from_secs(60);
/// In virtual time, which jumps: longer than anything in the rules but the retention of lost devices.
const VIRTUAL_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// Hands the node one end of each connection, after so many failures.
struct MemoryListener {
    incoming: mpsc::Receiver<DuplexStream>,
    failures: usize,
}

impl Listener for MemoryListener {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> std::io::Result<(DuplexStream, SocketAddr)> {
        if let Some(left) = self.failures.checked_sub(1) {
            self.failures = left;
            return Err(std::io::Error::other("too many open files, says the test"));
        }
        match self.incoming.recv().await {
            Some(stream) => Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }
}

/// Bytes on their way, each way: small, so that a receiver that does not read is noticed.
const PIPE_BYTES: usize = 16 * 1024;

enum Place {
    /// In this test's own runtime, whose time is virtual.
    Memory {
        connect: mpsc::Sender<DuplexStream>,
        clock: Arc<RuntimeClock>,
        running: JoinHandle<()>,
    },
    /// On threads of its own, over TCP.
    Tcp {
        node: Option<Node>,
        /// Trusts the node's certificate, if it has one.
        tls: Option<Arc<ClientConfig>>,
        /// Clients speak WebSocket.
        websocket: bool,
    },
}

/// A node under test.
pub struct TestNode {
    pub admin: AsyncAdmin,
    place: Place,
}

impl TestNode {
    /// In virtual time: for tests with `start_paused`.
    pub fn in_memory(config: NodeConfig, app: AppConfig) -> TestNode {
        TestNode::in_memory_after_failures(config, app, 0)
    }

    /// The same, where accepting fails so many times before it succeeds.
    pub fn in_memory_after_failures(config: NodeConfig, app: AppConfig, failures: usize) -> TestNode {
        let clock = Arc::new(RuntimeClock::starting_at(Wall(START_S * 1000)));
        let (connect, incoming) = mpsc::channel(64);
        let world = World { clock: clock.clone() };
        let (admin, node) = single(config, vec![app], MemoryListener { incoming, failures }, world);
        TestNode {
            admin,
            place: Place::Memory {
                connect,
                clock,
                running: tokio::spawn(node),
            },
        }
    }

    pub fn over_tcp(config: NodeConfig, loops: usize, app: AppConfig) -> TestNode {
        let config = NodeConfig {
            listen: vec![([127, 0, 0, 1], 0).into()],
            loops,
            ..config
        };
        let node = Node::start(config, vec![app]).expect("loopback can be listened on");
        TestNode {
            admin: node.admin().to_async(),
            place: Place::Tcp {
                node: Some(node),
                tls: None,
                websocket: false,
            },
        }
    }

    pub fn over_websocket(config: NodeConfig, loops: usize, app: AppConfig) -> TestNode {
        let mut node = TestNode::over_tcp(config, loops, app);
        if let Place::Tcp { websocket, .. } = &mut node.place {
            *websocket = true;
        }
        node
    }

    pub fn over_tls(config: NodeConfig, loops: usize, app: AppConfig) -> TestNode {
        let authority = Authority::new();
        let config = NodeConfig {
            listen_tls: vec![([127, 0, 0, 1], 0).into()],
            tls: Some(authority.issue(&["127.0.0.1"]).server()),
            loops,
            ..config
        };
        let node = Node::start(config, vec![app]).expect("loopback can be listened on");
        TestNode {
            admin: node.admin().to_async(),
            place: Place::Tcp {
                node: Some(node),
                tls: Some(authority.client()),
                websocket: false,
            },
        }
    }

    pub fn shift_wall(&self, milliseconds: i64) {
        match &self.place {
            Place::Memory { clock, .. } => clock.shift_wall(milliseconds),
            Place::Tcp { .. } => panic!("only virtual time can be moved"),
        }
    }

    fn now_s(&self) -> i64 {
        match &self.place {
            Place::Memory { clock, .. } => clock.now().wall.0 / 1000,
            Place::Tcp { .. } => {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .expect("after 1970");
                i64::try_from(now.as_secs()).expect("before the end of time")
            }
        }
    }

    pub fn sign(&self, user: &str, valid_s: i64) -> String {
        user_sig::sign(app_id(), KEY, user, self.now_s(), valid_s)
    }

    pub fn address(&self) -> SocketAddr {
        match &self.place {
            Place::Tcp { node: Some(node), .. } => {
                let mut all = node.addresses().iter().chain(node.tls_addresses());
                *all.next().expect("it listens")
            }
            Place::Tcp { node: None, .. } | Place::Memory { .. } => panic!("it has no address"),
        }
    }

    /// A connection that has said nothing.
    pub async fn dial(&self) -> TestClient {
        let mut patience = REAL_PATIENCE;
        let stream: Box<dyn Stream> = match &self.place {
            Place::Memory { connect, .. } => {
                patience = VIRTUAL_PATIENCE;
                let (ours, theirs) = duplex(PIPE_BYTES);
                connect.send(theirs).await.expect("the node runs");
                Box::new(ours)
            }
            Place::Tcp { tls, websocket, .. } => {
                let stream = TcpStream::connect(self.address())
                    .await
                    .expect("the node listens");
                stream.set_nodelay(true).expect("a TCP socket");
                match tls {
                    None if *websocket => Box::new(in_websocket(stream).await),
                    None => Box::new(stream),
                    Some(config) => Box::new(encrypted(stream, config).await),
                }
            }
        };
        TestClient::new(stream, patience)
    }

    /// A connection that has said the preface.
    pub async fn connect(&self) -> TestClient {
        let mut client = self.dial().await;
        client.send_raw(PREFACE).await;
        client
    }

    pub fn login_request(&self, user: &str) -> LoginRequest {
        LoginRequest {
            sdk_app_id: APP,
            user_id: user.to_owned(),
            user_sig: self.sign(user, 86_400),
            platform: "Linux".to_owned(),
            instance: format!("{user}-device"),
            session: None,
            list_generation: 0,
            known: Vec::new(),
            client: "test/1".to_owned(),
            only_to_log_out: false,
        }
    }

    /// A connection with this login: its reply, whatever it is.
    pub async fn try_login(&self, request: LoginRequest) -> (TestClient, Reply) {
        let mut client = self.connect().await;
        let reply = client.call(Request::Login(request)).await;
        (client, reply)
    }

    /// A connection with this login, which succeeds, and its own status, which follows.
    pub async fn login_with(&self, request: LoginRequest) -> (TestClient, LoginReply, UserStatus) {
        let user = request.user_id.clone();
        let (mut client, reply) = self.try_login(request).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        let own = client.push().await;
        assert_eq!(
            own.user_id, user,
            "the own status follows the login's result (R8.2)"
        );
        (client, reply.login.expect("a login's reply"), own)
    }

    pub async fn login(&self, user: &str) -> TestClient {
        self.login_with(self.login_request(user)).await.0
    }

    /// Another device of a user.
    pub async fn login_device(&self, user: &str, platform: &str, instance: &str) -> TestClient {
        let request = LoginRequest {
            platform: platform.to_owned(),
            instance: instance.to_owned(),
            ..self.login_request(user)
        };
        self.login_with(request).await.0
    }

    pub async fn stop(mut self) {
        match &mut self.place {
            Place::Memory { running, .. } => {
                self.admin.stop().await;
                running.await.expect("the node did not panic");
            }
            Place::Tcp { node, .. } => {
                let node = node.take().expect("it runs");
                node.stop(Duration::from_secs(30)).expect("it stops in time");
            }
        }
    }
}

/// A connection to 127.0.0.1 after its TLS handshake.
pub async fn encrypted(mut stream: TcpStream, config: &Arc<ClientConfig>) -> Layered<TcpStream> {
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let mut tls = Tls::client(Arc::clone(config), name).expect("a sound configuration");
    while tls.is_handshaking() {
        poll_fn(|cx| tls.poll_receive(&mut stream, cx))
            .await
            .expect("the handshake goes on");
        tls.process().expect("the node's certificate is good");
    }
    Layered::with_tls(stream, tls)
}

/// A connection after its WebSocket handshake.
pub async fn in_websocket<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Layered<S> {
    let mut number = 0u32;
    let masks = Box::new(move || {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        number
    });
    let websocket = websocket::agree(&mut stream, "node.example", "/", [7; 16], masks)
        .await
        .expect("the node agrees");
    Layered::with_websocket(stream, websocket)
}
