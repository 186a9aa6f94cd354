//! The floor: a bare loop that answers our requests and writes each change to its watchers' sockets, with no rules, no
//! records and no limits. Nothing that uses TCP sockets gets below it, so it says what of a figure is the kernel's.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};

use bytes::{Buf, BytesMut};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use presence::ids::UserId;
use presence::status::{CustomStatus, Presence, Reason, Status, Version};
use presence::time::Wall;
use presence_protocol::frame::{self, FRAME_BYTES_MAX, Next, PREFACE};
use presence_protocol::message::{self, LoginReply, Reply, Request, ServerMessage, SubscriptionSummary};

/// How the floor writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gathering {
    /// One write for each watcher and change.
    Each,
    /// What is ready for one socket in one write, once per turn of the loop.
    Batch,
}

const LISTENER: Token = Token(usize::MAX);

struct Peer {
    stream: TcpStream,
    greeted: bool,
    user: Option<UserId>,
    unread: BytesMut,
    unsent: BytesMut,
}

/// Serves until it is killed.
pub fn serve(gathering: Gathering) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().expect("an address"))?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on tim://{}", listener.local_addr()?);
    let mut floor = Floor {
        gathering,
        peers: Vec::new(),
        watchers: HashMap::new(),
        dirty: Vec::new(),
    };
    let mut events = Events::with_capacity(4096);
    let mut scratch = vec![0; 256 * 1024];
    loop {
        poll.poll(&mut events, None)?;
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
            floor.flush(number);
        }
    }
}

struct Floor {
    gathering: Gathering,
    peers: Vec<Peer>,
    watchers: HashMap<String, Vec<usize>>,
    /// Connections with bytes to send at the end of the turn.
    dirty: Vec<usize>,
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
                stream,
                greeted: false,
                user: None,
                unread: BytesMut::new(),
                unsent: BytesMut::new(),
            });
        }
    }

    fn receive(&mut self, number: usize, scratch: &mut [u8]) {
        while let Ok(count @ 1..) = self.peers[number].stream.read(scratch) {
            let peer = &mut self.peers[number];
            peer.unread.extend_from_slice(&scratch[..count]);
            if !peer.greeted && peer.unread.len() >= PREFACE.len() {
                peer.unread.advance(PREFACE.len());
                peer.greeted = true;
            }
            let mut unread = std::mem::take(&mut peer.unread);
            while let Ok(Next::Frame { body, consumed }) = frame::next(&unread, FRAME_BYTES_MAX) {
                let request = message::decode_request(body).expect("the load speaks our protocol");
                unread.advance(consumed);
                self.answer(number, request.0, request.1);
            }
            self.peers[number].unread = unread;
        }
    }

    fn answer(&mut self, number: usize, request_id: u64, request: Request) {
        let mut reply = Reply {
            request_id,
            ..Reply::default()
        };
        match request {
            Request::Login(login) => {
                self.peers[number].user = UserId::new(&login.user_id).ok();
                reply.login = Some(LoginReply {
                    session: presence::ids::SessionId(1),
                    server_time_ms: 0,
                    heartbeat_interval_ms: 120_000,
                    heartbeat_timeout_ms: 400_000,
                    user_sig_expires_ms: 0,
                    subscriptions: SubscriptionSummary::default(),
                    frame_bytes_max: FRAME_BYTES_MAX as u32,
                });
            }
            Request::Subscribe { user_ids } => {
                for user in user_ids {
                    self.watchers.entry(user).or_default().push(number);
                }
            }
            Request::SetSelfStatus { custom_status } => self.publish(number, request_id, &custom_status),
            _ => {}
        }
        message::encode_server(&ServerMessage::Reply(reply), &mut self.peers[number].unsent);
        self.wrote(number);
    }

    fn publish(&mut self, number: usize, version: u64, custom_status: &str) {
        let Some(user) = self.peers[number].user else {
            return;
        };
        let presence = Presence {
            status: Status::Online,
            custom: CustomStatus::new(custom_status, 100).expect("the load's are short"),
            // As many bytes as a real version and time take.
            version: Version((1 << 50) + version),
            since: Wall(1_700_000_000_000),
            reason: Reason::CustomStatus,
        };
        let bytes = message::encode_change(&user, &presence);
        let watchers = self.watchers.remove(user.as_str()).unwrap_or_default();
        for &watcher in &watchers {
            self.peers[watcher].unsent.extend_from_slice(&bytes);
            self.wrote(watcher);
        }
        self.watchers.insert(user.as_str().to_owned(), watchers);
    }

    fn wrote(&mut self, number: usize) {
        match self.gathering {
            Gathering::Each => self.flush(number),
            Gathering::Batch => self.dirty.push(number),
        }
    }

    fn flush(&mut self, number: usize) {
        let peer = &mut self.peers[number];
        while !peer.unsent.is_empty() {
            match peer.stream.write(&peer.unsent) {
                Ok(count) => peer.unsent.advance(count),
                // Full: its writable event flushes the rest. Gone: its load has ended.
                Err(_) => break,
            }
        }
    }
}
