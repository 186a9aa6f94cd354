//! A loop with an engine that takes its time, as one over a network does: what waits, what goes on, what is told.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use presence::ids::{AppId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::status::Version;
use presence::time::{Mono, Now, Wall};
use presence_protocol::frame::{self, Next as Framed, PREFACE};
use presence_protocol::message::{
    KnownUser, LoginRequest, Reply, Request, ServerMessage, decode_server, encode_request,
};
use presence_protocol::user_sig;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

use super::*;
use crate::admin::AsyncAdmin;
use crate::clock::RuntimeClock;
use crate::config::AppConfig;
use crate::durable::held::Held;
use crate::engine::memory::{MemoryEngine, floor_at};
use crate::engine::{Answer, Command, Output, Tag};
use crate::transport::{Listener, Resident};

const KEY: &str = "a secret of this test";
const START: Wall = Wall(1_780_000_000_000);

/// What a test makes of the engine.
#[derive(Default)]
struct Control {
    /// Nothing comes out.
    holds: bool,
    /// It finds no room for what it would send on.
    congested: bool,
    /// Every command with a tag fails.
    fails: bool,
    /// What is asked of watched users waits.
    holds_watches: bool,
    waker: Option<Waker>,
}

/// The memory engine, under control.
struct Controlled {
    inner: MemoryEngine,
    control: Arc<Mutex<Control>>,
    failed: Vec<Tag>,
    held: Vec<(Option<Tag>, Command)>,
}

impl Engine for Controlled {
    fn floor(&self) -> Version {
        self.inner.floor()
    }

    fn submit(&mut self, at: Now, tag: Option<Tag>, command: Command) {
        let control = self.control.lock().expect("no panic");
        if control.fails {
            self.failed.extend(tag);
        } else if control.holds_watches && matches!(command, Command::Watch { .. }) {
            self.held.push((tag, command));
        } else {
            self.inner.submit(at, tag, command);
        }
    }

    fn poll_output(&mut self, at: Now, cx: &mut Context<'_>) -> Poll<Output> {
        let mut control = self.control.lock().expect("no panic");
        control.waker = Some(cx.waker().clone());
        if control.holds {
            return Poll::Pending;
        }
        if !control.holds_watches {
            for (tag, command) in self.held.drain(..) {
                self.inner.submit(at, tag, command);
            }
        }
        if let Some(tag) = self.failed.pop() {
            return Poll::Ready(Output::Answer {
                tag,
                answer: Answer::Unavailable,
            });
        }
        self.inner.poll_output(at, cx)
    }

    fn next_deadline(&self) -> Option<Mono> {
        self.inner.next_deadline()
    }

    fn advance(&mut self, at: Now) {
        self.inner.advance(at);
    }

    fn flush(&mut self) -> bool {
        self.inner.flush() && !self.control.lock().expect("no panic").congested
    }

    fn close(&mut self, at: Now) {
        self.inner.close(at);
    }

    fn knows(&self, told: Version, kept: Version) -> bool {
        self.inner.knows(told, kept)
    }
}

struct Incoming(mpsc::Receiver<DuplexStream>);

impl Listener for Incoming {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> std::io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }
}

struct World {
    control: Arc<Mutex<Control>>,
    connect: mpsc::Sender<DuplexStream>,
    admin: AsyncAdmin,
}

fn app_id() -> AppId {
    AppId::new(1_400_000_001).expect("not 0")
}

fn settings() -> AppSettings {
    AppSettings {
        auto_register_on_mention: true,
        ..AppSettings::default()
    }
}

/// The engine of a server without a store.
fn engine() -> MemoryEngine {
    MemoryEngine::for_loops(1, floor_at(START), &[(app_id(), settings())])
        .pop()
        .expect("one loop")
}

/// What a loop is made of that is alone and has this engine under `control`.
fn parts(
    control: &Arc<Mutex<Control>>,
    inner: MemoryEngine,
) -> Parts<<Resident<DuplexStream> as Transport>::Detached> {
    let app = AppConfig {
        id: app_id(),
        secret_key: KEY.to_owned(),
        settings: settings(),
        accounts: Vec::new(),
        friends: BTreeMap::new(),
    };
    let config = NodeConfig::default();
    Parts {
        index: 0,
        loops: 1,
        apps: HashMap::from([(app.id, App::new(&app))]),
        clock: Arc::new(RuntimeClock::starting_at(START)),
        engine: Box::new(Controlled {
            inner,
            control: control.clone(),
            failed: Vec::new(),
            held: Vec::new(),
        }),
        peers: Peers::among(1).pop().expect("one loop"),
        limits: Arc::new(Limits::new(&config)),
        config: Arc::new(config),
    }
}

