//! A scripted server in memory and an application that writes down what it is told, in order. With tokio's paused clock
//! hours pass in no time, and a test never sleeps: it awaits what it expects.
#![allow(dead_code)] // each test file uses a part

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use presence::ids::SessionId;
use presence_client::options::Options;
use presence_client::world::{Connecting, Stream, World};
use presence_client::{Client, Completion, Listener, LogLevel};
use presence_protocol::errors::code;
use presence_protocol::frame::{self, Next, PREFACE};
use presence_protocol::message::{
    LoginReply, LoginRequest, Reply, Request, ServerMessage, SubscriptionSummary, UserStatus, decode_request,
    encode_server,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{Notify, mpsc};
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout};

/// Longer than any timer of the client, in the clock that moves by itself.
pub const PATIENCE: Duration = Duration::from_secs(3_600);

/// Awaits `expected`, which must come.
pub async fn soon<T>(what: &str, expected: impl Future<Output = T>) -> T {
    timeout(PATIENCE, expected)
        .await
        .unwrap_or_else(|_| panic!("never came: {what}"))
}

/// The outside of a client under test.
pub struct ScriptWorld {
    accept: mpsc::UnboundedSender<DuplexStream>,
    origin: Instant,
    /// Connections are refused.
    pub refusing: AtomicBool,
    /// Connections are never answered.
    pub hanging: AtomicBool,
    /// The machine meets a bug.
    pub broken: AtomicBool,
    /// Attempts to connect.
    pub dials: AtomicUsize,
    /// What every draw gives.
    pub random: AtomicU64,
    /// How the client's ends of connections are.
    pub weather: Arc<Weather>,
}

/// What befalls the client's end of a connection.
#[derive(Default)]
pub struct Weather {
    /// So many reads find a heartbeat at once, before anything else.
    pub flood: AtomicUsize,
    /// Writes wait: the network takes nothing.
    pub stuck: AtomicBool,
    /// Writes fail.
    pub broken: AtomicBool,
}

/// The client's end.
struct Exposed(DuplexStream, Arc<Weather>);

