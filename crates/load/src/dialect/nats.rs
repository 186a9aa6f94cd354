//! NATS core: a subject for each user. Nothing is kept and no publication is acknowledged.

use bytes::{BufMut, BytesMut};

use super::payload::{self, PAYLOAD_BYTES};
use super::{Dialect, Event, Need, Session, Status, Step, number, put_text, put_user};

/// See the module.
pub struct Nats {
    /// The one account.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
}

impl Dialect for Nats {
    fn log_in(&self, session: &mut Session, out: &mut BytesMut) {
        session.step = Step::Greeting;
        put_text(
            format_args!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"user\":\"{}\",\"pass\":\"{}\",\"lang\":\"load\",\
                 \"version\":\"1\",\"protocol\":1}}\r\nPING\r\n",
                self.user, self.password
            ),
            out,
        );
    }

    fn read(
        &self,
        session: &mut Session,
        bytes: &[u8],
        out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, String> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end + 1);
            if line.starts_with(b"MSG ") {
                let length = line
                    .trim_ascii_end()
                    .rsplit(|byte| *byte == b' ')
                    .next()
                    .and_then(number)
                    .ok_or("a message without a length")? as usize;
                let (Some(text), Some(after)) = (after.get(..length), after.get(length + 2..)) else {
                    break;
                };
                let status = payload::read(text).ok_or("a message that is not the load's")?;
                on_event(Event::Told(status));
                rest = after;
                continue;
            }
            if line.starts_with(b"PING") {
                out.put_slice(b"PONG\r\n");
            } else if line.starts_with(b"PONG") {
                if session.step == Step::Live {
                    on_event(Event::Done);
                } else {
                    session.step = Step::Live;
                    on_event(Event::LoggedIn);
                }
            } else if line.starts_with(b"-ERR") {
                return Err(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            }
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn subscribe(&self, _session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        for &user in users {
            out.put_slice(b"SUB ");
            put_user(user, out);
            put_text(format_args!(" {}\r\n", 1 + u64::from(user)), out);
        }
        out.put_slice(b"PING\r\n");
        1
    }

    fn unsubscribe(&self, _session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        for &user in users {
            put_text(format_args!("UNSUB {}\r\n", 1 + u64::from(user)), out);
        }
        out.put_slice(b"PING\r\n");
        1
    }

    fn change(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        out.put_slice(b"PUB ");
        put_user(session.user, out);
        put_text(format_args!(" {PAYLOAD_BYTES}\r\n"), out);
        let status = Status {
            user: session.user,
            online: true,
            sequence,
            version: 0,
        };
        payload::put(status, PAYLOAD_BYTES, out);
        out.put_slice(b"\r\n");
        0
    }

    fn lacks(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::Changes | Need::Logins | Need::Churn => None,
            Need::LoginsSeen | Need::Queries => Some("it keeps nothing that a latecomer could be told"),
            Need::Losses => Some("it tells nobody of a lost connection"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{events_of, told};
    use super::*;

    const NATS: Nats = Nats {
        user: "u",
        password: "p",
    };

    #[test]
    fn the_first_pong_is_the_login_and_later_ones_are_answers() {
        let bytes = b"INFO {\"x\":1}\r\nPONG\r\nPONG\r\n";
        assert_eq!(
            events_of(&NATS, Step::Greeting, bytes),
            [Event::LoggedIn, Event::Done]
        );
    }

    #[test]
    fn what_one_session_publishes_another_is_told() {
        let mut published = BytesMut::new();
        NATS.change(&mut Session::new(7), 41, &mut published);
        let text = published.split_off(b"PUB u0000007 64\r\n".len());
        let mut bytes = b"MSG u0000007 8 64\r\n".to_vec();
        bytes.extend_from_slice(&text);
        assert_eq!(events_of(&NATS, Step::Live, &bytes), [told(7, 41)]);
    }

    #[test]
    fn a_ping_is_answered_and_an_error_ends_it() {
        let (mut session, mut out) = (Session::new(1), BytesMut::new());
        assert_eq!(NATS.read(&mut session, b"PING\r\n", &mut out, &mut |_| ()), Ok(6));
        assert_eq!(&out[..], b"PONG\r\n");
        assert!(
            NATS.read(&mut session, b"-ERR 'no'\r\n", &mut out, &mut |_| ())
                .is_err()
        );
    }
}
