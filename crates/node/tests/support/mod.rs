//! A node to talk to, and a client that speaks the wire: each test reads like the exchange it is about.
#![allow(dead_code)] // each test file uses a part

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use presence::ids::{AppId, SessionId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::status::Version;
use presence::time::Wall;
use presence_node::clock::RuntimeClock;
use presence_node::{AppConfig, AsyncAdmin, Listener, Node, NodeConfig, World, single};
use presence_protocol::frame::{self, HEARTBEAT, Next, PREFACE};
use presence_protocol::message::{
    KnownUser, LoginReply, LoginRequest, Reply, Request, ServerMessage, SubscriptionsChanged, UserStatus,
    decode_server, encode_request,
};
use presence_protocol::user_sig;
use presence_transport::Layered;
use presence_transport::testing::Authority;
use presence_transport::tls::{ClientConfig, ServerName, Tls};
use presence_transport::websocket;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub const APP: u64 = 1_400_000_001;
pub const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
/// When the virtual world begins: a moment in 2026.
pub const START_S: i64 = 1_780_000_000;

/// Long enough for a loaded machine; a test that waits so long has failed.
const REAL_PATIENCE: Duration = Duration::from_secs(60);
/// In virtual time, which jumps: longer than anything in the rules but the retention of lost devices.
const VIRTUAL_PATIENCE: Duration = Duration::from_secs(24 * 3600);

pub async fn within<F: Future>(what: &str, patience: Duration, future: F) -> F::Output {
    match tokio::time::timeout(patience, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

pub fn app_id() -> AppId {
    AppId::new(APP).expect("not 0")
}

pub fn user_id(name: &str) -> UserId {
    UserId::new(name).expect("well-formed")
}

pub fn user(name: &str) -> UserKey {
    UserKey {
        app: app_id(),
        user: user_id(name),
    }
}

/// The tests' defaults: no limit on calls, subscribing makes accounts.
pub fn settings() -> AppSettings {
    AppSettings {
        auto_register_on_mention: true,
        rate_calls: 0,
        ..AppSettings::default()
    }
}

pub fn app(settings: AppSettings) -> AppConfig {
    AppConfig {
        id: app_id(),
        secret_key: KEY.to_owned(),
        settings,
        accounts: Vec::new(),
        friends: std::collections::BTreeMap::new(),
    }
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

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
            Place::Memory { clock, .. } => {
                use presence_node::clock::Clock;
                clock.now().wall.0 / 1000
            }
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
        TestClient {
            stream,
            received: BytesMut::new(),
            inbox: VecDeque::new(),
            next_request: 1,
            patience,
        }
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

/// One connection to a node.
pub struct TestClient {
    stream: Box<dyn Stream>,
    received: BytesMut,
    inbox: VecDeque<Event>,
    next_request: u64,
    patience: Duration,
}

/// What arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Message(ServerMessage),
    Heartbeat,
    End,
}

impl TestClient {
    pub async fn send_raw(&mut self, bytes: &[u8]) {
        // A node that has closed the connection refuses bytes; the test sees the end next.
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn send(&mut self, request: Request) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        let mut bytes = BytesMut::new();
        encode_request(id, &request, &mut bytes);
        self.send_raw(&bytes).await;
        id
    }

    /// Sends a request and waits for its reply. What arrives before waits its turn.
    pub async fn call(&mut self, request: Request) -> Reply {
        let id = self.send(request).await;
        self.reply_to(id).await
    }

    pub async fn reply_to(&mut self, id: u64) -> Reply {
        let mut before = VecDeque::new();
        loop {
            match self.next().await {
                Event::Message(ServerMessage::Reply(reply)) => {
                    assert_eq!(reply.request_id, id, "requests are answered in order");
                    before.append(&mut self.inbox);
                    self.inbox = before;
                    return reply;
                }
                Event::End => panic!("the connection ended before the reply; before that: {before:?}"),
                other => before.push_back(other),
            }
        }
    }

    /// Reads whatever comes, for so long at most; whether it was closed.
    pub async fn is_closed_within(&mut self, time: Duration) -> bool {
        let closed = async {
            let mut bytes = [0; 1024];
            while !matches!(self.stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
        };
        tokio::time::timeout(time, closed).await.is_ok()
    }

    /// The next thing that arrives.
    pub async fn next(&mut self) -> Event {
        if let Some(event) = self.inbox.pop_front() {
            return event;
        }
        within("something from the server", self.patience, async {
            loop {
                if let Next::Frame { body, consumed } =
                    frame::next(&self.received, usize::MAX >> 8).expect("the node frames well")
                {
                    let event = if body.is_empty() {
                        Event::Heartbeat
                    } else {
                        Event::Message(decode_server(body).expect("the node speaks the protocol"))
                    };
                    let _used = self.received.split_to(consumed);
                    return event;
                }
                match self.stream.read_buf(&mut self.received).await {
                    Ok(0) | Err(_) => return Event::End,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    pub async fn message(&mut self) -> ServerMessage {
        match self.next().await {
            Event::Message(message) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// The next thing is a change of one user.
    pub async fn push(&mut self) -> UserStatus {
        match self.message().await {
            ServerMessage::Push(mut changes) if changes.len() == 1 => changes.remove(0),
            other => panic!("a push was expected, not {other:?}"),
        }
    }

    /// The next thing is a change of `user`.
    pub async fn push_of(&mut self, user: &str) -> UserStatus {
        let change = self.push().await;
        assert_eq!(change.user_id, user);
        change
    }

    pub async fn list_change(&mut self) -> SubscriptionsChanged {
        match self.message().await {
            ServerMessage::SubscriptionsChanged(changed) => changed,
            other => panic!("a change of the list was expected, not {other:?}"),
        }
    }

    /// The session ends with this code, and the connection after it.
    pub async fn session_ended(&mut self, code: i32) {
        match self.message().await {
            ServerMessage::SessionEnded { code: given, message } => {
                assert_eq!(given, code);
                assert!(!message.is_empty());
            }
            other => panic!("the end of the session was expected, not {other:?}"),
        }
        self.ended().await;
    }

    /// The next thing is the end of the connection.
    pub async fn ended(&mut self) {
        assert_eq!(self.next().await, Event::End);
    }

    /// What arrives until the node answers a heartbeat: with one loop, all that happened so far.
    pub async fn until_heartbeat(&mut self) -> Vec<ServerMessage> {
        self.send_raw(HEARTBEAT).await;
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Event::Message(message) => messages.push(message),
                Event::Heartbeat => return messages,
                Event::End => panic!("the connection ended"),
            }
        }
    }

    pub async fn hears_nothing(&mut self) {
        assert_eq!(self.until_heartbeat().await, vec![]);
    }

    pub async fn set(&mut self, custom: &str) -> Reply {
        self.call(Request::SetSelfStatus {
            custom_status: custom.to_owned(),
        })
        .await
    }

    pub async fn subscribe(&mut self, users: &[&str]) -> Reply {
        self.call(Request::Subscribe {
            user_ids: owned(users),
        })
        .await
    }

    /// Subscribes, which succeeds, and takes the event of the list.
    pub async fn follow(&mut self, users: &[&str]) -> Vec<UserStatus> {
        let reply = self.subscribe(users).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        self.list_change().await;
        reply.users
    }

    pub async fn unsubscribe(&mut self, users: &[&str]) -> Reply {
        self.call(Request::Unsubscribe {
            user_ids: owned(users),
        })
        .await
    }

    pub async fn query(&mut self, users: &[&str]) -> Reply {
        self.call(Request::GetUserStatus {
            user_ids: owned(users),
        })
        .await
    }

    /// What one user shows.
    pub async fn look_at(&mut self, user: &str) -> UserStatus {
        let mut reply = self.query(&[user]).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        reply.users.remove(0)
    }

    pub async fn subscriptions(&mut self) -> Vec<UserStatus> {
        let reply = self.call(Request::GetSubscriptions).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        reply.users
    }

    /// Logs out and sees the connection end.
    pub async fn log_out(mut self) {
        let reply = self.call(Request::Logout).await;
        assert_eq!(reply.code, 0);
        self.ended().await;
    }
}

pub fn owned(users: &[&str]) -> Vec<String> {
    users.iter().map(|user| (*user).to_owned()).collect()
}

pub fn names(users: &[UserStatus]) -> Vec<&str> {
    users.iter().map(|user| user.user_id.as_str()).collect()
}

pub fn resume(request: LoginRequest, login: &LoginReply, known: &[&UserStatus]) -> LoginRequest {
    LoginRequest {
        session: Some(SessionId(login.session.0)),
        list_generation: login.subscriptions.generation,
        known: known
            .iter()
            .map(|user| KnownUser {
                user_id: user.user_id.clone(),
                version: Version(user.version),
                online: user.status == ONLINE,
            })
            .collect(),
        ..request
    }
}

pub const ONLINE: i32 = 1;
pub const OFFLINE: i32 = 2;
pub const UNLOGINED: i32 = 3;

/// Runs a story in virtual time on one loop, over TCP on one loop and on three, and over TLS and WebSocket on two.
#[macro_export]
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(super::support::Kind::Memory).await;
            })*
        }
        mod over_one_loop {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::Loops(1)).await;
            })*
        }
        mod over_three_loops {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::Loops(3)).await;
            })*
        }
        mod over_tls {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::Tls).await;
            })*
        }
        mod over_websocket {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::WebSocket).await;
            })*
        }
    };
}

