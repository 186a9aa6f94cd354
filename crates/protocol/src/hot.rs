//! The frames that servers write most, encoded straight from borrowed values: a change (once for all its watchers) and
//! replies and pushes with many users. The bytes are exactly those the generated types give; a test below compares.

use bytes::{BufMut, Bytes, BytesMut};
use presence::ids::UserId;
use presence::status::Presence;
use prost::Message as _;
use prost::encoding::{encode_varint, encoded_len_varint};

use crate::conversion;
use crate::message::{Reply, UserStatus};

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
    let status = StatusFields::of_presence(user, presence);
    let push_len = delimited_len(status.len());
    let frame_len = delimited_len(push_len);
    let mut buffer = BytesMut::with_capacity(encoded_len_varint(frame_len as u64) + frame_len);
    encode_varint(frame_len as u64, &mut buffer);
    put_header(FRAME_PUSH, push_len, &mut buffer);
    put_header(PUSH_CHANGES, status.len(), &mut buffer);
    status.put(&mut buffer);
    buffer.freeze()
}

pub(crate) fn append_push(changes: &[UserStatus], buffer: &mut BytesMut) {
    begin_frame(FRAME_PUSH, statuses_len(changes), buffer);
    put_statuses(PUSH_CHANGES, changes, buffer);
}

pub(crate) fn append_reply(reply: &Reply, buffer: &mut BytesMut) {
    let login = reply.login.as_ref().map(conversion::login_reply_to_wire);
    let length = number_len(reply.request_id)
        + number_len(signed(reply.code))
        + text_len(&reply.message)
        + number_len(u64::from(reply.retry_after_ms))
        + statuses_len(&reply.users)
        + reply
            .evicted
            .iter()
            .map(|id| delimited_len(id.len()))
            .sum::<usize>()
        + login
            .as_ref()
            .map_or(0, |login| delimited_len(login.encoded_len()));
    begin_frame(FRAME_REPLY, length, buffer);
    put_number(1, reply.request_id, buffer);
    put_number(2, signed(reply.code), buffer);
    put_text(3, &reply.message, buffer);
    put_number(4, u64::from(reply.retry_after_ms), buffer);
    put_statuses(REPLY_USERS, &reply.users, buffer);
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
    user_id: &'a str,
    code: i32,
    status: i32,
    custom_status: &'a str,
    version: u64,
    since_ms: i64,
    reason: i32,
    platforms: u32,
}

impl<'a> StatusFields<'a> {
    fn of_presence(user: &'a UserId, presence: &'a Presence) -> StatusFields<'a> {
        StatusFields {
            user_id: user.as_str(),
            code: 0,
            status: presence.status as i32,
            custom_status: presence.custom.as_str(),
            version: presence.version.0,
            since_ms: presence.since.0,
            reason: presence.reason as i32,
            platforms: 0, // only in answers (R1.4)
        }
    }

    fn of_message(user: &'a UserStatus) -> StatusFields<'a> {
        StatusFields {
            user_id: &user.user_id,
            code: user.code,
            status: user.status,
            custom_status: &user.custom_status,
            version: user.version,
            since_ms: user.since_ms,
            reason: user.reason,
            platforms: user.platforms,
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

    fn put(&self, buffer: &mut BytesMut) {
        put_text(1, self.user_id, buffer);
        put_number(2, signed(self.code), buffer);
        put_number(3, signed(self.status), buffer);
        put_text(4, self.custom_status, buffer);
        put_number(5, self.version, buffer);
        put_number(6, self.since_ms as u64, buffer);
        put_number(7, signed(self.reason), buffer);
        put_number(8, u64::from(self.platforms), buffer);
    }
}

fn statuses_len(users: &[UserStatus]) -> usize {
    users
        .iter()
        .map(|user| delimited_len(StatusFields::of_message(user).len()))
        .sum()
}

fn put_statuses(tag: u8, users: &[UserStatus], buffer: &mut BytesMut) {
    for user in users {
        let fields = StatusFields::of_message(user);
        put_header(tag, fields.len(), buffer);
        fields.put(buffer);
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

fn text_len(text: &str) -> usize {
    if text.is_empty() {
        0
    } else {
        delimited_len(text.len())
    }
}

fn delimited_len(length: usize) -> usize {
    1 + encoded_len_varint(length as u64) + length
}

fn put_number(tag: u8, number: u64, buffer: &mut BytesMut) {
    if number != 0 {
        buffer.put_u8(tag << 3 | WIRE_VARINT);
        encode_varint(number, buffer);
    }
}

fn put_text(tag: u8, text: &str, buffer: &mut BytesMut) {
    if !text.is_empty() {
        put_header(tag, text.len(), buffer);
        buffer.put_slice(text.as_bytes());
    }
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
        let mut buffer = BytesMut::new();
        append_push(&users(), &mut buffer);
        assert_as_generated(&buffer);
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
            append_reply(&reply, &mut buffer);
            assert_as_generated(&buffer);
        }
    }
}
