//! One connection: its transport, where it stands, what it has still to read and to write. Reading and writing are
//! here; what a frame means is `login`'s and `requests`' to say.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use presence::ids::SessionId;
use presence::status::Version;
use presence::time::{Mono, Wall};
use presence_transport::Layered;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::outbox::Outbox;
use super::pending::Known;
use crate::slab::Id;
use crate::statistics::RequestKind;
use crate::transport::Transport;

/// The connections whose transport has news, woken from wherever the transport lives.
#[derive(Default)]
pub(crate) struct ReadyQueue {
    ready: Mutex<Ready>,
}

#[derive(Default)]
struct Ready {
    connections: Vec<Arc<Alarm>>,
    driver: Option<Waker>,
}

/// The waker of one connection: one allocation, for as long as the connection lives.
pub(crate) struct Alarm {
    connection: Id,
    queued: AtomicBool,
    /// Not owned: an alarm that waits in the queue when the loop ends would keep the queue, and that the alarm.
    queue: Weak<ReadyQueue>,
}

impl ReadyQueue {
    /// Who is to be woken when a connection is ready.
    pub(crate) fn set_driver(&self, waker: &Waker) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready
            .driver
            .as_ref()
            .is_some_and(|driver| driver.will_wake(waker))
        {
            ready.driver = Some(waker.clone());
        }
    }

    /// Moves the ready connections to the end of `into`.
    pub(crate) fn take(&self, into: &mut Vec<Id>) {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        for alarm in ready.connections.drain(..) {
            alarm.queued.store(false, Ordering::Release);
            into.push(alarm.connection);
        }
    }
}

impl Alarm {
    pub(crate) fn new(connection: Id, queue: &Arc<ReadyQueue>) -> Arc<Alarm> {
        Arc::new(Alarm {
            connection,
            queued: AtomicBool::new(false),
            queue: Arc::downgrade(queue),
        })
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.queued.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(queue) = self.queue.upgrade() else {
            return;
        };
        let mut ready = queue.ready.lock().unwrap_or_else(PoisonError::into_inner);
        // Who is there already has woken the driver, which has not looked yet.
        let is_first = ready.connections.is_empty();
        ready.connections.push(Arc::clone(self));
        let driver = ready.driver.clone().filter(|_| is_first);
        drop(ready);
        if let Some(driver) = driver {
            driver.wake();
        }
    }
}

/// The login of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    /// Its user, in the hub.
    pub(crate) local: Id,
    /// R8.3.
    pub(crate) id: SessionId,
    /// R8.4.
    pub(crate) expires: Wall,
    /// The newest of its user's own status that it was sent.
    pub(crate) own_version: Version,
    /// Restores it asked for (R5.8).
    pub(crate) restores: u8,
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Phase {
    /// The preface has not arrived whole.
    Preface,
    /// Its login has not succeeded yet.
    Login,
    /// Its login is with the engine.
    LoggingIn,
    /// Logged in.
    Open(Session),
    /// Its last frame is on its way out, and its end is awaited until this moment.
    Closing {
        until: Mono,
        /// All is written and said so to the other end.
        shut_down: bool,
    },
}

/// Whence a connection comes, in 20 bytes: of an address of version 6, flow and scope are left out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    ip: IpAddr,
    port: u16,
}

impl Peer {
    pub(crate) fn ip(self) -> IpAddr {
        self.ip
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer {
            ip: address.ip(),
            port: address.port(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.ip, self.port).fmt(f)
    }
}

/// See the module. Most of its life it is idle, and it is what a connection costs first: 200 bytes and its stream.
pub(crate) struct Connection<T> {
    pub(crate) transport: Layered<T>,
    pub(crate) waker: Waker,
    pub(crate) peer: Peer,
    pub(crate) phase: Phase,
    /// Received and not yet used; empty, and without room, while idle.
    pub(crate) unread: Box<[u8]>,
    pub(crate) outbox: Outbox,
    /// What the client said that it was told, while its list is to be restored: some of those may be absent (R2.9).
    pub(crate) known: Option<Known>,
    /// Of the last byte received (R2.6); until it is logged in, when it was accepted.
    pub(crate) heard: Mono,
    /// Of the last byte the other end took, or of the first that waited (R8.10).
    pub(crate) progress: Mono,
    /// Its bucket in the wheel.
    pub(crate) bucket: u64,
    /// A request waits for its answer; the next is not read before (R7: in order).
    pub(crate) busy: bool,
    /// What it asked last, for counting: it is answered before it asks again.
    pub(crate) asked: RequestKind,
    /// On the list of those to flush at the end of the tick.
    pub(crate) dirty: bool,
    /// On the list of those to read again in the next tick, or of those that wait to log in.
    pub(crate) again: bool,
}

/// What a read came to.
pub(crate) enum Received {
    /// So many bytes.
    Bytes(usize),
    /// None now; the connection is woken when there are some.
    Nothing,
    /// The other end sends no more, or the link is gone.
    End,
    /// It does not speak TLS or WebSocket as it must.
    Foreign(io::Error),
}

/// What a flush came to.
pub(crate) enum Flushed {
    /// All that was to be written is.
    All,
    /// The transport takes no more now; the connection is woken when it does.
    Some,
    /// The link is gone.
    Broken,
}

impl<T: Transport> Connection<T> {
    pub(crate) fn new(transport: Layered<T>, alarm: Arc<Alarm>, peer: Peer, now: Mono) -> Connection<T> {
        Connection {
            transport,
            waker: Waker::from(alarm),
            peer,
            phase: Phase::Preface,
            unread: Box::default(),
            outbox: Outbox::default(),
            known: None,
            heard: now,
            progress: now,
            bucket: 0,
            busy: false,
            asked: RequestKind::default(),
            dirty: false,
            again: false,
        }
    }

