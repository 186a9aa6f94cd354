//! From bytes to requests: reading a connection that is ready, in bounded turns, so that a flood on one delays no other.

use bytes::{Bytes, BytesMut};
use presence::gates::Call;
use presence_protocol::errors::code;
use presence_protocol::frame::{self, HEARTBEAT, Next, PREFACE};
use presence_protocol::message::{Incoming, Reply, Request, ServerMessage, encode_server, read_request};
use presence_transport::websocket::WebSocket;

use super::closing::Close;
use super::connection::{Phase, Received};
use super::login::Route;
use super::texts;
use crate::event_loop::Loop;
use crate::slab::Id;
use crate::statistics::RequestKind;
use crate::transport::Transport;

/// Frames taken from one connection before the next connection has its turn.
const FRAMES_PER_TURN: usize = 64;
/// Reads of one connection before the next has its turn.
const READS_PER_TURN: usize = 4;

impl<T: Transport> Loop<T> {
    /// A connection whose transport has news, or that may go on.
    pub(crate) fn serve(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        connection.again = false;
        if connection.wants_write() {
            self.mark_dirty(id);
        }
        if let Some(Phase::Closing { .. }) = self.connections.get(id).map(|connection| connection.phase) {
            self.await_end(id);
            return;
        }
        self.use_unread(id);
        for _ in 0..READS_PER_TURN {
            if !self.may_read(id) {
                return;
            }
            let mut scratch = std::mem::take(&mut self.scratch);
            let received = self.connections.get_mut(id).map(|connection| {
                let steps_before = connection.transport.handshake_steps();
                let received = connection.receive(&mut scratch);
                let steps = connection.transport.handshake_steps() - steps_before;
                self.handshake_steps_left = self.handshake_steps_left.saturating_sub(steps);
                received
            });
            match received {
                Some(Received::Bytes(count)) => self.received(id, scratch.get(..count).unwrap_or(&[])),
                Some(Received::End) => self.close(id, Close::Link),
                Some(Received::Foreign(error)) => self.close(id, Close::Layer(error)),
                Some(Received::Nothing) | None => {
                    self.scratch = scratch;
                    return;
                }
            }
            self.scratch = scratch;
        }
        self.serve_again(id);
    }

    /// Whether the connection is one to read now: it has nothing left that must be used first.
    fn may_read(&mut self, id: Id) -> bool {
        let Some(connection) = self.connections.get(id) else {
            return false;
        };
        if connection.again || matches!(connection.phase, Phase::Closing { .. }) || self.must_wait(id) {
            return false;
        }
        if self.congested {
            self.parked.push(id);
            return false;
        }
        if self.handshake_steps_left == 0 && connection.transport.is_handshaking() {
            self.serve_again(id);
            return false;
        }
        if matches!(connection.phase, Phase::Preface | Phase::Login) {
            if self.stranger_reads_left == 0 {
                self.serve_later(id);
                return false;
            }
            self.stranger_reads_left -= 1;
        }
        true
    }

    /// Whether the connection's next frame must wait: a request is in flight, or it does not take what it is sent.
    fn must_wait(&self, id: Id) -> bool {
        self.connections.get(id).is_none_or(|connection| {
            connection.busy
                || matches!(connection.phase, Phase::LoggingIn)
                || connection.outbox.held_bytes() > self.config.outbox_bytes_max
        })
    }

