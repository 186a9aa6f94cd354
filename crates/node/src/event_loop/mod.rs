//! One loop of a node: a single thread of control that owns connections with their outboxes, the hub's index of who is
//! here, and an engine. Nothing in it is shared with another loop but the ways between them.
//!
//! It runs in turns ("ticks"). A turn takes what has arrived (backend, moved connections, bytes, deadlines, the
//! engine's outputs), lets it fill outboxes, and at its end writes every outbox once. So what happens together goes out
//! together, and nothing is woken per delivery.

mod driver;
mod limits;
mod log_budget;
mod peers;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;

use presence::ids::AppId;
use presence::time::{Mono, Now};
use presence_protocol::message::ServerMessage;

pub(crate) use self::driver::{Driver, Listening, Port};
pub(crate) use self::limits::{Limits, Refused};
use self::log_budget::LogBudget;
pub(crate) use self::peers::Peers;
pub(crate) use self::settings::App;
use self::settings::CatchUp;
use crate::NodeConfig;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::gateway::absent::Absent;
use crate::gateway::connection::{Alarm, Connection, Peer, Phase, ReadyQueue};
use crate::gateway::failures::LoginFailures;
use crate::gateway::pending::Pending;
use crate::gateway::wheel::Wheel;
use crate::hub::Hub;
use crate::slab::{Id, Slab};
use crate::statistics::LoopStatistics;
use crate::transport::Transport;
use presence_transport::Layered;

/// What a loop is made of.
pub(crate) struct Parts<D> {
    /// Which of the node's loops.
    pub(crate) index: usize,
    /// How many there are.
    pub(crate) loops: usize,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) apps: HashMap<AppId, App>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) peers: Peers<D>,
    pub(crate) limits: Arc<Limits>,
}

/// See the module. Its methods are with the parts they are about: `gateway`, `hub::fanout`, `settings`.
pub(crate) struct Loop<T: Transport> {
    pub(crate) index: usize,
    pub(crate) loops: usize,
    pub(crate) config: Arc<NodeConfig>,
    pub(crate) apps: HashMap<AppId, App>,
    clock: Arc<dyn Clock>,
    /// Of this tick.
    pub(crate) now: Now,
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) hub: Hub,
    pub(crate) connections: Slab<Box<Connection<T>>>,
    /// Commands whose answer is awaited.
    pub(crate) pending: Slab<Pending>,
    pub(crate) wheel: Wheel,
    pub(crate) failures: LoginFailures,
    pub(crate) limits: Arc<Limits>,
    /// What the log may say of connections that were refused.
    pub(crate) strangers_logged: LogBudget,
    /// The node is about to stop: connections that end now are expected back (R2.9).
    pub(crate) draining: bool,
    /// Where connections came from that went in this turn, for the backend (R10.1).
    pub(crate) departed: HashMap<u64, IpAddr>,
    peers: Peers<T::Detached>,
    catch_up: CatchUp,
    /// Whom earlier starts told of, and this one does not know (R2.9).
    pub(crate) absent: Absent,
    ready: Arc<ReadyQueue>,
    /// What happened so far; what there is now is counted when somebody asks.
    pub(crate) counted: LoopStatistics,
    /// When this turn began, by the machine's clock: for the statistics alone.
    pub(crate) turn_began: std::time::Instant,
    /// Apps whose users changed in this turn.
    pub(crate) changed_apps: Vec<AppId>,
    /// Wakes this loop.
    pub(crate) driver: Waker,
    /// To be flushed at the end of the tick.
    pub(crate) dirty: Vec<Id>,
    /// To be served in the next tick.
    pub(crate) again: Vec<Id>,
    /// Whose outbox became full.
    pub(crate) slow: Vec<Id>,
    /// Not read because of `congested`.
    pub(crate) parked: Vec<Id>,
    /// The connection whose frames are being used.
    pub(crate) serving: Option<Id>,
    /// Other loops take nothing more: sockets are not read until they do.
    pub(crate) congested: bool,
    /// Steps of TLS handshakes that this turn may still make.
    pub(crate) handshake_steps_left: u32,
    /// Reads of connections not logged in that this turn may still make.
    pub(crate) stranger_reads_left: usize,
    /// Connections not logged in that this turn has no time for, longest waiting first.
    pub(crate) strangers: VecDeque<Id>,
    /// The one read buffer.
    pub(crate) scratch: Vec<u8>,
    /// Where frames are gathered for a write.
    pub(crate) gather: Vec<u8>,
    /// Where replies with many users are put together.
    pub(crate) reply_room: Vec<u8>,
}

