//! Scripted clients in place of sockets: a client *is* the node's stream to it, so what it does, it does on the node's
//! thread, and within the time that a write takes anyway. It checks that it is told each change once, in order and with
//! rising versions.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BytesMut};
use presence::ids::AppId;
use presence_node::Listener;
use presence_protocol::frame::{self, Next, PREFACE, SERVER_FRAME_BYTES_MAX};
use presence_protocol::message::{
    LoginRequest, Request, ServerMessage, UserStatus, decode_server, encode_request,
};
use presence_protocol::user_sig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The app of all.
pub const APP: u64 = 1_400_000_001;
/// Its key, which anybody may know.
pub const SECRET_KEY: &str = "a key of the benchmark's own";
/// How long a UserSig is valid: longer than any run.
const USER_SIG_VALID_S: i64 = 86_400;

/// The users: the celebrity, the bystander, the bystander's watchers, and then the celebrity's.
const CELEBRITY: u32 = 0;
const BYSTANDER: u32 = 1;

/// All of a subject's watchers were told of a change; or a mistake, which ends the run.
pub type News = Result<(), String>;

/// What the clients and whoever measures share.
pub struct Stage {
    pub celebrity: Subject,
    pub bystander: Subject,
    write_time: Duration,
    /// Clients that are logged in and have subscribed.
    ready: AtomicU32,
}

impl Stage {
    /// With so many watchers of each; a write keeps the node's thread for `write_time`.
    pub fn new(celebrity: Subject, bystander: Subject, write_time: Duration) -> Stage {
        Stage {
            celebrity,
            bystander,
            write_time,
            ready: AtomicU32::new(0),
        }
    }

    pub fn clients(&self) -> u32 {
        2 + self.bystander.watchers + self.celebrity.watchers
    }

    /// Whom `user` watches, or is, and that one's number.
    fn subject_of(&self, user: u32) -> (&Subject, u32) {
        if (BYSTANDER..2 + self.bystander.watchers).contains(&user) {
            (&self.bystander, BYSTANDER)
        } else {
            (&self.celebrity, CELEBRITY)
        }
    }

    fn one_is_ready(&self) {
        if self.ready.fetch_add(1, Ordering::Relaxed) + 1 == self.clients() {
            self.celebrity.say(Ok(()));
        }
    }
}

/// A user that is watched.
pub struct Subject {
    pub watchers: u32,
    /// So far, in order.
    pub changes: Mutex<Vec<Change>>,
    line: Mutex<Line>,
    news: mpsc::Sender<News>,
}

/// What a subject sends and the node has not read, and whom to wake when there is something.
#[derive(Default)]
struct Line {
    bytes: BytesMut,
    waker: Option<Waker>,
}

/// From when the node could read it until the end of the write to the last watcher that was told.
pub struct Change {
    from: Instant,
    until: Instant,
    told: u32,
}

impl Change {
    pub fn milliseconds(&self) -> f64 {
        self.until.duration_since(self.from).as_secs_f64() * 1_000.0
    }

    /// Whether both were under way at some time.
    pub fn overlaps(&self, other: &Change) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

impl Subject {
    pub fn new(watchers: u32) -> (Subject, mpsc::Receiver<News>) {
        let (news, heard) = mpsc::channel();
        let subject = Subject {
            watchers,
            changes: Mutex::default(),
            line: Mutex::default(),
            news,
        };
        (subject, heard)
    }

    /// Sends its next change. Its number is the custom status, as long as makes a push 64 bytes.
    pub fn change(&self) {
        let mut changes = locked(&self.changes);
        let number = changes.len() as u64 + 1;
        let custom_status = format!("{number:027}");
        let mut line = locked(&self.line);
        encode_request(number, &Request::SetSelfStatus { custom_status }, &mut line.bytes);
        let now = Instant::now();
        changes.push(Change {
            from: now,
            until: now,
            told: 0,
        });
        let waker = line.waker.take();
        drop((line, changes));
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// One more watcher was told of the change of that number, above 0.
    fn told(&self, number: u64, at: Instant) {
        let mut changes = locked(&self.changes);
        let Some(change) = changes.get_mut(number as usize - 1) else {
            self.say(Err(format!("told of change {number} before it was made")));
            return;
        };
        change.until = at;
        change.told += 1;
        if change.told == self.watchers {
            self.say(Ok(()));
        }
    }

    fn say(&self, news: News) {
        // Whoever listened has given up.
        let _ = self.news.send(news);
    }
}

pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets the clients in, one after the other.
pub struct Door {
    stage: Arc<Stage>,
    accepted: u32,
}

impl Door {
    pub fn new(stage: Arc<Stage>) -> Door {
        Door { stage, accepted: 0 }
    }
}

impl Listener for Door {
    type Stream = Client;