    pub(crate) fn session(&self) -> Option<Session> {
        match self.phase {
            Phase::Open(session) => Some(session),
            Phase::Preface | Phase::Login | Phase::LoggingIn | Phase::Closing { .. } => None,
        }
    }

    pub(crate) fn receive(&mut self, scratch: &mut [u8]) -> Received {
        let mut buffer = ReadBuf::new(scratch);
        let mut cx = Context::from_waker(&self.waker);
        match Pin::new(&mut self.transport).poll_read(&mut cx, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Received::End,
            Poll::Ready(Ok(())) => Received::Bytes(buffer.filled().len()),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Received::Bytes(0),
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::InvalidData => Received::Foreign(error),
            Poll::Ready(Err(_)) => Received::End,
            // R2.6: any byte is a sign of life.
            Poll::Pending if self.transport.take_heard() => Received::Bytes(0),
            Poll::Pending => Received::Nothing,
        }
    }

    pub(crate) fn flush(&mut self, scratch: &mut Vec<u8>, now: Mono) -> Flushed {
        while !self.outbox.is_empty() {
            let bytes = self.outbox.next_write(scratch, GATHER_BYTES);
            let mut cx = Context::from_waker(&self.waker);
            match Pin::new(&mut self.transport).poll_write(&mut cx, bytes) {
                Poll::Ready(Ok(0)) => return Flushed::Broken,
                Poll::Ready(Ok(count)) => {
                    self.outbox.written(count);
                    self.progress = now;
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(_)) => return Flushed::Broken,
                Poll::Pending => return Flushed::Some,
            }
        }
        // What lies over the transport may have taken it all, and the transport not.
        if self.transport.wants_write() {
            let mut cx = Context::from_waker(&self.waker);
            match Pin::new(&mut self.transport).poll_flush(&mut cx) {
                Poll::Ready(Ok(())) => self.progress = now,
                Poll::Ready(Err(_)) => return Flushed::Broken,
                Poll::Pending => return Flushed::Some,
            }
        }
        Flushed::All
    }

    /// Whether there is something to write.
    pub(crate) fn wants_write(&self) -> bool {
        !self.outbox.is_empty() || self.transport.wants_write()
    }

    /// Tells the other end that no more will come. True when done.
    pub(crate) fn shut_down(&mut self) -> bool {
        let mut cx = Context::from_waker(&self.waker);
        Pin::new(&mut self.transport).poll_shutdown(&mut cx).is_ready()
    }
}

/// Bytes of frames gathered for one write.
const GATHER_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    #[test]
    fn a_loop_that_ends_with_connections_ready_leaves_nothing_behind() {
        let queue = Arc::new(ReadyQueue::default());
        let connection = Slab::new().insert_with(|_| ());
        let alarm = Alarm::new(connection, &queue);
        Arc::clone(&alarm).wake();
        let (queue_left, alarm_left) = (Arc::downgrade(&queue), Arc::downgrade(&alarm));
        drop((queue, alarm));
        assert!(queue_left.upgrade().is_none() && alarm_left.upgrade().is_none());
    }

    #[test]
    fn a_transport_that_wakes_after_the_loop_ended_is_not_queued() {
        let queue = Arc::new(ReadyQueue::default());
        let alarm = Alarm::new(Slab::new().insert_with(|_| ()), &queue);
        drop(queue);
        alarm.wake_by_ref();
        assert_eq!(Arc::strong_count(&alarm), 1);
    }

    #[test]
    fn an_idle_connection_is_small() {
        use tokio::net::TcpStream;
        let beside_the_stream = size_of::<Connection<TcpStream>>() - size_of::<TcpStream>();
        assert!(beside_the_stream <= 200, "{beside_the_stream}");
    }

    #[test]
    fn a_peer_is_shown_as_its_address() {
        for address in ["192.0.2.7:4711", "[2001:db8::7]:4711"] {
            let peer = Peer::from(address.parse::<SocketAddr>().unwrap());
            assert_eq!(peer.to_string(), address);
        }
    }
}
