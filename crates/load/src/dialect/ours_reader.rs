//! Reads our server's frames without copying: at a million notifications a second the generated types, which own their
//! strings, would make the load the bottleneck. It knows the numbers of `presence.proto` that it needs; a test
//! compares it with what `presence-protocol` writes. Whatever it does not know it skips.

use presence_protocol::frame::{self, FRAME_BYTES_MAX, Next};

use super::{Event, Session, Status, Step, number, user_number};

// ServerFrame, Reply, Push, UserStatus, SessionEnded: field numbers of presence.proto.
const FRAME_REPLY: u64 = 1;
const FRAME_PUSH: u64 = 2;
const FRAME_SESSION_ENDED: u64 = 4;
const FRAME_GO_AWAY: u64 = 5;
const REPLY_CODE: u64 = 2;
const REPLY_MESSAGE: u64 = 3;
const REPLY_USERS: u64 = 5;
const PUSH_CHANGES: u64 = 1;
const STATUS_USER_ID: u64 = 1;
const STATUS_CODE: u64 = 2;
const STATUS_STATUS: u64 = 3;
const STATUS_CUSTOM: u64 = 4;
const STATUS_VERSION: u64 = 5;
const ENDED_CODE: u64 = 1;

/// `STATUS_ONLINE`.
const ONLINE: u64 = 1;

/// See [`super::Dialect::read`].
pub fn read(session: &mut Session, bytes: &[u8], on_event: &mut dyn FnMut(Event)) -> Result<usize, String> {
    let mut rest = bytes;
    loop {
        match frame::next(rest, FRAME_BYTES_MAX).map_err(|error| error.to_string())? {
            Next::Incomplete => return Ok(bytes.len() - rest.len()),
            Next::Frame { body, consumed } => {
                for field in Fields(body) {
                    match field? {
                        (FRAME_PUSH, Value::Bytes(push)) => {
                            statuses(push, PUSH_CHANGES, &mut |status| {
                                on_event(Event::Told(status));
                            })?;
                        }
                        (FRAME_REPLY, Value::Bytes(reply)) => read_reply(session, reply, on_event)?,
                        (FRAME_SESSION_ENDED, Value::Bytes(ended)) => {
                            return Err(format!("session ended: {}", signed(ended, ENDED_CODE)?));
                        }
                        (FRAME_GO_AWAY, _) => return Err("the server goes away".into()),
                        _ => {}
                    }
                }
                rest = rest.get(consumed..).unwrap_or_default();
            }
        }
    }
}

fn read_reply(session: &mut Session, reply: &[u8], on_event: &mut dyn FnMut(Event)) -> Result<(), String> {
    let code = signed(reply, REPLY_CODE)?;
    if code != 0 {
        let mut text = String::new();
        for field in Fields(reply) {
            if let (REPLY_MESSAGE, Value::Bytes(message)) = field? {
                text = String::from_utf8_lossy(message).into_owned();
            }
        }
        return Err(format!("refused with {code}: {text}"));
    }
    if session.step == Step::Live {
        statuses(reply, REPLY_USERS, &mut |status| {
            on_event(Event::Answered(status))
        })?;
        on_event(Event::Done);
    } else {
        session.step = Step::Live;
        on_event(Event::LoggedIn);
    }
    Ok(())
}

/// Every `UserStatus` in a field of `message`; one that is refused is an error, for the load names only good ids.
fn statuses(message: &[u8], tag: u64, on_status: &mut dyn FnMut(Status)) -> Result<(), String> {
    for field in Fields(message) {
        let (found, Value::Bytes(entry)) = field? else {
            continue;
        };
        if found != tag {
            continue;
        }
        let mut status = Status {
            user: u32::MAX,
            online: false,
            sequence: 0,
            version: 0,
        };
        for field in Fields(entry) {
            match field? {
                (STATUS_USER_ID, Value::Bytes(name)) => status.user = user_number(name).unwrap_or(u32::MAX),
                (STATUS_CODE, Value::Number(code)) if code != 0 => {
                    return Err(format!("a user is refused with {}", code as i32));
                }
                (STATUS_STATUS, Value::Number(value)) => status.online = value == ONLINE,
                (STATUS_CUSTOM, Value::Bytes(text)) => status.sequence = number(text).unwrap_or(0),
                (STATUS_VERSION, Value::Number(version)) => status.version = version,
                _ => {}
            }
        }
        on_status(status);
    }
    Ok(())
}