fn login(user: &str) -> Request {
    Request::Login(login_request(user))
}

fn login_request(user: &str) -> LoginRequest {
    LoginRequest {
        sdk_app_id: app_id().get(),
        user_id: user.to_owned(),
        user_sig: user_sig::sign(app_id(), KEY, user, START.0 / 1000, 86_400),
        platform: "Linux".to_owned(),
        instance: "device".to_owned(),
        session: None,
        list_generation: 0,
        known: Vec::new(),
        client: "test/1".to_owned(),
        only_to_log_out: false,
    }
}

impl World {
    fn new() -> World {
        World::with(engine())
    }

    /// The start of a server with a store, whose last start crashed or not.
    fn with_store(store: &mut Held, crashed: bool) -> World {
        let store = store.open(floor_at(START), crashed);
        let clock = RuntimeClock::starting_at(START);
        let grace = NodeConfig::default().restart_grace;
        let apps = [(app_id(), settings())];
        let mut engines =
            MemoryEngine::restored(1, &apps, &store, grace, &|| clock.now()).expect("what an engine wrote");
        World::with(engines.pop().expect("one loop"))
    }

    fn with(engine: MemoryEngine) -> World {
        let control = Arc::new(Mutex::new(Control::default()));
        let parts = parts(&control, engine);
        let (connect, incoming) = mpsc::channel(8);
        let (orders, receiver) = mpsc::channel(8);
        let turning = Loop::<Resident<DuplexStream>>::new(parts);
        let driver = Driver::new(turning, vec![Listening::new(Incoming(incoming))], receiver);
        tokio::spawn(tokio::task::unconstrained(driver));
        World {
            control,
            connect,
            admin: AsyncAdmin::new(vec![orders], 10),
        }
    }

    fn control(&self, change: impl FnOnce(&mut Control)) {
        let mut control = self.control.lock().expect("no panic");
        change(&mut control);
        if let Some(waker) = control.waker.take() {
            waker.wake();
        }
    }

    async fn connect(&self) -> Client {
        let (ours, theirs) = duplex(64 * 1024);
        self.connect.send(theirs).await.expect("the loop runs");
        let mut client = Client {
            stream: ours,
            received: BytesMut::new(),
        };
        client.stream.write_all(PREFACE).await.expect("it is open");
        client
    }

    async fn logged_in(&self, user: &str) -> Client {
        let mut client = self.connect().await;
        client.send(1, &login(user)).await;
        assert_eq!(client.reply(1).await.code, 0);
        client
    }
}

struct Client {
    stream: DuplexStream,
    received: BytesMut,
}

impl Client {
    async fn send(&mut self, id: u64, request: &Request) {
        let mut bytes = BytesMut::new();
        encode_request(id, request, &mut bytes);
        self.stream.write_all(&bytes).await.expect("it is open");
    }

    async fn message(&mut self) -> ServerMessage {
        loop {
            if let Framed::Frame { body, consumed } =
                frame::next(&self.received, 1 << 20).expect("well framed")
            {
                let message = decode_server(body).expect("well formed");
                let _used = self.received.split_to(consumed);
                return message;
            }
            let count = self
                .stream
                .read_buf(&mut self.received)
                .await
                .expect("an in-memory pipe");
            assert!(count > 0, "the connection ended");
        }
    }

