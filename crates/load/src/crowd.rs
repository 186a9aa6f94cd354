//! Many connections on one thread: an epoll loop that hands what every message means to the scenario.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::SockRef;

use crate::dialect::{Dialect, Event, Session};
use crate::progress::{Patience, Progress};

/// The connections, numbered from 0 in the order they were opened. A connection that ends while the crowd holds it is
/// an error of the run: no scenario expects it.
pub struct Crowd<'a> {
    dialect: &'a dyn Dialect,
    address: SocketAddr,
    /// Whom to trust, over TLS.
    tls: Option<Arc<ClientConfig>>,
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    /// Sessions whose logins are written and not sent, in the order they will be opened.
    prepared: VecDeque<(Session, BytesMut)>,
    ready: Vec<(usize, bool)>,
    scratch: Vec<u8>,
}

struct Member {
    /// `None` once it was reset.
    wire: Option<Wire>,
    session: Session,
    /// The beginning of a message.
    unread: BytesMut,
    unsent: BytesMut,
}

/// Connections that may be logging in at once while a scenario is set up: below every server's listen backlog.
const JOINING_MAX: usize = 100;

const SCRATCH_BYTES: usize = 256 * 1024;

impl<'a> Crowd<'a> {
    /// No connections yet; all will go to `address`.
    pub fn new(dialect: &'a dyn Dialect, address: SocketAddr) -> io::Result<Crowd<'a>> {
        Ok(Crowd {
            dialect,
            address,
            tls: dialect.tls(),
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            members: Vec::new(),
            prepared: VecDeque::new(),
            ready: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
        })
    }

    /// Opens a connection for each of these users, a few at a time, and returns when all are logged in. Events other
    /// than logins are dropped.
    pub fn join(&mut self, users: Range<u32>, progress: &Progress) -> io::Result<()> {
        let (count, mut users) = (users.len(), users);
        let (mut opened, mut logged_in) = (0, 0);
        let mut patience = Patience::new("a login");
        while logged_in < count {
            while opened - logged_in < JOINING_MAX
                && let Some(user) = users.next()
            {
                self.prepare(user);
                self.open()?;
                opened += 1;
            }
            let seen = self.turn(Patience::TURN, |_, event| {
                logged_in += usize::from(event == Event::LoggedIn);
            })?;
            patience.saw(seen)?;
            progress.show("logging in", logged_in, count);
        }
        Ok(())
    }

    /// Writes the login of a user whose connection will be opened later: signing it takes longer than a server's login.
    pub fn prepare(&mut self, user: u32) {
        let (mut session, mut login) = (Session::new(user), BytesMut::new());
        self.dialect.log_in(&mut session, &mut login);
        self.prepared.push_back((session, login));
    }

    /// Begins the next prepared connection. Its number; `None`: none is prepared.
    pub fn open(&mut self) -> io::Result<Option<usize>> {
        let Some((session, login)) = self.prepared.pop_front() else {
            return Ok(None);
        };
        let number = self.members.len();
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        self.poll.registry().register(
            &mut stream,
            Token(number),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        self.members.push(Member {
            wire: Some(Wire::new(stream, self.tls.as_ref(), self.address)?),
            session,
            unread: BytesMut::new(),
            // The socket's first writable event sends it.
            unsent: login,
        });
        Ok(Some(number))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Lets the dialect write on a connection and sends what the socket takes. Returns what `fill` returns.
    pub fn send<T>(
        &mut self,
        number: usize,
        fill: impl FnOnce(&dyn Dialect, &mut Session, &mut BytesMut) -> T,
    ) -> io::Result<T> {
        let member = &mut self.members[number];
        let result = fill(self.dialect, &mut member.session, &mut member.unsent);
        member.flush()?;
        Ok(result)
    }

    /// Ends a connection with a reset, as a machine that lost its network and came back does.
    pub fn reset(&mut self, number: usize) -> io::Result<()> {
        if let Some(wire) = self.members[number].wire.take() {
            SockRef::from(wire.socket()).set_linger(Some(Duration::ZERO))?;
        }
        Ok(())
    }

    /// Waits up to `timeout` for something to arrive and hands over the events of every whole message, each with the
    /// number of its connection. Returns how many there were.
    pub fn turn(&mut self, timeout: Duration, mut on_event: impl FnMut(usize, Event)) -> io::Result<usize> {
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            result => result?,
        }
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        ready.extend(
            self.events
                .iter()
                .map(|event| (event.token().0, event.is_writable())),
        );
        let mut count = 0;
        for &(number, writable) in &ready {
            if writable {
                self.members[number].flush()?;
            }
            count += self.receive(number, &mut |event| on_event(number, event))?;
        }
        self.ready = ready;
        Ok(count)
    }

    fn receive(&mut self, number: usize, on_event: &mut dyn FnMut(Event)) -> io::Result<usize> {
        let member = &mut self.members[number];
        let mut events = 0;
        loop {
            let Some(wire) = &mut member.wire else {
                return Ok(events);
            };
            let may_have_more = matches!(wire, Wire::Tls(_));
            let count = match wire.read(&mut self.scratch) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(events),
                // Still connecting.
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(events),
                Err(error) => return Err(error),
            };
            let fresh = &self.scratch[..count];
            let mut counted = |event| {
                events += 1;
                on_event(event);
            };
            let (session, unsent) = (&mut member.session, &mut member.unsent);
            // A partial message is rare: only then are bytes copied.
            if member.unread.is_empty() {
                let read = self
                    .dialect
                    .read(session, fresh, unsent, &mut counted)
                    .map_err(io::Error::other)?;
                member.unread.extend_from_slice(&fresh[read..]);
            } else {
                member.unread.extend_from_slice(fresh);
                let read = self
                    .dialect
                    .read(session, &member.unread, unsent, &mut counted)
                    .map_err(io::Error::other)?;
                member.unread.advance(read);
            }
            if member.unread.is_empty() {
                member.unread = BytesMut::new();
            }
            member.flush()?;
            // TLS gives a record at a time.
            if count < self.scratch.len() && !may_have_more {
                return Ok(events);
            }
        }
    }
}

/// A socket, or TLS over one.
enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Wire {
    fn new(stream: TcpStream, tls: Option<&Arc<ClientConfig>>, address: SocketAddr) -> io::Result<Wire> {
        let Some(config) = tls else {
            return Ok(Wire::Plain(stream));
        };
        let connection =
            ClientConnection::new(Arc::clone(config), address.ip().into()).map_err(io::Error::other)?;
        Ok(Wire::Tls(Box::new(StreamOwned::new(connection, stream))))
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Wire::Plain(stream) => stream,
            Wire::Tls(stream) => &stream.sock,
        }
    }

    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.read(bytes),
            Wire::Tls(stream) => stream.read(bytes),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Plain(stream) => stream.write(bytes),
            Wire::Tls(stream) => stream.write(bytes),
        }
    }
}

impl Member {
    fn flush(&mut self) -> io::Result<()> {
        let Some(wire) = &mut self.wire else {
            return Ok(());
        };
        while !self.unsent.is_empty() {
            match wire.write(&self.unsent) {
                Ok(count) => self.unsent.advance(count),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