/// When a loop has something to do without being woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Right away.
    Now,
    /// Then.
    At(Mono),
    /// Never.
    WhenWoken,
}

/// Steps of TLS handshakes made in one turn, of which a handshake has two: the one with the signature takes a tenth of a
/// millisecond with an ECDSA certificate, and nearly a whole one with RSA. More wait for the next turn, so that ten thousand clients
/// that come back at once delay nobody's change by more than a few milliseconds.
const HANDSHAKE_STEPS_PER_TURN: u32 = 8;
/// Reads of connections not logged in made in one turn: a login takes some 25 µs. More wait for the next turn, for the same reason.
const STRANGER_READS_PER_TURN: usize = 64;
/// Bytes read from a socket at once.
const READ_BYTES: usize = 64 * 1024;
/// How soon to try again what other loops had no room for.
const CONGESTION_RETRY_MS: u64 = 1;

impl<T: Transport> Loop<T> {
    pub(crate) fn new(parts: Parts<T::Detached>) -> Loop<T> {
        let config = parts.config;
        let shortest = config
            .heartbeat_timeout
            .min(config.login_deadline)
            .min(config.slow_receiver_timeout);
        let now = parts.clock.now();
        Loop {
            index: parts.index,
            loops: parts.loops,
            apps: parts.apps,
            now,
            clock: parts.clock,
            engine: parts.engine,
            hub: Hub::new(),
            connections: Slab::new(),
            pending: Slab::new(),
            wheel: Wheel::new(shortest),
            failures: LoginFailures::new(config.login_failures_max, config.login_failures_window),
            limits: parts.limits,
            strangers_logged: LogBudget::new(),
            draining: false,
            departed: HashMap::new(),
            peers: parts.peers,
            catch_up: CatchUp::default(),
            absent: Absent::until(now.mono.after(config.restart_grace)),
            ready: Arc::default(),
            counted: LoopStatistics::default(),
            turn_began: std::time::Instant::now(),
            changed_apps: Vec::new(),
            driver: Waker::noop().clone(),
            dirty: Vec::new(),
            again: Vec::new(),
            slow: Vec::new(),
            parked: Vec::new(),
            serving: None,
            congested: false,
            handshake_steps_left: HANDSHAKE_STEPS_PER_TURN,
            stranger_reads_left: STRANGER_READS_PER_TURN,
            strangers: VecDeque::new(),
            scratch: vec![0; READ_BYTES],
            gather: Vec::new(),
            reply_room: Vec::new(),
            config,
        }
    }

    /// A turn begins: `waker` is the loop's own from now on.
    fn begin(&mut self, waker: &Waker, began: std::time::Instant) {
        self.turn_began = began;
        self.now = self.clock.now();
        self.handshake_steps_left = HANDSHAKE_STEPS_PER_TURN;
        self.stranger_reads_left = STRANGER_READS_PER_TURN;
        if !self.driver.will_wake(waker) {
            self.driver = waker.clone();
        }
        self.ready.set_driver(waker);
    }

    /// A connection was accepted.
    fn accepted(&mut self, transport: Layered<T>, peer: Peer) {
        if let Err(refused) = self.limits.open_one(peer.ip(), self.now.mono) {
            self.refused(peer, refused);
            return;
        }
        self.counted.accepted += 1;
        tracing::debug!(%peer, "connection accepted");
        let id = self.insert(transport, peer);
        self.schedule(id);
        self.serve_again(id);
    }

    /// A connection too many. Whoever floods the server does not flood its log.
    fn refused(&mut self, peer: Peer, refused: Refused) {
        let counted = match refused {
            Refused::Full => &mut self.counted.refused_full,
            Refused::AddressFull => &mut self.counted.refused_address_full,
            Refused::AddressFast => &mut self.counted.refused_address_fast,
        };
        *counted += 1;
        if let Some(left_out) = self.strangers_logged.take(self.now.mono) {
            tracing::warn!(%peer, limit = refused.setting(), left_out, "connection refused: too many");
        }
    }

