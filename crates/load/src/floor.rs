//! The floor: a bare loop that answers our requests and writes each change to its watchers' sockets, with no rules, no
//! checks and no limits. Nothing that uses TCP sockets gets below it, so it says what of a figure is the kernel's.
//!
//! It is no test double: it believes whatever it is told, and a peer that says nonsense is dropped.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Buf, BufMut, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use presence::ids::{SessionId, UserId};
use presence::status::{CustomStatus, Presence, Reason, Status, Version};
use presence::time::Wall;
use presence_protocol::frame::{self, FRAME_BYTES_MAX, Next, PREFACE};
use presence_protocol::message::{
    self, LoginReply, Reply, Request, ServerMessage, SubscriptionSummary, UserStatus,
};

use crate::dialect::ours::{CUSTOM_STATUS_BYTES, REQUEST_ID_BASE, user_name};

/// How the floor writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathering {
    /// One write for each watcher and change.
    Each,
    /// What is ready for one socket in one write, once per turn of the loop.
    Batch,
}

impl Gathering {
    /// As on the command line and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Gathering::Each => "floor-each",
            Gathering::Batch => "floor-batch",
        }
    }
}

const LISTENER: Token = Token(usize::MAX);

/// As of every server that is compared.
const BACKLOG: i32 = 4096;

/// Listens on a port of the loopback interface and serves until it is killed.
pub fn serve(gathering: Gathering, port: u16) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = listen(port)?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut floor = Floor {
        gathering,
        peers: Vec::new(),
        users: HashMap::new(),
        dirty: Vec::new(),
        answers: HashMap::new(),
    };
    let mut events = Events::with_capacity(4096);
    let mut scratch = vec![0; 256 * 1024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in &events {
            if event.token() == LISTENER {
                floor.accept(&listener, &poll)?;
                continue;
            }
            let number = event.token().0;
            if event.is_writable() {
                floor.flush(number);
            }
            if event.is_readable() {
                floor.receive(number, &mut scratch);
            }
        }
        for number in std::mem::take(&mut floor.dirty) {
            if let Some(peer) = floor.peers.get_mut(number) {
                peer.dirty = false;
            }
            floor.flush(number);
        }
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

struct Peer {
    /// `None` once it is gone.
    stream: Option<TcpStream>,
    greeted: bool,
    user: Option<UserId>,
    unread: BytesMut,
    unsent: BytesMut,
    /// It is in `Floor::dirty`.
    dirty: bool,
}

#[derive(Default)]
struct User {
    online: bool,
    version: u64,
    watchers: Vec<usize>,
}

struct Floor {
    gathering: Gathering,
    peers: Vec<Peer>,
    users: HashMap<String, User>,
    /// Connections with bytes to send at the end of the turn.
    dirty: Vec<usize>,
    /// By number of users: a ready answer to a query.
    answers: HashMap<usize, Answer>,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nodelay(true)?;
            let token = Token(self.peers.len());
            poll.registry()
                .register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
            self.peers.push(Peer {
                stream: Some(stream),
                greeted: false,
                user: None,
                unread: BytesMut::new(),
                unsent: BytesMut::new(),
                dirty: false,
            });
        }
    }

    fn receive(&mut self, number: usize, scratch: &mut [u8]) {
        loop {
            let peer = &mut self.peers[number];
            let Some(stream) = &mut peer.stream else { return };
            let count = match stream.read(scratch) {
                Ok(count @ 1..) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Ok(0) | Err(_) => return self.lose(number),
            };
            peer.unread.extend_from_slice(&scratch[..count]);
            if !peer.greeted && peer.unread.len() >= PREFACE.len() {
                peer.unread.advance(PREFACE.len());
                peer.greeted = true;
            }
            let mut unread = std::mem::take(&mut peer.unread);
            loop {
                let (body, consumed) = match frame::next(&unread, FRAME_BYTES_MAX) {
                    Ok(Next::Frame { body, consumed }) => (body, consumed),
                    Ok(Next::Incomplete) => break,
                    Err(_) => return self.lose(number),
                };
                if body.len() >= QUERY_BYTES_MIN && self.answer_query(number, body) {
                    unread.advance(consumed);
                    continue;
                }
                let Ok((request_id, request)) = message::decode_request(body) else {
                    return self.lose(number);
                };
                unread.advance(consumed);
                self.answer(number, request_id, request);
            }
            // An idle peer holds no buffer.
            self.peers[number].unread = if unread.is_empty() {
                BytesMut::new()
            } else {
                unread
            };
            if count < scratch.len() {
                return;
            }
        }
    }

    fn answer(&mut self, number: usize, request_id: u64, request: Request) {
        let mut reply = Reply {
            request_id,
            ..Reply::default()
        };
        let mut change = None;
        match request {
            Request::Login(login) => {
                self.peers[number].user = UserId::new(&login.user_id).ok();
                reply.login = Some(login_reply());
                change = Some((Status::Online, String::new(), Reason::Login));
            }
            Request::Subscribe { user_ids } => {
                for name in user_ids {
                    let user = self.users.entry(name.clone()).or_default();
                    user.watchers.push(number);
                    if let Ok(id) = UserId::new(&name) {
                        let status = if user.online {
                            Status::Online
                        } else {
                            Status::Unlogined
                        };
                        let presence = presence(status, "", Reason::Login, user.version);
                        reply.users.push(UserStatus::found(&id, &presence, 0));
                    }
                }
            }
            Request::Unsubscribe { user_ids } => {
                for name in user_ids {
                    if let Some(user) = self.users.get_mut(&name) {
                        user.watchers.retain(|watcher| *watcher != number);
                    }
                }
            }
            Request::SetSelfStatus { custom_status } => {
                change = Some((Status::Online, custom_status, Reason::CustomStatus));
            }
            _ => {}
        }
        message::encode_server(&ServerMessage::Reply(reply), &mut self.peers[number].unsent);
        self.wrote(number);
        if let Some((status, custom, reason)) = change {
            self.publish(number, status, &custom, reason);
        }
    }

    /// Answers a query without a look at its users: a reply of as many, made once, with the request's id put in.
    fn answer_query(&mut self, number: usize, body: &[u8]) -> bool {
        // ClientFrame: field 1, request_id, is always 4 bytes here (see REQUEST_ID_BASE); then field 6, get_user_status.
        let Some((&[0x08, a, b, c, d, 0x32], ids)) = body.split_first_chunk::<6>() else {
            return false;
        };
        let count = ids.len() / QUERY_BYTES_PER_USER;
        let answer = self.answers.entry(count).or_insert_with(|| Answer::of(count));
        let peer = &mut self.peers[number];
        let start = peer.unsent.len() + answer.request_id_at;
        peer.unsent.put_slice(&answer.bytes);
        if let Some(place) = peer.unsent.get_mut(start..start + 4) {
            place.copy_from_slice(&[a, b, c, d]);
        }
        self.wrote(number);
        true
    }

    fn lose(&mut self, number: usize) {
        if self.peers[number].stream.take().is_some() {
            self.publish(number, Status::Offline, "", Reason::LinkClosed);
        }
    }

    fn publish(&mut self, number: usize, status: Status, custom: &str, reason: Reason) {
        let Some(id) = self.peers[number].user else {
            return;
        };
        let user = self.users.entry(id.as_str().to_owned()).or_default();
        user.online = status == Status::Online;
        user.version += 1;
        let bytes = message::encode_change(&id, &presence(status, custom, reason, user.version));
        let watchers = std::mem::take(&mut user.watchers);
        for &watcher in watchers.iter().chain([&number]) {
            let peer = &mut self.peers[watcher];
            if peer.stream.is_some() {
                peer.unsent.extend_from_slice(&bytes);
                self.wrote(watcher);
            }
        }
        if let Some(user) = self.users.get_mut(id.as_str()) {
            user.watchers = watchers;
        }
    }

    fn wrote(&mut self, number: usize) {
        match self.gathering {
            Gathering::Each => self.flush(number),
            Gathering::Batch => {
                if !std::mem::replace(&mut self.peers[number].dirty, true) {
                    self.dirty.push(number);
                }
            }
        }
    }

    fn flush(&mut self, number: usize) {
        let peer = &mut self.peers[number];
        let Some(stream) = &mut peer.stream else { return };
        while !peer.unsent.is_empty() {
            match stream.write(&peer.unsent) {
                Ok(count) => peer.unsent.advance(count),
                // Full: its writable event flushes the rest. Gone: its reading says so.
                Err(_) => return,
            }
        }
        peer.unsent = BytesMut::new();
    }
}

