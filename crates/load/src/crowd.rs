//! Many connections on one thread: an epoll loop that hands every message to the scenario.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::dialect::{self, Event};

/// The connections, numbered in the order they were opened.
pub struct Crowd {
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    scratch: Vec<u8>,
}

struct Member {
    stream: TcpStream,
    unread: BytesMut,
    unsent: BytesMut,
}

/// Connections that may be on their way at once: below the usual listen backlog.
const CONNECTING_MAX: usize = 500;

impl Crowd {
    /// No connections yet.
    pub fn new() -> io::Result<Crowd> {
        Ok(Crowd {
            poll: Poll::new()?,
            events: Events::with_capacity(4096),
            members: Vec::new(),
            scratch: vec![0; 256 * 1024],
        })
    }

    /// Opens `count` connections, sends `hello(number)` on each, and waits until each has `answers` requests answered.
    pub fn join(
        &mut self,
        address: SocketAddr,
        count: usize,
        answers: usize,
        mut hello: impl FnMut(usize) -> BytesMut,
    ) -> io::Result<()> {
        let first = self.members.len();
        let mut answered = 0;
        while answered < count * answers {
            let waiting = self.members.len() - first - answered / answers;
            if self.members.len() - first < count && waiting < CONNECTING_MAX {
                let number = self.members.len();
                // Blocking connect to loopback: its handshake is the kernel's and takes microseconds.
                let stream = std::net::TcpStream::connect(address)?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                let mut stream = TcpStream::from_std(stream);
                self.poll.registry().register(
                    &mut stream,
                    Token(number),
                    Interest::READABLE | Interest::WRITABLE,
                )?;
                self.members.push(Member {
                    stream,
                    unread: BytesMut::new(),
                    unsent: hello(number - first),
                });
                self.flush(number)?;
                self.turn(Duration::ZERO, |_, event| {
                    answered += usize::from(event == Event::Done)
                })?;
            } else {
                self.turn(Duration::from_secs(30), |_, event| {
                    answered += usize::from(event == Event::Done)
                })?;
            }
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Queues bytes on a connection and sends what the socket takes.
    pub fn send(&mut self, number: usize, fill: impl FnOnce(&mut BytesMut)) -> io::Result<()> {
        fill(&mut self.members[number].unsent);
        self.flush(number)
    }

    /// Waits up to `timeout` for something to arrive and hands over every whole message. The number of messages.
    pub fn turn(&mut self, timeout: Duration, mut on_event: impl FnMut(usize, Event)) -> io::Result<usize> {
        let deadline = Instant::now() + timeout;
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(0),
            result => result?,
        }
        let ready: Vec<(usize, bool)> = self
            .events
            .iter()
            .map(|event| (event.token().0, event.is_writable()))
            .collect();
        if ready.is_empty() && !timeout.is_zero() && Instant::now() > deadline + Duration::from_secs(20) {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                "the server says nothing any more",
            ));
        }
        let mut messages = 0;
        for (number, writable) in ready {
            if writable {
                self.flush(number)?;
            }
            messages += self.receive(number, &mut on_event)?;
        }
        Ok(messages)
    }

    fn receive(&mut self, number: usize, on_event: &mut impl FnMut(usize, Event)) -> io::Result<usize> {
        let member = &mut self.members[number];
        let mut messages = 0;
        loop {
            let count = match member.stream.read(&mut self.scratch) {
                Ok(0) => {
                    return Err(io::Error::new(
                        ErrorKind::UnexpectedEof,
                        "the server closed a connection",
                    ));
                }
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(messages),
                Err(error) => return Err(error),
            };
            // A partial message is rare: only then are bytes copied.
            let mut unread = std::mem::take(&mut member.unread);
            let joined = !unread.is_empty();
            if joined {
                unread.extend_from_slice(&self.scratch[..count]);
            }
            let mut rest = if joined {
                &unread[..]
            } else {
                &self.scratch[..count]
            };
            while let Some((event, consumed)) = dialect::take(rest).map_err(io::Error::other)? {
                rest = &rest[consumed..];
                messages += 1;
                on_event(number, event);
            }
            member.unread = BytesMut::from(rest);
            if count < self.scratch.len() {
                return Ok(messages);
            }
        }
    }

    fn flush(&mut self, number: usize) -> io::Result<()> {
        let member = &mut self.members[number];
        while !member.unsent.is_empty() {
            match member.stream.write(&member.unsent) {
                Ok(count) => member.unsent.advance(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
