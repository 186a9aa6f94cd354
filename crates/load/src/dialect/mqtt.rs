//! MQTT 3.1.1 at QoS 0: a topic for each user, its last will the news of a loss, a retained message the status that a
//! latecomer is told.

use bytes::{Buf, BufMut, BytesMut};

use super::payload::{self, PAYLOAD_BYTES};
use super::{Dialect, Event, Need, Session, Status, Step, put_user};

/// See the module.
pub struct Mqtt {
    /// The one account.
    pub user: &'static str,
    /// Its password.
    pub password: &'static str,
    /// Logins leave a last will: the user is offline.
    pub last_will: bool,
}

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const RETAIN: u8 = 0x01;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const UNSUBSCRIBE: u8 = 0xa2;
const UNSUBACK: u8 = 0xb0;

/// Seconds; above the length of a run, so that no run has a ping in it.
const KEEP_ALIVE_S: u16 = 3600;

impl Dialect for Mqtt {
    fn log_in(&self, session: &mut Session, out: &mut BytesMut) {
        let mut body = BytesMut::new();
        put_string(b"MQTT", &mut body);
        body.put_u8(4); // 3.1.1
        let (clean, will, account) = (0x02, 0x04, 0xc0);
        body.put_u8(clean | account | if self.last_will { will } else { 0 });
        body.put_u16(KEEP_ALIVE_S);
        put_topic(session.user, &mut body); // the client id
        if self.last_will {
            put_topic(session.user, &mut body);
            body.put_u16(PAYLOAD_BYTES as u16);
            let status = Status {
                online: false,
                ..online(session.user, 0)
            };
            payload::put(status, PAYLOAD_BYTES, &mut body);
        }
        put_string(self.user.as_bytes(), &mut body);
        put_string(self.password.as_bytes(), &mut body);
        put_packet(CONNECT, &body, out);
    }

    fn read(
        &self,
        session: &mut Session,
        bytes: &[u8],
        _out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, String> {
        let mut rest = bytes;
        while let Some((kind, body, after)) = take(rest)? {
            match kind & 0xf0 {
                CONNACK => match body {
                    [_, 0] => {
                        session.step = Step::Live;
                        on_event(Event::LoggedIn);
                    }
                    refused => return Err(format!("refused: {refused:?}")),
                },
                PUBLISH => {
                    let mut topic_and_text = body;
                    let topic_bytes =
                        usize::from(topic_and_text.try_get_u16().map_err(|_| "a short packet")?);
                    let text = topic_and_text.get(topic_bytes..).ok_or("a short packet")?;
                    let status = payload::read(text).ok_or("a message that is not the load's")?;
                    on_event(Event::Told(status));
                }
                SUBACK => {
                    if body.iter().skip(2).any(|code| *code & 0x80 != 0) {
                        return Err("a subscription was refused".into());
                    }
                    on_event(Event::Done);
                }
                UNSUBACK => on_event(Event::Done),
                other => return Err(format!("a packet of unknown kind {other:#x}")),
            }
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    fn subscribe(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        let mut body = BytesMut::new();
        body.put_u16(packet_id(session));
        for &user in users {
            put_topic(user, &mut body);
            body.put_u8(0); // QoS
        }
        put_packet(SUBSCRIBE, &body, out);
        1
    }

    fn unsubscribe(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        let mut body = BytesMut::new();
        body.put_u16(packet_id(session));
        users.iter().for_each(|user| put_topic(*user, &mut body));
        put_packet(UNSUBSCRIBE, &body, out);
        1
    }

    fn change(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        publish(PUBLISH, online(session.user, sequence), out);
        0
    }

    fn announce(&self, session: &mut Session, out: &mut BytesMut) -> usize {
        publish(PUBLISH | RETAIN, online(session.user, 0), out);
        0
    }

    fn lacks(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::Queries => Some("it answers no questions"),
            Need::Changes | Need::Logins | Need::LoginsSeen | Need::Losses | Need::Churn => None,
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

/// Never 0.
fn packet_id(session: &mut Session) -> u16 {
    (session.next_request() % u64::from(u16::MAX)) as u16 + 1
}

fn publish(kind: u8, status: Status, out: &mut BytesMut) {
    let mut body = BytesMut::with_capacity(2 * PAYLOAD_BYTES);
    put_topic(status.user, &mut body);
    payload::put(status, PAYLOAD_BYTES, &mut body);
    put_packet(kind, &body, out);
}

fn put_topic(user: u32, out: &mut BytesMut) {
    let mut name = BytesMut::new();
    put_user(user, &mut name);
    put_string(&name, out);
}

fn put_string(text: &[u8], out: &mut BytesMut) {
    out.put_u16(text.len() as u16);
    out.put_slice(text);
}

fn put_packet(kind: u8, body: &[u8], out: &mut BytesMut) {
    out.put_u8(kind);
    let mut length = body.len();
    while length >= 0x80 {
        out.put_u8(length as u8 | 0x80);
        length >>= 7;
    }
    out.put_u8(length as u8);
    out.put_slice(body);
}

/// The first packet: kind with flags, body, and what follows; `None`: not whole yet.
#[expect(clippy::type_complexity, reason = "a private helper's three parts")]
fn take(bytes: &[u8]) -> Result<Option<(u8, &[u8], &[u8])>, String> {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let mut length = 0usize;
    for (index, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let start = index + 1;
            return Ok(rest
                .get(start..)
                .and_then(|rest| rest.split_at_checked(length))
                .map(|(body, after)| (kind, body, after)));
        }
    }
    if rest.len() >= 4 {
        return Err("a packet's length is malformed".into());
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{events_of, told};
    use super::*;

    const MQTT: Mqtt = Mqtt {
        user: "u",
        password: "p",
        last_will: true,
    };

    #[test]
    fn acknowledgements_and_messages_are_told_apart() {
        let mut bytes = BytesMut::from(&[CONNACK, 2, 0, 0, SUBACK, 3, 0, 1, 0, UNSUBACK, 2, 0, 2][..]);
        MQTT.change(&mut Session::new(7), 41, &mut bytes);
        MQTT.announce(&mut Session::new(8), &mut bytes);
        let events = events_of(&MQTT, Step::Greeting, &bytes);
        assert_eq!(
            events,
            [Event::LoggedIn, Event::Done, Event::Done, told(7, 41), told(8, 0)]
        );
    }

    #[test]
    fn refusals_are_errors() {
        for refusal in [&[CONNACK, 2, 0, 5][..], &[SUBACK, 3, 0, 1, 0x80]] {
            let answer = MQTT.read(&mut Session::new(1), refusal, &mut BytesMut::new(), &mut |_| ());
            assert!(answer.is_err(), "{refusal:?}");
        }
    }

    #[test]
    fn a_login_carries_its_last_will() {
        let mut bytes = BytesMut::new();
        MQTT.log_in(&mut Session::new(7), &mut bytes);
        let (kind, body, _) = take(&bytes).expect("well-formed").expect("whole");
        assert_eq!(kind, CONNECT);
        assert!(body.windows(10).any(|window| window == b"u0000007 0"));
    }
}