    /// Has the connection served in the next tick.
    pub(crate) fn serve_again(&mut self, id: Id) {
        if let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.again, true)
        {
            self.again.push(id);
        }
    }

    /// Has the connection, which is not logged in, served when those before it were.
    fn serve_later(&mut self, id: Id) {
        if let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.again, true)
        {
            self.strangers.push_back(id);
        }
    }

    fn use_unread(&mut self, id: Id) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let mut unread = std::mem::take(&mut connection.unread).into_vec();
        if !unread.is_empty() {
            let used = self.consume(id, &unread);
            unread.drain(..used);
            self.keep_unread(id, unread);
        }
    }

    fn received(&mut self, id: Id, bytes: &[u8]) {
        let now = self.now.mono;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if connection.session().is_some() {
            connection.heard = now;
        }
        if connection.unread.is_empty() {
            let used = self.consume(id, bytes);
            let rest = bytes.get(used..).unwrap_or(&[]);
            self.keep_unread(id, rest.to_vec());
        } else {
            let mut all = std::mem::take(&mut connection.unread).into_vec();
            all.extend_from_slice(bytes);
            let used = self.consume(id, &all);
            all.drain(..used);
            self.keep_unread(id, all);
        }
    }

    fn keep_unread(&mut self, id: Id, rest: Vec<u8>) {
        if let Some(connection) = self.connections.get_mut(id) {
            // An idle connection owns no buffer.
            connection.unread = rest.into_boxed_slice();
        }
    }

    /// Uses frames of `data` for as long as the connection may go on. Answers how many bytes are used up.
    fn consume(&mut self, id: Id, data: &[u8]) -> usize {
        self.serving = Some(id);
        let used = self.consume_frames(id, data);
        self.serving = None;
        used
    }

    fn consume_frames(&mut self, id: Id, data: &[u8]) -> usize {
        let mut used = 0;
        for _ in 0..FRAMES_PER_TURN {
            let Some(connection) = self.connections.get_mut(id) else {
                return data.len();
            };
            let rest = data.get(used..).unwrap_or(&[]);
            match connection.phase {
                Phase::Closing { .. } => return data.len(),
                Phase::Preface => match opening(rest) {
                    Opening::Preface => {
                        connection.phase = Phase::Login;
                        used += PREFACE.len();
                        continue;
                    }
                    // WebSocket within WebSocket is nothing of ours.
                    Opening::Http if !connection.transport.has_websocket() => {
                        connection.transport.put_websocket(WebSocket::server(rest));
                        self.serve_again(id);
                        return data.len();
                    }
                    Opening::Http | Opening::Other => {
                        self.close(id, Close::Preface);
                        return data.len();
                    }
                    Opening::Incomplete => return used,
                },
                Phase::Login | Phase::LoggingIn | Phase::Open(_) => {}
            }
            if self.must_wait(id) {
                return used;
            }
            match frame::next(rest, self.config.frame_bytes_max) {
                Ok(Next::Incomplete) => return used,
                Ok(Next::Frame { body, consumed }) => {
                    used += consumed;
                    if let Some(route) = self.frame(id, body) {
                        self.move_away(id, route, data.get(used..).unwrap_or(&[]));
                        return data.len();
                    }
                }
                Err(error) => {
                    self.close(id, Close::Frame(error));
                    return data.len();
                }
            }
            // So that the next frame need not wait for a tick.
            self.use_outputs();
        }
        if used < data.len() {
            self.serve_again(id);
        }
        used
    }

    /// One frame. A route: the connection belongs to another loop.
    fn frame(&mut self, id: Id, body: &[u8]) -> Option<Route> {
        if body.is_empty() {
            self.send_bytes(id, Bytes::from_static(HEARTBEAT));
            return None;
        }
        self.counted.requests += 1;
        match read_request(body) {
            Ok((request_id, Incoming::Call { call, user_ids })) => {
                self.note_asked(id, RequestKind::of_call(call));
                self.call(id, request_id, call, &user_ids);
                None
            }
            Ok((request_id, Incoming::Request(request))) => {
                self.note_asked(id, RequestKind::of(&request));
                self.request(id, request_id, request)
            }
            Err(error) => {
                self.close(id, Close::Message(error));
                None
            }
        }
    }

    fn call(&mut self, id: Id, request_id: u64, call: Call, user_ids: &[&str]) {
        match self
            .connections
            .get(id)
            .and_then(|connection| connection.session())
        {
            Some(session) => self.call_of(id, session, request_id, call, user_ids),
            None => self.reply(id, texts::refused(request_id, code::NOT_LOGGED_IN)),
        }
    }

    fn request(&mut self, id: Id, request_id: u64, request: Request) -> Option<Route> {
        let session = self
            .connections
            .get(id)
            .and_then(|connection| connection.session());
        match (session, request) {
            (None, Request::Login(login)) => return self.log_in(id, request_id, login),
            // The connection stays, until the login deadline at most: a client that is merely early may yet log in.
            (None, _) => self.reply(id, texts::refused(request_id, code::NOT_LOGGED_IN)),
            (Some(_), Request::Login(_)) => {
                let why = "this connection is logged in already".to_owned();
                self.reply(
                    id,
                    texts::refused_because(request_id, code::INVALID_OPERATION, why),
                );
            }
            (Some(session), request) => self.request_of(id, session, request_id, request),
        }
        None
    }

    fn note_asked(&mut self, id: Id, kind: RequestKind) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.asked = kind;
        }
    }

    /// The connection's request is replied to.
    pub(crate) fn count_reply(&mut self, id: Id, code: i32) {
        if let Some(connection) = self.connections.get(id) {
            self.counted.count_reply(connection.asked, code);
        }
    }

    /// Answers a request.
    pub(crate) fn reply(&mut self, id: Id, reply: Reply) {
        self.count_reply(id, reply.code);
        self.send(id, &ServerMessage::Reply(reply));
    }

    /// Sends anything but a change.
    pub(crate) fn send(&mut self, id: Id, message: &ServerMessage) {
        let mut buffer = BytesMut::new();
        encode_server(message, &mut buffer);
        self.send_bytes(id, buffer.freeze());
    }

    /// Sends bytes as they are. A connection that was told its end is told nothing after it.
    pub(crate) fn send_bytes(&mut self, id: Id, bytes: Bytes) {
        let now = self.now.mono;
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        if matches!(connection.phase, Phase::Closing { .. }) {
            return;
        }
        if connection.outbox.push(bytes, self.config.outbox_bytes_max) {
            connection.progress = now;
            self.slow.push(id);
        }
        self.mark_dirty(id);
    }

    /// Has the connection's outbox flushed at the end of the tick.
    pub(crate) fn mark_dirty(&mut self, id: Id) {
        if let Some(connection) = self.connections.get_mut(id)
            && !std::mem::replace(&mut connection.dirty, true)
        {
            self.dirty.push(id);
        }
    }
}

/// How an HTTP request for WebSocket begins.
const HTTP: &[u8] = b"GET ";

/// How a connection begins.
#[derive(Debug, PartialEq, Eq)]
enum Opening {
    /// With the preface.
    Preface,
    /// With an HTTP request.
    Http,
    /// With either, perhaps.
    Incomplete,
    /// With neither.
    Other,
}

fn opening(data: &[u8]) -> Opening {
    if data.starts_with(PREFACE) {
        Opening::Preface
    } else if data.starts_with(HTTP) {
        Opening::Http
    } else if PREFACE.starts_with(data) || HTTP.starts_with(data) {
        Opening::Incomplete
    } else {
        Opening::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_preface_is_known_by_its_first_wrong_byte() {
        for incomplete in [&b""[..], b"TIM", b"G", b"GET"] {
            assert_eq!(opening(incomplete), Opening::Incomplete);
        }
        assert_eq!(opening(b"TIMP\x01\x00"), Opening::Preface);
        assert_eq!(opening(b"GET / "), Opening::Http);
        for other in [&b"TIMP\x02"[..], b"GEX", b"POST", b"X", b"\x16\x03\x01"] {
            assert_eq!(opening(other), Opening::Other);
        }
    }
}
