//! Redis as presence is built on it: a key and a channel for each user, RESP3, so that one connection may subscribe,
//! publish and ask, as a client of ours does.

use std::ops::Range;

use bytes::{BufMut, BytesMut};

use super::payload::{self, BARE_BYTES, PAYLOAD_BYTES};
use super::{Dialect, Event, Need, Session, Status, Step, USER_DIGITS, put_text, put_user};

/// See the module.
pub struct Redis {
    /// `requirepass`.
    pub password: &'static str,
}

/// Keys of one MSET.
const CREATE_BATCH: u32 = 100;

impl Dialect for Redis {
    fn log_in(&self, _session: &mut Session, out: &mut BytesMut) {
        put_array(5, out);
        for word in ["HELLO", "3", "AUTH", "default", self.password] {
            put_bulk(word.as_bytes(), out);
        }
    }

    fn read(
        &self,
        session: &mut Session,
        bytes: &[u8],
        _out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, String> {
        let mut rest = bytes;
        while let Some((value, after)) = take(rest)? {
            interpret(session, &value, on_event)?;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn subscribe(&self, _session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        put_command_on("SUBSCRIBE", users, out);
        users.len()
    }

    fn unsubscribe(&self, _session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        put_command_on("UNSUBSCRIBE", users, out);
        users.len()
    }

    fn change(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        put_store("PUBLISH", online(session.user, sequence), PAYLOAD_BYTES, out);
        1
    }

    /// The key first: who subscribes before the message hears it, who asks after it reads the key.
    fn announce(&self, session: &mut Session, out: &mut BytesMut) -> usize {
        put_store("SET", online(session.user, 0), PAYLOAD_BYTES, out);
        put_store("PUBLISH", online(session.user, 0), PAYLOAD_BYTES, out);
        2
    }

    fn subscription_tells_status(&self) -> bool {
        false
    }

    fn query(&self, _session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        put_command_on("MGET", users, out);
        1
    }

    fn record(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        put_store("SET", online(session.user, sequence), PAYLOAD_BYTES, out);
        1
    }

    fn create(&self, _session: &mut Session, users: Range<u32>, out: &mut BytesMut) -> usize {
        let mut commands = 0;
        let mut first = users.start;
        while first < users.end {
            let last = users.end.min(first + CREATE_BATCH);
            put_array(1 + 2 * (last - first) as usize, out);
            put_bulk(b"MSET", out);
            for user in first..last {
                put_name(user, out);
                let status = Status {
                    online: false,
                    ..online(user, 0)
                };
                put_payload(status, BARE_BYTES, out);
            }
            commands += 1;
            first = last;
        }
        commands
    }

    fn lacks(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::Losses => Some("it tells nobody of a lost connection"),
            Need::Changes | Need::Logins | Need::LoginsSeen | Need::Queries | Need::Churn => None,
        }
    }
}

fn online(user: u32, sequence: u64) -> Status {
    Status {
        user,
        online: true,
        sequence,
        version: 0,
    }
}

fn put_array(count: usize, out: &mut BytesMut) {
    put_text(format_args!("*{count}\r\n"), out);
}

fn put_bulk(bytes: &[u8], out: &mut BytesMut) {
    put_text(format_args!("${}\r\n", bytes.len()), out);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}

fn put_name(user: u32, out: &mut BytesMut) {
    put_text(format_args!("${}\r\n", 1 + USER_DIGITS), out);
    put_user(user, out);
    out.put_slice(b"\r\n");
}

fn put_payload(status: Status, bytes: usize, out: &mut BytesMut) {
    put_text(format_args!("${bytes}\r\n"), out);
    payload::put(status, bytes, out);
    out.put_slice(b"\r\n");
}

fn put_command_on(command: &str, users: &[u32], out: &mut BytesMut) {
    put_array(1 + users.len(), out);
    put_bulk(command.as_bytes(), out);
    users.iter().for_each(|user| put_name(*user, out));
}

fn put_store(command: &str, status: Status, bytes: usize, out: &mut BytesMut) {
    put_array(3, out);
    put_bulk(command.as_bytes(), out);
    put_name(status.user, out);
    put_payload(status, bytes, out);
}

/// A value of RESP3, borrowed, as far as the load looks into one.
enum Value<'a> {
    Bulk(&'a [u8]),
    Error(&'a [u8]),
    /// Anything without a content that matters: OK, numbers, null, booleans.
    Scalar,
    /// Elements, not looked at yet; their number.
    Array(usize, &'a [u8]),
    Push(usize, &'a [u8]),
}

fn interpret(
    session: &mut Session,
    value: &Value<'_>,
    on_event: &mut dyn FnMut(Event),
) -> Result<(), String> {
    match *value {
        Value::Error(text) => return Err(String::from_utf8_lossy(text).into_owned()),
        Value::Push(count, elements) => {
            let mut rest = elements;
            let mut last = None;
            let mut kind: &[u8] = b"";
            for index in 0..count {
                let Some((element, after)) = take(rest)? else {
                    break;
                };
                rest = after;
                if let Value::Bulk(text) = element {
                    if index == 0 {
                        kind = text;
                    }
                    last = Some(text);
                }
            }
            match (kind, last.and_then(payload::read)) {
                (b"message", Some(status)) => on_event(Event::Told(status)),
                (b"message", None) => return Err("a message that is not the load's".into()),
                // subscribe, unsubscribe
                _ => on_event(Event::Done),
            }
        }
        Value::Array(count, elements) if session.step == Step::Live => {
            let mut rest = elements;
            for _ in 0..count {
                let Some((element, after)) = take(rest)? else {
                    break;
                };
                rest = after;
                let status = match element {
                    Value::Bulk(text) => payload::read(text).ok_or("a value that is not the load's")?,
                    _ => Status {
                        online: false,
                        ..online(u32::MAX, 0)
                    }, // nobody set that key
                };
                on_event(Event::Answered(status));
            }
            on_event(Event::Done);
        }
        Value::Array(..) => {
            session.step = Step::Live;
            on_event(Event::LoggedIn);
        }
        Value::Bulk(_) | Value::Scalar => on_event(Event::Done),
    }
    Ok(())
}

/// The first value of `bytes` and what follows it; `None`: not whole yet.
fn take(bytes: &[u8]) -> Result<Option<(Value<'_>, &[u8])>, String> {
    let Some((line, after)) = line(bytes) else {
        return Ok(None);
    };
    let Some((kind, line)) = line.split_first() else {
        return Err("an empty line".into());
    };
    let length = || {
        std::str::from_utf8(line)
            .ok()
            .and_then(|text| text.parse::<i64>().ok())
            .ok_or("a bad length")
    };
    Ok(Some(match kind {
        b'-' => (Value::Error(line), after),
        b'+' | b':' | b'_' | b'#' | b',' | b'(' => (Value::Scalar, after),
        b'$' | b'=' => match usize::try_from(length()?) {
            Err(_) => (Value::Scalar, after), // -1: null
            Ok(length) => match (after.get(..length), after.get(length + 2..)) {
                (Some(text), Some(after)) => (Value::Bulk(text), after),
                _ => return Ok(None),
            },
        },
        b'*' | b'>' | b'%' | b'~' => {
            let pairs = if *kind == b'%' { 2 } else { 1 };
            let count = usize::try_from(length()?).unwrap_or(0) * pairs;
            let mut rest = after;
            for _ in 0..count {
                match take(rest)? {
                    Some((_, after)) => rest = after,
                    None => return Ok(None),
                }
            }
            let elements = after.get(..after.len() - rest.len()).unwrap_or_default();
            if *kind == b'>' {
                (Value::Push(count, elements), rest)
            } else {
                (Value::Array(count, elements), rest)
            }
        }
        other => return Err(format!("a value of unknown kind {:?}", char::from(*other))),
    }))
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    Some((bytes.get(..end)?, bytes.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{events_of, told};
    use super::*;

    const REDIS: Redis = Redis { password: "p" };

    #[test]
    fn the_answer_to_hello_is_the_login() {
        let hello = b"%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$2\r\nid\r\n:3\r\n$7\r\nmodules\r\n*0\r\n";
        assert_eq!(events_of(&REDIS, Step::Greeting, hello), [Event::LoggedIn]);
    }

    #[test]
    fn a_message_is_told_and_answers_are_done() {
        let mut bytes =
            BytesMut::from(&b":1\r\n+OK\r\n>3\r\n$9\r\nsubscribe\r\n$8\r\nu0000007\r\n:1\r\n"[..]);
        bytes.extend_from_slice(b">3\r\n$7\r\nmessage\r\n$8\r\nu0000007\r\n");
        put_payload(online(7, 41), PAYLOAD_BYTES, &mut bytes);
        let events = events_of(&REDIS, Step::Live, &bytes);
        assert_eq!(events, [Event::Done, Event::Done, Event::Done, told(7, 41)]);
    }

    #[test]
    fn a_query_answers_each_user_and_a_missing_one_is_nobody() {
        let mut bytes = BytesMut::from(&b"*1\r\n"[..]);
        put_payload(online(9, 2), BARE_BYTES, &mut bytes);
        assert!(matches!(
            events_of(&REDIS, Step::Live, &bytes)[..],
            [Event::Answered(Status { user: 9, .. }), Event::Done]
        ));
        assert!(matches!(
            events_of(&REDIS, Step::Live, b"*1\r\n_\r\n")[..],
            [
                Event::Answered(Status {
                    user: u32::MAX,
                    online: false,
                    ..
                }),
                Event::Done
            ]
        ));
    }
}