impl AsyncRead for Exposed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let flood = &self.1.flood;
        let floods = flood.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if floods.is_ok() {
            // As a socket's: others have their turn.
            ready!(pin!(consume_budget()).poll(cx));
            buffer.put_slice(&[0]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Exposed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.1.broken.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.1.stuck.load(Ordering::SeqCst) {
            // Whatever is read wakes the client.
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl World for ScriptWorld {
    fn connect(&self, _host: &str, _port: u16) -> Connecting {
        assert!(!self.broken.load(Ordering::SeqCst), "a planted bug");
        self.dials.fetch_add(1, Ordering::SeqCst);
        if self.refusing.load(Ordering::SeqCst) {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        }
        if self.hanging.load(Ordering::SeqCst) {
            return Box::pin(std::future::pending());
        }
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        self.accept.send(theirs).unwrap();
        let ours = Exposed(ours, Arc::clone(&self.weather));
        Box::pin(async { Ok(Box::new(ours) as Box<dyn Stream>) })
    }

    fn mono_ms(&self) -> u64 {
        self.origin.elapsed().as_millis() as u64
    }

    fn random(&self) -> u64 {
        self.random.load(Ordering::SeqCst)
    }
}

/// The server's side: accepts connections.
pub struct Server {
    pub world: Arc<ScriptWorld>,
    accepted: mpsc::UnboundedReceiver<DuplexStream>,
}

impl Server {
    pub fn new() -> Server {
        let (accept, accepted) = mpsc::unbounded_channel();
        let world = ScriptWorld {
            accept,
            origin: Instant::now(),
            refusing: AtomicBool::new(false),
            hanging: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            dials: AtomicUsize::new(0),
            random: AtomicU64::new(7),
            weather: Arc::default(),
        };
        Server {
            world: Arc::new(world),
            accepted,
        }
    }

    /// The next connection, after its preface.
    pub async fn accept(&mut self) -> Peer {
        let mut stream = soon("a connection", self.accepted.recv()).await.unwrap();
        let mut preface = [0; 5];
        soon("the preface", stream.read_exact(&mut preface))
            .await
            .unwrap();
        assert_eq!(&preface, PREFACE);
        Peer {
            stream,
            input: BytesMut::new(),
        }
    }

    /// Accepts a connection and the login on it.
    pub async fn accept_login(&mut self) -> (Peer, LoginRequest) {
        self.accept_login_with(login_reply(1)).await
    }

    pub async fn accept_login_with(&mut self, login: LoginReply) -> (Peer, LoginRequest) {
        let mut peer = self.accept().await;
        let (id, request) = peer.login().await;
        peer.reply(Reply {
            request_id: id,
            login: Some(login),
            ..Reply::default()
        })
        .await;
        (peer, request)
    }

    /// Whether a connection came that nobody accepted.
    pub fn was_dialed(&mut self) -> bool {
        self.accepted.try_recv().is_ok()
    }
}

pub fn login_reply(session: u64) -> LoginReply {
    LoginReply {
        session: SessionId(session),
        server_time_ms: 1_700_000_000_000,
        heartbeat_interval_ms: 120_000,
        heartbeat_timeout_ms: 400_000,
        user_sig_expires_ms: 1_800_000_000_000,
        subscriptions: SubscriptionSummary {
            generation: 1,
            restorable: false,
            user_ids: Some(Vec::new()),
        },
        frame_bytes_max: frame::FRAME_BYTES_MAX as u32,
    }
}

/// A login reply with a subscription list.
pub fn login_reply_with(session: u64, subscriptions: SubscriptionSummary) -> LoginReply {
    LoginReply {
        subscriptions,
        ..login_reply(session)
    }
}

/// One connection as the server sees it.
pub struct Peer {
    pub stream: DuplexStream,
    input: BytesMut,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Heartbeat,
    Request(u64, Request),
    End,
}

impl Peer {
    pub async fn hear(&mut self) -> Heard {
        soon("a frame or the end", self.hear_ever()).await
    }

    async fn hear_ever(&mut self) -> Heard {
        loop {
            if let Next::Frame { body, consumed } = frame::next(&self.input, 1 << 27).unwrap() {
                let heard = if body.is_empty() {
                    Heard::Heartbeat
                } else {
                    let (id, request) = decode_request(body).unwrap();
                    Heard::Request(id, request)
                };
                self.input.advance(consumed);
                return heard;
            }
            if self.stream.read_buf(&mut self.input).await.unwrap_or(0) == 0 {
                return Heard::End;
            }
        }
    }

    /// The next request; a heartbeat is answered on the way.
    pub async fn request(&mut self) -> (u64, Request) {
        loop {
            match self.hear().await {
                Heard::Heartbeat => self.raw(&[0]).await,
                Heard::Request(id, request) => return (id, request),
                Heard::End => panic!("the client closed the connection"),
            }
        }
    }

    pub async fn login(&mut self) -> (u64, LoginRequest) {
        match self.request().await {
            (id, Request::Login(login)) => (id, login),
            other => panic!("not a login: {other:?}"),
        }
    }

    /// The client closes the connection; heartbeats before that are nothing.
    pub async fn closed(&mut self) {
        loop {
            match self.hear().await {
                Heard::End => return,
                Heard::Heartbeat => {}
                Heard::Request(_, request) => panic!("not the end: {request:?}"),
            }
        }
    }

    /// Nothing is heard within `time`.
    pub async fn hears_nothing_for(&mut self, time: Duration) {
        if let Ok(heard) = timeout(time, self.hear_ever()).await {
            panic!("not silence: {heard:?}");
        }
    }

    pub async fn send(&mut self, message: &ServerMessage) {
        let mut out = BytesMut::new();
        encode_server(message, &mut out);
        self.raw(&out).await;
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        // The client may have hung up, which the test finds out by itself.
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn reply(&mut self, reply: Reply) {
        self.send(&ServerMessage::Reply(reply)).await;
    }

    pub async fn accept_request(&mut self) -> Request {
        let (request_id, request) = self.request().await;
        self.reply(Reply {
            request_id,
            ..Reply::default()
        })
        .await;
        request
    }

    pub async fn push(&mut self, changes: &[(&str, u64)]) {
        let changes = changes
            .iter()
            .map(|(user, version)| status(user, *version))
            .collect();
        self.send(&ServerMessage::Push(changes)).await;
    }
}

/// `user`, ONLINE.
pub fn status(user: &str, version: u64) -> UserStatus {
    UserStatus {
        user_id: user.into(),
        status: 1,
        version,
        ..UserStatus::default()
    }
}

pub fn ids(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Options for the scripted world, with `more` keys such as `,"queue_max":3`.
pub fn options(more: &str) -> Options {
    Options::parse(&format!(
        r#"{{"server":"tim://script","sdk_app_id":7,"delivery":"poll"{more}}}"#
    ))
    .unwrap()
}

/// The application: every callback writes one line.
pub struct App {
    pub client: Client,
    diary: Arc<Mutex<Vec<String>>>,
    read: usize,
    woken: Arc<Notify>,
}

impl App {
    pub fn new(server: &Server) -> App {
        App::with(server, "")
    }

    pub fn with(server: &Server, more: &str) -> App {
        let client = Client::create_in(server.world.clone(), options(more)).unwrap();
        let woken = Arc::new(Notify::new());
        let ring = woken.clone();
        client
            .set_wake_callback(Some(Box::new(move || ring.notify_one())))
            .unwrap();
        let app = App {
            client,
            diary: Arc::default(),
            read: 0,
            woken,
        };
        app.listen();
        app
    }

    fn listen(&self) {
        let write = self.writer();
        let listener = Listener::StatusChanged(Box::new(move |changes| {
            let line: Vec<String> = changes
                .iter()
                .map(|c| format!("{}@{}", c.user_id, c.version))
                .collect();
            write(line.join(" "));
        }));
        self.client.set_listener(listener).unwrap();
        let write = self.writer();
        let listener =
            Listener::ConnectionState(Box::new(move |state, code, _| write(format!("{state:?} {code}"))));
        self.client.set_listener(listener).unwrap();
        let write = self.writer();
        self.client
            .set_listener(Listener::KickedOffline(Box::new(move |code, _| {
                write(format!("kicked {code}"))
            })))
            .unwrap();
        let write = self.writer();
        self.client
            .set_listener(Listener::UserSigExpired(Box::new(move || {
                write("expired".into())
            })))
            .unwrap();
        let write = self.writer();
        let listener =
            Listener::SubscriptionsEvicted(Box::new(move |ids| write(format!("evicted {}", ids.join(",")))));
        self.client.set_listener(listener).unwrap();
    }

    /// From now on log records are written too.
    pub async fn log(&self, level: LogLevel) {
        let write = self.writer();
        let listener = Listener::Log(level, Box::new(move |_, text| write(format!("log: {text}"))));
        self.client.set_listener(listener).unwrap();
        // Lets the client hear of it before whatever the test has the server say.
        tokio::task::yield_now().await;
    }

    fn writer(&self) -> impl Fn(String) + Send + 'static {
        let diary = self.diary.clone();
        move |line| diary.lock().unwrap().push(line)
    }

    /// A completion that writes `=what code`.
    pub fn note(&self, what: &str) -> Completion {
        let (write, what) = (self.writer(), what.to_owned());
        Box::new(move |outcome| {
            assert!(!outcome.message.is_empty());
            write(format!("={what} {}", outcome.code));
        })
    }

    pub fn log_in(&self) {
        self.client.login("alice", "sig", self.note("login")).unwrap();
    }

    pub fn set(&self, text: &str) {
        self.client.set_self_status(text, self.note(text)).unwrap();
    }

    /// Everything told until `line`, that one included, since the last time.
    pub async fn until(&mut self, line: &str) -> Vec<String> {
        let mut told = Vec::new();
        let found = timeout(PATIENCE, async {
            loop {
                let next = self.next().await;
                told.push(next);
                if told.last().is_some_and(|last| last == line) {
                    return;
                }
            }
        });
        if found.await.is_err() {
            panic!("never told: {line:?}, but {told:?}");
        }
        told
    }

    async fn next(&mut self) -> String {
        loop {
            if let Some(line) = self.diary.lock().unwrap().get(self.read).cloned() {
                self.read += 1;
                return line;
            }
            match self.client.poll(1, Duration::ZERO) {
                Ok(0) => self.woken.notified().await,
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.code, code::CLOSED);
                    self.diary.lock().unwrap().push("closed".into());
                }
            }
        }
    }

    /// The connection is lost, and that is told.
    pub async fn loses(&mut self, peer: Peer) {
        drop(peer);
        self.until("Disconnected 9523").await;
    }

    /// Ends the client, and awaits that.
    pub async fn end(&mut self) {
        self.client.destroy_async(Box::new(|| ())).unwrap();
        self.until("closed").await;
    }

    /// Nothing is told within `time`.
    pub async fn is_told_nothing_for(&mut self, time: Duration) {
        if let Ok(line) = timeout(time, self.next()).await {
            panic!("not silence: {line}");
        }
    }

    /// Logged in, and what was told on the way is read.
    pub async fn online(server: &mut Server) -> (App, Peer) {
        App::online_with(server, "", login_reply(1)).await
    }

    pub async fn online_with(server: &mut Server, more: &str, login: LoginReply) -> (App, Peer) {
        let mut app = App::with(server, more);
        app.log_in();
        let (peer, _) = server.accept_login_with(login).await;
        app.until("=login 0").await;
        (app, peer)
    }
}
