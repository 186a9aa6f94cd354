//! The frames that servers write most, encoded straight from borrowed values: a change (once for all its watchers) and
//! replies and pushes with many users. The bytes are exactly those the generated types give; a test below compares.

use bytes::{BufMut, Bytes, BytesMut};
use presence::ids::UserId;
use presence::status::Presence;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::conversion;
use crate::message::{Reply, StatusRef, UserStatus};

/// `ServerFrame.reply`.
const FRAME_REPLY: u8 = 1;
/// `ServerFrame.push`.
const FRAME_PUSH: u8 = 2;
/// `Push.changes`.
const PUSH_CHANGES: u8 = 1;
/// `Reply.users`.
const REPLY_USERS: u8 = 5;
/// `Reply.evicted`.
const REPLY_EVICTED: u8 = 6;
/// `Reply.login`.
const REPLY_LOGIN: u8 = 7;

pub(crate) fn change_frame(user: &UserId, presence: &Presence) -> Bytes {
    // Platforms only in answers (R1.4).
    let status = StatusFields::of_presence(user, presence, 0);
    let push_len = delimited_len(status.len());
    let frame_len = delimited_len(push_len);
    let mut buffer = BytesMut::with_capacity(encoded_len_varint(frame_len as u64) + frame_len);
    encode_varint(frame_len as u64, &mut buffer);
    put_header(FRAME_PUSH, push_len, &mut buffer);
    status.put(PUSH_CHANGES, &mut buffer);
    buffer.freeze()
}

pub(crate) fn append_push(changes: &[UserStatus], buffer: &mut BytesMut) {
    let statuses = changes.iter().map(StatusFields::of_message);
    begin_frame(FRAME_PUSH, statuses_len(statuses.clone()), buffer);
    statuses.for_each(|status| status.put(PUSH_CHANGES, buffer));
}

/// The users are those of `reply`, then `users`.
pub(crate) fn append_reply(reply: &Reply, users: &[StatusRef<'_>], buffer: &mut BytesMut) {
    let login = reply.login.as_ref().map(conversion::login_reply_to_wire);
    let owned = reply.users.iter().map(StatusFields::of_message);
    let borrowed = users.iter().map(StatusFields::of_reference);
    let length = number_len(reply.request_id)
        + number_len(signed(reply.code))
        + text_len(reply.message.as_bytes())
        + number_len(u64::from(reply.retry_after_ms))
        + statuses_len(owned.clone())
        + statuses_len(borrowed.clone())
        + reply
            .evicted
            .iter()
            .map(|id| delimited_len(id.len()))
            .sum::<usize>()
        + login
            .as_ref()
            .map_or(0, |login| delimited_len(login.encoded_len()));
    begin_frame(FRAME_REPLY, length, buffer);
    let mut head = Gathered::default();
    head.put_number(1, reply.request_id);
    head.put_number(2, signed(reply.code));
    head.put_text(3, reply.message.as_bytes(), buffer);
    head.put_number(4, u64::from(reply.retry_after_ms));
    head.flush(buffer);
    owned.for_each(|status| status.put(REPLY_USERS, buffer));
    borrowed.for_each(|status| status.put(REPLY_USERS, buffer));
    for id in &reply.evicted {
        put_header(REPLY_EVICTED, id.len(), buffer);
        buffer.put_slice(id.as_bytes());
    }
    if let Some(login) = login {
        put_header(REPLY_LOGIN, login.encoded_len(), buffer);
        login.encode(buffer).expect("a BytesMut grows");
    }
}

/// The fields of `UserStatus`, borrowed.
struct StatusFields<'a> {
    user_id: &'a [u8],
    code: i32,
    status: i32,
    custom_status: &'a [u8],
    version: u64,
    since_ms: i64,
    reason: i32,
    platforms: u32,
}

impl<'a> StatusFields<'a> {
    fn of_presence(user: &'a UserId, presence: &'a Presence, platforms: u32) -> StatusFields<'a> {
        StatusFields {
            user_id: user.as_bytes(),
            code: 0,
            status: presence.status as i32,
            custom_status: presence.custom.as_str().as_bytes(),
            version: presence.version.0,
            since_ms: presence.since.0,
            reason: presence.reason as i32,
            platforms,
        }
    }

    fn of_message(user: &'a UserStatus) -> StatusFields<'a> {
        StatusFields {
            user_id: user.user_id.as_bytes(),
            code: user.code,
            status: user.status,
            custom_status: user.custom_status.as_bytes(),
            version: user.version,
            since_ms: user.since_ms,
            reason: user.reason,
            platforms: user.platforms,
        }
    }

    fn of_reference(user: &'a StatusRef<'a>) -> StatusFields<'a> {
        match user {
            StatusRef::Found {
                user,
                presence,
                platforms,
            } => StatusFields::of_presence(user, presence, *platforms),
            StatusRef::Plain { user_id, code } => StatusFields {
                user_id: user_id.as_bytes(),
                code: *code,
                status: 0,
                custom_status: &[],
                version: 0,
                since_ms: 0,
                reason: 0,
                platforms: 0,
            },
        }
    }

    fn len(&self) -> usize {
        text_len(self.user_id)
            + number_len(signed(self.code))
            + number_len(signed(self.status))
            + text_len(self.custom_status)
            + number_len(self.version)
            + number_len(self.since_ms as u64)
            + number_len(signed(self.reason))
            + number_len(u64::from(self.platforms))
    }

    /// As field `tag` of a message.
    fn put(&self, tag: u8, buffer: &mut BytesMut) {
        let mut gathered = Gathered::default();
        gathered.put_header(tag, self.len());
        gathered.put_text(1, self.user_id, buffer);
        gathered.put_number(2, signed(self.code));
        gathered.put_number(3, signed(self.status));
        gathered.put_text(4, self.custom_status, buffer);
        gathered.put_number(5, self.version);
        gathered.put_number(6, self.since_ms as u64);
        gathered.put_number(7, signed(self.reason));
        gathered.put_number(8, u64::from(self.platforms));
        gathered.flush(buffer);
    }
}