    async fn accept(&mut self) -> io::Result<(Client, SocketAddr)> {
        if self.accepted == self.stage.clients() {
            return std::future::pending().await;
        }
        let user = self.accepted;
        self.accepted += 1;
        // Each from an address of its own, as users are.
        let address = SocketAddr::from((Ipv4Addr::from(0x0A00_0000 + user), 1));
        Ok((Client::new(user, Arc::clone(&self.stage)), address))
    }
}

/// See the module. It logs in and subscribes to its subject; a subject then sends its changes.
pub struct Client {
    user: u32,
    step: Step,
    /// The last change it was told: its number and version.
    number: u64,
    version: u64,
    /// Sent, and not read by the node.
    sending: BytesMut,
    stage: Arc<Stage>,
}

enum Step {
    LoggingIn,
    Subscribing,
    Live,
}

impl Client {
    fn new(user: u32, stage: Arc<Stage>) -> Client {
        let app = AppId::new(APP).expect("not 0");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_s = now.as_secs() as i64;
        let user_id = name_of(user);
        let login = LoginRequest {
            sdk_app_id: APP,
            user_sig: user_sig::sign(app, SECRET_KEY, &user_id, now_s, USER_SIG_VALID_S),
            instance: user_id.clone(),
            user_id,
            platform: "Linux".to_owned(),
            session: None,
            list_generation: 0,
            known: Vec::new(),
            client: "celebrity/1".to_owned(),
            only_to_log_out: false,
        };
        let mut sending = BytesMut::from(&PREFACE[..]);
        encode_request(1, &Request::Login(login), &mut sending);
        Client {
            user,
            step: Step::LoggingIn,
            number: 0,
            version: 0,
            sending,
            stage,
        }
    }

    fn is_subject(&self) -> bool {
        self.user <= BYSTANDER
    }

    /// All that one write brings: whole frames, since every write is taken whole.
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() {
            let next = frame::next(bytes, SERVER_FRAME_BYTES_MAX).map_err(|error| error.to_string())?;
            let Next::Frame { body, consumed } = next else {
                return Err("a write ended within a frame".to_owned());
            };
            match decode_server(body).map_err(|error| error.0)? {
                ServerMessage::Reply(reply) if reply.code != 0 => {
                    return Err(format!("refused with {}: {}", reply.code, reply.message));
                }
                ServerMessage::Reply(_) => self.answered(),
                ServerMessage::Push(changes) => changes.iter().try_for_each(|change| self.hear(change))?,
                ServerMessage::SubscriptionsChanged(_) => {}
                other => return Err(format!("told {other:?}")),
            }
            bytes = bytes.get(consumed..).unwrap_or_default();
        }
        Ok(())
    }

    fn answered(&mut self) {
        match self.step {
            Step::LoggingIn if !self.is_subject() => {
                let (_, subject) = self.stage.subject_of(self.user);
                let user_ids = vec![name_of(subject)];
                encode_request(2, &Request::Subscribe { user_ids }, &mut self.sending);
                self.step = Step::Subscribing;
            }
            Step::LoggingIn | Step::Subscribing => {
                self.step = Step::Live;
                self.stage.one_is_ready();
            }
            Step::Live => {}
        }
    }

    /// What has no number tells that the subject came.
    fn hear(&mut self, change: &UserStatus) -> Result<(), String> {
        let (_, subject) = self.stage.subject_of(self.user);
        if self.is_subject() || change.user_id != name_of(subject) {
            return Ok(());
        }
        let number = change.custom_status.parse().unwrap_or(0);
        if change.version <= self.version || (number > 0 && number != self.number + 1) {
            let told = format!("change {number} at version {}", change.version);
            return Err(format!("{told} after {} at {}", self.number, self.version));
        }
        self.version = change.version;
        self.number = self.number.max(number);
        Ok(())
    }
}

fn name_of(user: u32) -> String {
    format!("u{user:07}")
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.sending.is_empty() && this.is_subject() {
            let (subject, _) = this.stage.subject_of(this.user);
            let mut line = locked(&subject.line);
            this.sending = std::mem::take(&mut line.bytes);
            line.waker = Some(cx.waker().clone());
        }
        if this.sending.is_empty() {
            return Poll::Pending;
        }
        let count = this.sending.len().min(buffer.remaining());
        buffer.put_slice(&this.sending[..count]);
        this.sending.advance(count);
        if this.sending.is_empty() {
            // Its room is no connection's.
            this.sending = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let begun = Instant::now();
        let this = &mut *self;
        let told_before = this.number;
        if let Err(mistake) = this.take(bytes) {
            let (subject, _) = this.stage.subject_of(this.user);
            subject.say(Err(format!("{}: {mistake}", name_of(this.user))));
        }
        if !this.sending.is_empty() {
            // The node has one waker for both directions of a connection.
            cx.waker().wake_by_ref();
        }
        while begun.elapsed() < this.stage.write_time {
            std::hint::spin_loop();
        }
        let (subject, _) = this.stage.subject_of(this.user);
        for number in told_before + 1..=this.number {
            subject.told(number, Instant::now());
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