/// Shorter frames are decoded.
const QUERY_BYTES_MIN: usize = 1024;

/// A user id of the load's with its tag and length.
const QUERY_BYTES_PER_USER: usize = 10;

/// A reply to a query.
struct Answer {
    bytes: BytesMut,
    /// Where the four bytes of the request's id are.
    request_id_at: usize,
}

impl Answer {
    fn of(count: usize) -> Answer {
        let custom = "0".repeat(CUSTOM_STATUS_BYTES);
        let users = (0..count).filter_map(|number| {
            let id = UserId::new(&user_name(number as u32)).ok()?;
            Some(UserStatus::found(
                &id,
                &presence(Status::Online, &custom, Reason::CustomStatus, 1),
                0,
            ))
        });
        let reply = Reply {
            request_id: REQUEST_ID_BASE,
            users: users.collect(),
            ..Reply::default()
        };
        let mut bytes = BytesMut::new();
        message::encode_server(&ServerMessage::Reply(reply), &mut bytes);
        let id = [0x08, 0x80, 0x80, 0x80, 0x01];
        let found = bytes.windows(id.len()).position(|window| window == id);
        Answer {
            bytes,
            request_id_at: found.map_or(0, |position| position + 1),
        }
    }
}

fn login_reply() -> LoginReply {
    LoginReply {
        session: SessionId(1),
        server_time_ms: SOME_TIME.0,
        heartbeat_interval_ms: 120_000,
        heartbeat_timeout_ms: 400_000,
        user_sig_expires_ms: SOME_TIME.0,
        subscriptions: SubscriptionSummary::default(),
        frame_bytes_max: FRAME_BYTES_MAX as u32,
    }
}

/// As many bytes as a real one takes.
const SOME_TIME: Wall = Wall(1_700_000_000_000);

fn presence(status: Status, custom: &str, reason: Reason, version: u64) -> Presence {
    Presence {
        status,
        custom: CustomStatus::new(custom, custom.len()).unwrap_or_default(),
        // As many bytes as a real version takes.
        version: Version((1 << 50) + version),
        since: SOME_TIME,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_answer_decodes_with_another_requests_id() {
        let mut answer = Answer::of(500);
        let place = answer.request_id_at..answer.request_id_at + 4;
        answer.bytes[place].copy_from_slice(&[0x81, 0x80, 0x80, 0x01]);
        let Ok(Next::Frame { body, .. }) = frame::next(&answer.bytes, FRAME_BYTES_MAX) else {
            panic!("a whole frame");
        };
        let Ok(ServerMessage::Reply(reply)) = message::decode_server(body) else {
            panic!("a reply");
        };
        assert_eq!((reply.request_id, reply.users.len()), (REQUEST_ID_BASE + 1, 500));
    }
}