fn statuses_len<'a>(statuses: impl Iterator<Item = StatusFields<'a>>) -> usize {
    statuses.map(|status| delimited_len(status.len())).sum()
}

/// Numbers and headers on their way to a buffer, which is asked for room once for all that stand together.
struct Gathered {
    bytes: [u8; GATHERED_BYTES_MAX],
    len: usize,
}

/// A header and six numbers, of at most ten bytes and a tag each: the most that stands together, in a `UserStatus`
/// without texts.
const GATHERED_BYTES_MAX: usize = 7 * 11;

impl Default for Gathered {
    fn default() -> Gathered {
        Gathered {
            bytes: [0; GATHERED_BYTES_MAX],
            len: 0,
        }
    }
}

impl Gathered {
    fn put_byte(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    fn put_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.put_byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.put_byte(number as u8);
    }

    fn put_number(&mut self, tag: u8, number: u64) {
        if number != 0 {
            self.put_byte(tag << 3 | WIRE_VARINT);
            self.put_varint(number);
        }
    }

    fn put_header(&mut self, tag: u8, length: usize) {
        self.put_byte(tag << 3 | WIRE_DELIMITED);
        self.put_varint(length as u64);
    }

    fn put_text(&mut self, tag: u8, text: &[u8], buffer: &mut BytesMut) {
        if !text.is_empty() {
            self.put_header(tag, text.len());
            self.flush(buffer);
            buffer.put_slice(text);
        }
    }

    fn flush(&mut self, buffer: &mut BytesMut) {
        buffer.put_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}

/// Makes room for a whole frame and writes all of it before the body's fields.
fn begin_frame(body_tag: u8, body_len: usize, buffer: &mut BytesMut) {
    let frame_len = delimited_len(body_len);
    buffer.reserve(encoded_len_varint(frame_len as u64) + frame_len);
    encode_varint(frame_len as u64, buffer);
    put_header(body_tag, body_len, buffer);
}

// Protobuf's encoding, for tags below 16 (one byte). Fields at their default are not written.

const WIRE_VARINT: u8 = 0;
const WIRE_DELIMITED: u8 = 2;

/// An `int32` or enum as protobuf writes it: sign-extended to 64 bits.
fn signed(number: i32) -> u64 {
    i64::from(number) as u64
}

fn number_len(number: u64) -> usize {
    if number == 0 {
        0
    } else {
        1 + encoded_len_varint(number)
    }
}

fn text_len(text: &[u8]) -> usize {
    if text.is_empty() {
        0
    } else {
        delimited_len(text.len())
    }
}

fn delimited_len(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

fn put_header(tag: u8, length: usize, buffer: &mut BytesMut) {
    buffer.put_u8(tag << 3 | WIRE_DELIMITED);
    encode_varint(length as u64, buffer);
}

#[cfg(test)]
mod tests {
    use presence::ids::SessionId;

    use super::*;
    use crate::frame::{self, Next};
    use crate::message::{LoginReply, SubscriptionSummary};
    use crate::wire;

    /// Decodes with the generated types, encodes with them again, and expects the same bytes.
    fn assert_as_generated(frame: &[u8]) {
        let Ok(Next::Frame { body, consumed }) = frame::next(frame, 1 << 20) else {
            panic!("not a frame")
        };
        assert_eq!(consumed, frame.len());
        let generated = wire::ServerFrame::decode(body).expect("it decodes");
        assert_eq!(generated.encode_to_vec(), body);
    }

    fn users() -> Vec<UserStatus> {
        let user = |index: usize| UserStatus {
            user_id: "u".repeat(index % 33),
            code: if index.is_multiple_of(3) { -7 } else { 0 },
            status: index as i32 % 5 - 1,
            custom_status: "é".repeat(index),
            version: 1 << (index % 64),
            since_ms: -1 << (index % 63),
            reason: index as i32,
            platforms: index as u32 * 77,
        };
        (0..200).map(user).collect()
    }

    #[test]
    fn the_bytes_are_those_of_the_generated_types() {
        let largest = UserStatus {
            code: -1,
            status: -1,
            version: u64::MAX,
            since_ms: -1,
            reason: -1,
            platforms: u32::MAX,
            ..UserStatus::default()
        };
        for users in [users(), vec![largest]] {
            let mut buffer = BytesMut::new();
            append_push(&users, &mut buffer);
            assert_as_generated(&buffer);
        }
        for users in [Vec::new(), users()] {
            let login = LoginReply {
                session: SessionId(1),
                server_time_ms: -1,
                heartbeat_interval_ms: 0,
                heartbeat_timeout_ms: u32::MAX,
                user_sig_expires_ms: 5,
                subscriptions: SubscriptionSummary {
                    user_ids: Some(vec![String::new()]),
                    ..Default::default()
                },
                frame_bytes_max: 9,
            };
            let reply = Reply {
                request_id: u64::MAX,
                code: -9,
                message: "m".repeat(200),
                retry_after_ms: 1,
                users,
                evicted: vec![String::new(), "x".into()],
                login: Some(login),
            };
            let mut buffer = BytesMut::new();
            append_reply(&reply, &[], &mut buffer);
            assert_as_generated(&buffer);
        }
    }
}