/// What a story runs on.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Memory,
    Loops(usize),
    Tls,
    WebSocket,
}

impl Kind {
    pub fn node(self, settings: AppSettings) -> TestNode {
        self.node_with(NodeConfig::default(), app(settings))
    }

    pub fn node_with(self, config: NodeConfig, app: AppConfig) -> TestNode {
        match self {
            Kind::Memory => TestNode::in_memory(config, app),
            Kind::Loops(loops) => TestNode::over_tcp(config, loops, app),
            Kind::Tls => TestNode::over_tls(config, 2, app),
            Kind::WebSocket => TestNode::over_websocket(config, 2, app),
        }
    }
}

/// What is logged on this thread until it is dropped, one line an event: level, then the fields.
pub struct Log {
    lines: Arc<std::sync::Mutex<Vec<String>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Log {
    pub fn capture() -> Log {
        let lines = Arc::default();
        let guard = tracing::subscriber::set_default(Capture(Arc::clone(&lines)));
        Log { lines, _guard: guard }
    }

    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("nobody panicked").clone()
    }
}

struct Capture(Arc<std::sync::Mutex<Vec<String>>>);

struct Line(String);

impl tracing::field::Visit for Line {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write;
        write!(self.0, " {}={value:?}", field.name()).expect("a string grows");
    }
}

impl tracing::Subscriber for Capture {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if event.metadata().target().starts_with("presence_node") {
            let mut line = Line(event.metadata().level().to_string());
            event.record(&mut line);
            self.0.lock().expect("nobody panicked").push(line.0);
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