    fn insert(&mut self, transport: Layered<T>, peer: Peer) -> Id {
        let (ready, now) = (Arc::clone(&self.ready), self.now.mono);
        self.connections
            .insert_with(|id| Box::new(Connection::new(transport, Alarm::new(id, &ready), peer, now)))
    }

    /// What has arrived since the last turn, up to the writing.
    fn turn(&mut self, cx: &mut std::task::Context<'_>) -> Next {
        self.welcome(cx);
        self.serve_strangers();
        let mut ready = std::mem::take(&mut self.again);
        self.ready.take(&mut ready);
        for id in ready.drain(..) {
            self.serve(id);
        }
        // Serving may have put some there anew; otherwise the room is kept.
        ready.append(&mut self.again);
        self.again = ready;
        self.turn_wheel();
        if self
            .engine
            .next_deadline()
            .is_some_and(|deadline| deadline <= self.now.mono)
        {
            self.engine.advance(self.now);
        }
        self.use_outputs();
        self.tell_next_slice();
        self.catch_up_some();
        for id in std::mem::take(&mut self.slow) {
            self.schedule(id);
        }
        self.flush_dirty();
        self.count_written();
        // A write that failed ended a session.
        self.use_outputs();
        if !self.departed.is_empty() {
            self.departed = HashMap::new();
        }
        self.tell_dropped();
        self.send_on();
        self.next()
    }

    /// Those who waited longest to log in, before those who were accepted since.
    fn serve_strangers(&mut self) {
        for _ in 0..self.strangers.len().min(STRANGER_READS_PER_TURN) {
            if let Some(id) = self.strangers.pop_front() {
                self.serve(id);
            }
        }
        if self.strangers.is_empty() {
            // The room of a storm is given back.
            self.strangers = VecDeque::new();
        }
    }

    /// Sends other loops what is for them.
    fn send_on(&mut self) {
        let was_congested = self.congested;
        let engine_sent = self.engine.flush();
        let peers_sent = self.peers.flush();
        self.congested = !(engine_sent && peers_sent);
        if was_congested && !self.congested {
            for id in std::mem::take(&mut self.parked) {
                self.serve_again(id);
            }
        }
    }

    fn next(&self) -> Next {
        let work_left = !(self.again.is_empty()
            && self.strangers.is_empty()
            && self.dirty.is_empty()
            && self.slow.is_empty());
        if work_left || !self.hub.passes.is_empty() {
            return Next::Now;
        }
        let retry = self
            .congested
            .then(|| Mono(self.now.mono.0.saturating_add(CONGESTION_RETRY_MS)));
        let deadlines = [
            self.wheel.next_deadline(),
            self.engine.next_deadline(),
            self.catch_up.next_deadline(),
            self.absent.next_deadline(),
            retry,
        ];
        match deadlines.into_iter().flatten().min() {
            Some(deadline) if deadline <= self.now.mono => Next::Now,
            Some(deadline) => Next::At(deadline),
            None => Next::WhenWoken,
        }
    }

    /// Nothing follows.
    fn close_engine(&mut self) {
        self.engine.close(self.now);
    }

    /// The node stops: clients are told to come back a little later, as far as that needs no waiting.
    fn say_goodbye(&mut self) {
        self.begin_draining();
        self.flush_dirty();
    }

    /// The node is to stop soon (R2.9): clients finish what is under way, go, and come back spread over `drain`.
    /// Whoever is not logged in goes at once. What ends from here on counts as live: it is expected back.
    pub(crate) fn begin_draining(&mut self) {
        if std::mem::replace(&mut self.draining, true) {
            return;
        }
        let mut strangers = Vec::new();
        let mut open = Vec::new();
        for (id, connection) in self.connections.iter() {
            match connection.phase {
                Phase::Open(_) => open.push(id),
                Phase::Preface | Phase::Login => strangers.push(id),
                Phase::LoggingIn | Phase::Closing { .. } => {}
            }
        }
        for id in strangers {
            self.forget(id);
        }
        for id in open {
            self.ask_to_go(id);
        }
    }

    /// One client is asked to come back a little later.
    pub(crate) fn ask_to_go(&mut self, id: Id) {
        let message = ServerMessage::GoAway {
            spread_ms: u32::try_from(self.config.drain.as_millis()).unwrap_or(u32::MAX),
            message: "the server is stopping".to_owned(),
        };
        self.send(id, &message);
    }
}
