//! A real client and a server that says anything. The client runs on a paused clock, so a minute of retries takes
//! microseconds. Compiled twice, as [`super::checks`] is.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use presence::ids::SessionId;
use presence_client::options::Options;
use presence_client::world::{Connecting, Stream, World};
use presence_client::{CallError, Client, Completion, Listener, LogLevel};
use presence_protocol::errors::code;
use presence_protocol::message::{LoginReply, Reply, ServerMessage, SubscriptionSummary, encode_server};
use tokio::io::AsyncWriteExt as _;

/// Ends what the server says on one connection, in a script. Not a byte that frames begin with.
const NEXT_CONNECTION: u8 = 0xfe;
/// Bits of the first byte of each connection's part.
const WELCOME: u8 = 1;
const HANG_UP: u8 = 2;

/// A script is what the server says, connection by connection. Whatever it says: each call that was accepted completes
/// once, none because of a bug in here; no user's version is told twice or going back within a login (R6.5); and the
/// client can be destroyed.
pub fn session(script: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing of the system");
    runtime.block_on(story(script));
}

async fn story(script: &[u8]) {
    let world = Arc::new(ScriptedWorld::new(script));
    let options =
        r#"{"server": "tim://127.0.0.1:1", "sdk_app_id": 1, "delivery": "poll", "request_timeout_ms": 1000}"#;
    let options = Options::parse(options).expect("the options are good");
    let client =
        Client::create_in(world, options).expect("a client without a folder needs nothing of the system");
    let ledger = Ledger::default();
    listen(&client, &ledger);

    ledger.expect(client.login("alice", "sig", ledger.login()));
    pass(&client, Duration::from_millis(100)).await;
    for _ in 0..3 {
        ledger.expect(client.set_self_status("busy", ledger.call()));
        ledger.expect(client.get_user_status(vec!["bob".into()], ledger.call()));
        ledger.expect(client.subscribe(vec!["bob".into(), "carol".into()], ledger.call()));
        ledger.expect(client.get_subscriptions(ledger.call()));
        ledger.expect(client.renew_user_sig("sig", ledger.call()));
        ledger.expect(client.get_friends(ledger.call()));
        ledger.expect(client.unsubscribe(vec![], ledger.call()));
        pass(&client, Duration::from_secs(10)).await;
    }
    ledger.expect(client.login("alice", "sig", ledger.login()));
    pass(&client, Duration::from_secs(40)).await;
    ledger.expect(client.logout(ledger.call()));
    ledger.expect(client.login("alice", "sig", ledger.login()));
    pass(&client, Duration::from_secs(1)).await;
    client.destroy_async(Box::new(|| ())).expect("it was not closing");
    while pass(&client, Duration::from_millis(1)).await {}
    assert_eq!(
        ledger.completed.load(Ordering::Relaxed),
        ledger.accepted.load(Ordering::Relaxed)
    );
}

/// Lets time pass, and runs callbacks meanwhile; false once the client is closed.
async fn pass(client: &Client, time: Duration) -> bool {
    for _ in 0..4 {
        tokio::time::sleep(time / 4).await;
        if let Err(error) = client.poll(usize::MAX, Duration::ZERO) {
            assert_eq!(error.code, code::CLOSED);
            return false;
        }
    }
    true
}

/// What was promised, and what was kept.
#[derive(Default, Clone)]
struct Ledger {
    accepted: Arc<AtomicUsize>,
    completed: Arc<AtomicUsize>,
    /// Of this login.
    told: Arc<Mutex<HashMap<String, u64>>>,
}

impl Ledger {
    fn expect(&self, accepted: Result<(), CallError>) {
        accepted.expect("the client has room, and has not failed");
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    fn call(&self) -> Completion {
        let completed = Arc::clone(&self.completed);
        Box::new(move |outcome| {
            assert!(!outcome.message.is_empty());
            completed.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn login(&self) -> Completion {
        let (done, told) = (self.call(), Arc::clone(&self.told));
        Box::new(move |outcome| {
            // Logged in already is 0, too, and then what was told stands: the versions only rise more.
            if outcome.code == code::OK {
                told.lock().expect("nobody panicked").clear();
            }
            done(outcome);
        })
    }
}

fn listen(client: &Client, ledger: &Ledger) {
    let told = Arc::clone(&ledger.told);
    let status = move |changes: &[presence_protocol::message::UserStatus]| {
        let mut told = told.lock().expect("nobody panicked");
        for change in changes {
            let before = told.insert(change.user_id.clone(), change.version);
            assert!(
                before.is_none_or(|before| before < change.version),
                "R6.5: {change:?} after {before:?}"
            );
        }
    };
    let no_bug = |level, text: &str| assert!(level < LogLevel::Error, "{text}");
    for listener in [
        Listener::StatusChanged(Box::new(status)),
        Listener::Log(LogLevel::Trace, Box::new(no_bug)),
        Listener::KickedOffline(Box::new(|_, text| assert!(!text.is_empty()))),
        Listener::SubscriptionsEvicted(Box::new(|ids| assert!(!ids.is_empty()))),
    ] {
        client.set_listener(listener).expect("there is room");
    }
}

/// Connections whose other end speaks a script.
struct ScriptedWorld {
    parts: Mutex<std::vec::IntoIter<Vec<u8>>>,
    /// What was said and is kept open.
    kept: Mutex<Vec<tokio::io::DuplexStream>>,
    start: tokio::time::Instant,
    draws: AtomicUsize,
}

impl ScriptedWorld {
    fn new(script: &[u8]) -> ScriptedWorld {
        let parts: Vec<Vec<u8>> = script
            .split(|byte| *byte == NEXT_CONNECTION)
            .take(8)
            .map(<[u8]>::to_vec)
            .collect();
        ScriptedWorld {
            parts: Mutex::new(parts.into_iter()),
            kept: Mutex::default(),
            start: tokio::time::Instant::now(),
            draws: AtomicUsize::new(0),
        }
    }
}

impl World for ScriptedWorld {
    fn connect(&self, _host: &str, _port: u16) -> Connecting {
        let Some(part) = self.parts.lock().expect("nobody panicked").next() else {
            return Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) });
        };
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        let (how, said) = part
            .split_first()
            .map_or((0, &[][..]), |(how, said)| (*how, said));
        let mut out = BytesMut::new();
        if how & WELCOME != 0 {
            encode_server(&ServerMessage::Reply(welcome()), &mut out);
        }
        out.extend_from_slice(said);
        // It fits into the stream's buffer, so it is written at once.
        let mut writing = Box::pin(async move {
            let written = theirs.write_all(&out).await;
            (theirs, written)
        });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready((theirs, Ok(()))) = writing.as_mut().poll(&mut context)
            && how & HANG_UP == 0
        {
            self.kept.lock().expect("nobody panicked").push(theirs);
        }
        Box::pin(async move { Ok(Box::new(ours) as Box<dyn Stream>) })
    }

    fn mono_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn random(&self) -> u64 {
        self.draws.fetch_add(1, Ordering::Relaxed) as u64
    }
}

/// A good answer to the login, which is the first request of each connection.
fn welcome() -> Reply {
    Reply {
        request_id: 1,
        login: Some(LoginReply {
            session: SessionId(1),
            server_time_ms: 1_700_000_000_000,
            heartbeat_interval_ms: 1_000,
            heartbeat_timeout_ms: 3_000,
            user_sig_expires_ms: 1_900_000_000_000,
            subscriptions: SubscriptionSummary::default(),
            frame_bytes_max: 8_192,
        }),
        ..Reply::default()
    }
}