    /// The next reply, which must be to `id`; changes before it are passed over.
    async fn reply(&mut self, id: u64) -> Reply {
        loop {
            match self.message().await {
                ServerMessage::Reply(reply) => {
                    assert_eq!(reply.request_id, id);
                    return reply;
                }
                ServerMessage::Push(_) | ServerMessage::SubscriptionsChanged(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// All messages up to the end of the connection.
    async fn rest(mut self) -> Vec<ServerMessage> {
        let mut rest = self.received.to_vec();
        self.stream
            .read_to_end(&mut rest)
            .await
            .expect("an in-memory pipe");
        let mut messages = Vec::new();
        let mut at = 0;
        while let Framed::Frame { body, consumed } = frame::next(&rest[at..], 1 << 20).expect("well framed") {
            messages.push(decode_server(body).expect("well formed"));
            at += consumed;
        }
        messages
    }

    /// Whether a message is there, when everything that can happen has happened.
    async fn hears_something(&mut self) -> bool {
        tokio::time::timeout(std::time::Duration::from_millis(50), self.message())
            .await
            .is_ok()
    }
}

fn set(text: &str) -> Request {
    Request::SetSelfStatus {
        custom_status: text.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_request_waits_the_next_of_its_connection_wait_too_and_all_are_answered_in_order() {
    let world = World::new();
    let mut alice = world.logged_in("alice").await;
    assert!(alice.hears_something().await, "the own status");
    world.control(|control| control.holds = true);
    alice.send(2, &set("one")).await;
    // Refused without the engine, and yet not before its turn.
    alice.send(3, &set(&"x".repeat(200))).await;
    alice
        .send(
            4,
            &Request::Subscribe {
                user_ids: vec!["bob".to_owned()],
            },
        )
        .await;
    assert!(!alice.hears_something().await);
    world.control(|control| control.holds = false);
    for (id, code) in [(2, 0), (3, 6017), (4, 0)] {
        assert_eq!(alice.reply(id).await.code, code);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_went_while_its_login_was_decided_is_lost_r1_3() {
    let world = World::new();
    let mut alice = world.logged_in("alice").await;
    world.control(|control| control.holds = true);
    let mut bob = world.connect().await;
    bob.send(1, &login("bob")).await;
    assert!(!bob.hears_something().await);
    drop(bob);
    // The login deadline has the loop notice that it went.
    tokio::time::sleep(std::time::Duration::from_secs(12)).await;
    world.control(|control| control.holds = false);
    while alice.hears_something().await {}
    let ask = Request::GetUserStatus {
        user_ids: vec!["bob".to_owned()],
    };
    alice.send(2, &ask).await;
    assert_eq!(alice.reply(2).await.users[0].status, 2, "OFFLINE (R2.2)");
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_cannot_do_is_answered_70500() {
    let world = World::new();
    let mut alice = world.logged_in("alice").await;
    world.control(|control| control.fails = true);
    let requests = [
        set("one"),
        Request::GetUserStatus {
            user_ids: vec!["bob".to_owned()],
        },
        Request::Subscribe {
            user_ids: vec!["bob".to_owned()],
        },
        Request::Unsubscribe {
            user_ids: vec!["bob".to_owned()],
        },
        Request::GetSubscriptions,
        Request::GetFriends,
        Request::RestoreSubscriptions {
            list_generation: 1,
            user_ids: vec!["bob".to_owned()],
        },
        Request::RenewUserSig {
            user_sig: user_sig::sign(app_id(), KEY, "alice", START.0 / 1000, 86_400),
        },
    ];
    for (id, request) in (2..).zip(&requests) {
        alice.send(id, request).await;
        assert_eq!(alice.reply(id).await.code, 70500, "{request:?}");
    }
    let mut bob = world.connect().await;
    bob.send(1, &login("bob")).await;
    assert_eq!(bob.reply(1).await.code, 70500);
    world.control(|control| control.fails = false);
    alice.send(20, &set("again")).await;
    assert_eq!(alice.reply(20).await.code, 0);
}

#[tokio::test(start_paused = true)]
async fn while_others_have_no_room_sockets_are_not_read_and_the_backend_is_heard() {
    let world = World::new();
    let mut alice = world.logged_in("alice").await;
    assert!(alice.hears_something().await, "the own status");
    world.control(|control| control.congested = true);
    // One turn, so that the loop knows.
    let bob = UserKey {
        app: app_id(),
        user: UserId::new("bob").expect("well-formed"),
    };
    world.admin.import_account(bob).await;
    alice.send(2, &set("one")).await;
    assert!(!alice.hears_something().await);
    world.control(|control| control.congested = false);
    assert_eq!(alice.reply(2).await.code, 0);
}

#[tokio::test]
async fn a_storm_of_logins_takes_turns_in_the_order_of_arrival() {
    let mut turning = Loop::<Resident<DuplexStream>>::new(parts(&Arc::default(), engine()));
    let mut clients = Vec::new();
    for number in 0..(2 * STRANGER_READS_PER_TURN + 1) as u8 {
        let (mut ours, theirs) = duplex(1024);
        let mut bytes = BytesMut::from(&PREFACE[..]);
        encode_request(1, &login(&format!("user{number}")), &mut bytes);
        ours.write_all(&bytes).await.expect("it is open");
        let peer = SocketAddr::from(([127, 0, 1, number], 1));
        turning.accepted(Layered::plain(Resident(theirs)), peer.into());
        clients.push(ours);
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut turn = || {
        turning.begin(Waker::noop(), std::time::Instant::now());
        let next = turning.turn(&mut context);
        let open = |connection: &Connection<_>| connection.session().is_some();
        let logged_in: Vec<bool> = turning.connections.iter().map(|(_, one)| open(one)).collect();
        (
            next,
            logged_in.iter().take_while(|open| **open).count(),
            logged_in,
        )
    };
    for done in [STRANGER_READS_PER_TURN, 2 * STRANGER_READS_PER_TURN] {
        // What the runtime lets a task read without a pause is less than all of this.
        tokio::task::yield_now().await;
        let (next, first, all) = turn();
        assert_eq!(next, Next::Now, "others wait");
        assert_eq!(first, done);
        assert_eq!(all.iter().filter(|open| **open).count(), done);
    }
    tokio::task::yield_now().await;
    let (_, first, all) = turn();
    assert_eq!(first, all.len());
    assert_eq!(turning.strangers.capacity(), 0, "the room is given back");
}

/// R2.9, R6.6: also one who knows its own status, of which only the version is another.
#[tokio::test(start_paused = true)]
async fn whoever_is_let_in_while_the_server_drains_is_asked_to_go() {
    for crashed in [false, true] {
        let mut store = Held::default();
        let world = World::with_store(&mut store, false);
        let mut alice = world.logged_in("alice").await;
        let ServerMessage::Push(own) = alice.message().await else {
            panic!("the own status");
        };
        // So that the store has her.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;

        let world = World::with_store(&mut store.snapshot(), crashed);
        world.control(|control| control.holds = true);
        let mut alice = world.connect().await;
        let known = KnownUser {
            user_id: "alice".to_owned(),
            version: Version(own[0].version),
            online: true,
        };
        let login = LoginRequest {
            known: vec![known],
            ..login_request("alice")
        };
        alice.send(1, &Request::Login(login)).await;
        assert!(!alice.hears_something().await, "the engine has not decided");
        let drained = world.admin.drain();
        tokio::pin!(drained);
        tokio::select! {
            biased;
            () = &mut drained => panic!("a login is under way"),
            counted = world.admin.statistics() => assert!(counted.is_ok(), "the order before it is obeyed"),
        }
        world.control(|control| control.holds = false);
        assert_eq!(alice.reply(1).await.code, 0);
        if !crashed {
            assert!(
                matches!(alice.message().await, ServerMessage::Push(_)),
                "the own status"
            );
        }
        assert!(matches!(alice.message().await, ServerMessage::GoAway { .. }));
        drop(alice);
        drained.await;
    }
}

/// R6.6: of herself and of bob, whom she subscribes to.
#[tokio::test(start_paused = true)]
async fn who_learned_after_a_crash_what_did_not_change_is_told_nothing_after_the_next() {
    let mut store = Held::default();
    let world = World::with_store(&mut store, false);
    let _bob = world.logged_in("bob").await;
    let mut alice = world.logged_in("alice").await;
    let user_ids = vec!["bob".to_owned()];
    alice.send(2, &Request::Subscribe { user_ids }).await;
    assert_eq!(alice.reply(2).await.code, 0);
    // So that the store has them.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;

    let mut store = store.snapshot();
    let world = World::with_store(&mut store, true);
    let mut alice = world.logged_in("alice").await;
    let mut known = Vec::new();
    while known.len() < 2 {
        let ServerMessage::Push(changes) = alice.message().await else {
            panic!("what alice and bob show");
        };
        known.extend(changes.into_iter().map(|change| KnownUser {
            user_id: change.user_id,
            version: Version(change.version),
            online: true,
        }));
    }

    let world = World::with_store(&mut store.snapshot(), true);
    let mut alice = world.connect().await;
    let login = LoginRequest {
        known,
        ..login_request("alice")
    };
    alice.send(1, &Request::Login(login)).await;
    assert_eq!(alice.reply(1).await.code, 0);
    assert!(!alice.hears_something().await, "it knows all");
}

/// Its catch-up comes when it has logged out already, and another device of the user is there.
#[tokio::test(start_paused = true)]
async fn who_logged_out_hears_nothing_more_of_whatever_was_on_its_way_r8_8() {
    let world = World::new();
    let mut phone = world.connect().await;
    let login = LoginRequest {
        platform: "iOS".to_owned(),
        ..login_request("alice")
    };
    phone.send(1, &Request::Login(login)).await;
    assert_eq!(phone.reply(1).await.code, 0);
    let follow = Request::Subscribe {
        user_ids: vec!["bob".to_owned()],
    };
    phone.send(2, &follow).await;
    assert_eq!(phone.reply(2).await.code, 0);

    world.control(|control| control.holds_watches = true);
    let mut desk = world.logged_in("alice").await;
    assert!(desk.hears_something().await, "the own status");
    world.control(|control| control.holds = true);
    desk.send(2, &Request::Logout).await;
    assert!(!desk.hears_something().await);
    world.control(|control| (control.holds, control.holds_watches) = (false, false));
    assert_eq!(desk.reply(2).await.code, 0);
    assert_eq!(desk.rest().await, []);
}