fn signed(message: &[u8], tag: u64) -> Result<i32, String> {
    for field in Fields(message) {
        match field? {
            (found, Value::Number(value)) if found == tag => return Ok(value as i32),
            _ => {}
        }
    }
    Ok(0)
}

/// The fields of a protobuf message, in order.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "a malformed message".to_owned()))
    }
}

impl<'a> Fields<'a> {
    fn take(&mut self) -> Option<(u64, Value<'a>)> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Bytes(self.bytes(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Value::Bytes(self.bytes(length)?)
            }
            5 => Value::Bytes(self.bytes(4)?),
            _ => return None,
        };
        Some((key >> 3, value))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = self.0.get(index + 1..)?;
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use presence::ids::{AppId, UserId};
    use presence::status::{CustomStatus, Presence, Reason, Status as Common, Version};
    use presence::time::Wall;
    use presence_protocol::message::{self, Reply, ServerMessage, UserStatus};

    use super::super::ours::{CUSTOM_STATUS_BYTES, Ours, user_name};
    use super::super::tests::events_of;
    use super::*;

    fn ours() -> Ours {
        Ours {
            app: AppId::new(1).expect("above 0"),
            secret_key: "k",
            now_s: 0,
            tls: None,
        }
    }

    fn presence_of(sequence: u64) -> Presence {
        let custom = format!("{sequence:0width$}", width = CUSTOM_STATUS_BYTES);
        Presence {
            status: Common::Online,
            custom: CustomStatus::new(&custom, 100).expect("short"),
            version: Version(1_800_000_000 << 20),
            since: Wall(1_800_000_000_000),
            reason: Reason::CustomStatus,
        }
    }

    #[test]
    fn a_push_has_64_bytes_and_tells_its_number_and_version() {
        let user = UserId::new(&user_name(7)).expect("printable");
        let bytes = message::encode_change(&user, &presence_of(42));
        assert_eq!(bytes.len(), 64);
        let status = Status {
            user: 7,
            online: true,
            sequence: 42,
            version: 1_800_000_000 << 20,
        };
        assert_eq!(events_of(&ours(), Step::Live, &bytes), [Event::Told(status)]);
    }

    #[test]
    fn a_reply_tells_each_user_and_then_that_it_is_done() {
        let user = UserId::new(&user_name(8)).expect("printable");
        let mut bare = presence_of(0);
        (bare.status, bare.custom) = (Common::Unlogined, CustomStatus::default());
        let reply = Reply {
            request_id: 3,
            users: vec![
                UserStatus::found(&user, &presence_of(1), 0),
                UserStatus::found(&user, &bare, 0),
            ],
            ..Reply::default()
        };
        let mut bytes = BytesMut::new();
        message::encode_server(&ServerMessage::Reply(reply), &mut bytes);
        let (first, second) = match events_of(&ours(), Step::Live, &bytes)[..] {
            [Event::Answered(first), Event::Answered(second), Event::Done] => (first, second),
            ref other => panic!("{other:?}"),
        };
        assert_eq!((first.user, first.online, first.sequence), (8, true, 1));
        assert_eq!((second.user, second.online, second.sequence), (8, false, 0));
    }

    #[test]
    fn the_first_reply_is_the_login_and_a_refusal_is_an_error() {
        let mut bytes = BytesMut::new();
        message::encode_server(&ServerMessage::Reply(Reply::default()), &mut bytes);
        assert_eq!(events_of(&ours(), Step::Greeting, &bytes), [Event::LoggedIn]);
        let refusal = Reply {
            code: 7008,
            message: "wait".into(),
            ..Reply::default()
        };
        let mut bytes = BytesMut::new();
        message::encode_server(&ServerMessage::Reply(refusal), &mut bytes);
        let answer = read(&mut Session::new(1), &bytes, &mut |_| ());
        assert_eq!(answer, Err("refused with 7008: wait".into()));
    }

    #[test]
    fn a_damaged_frame_is_an_error() {
        // A frame of three bytes that announces a field of 100.
        assert!(read(&mut Session::new(1), &[3, 0x12, 100, 0], &mut |_| ()).is_err());
    }
}
