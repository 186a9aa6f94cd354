//! The frames that servers write most, encoded straight from borrowed values: a change (once for all its watchers) and
//! replies and pushes with many users. The bytes are exactly those the generated types give; a test below compares.

use bytes::{Bytes, BytesMut};
use presence::ids::UserId;
use presence::status::{Presence, Version};
use prost::Message as _;
use prost::encoding::encoded_len_varint;

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
    let status = StatusFields::of_presence(user, presence, presence.version, 0);
    let mut buffer = BytesMut::new();
    let mut frame = begin_frame(FRAME_PUSH, delimited_len(status.len()), &mut buffer);
    frame.put_status(PUSH_CHANGES, &status);
    buffer.freeze()
}

pub(crate) fn append_push(changes: &[UserStatus], buffer: &mut BytesMut) {
    let statuses = changes.iter().map(StatusFields::of_message);
    let mut frame = begin_frame(FRAME_PUSH, statuses_len(statuses.clone()), buffer);
    statuses.for_each(|status| frame.put_status(PUSH_CHANGES, &status));
}

/// The users are those of `reply`, then `users`.
pub(crate) fn append_reply(reply: &Reply, users: &[StatusRef<'_>], buffer: &mut BytesMut) {
    let login = reply.login.as_ref().map(conversion::login_reply_to_wire);
    let owned = reply.users.iter().map(StatusFields::of_message);
    let borrowed = users.iter().map(StatusFields::of_reference);
    let length = head_len(reply)
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
    let mut frame = begin_frame(FRAME_REPLY, length, buffer);
    frame.put_head(reply);
    owned.for_each(|status| frame.put_status(REPLY_USERS, &status));
    borrowed.for_each(|status| frame.put_status(REPLY_USERS, &status));
    for id in &reply.evicted {
        frame.put_header(REPLY_EVICTED, id.len());
        frame.put_bytes(id.as_bytes());
    }
    if let Some(login) = login {
        frame.put_header(REPLY_LOGIN, login.encoded_len());
        frame.put_bytes(&login.encode_to_vec());
    }
}

/// The fields of a reply before its users.
fn head_len(reply: &Reply) -> usize {
    number_len(reply.request_id)
        + number_len(signed(reply.code))
        + text_len(reply.message.as_bytes())
        + number_len(u64::from(reply.retry_after_ms))
}

/// See [`UsersReply`](crate::message::UsersReply).
pub(crate) struct UsersRoom<'a> {
    room: &'a mut Vec<u8>,
    /// Bytes of it that are written.
    len: usize,
}

impl<'a> UsersRoom<'a> {
    pub(crate) fn new(room: &'a mut Vec<u8>) -> UsersRoom<'a> {
        UsersRoom { room, len: 0 }
    }

    pub(crate) fn found(&mut self, user: &UserId, presence: &Presence, version: Version, platforms: u32) {
        self.put(&StatusFields::of_presence(user, presence, version, platforms));
    }

    pub(crate) fn failed(&mut self, user_id: &str, code: i32) {
        self.put(&StatusFields::of_failure(user_id, code));
    }

    #[inline]
    fn put(&mut self, status: &StatusFields<'_>) {
        let length = status.len();
        let end = self.len + delimited_len(length);
        if end > self.room.len() {
            // What is there is overwritten, so it is made ready once and for all replies.
            self.room.resize(2 * end, 0);
        }
        let mut cursor = Cursor {
            out: &mut self.room[self.len..end],
            at: 0,
        };
        cursor.put_header(REPLY_USERS, length);
        cursor.put_fields(status);
        self.len = end;
    }

    pub(crate) fn frame(self, reply: &Reply) -> Bytes {
        let users = &self.room[..self.len];
        let head_len = head_len(reply);
        let body_len = head_len + users.len();
        let mut buffer = BytesMut::with_capacity(frame_len(body_len));
        begin(FRAME_REPLY, body_len, head_len, &mut buffer).put_head(reply);
        buffer.extend_from_slice(users);
        buffer.freeze()
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
    fn of_presence(
        user: &'a UserId,
        presence: &'a Presence,
        version: Version,
        platforms: u32,
    ) -> StatusFields<'a> {
        StatusFields {
            user_id: user.as_bytes(),
            code: 0,
            status: presence.status as i32,
            custom_status: presence.custom.as_str().as_bytes(),
            version: version.0,
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
            } => StatusFields::of_presence(user, presence, presence.version, *platforms),
            StatusRef::Plain { user_id, code } => StatusFields::of_failure(user_id, *code),
        }
    }

    fn of_failure(user_id: &'a str, code: i32) -> StatusFields<'a> {
        StatusFields {
            user_id: user_id.as_bytes(),
            code,
            status: 0,
            custom_status: &[],
            version: 0,
            since_ms: 0,
            reason: 0,
            platforms: 0,
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
}

fn statuses_len<'a>(statuses: impl Iterator<Item = StatusFields<'a>>) -> usize {
    statuses.map(|status| delimited_len(status.len())).sum()
}

/// The bytes of a varint of 2 to 8 bytes, the first lowest: seven bits in each, and the eighth in all but the last.
#[inline]
fn spread(number: u64, length: usize) -> u64 {
    let halves = number & 0x0fff_ffff | (number & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let bytes = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    bytes | 0x8080_8080_8080_8080 & ((1 << (8 * (length - 1))) - 1)
}

/// Makes room for a whole frame at the end of the buffer and writes all of it before the body's fields, which take
/// `body_len` bytes.
fn begin_frame(body_tag: u8, body_len: usize, buffer: &mut BytesMut) -> Cursor<'_> {
    begin(body_tag, body_len, body_len, buffer)
}

/// As [`begin_frame`], with room for the first `room_len` bytes of the body alone.
fn begin(body_tag: u8, body_len: usize, room_len: usize, buffer: &mut BytesMut) -> Cursor<'_> {
    let begin = buffer.len();
    buffer.resize(begin + frame_len(body_len) - body_len + room_len, 0);
    let mut cursor = Cursor {
        out: &mut buffer[begin..],
        at: 0,
    };
    cursor.put_varint(delimited_len(body_len) as u64);
    cursor.put_header(body_tag, body_len);
    cursor
}

/// A frame with a body of so many bytes.
fn frame_len(body_len: usize) -> usize {
    let length = delimited_len(body_len);
    encoded_len_varint(length as u64) + length
}

/// Writes into room whose length was counted before: nothing grows on the way, and nothing is copied twice.
struct Cursor<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn put_byte(&mut self, byte: u8) {
        self.out[self.at] = byte;
        self.at += 1;
    }

    #[inline(always)] // most numbers are of one byte
    fn put_varint(&mut self, number: u64) {
        if number < 0x80 {
            self.put_byte(number as u8);
        } else {
            self.put_long_varint(number);
        }
    }

    /// A number of eight bytes or less, as nearly all are, in one piece where there is room for eight.
    fn put_long_varint(&mut self, mut number: u64) {
        if number < 1 << 56
            && let Some(room) = self.out.get_mut(self.at..self.at + 8)
        {
            let length = encoded_len_varint(number);
            room.copy_from_slice(&spread(number, length).to_le_bytes());
            self.at += length;
            return;
        }
        while number >= 0x80 {
            self.put_byte(number as u8 | 0x80);
            number >>= 7;
        }
        self.put_byte(number as u8);
    }

    #[inline]
    fn put_number(&mut self, tag: u8, number: u64) {
        if number != 0 {
            self.put_byte(tag << 3 | WIRE_VARINT);
            self.put_varint(number);
        }
    }

    #[inline]
    fn put_header(&mut self, tag: u8, length: usize) {
        self.put_byte(tag << 3 | WIRE_DELIMITED);
        self.put_varint(length as u64);
    }

    #[inline]
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..][..bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    #[inline]
    fn put_text(&mut self, tag: u8, text: &[u8]) {
        if !text.is_empty() {
            self.put_header(tag, text.len());
            self.put_bytes(text);
        }
    }

    /// As field `tag` of a message.
    fn put_status(&mut self, tag: u8, status: &StatusFields<'_>) {
        self.put_header(tag, status.len());
        self.put_fields(status);
    }

    #[inline]
    fn put_fields(&mut self, status: &StatusFields<'_>) {
        self.put_text(1, status.user_id);
        self.put_number(2, signed(status.code));
        self.put_number(3, signed(status.status));
        self.put_text(4, status.custom_status);
        self.put_number(5, status.version);
        self.put_number(6, status.since_ms as u64);
        self.put_number(7, signed(status.reason));
        self.put_number(8, u64::from(status.platforms));
    }

    /// The fields of a reply before its users.
    fn put_head(&mut self, reply: &Reply) {
        self.put_number(1, reply.request_id);
        self.put_number(2, signed(reply.code));
        self.put_text(3, reply.message.as_bytes());
        self.put_number(4, u64::from(reply.retry_after_ms));
    }
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
    fn numbers_are_written_as_the_generated_types_write_them() {
        let around = |bit: u32| [(1_u64 << bit).wrapping_sub(1), 1 << bit, (1 << bit) + 1];
        let striped = [0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa, u64::MAX].into_iter();
        let numbers = (0..64).flat_map(around);
        for number in numbers.chain(striped.flat_map(|bits: u64| (0..64).map(move |shift| bits >> shift))) {
            let mut expected = Vec::new();
            prost::encoding::encode_varint(number, &mut expected);
            // With room behind it, which is written anew by what follows, and without.
            for room in [0, 1, 16] {
                let mut out = vec![0; expected.len() + room];
                let mut cursor = Cursor { out: &mut out, at: 0 };
                cursor.put_varint(number);
                let at = cursor.at;
                assert_eq!(&out[..at], expected, "{number:#x} with {room} bytes behind it");
            }
        }
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
