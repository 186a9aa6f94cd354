//! XMPP as its servers keep presence: rosters say who sees whom (they are laid down before the server starts), a status
//! text carries the number.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};

use super::ours::CUSTOM_STATUS_BYTES;
use super::{
    Dialect, Event, Need, Session, Status, Step, USER_DIGITS, number, put_text, put_user, user_number,
};

/// See the module.
pub struct Xmpp {
    /// Everyone's.
    pub password: &'static str,
}

/// The server's name, and the part of an address after the user.
pub const DOMAIN: &str = "localhost";

const STREAM: &[u8] =
    b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
xmlns:stream='http://etherx.jabber.org/streams'>";

impl Dialect for Xmpp {
    fn log_in(&self, _session: &mut Session, out: &mut BytesMut) {
        out.put_slice(STREAM);
    }

    fn read(
        &self,
        session: &mut Session,
        bytes: &[u8],
        out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, String> {
        let mut rest = bytes;
        while let Some((element, after)) = take(rest) {
            self.interpret(session, element, out, on_event)?;
            rest = after;
        }
        Ok(bytes.len() - rest.len())
    }

    /// The roster has it already.
    fn subscribe(&self, _session: &mut Session, _users: &[u32], _out: &mut BytesMut) -> usize {
        0
    }

    /// Not called: see [`Dialect::lacks`].
    fn unsubscribe(&self, _session: &mut Session, _users: &[u32], _out: &mut BytesMut) -> usize {
        0
    }

    fn change(&self, _session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        put_text(
            format_args!(
                "<presence><status>{sequence:0width$}</status></presence>",
                width = CUSTOM_STATUS_BYTES
            ),
            out,
        );
        0
    }

    fn lacks(&self, need: Need) -> Option<&'static str> {
        match need {
            Need::Queries => Some("it has no query of many users"),
            Need::Churn => Some("a subscription there is asked for, granted and stored, another thing"),
            Need::Changes | Need::Logins | Need::LoginsSeen | Need::Losses => None,
        }
    }
}

impl Xmpp {
    fn interpret(
        &self,
        session: &mut Session,
        element: &[u8],
        out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<(), String> {
        let refused = || Err(String::from_utf8_lossy(element.get(..200).unwrap_or(element)).into_owned());
        match (name(element), session.step) {
            (b"presence", _) => {
                if let Some(status) = status(element)? {
                    on_event(Event::Told(status));
                }
            }
            (b"stream:features", Step::Greeting) => {
                let mut plain = BytesMut::from(&[0][..]);
                put_user(session.user, &mut plain);
                plain.put_u8(0);
                plain.put_slice(self.password.as_bytes());
                put_text(
                    format_args!(
                        "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{}</auth>",
                        STANDARD.encode(&plain)
                    ),
                    out,
                );
                session.step = Step::Authenticating;
            }
            (b"success", Step::Authenticating) => {
                out.put_slice(STREAM);
                session.step = Step::Authenticated;
            }
            (b"stream:features", Step::Authenticated) => {
                // Presence before the roster's request: the roster's answer then says that the user is online.
                out.put_slice(
                    b"<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>l</resource></bind></iq>\
                      <presence/><iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>",
                );
                session.step = Step::Binding;
            }
            (b"iq", Step::Binding) => {
                let head = head(element);
                match (attribute(head, b"id"), attribute(head, b"type")) {
                    (Some(b"b"), Some(b"result")) => {}
                    (Some(b"r"), Some(b"result")) => {
                        session.step = Step::Live;
                        on_event(Event::LoggedIn);
                    }
                    _ => return refused(),
                }
            }
            (b"?xml" | b"stream:stream" | b"iq" | b"message", _) => {}
            _ => return refused(),
        }
        Ok(())
    }
}

/// What a presence says of one of the load's users; nothing of what is not a status.
fn status(element: &[u8]) -> Result<Option<Status>, String> {
    let head = head(element);
    let online = match attribute(head, b"type") {
        None => true,
        Some(b"unavailable") => false,
        Some(b"error") => return Err(String::from_utf8_lossy(element).into_owned()),
        Some(_) => return Ok(None),
    };
    let user = attribute(head, b"from")
        .and_then(|from| from.get(..1 + USER_DIGITS))
        .and_then(user_number);
    let text = find(element, b"<status>")
        .and_then(|start| element.get(start + b"<status>".len()..))
        .and_then(|rest| rest.get(..rest.iter().position(|byte| *byte == b'<')?));
    Ok(user.map(|user| Status {
        user,
        online,
        sequence: text.and_then(number).unwrap_or(0),
        version: 0,
    }))
}

/// The first element, or head of the stream, and what follows; `None`: not whole yet. Elements of the streams read here
/// hold none of their own name.
fn take(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let bytes = bytes.trim_ascii_start();
    let head_end = bytes.iter().position(|byte| *byte == b'>')? + 1;
    let (head, after) = bytes.split_at(head_end);
    let name = name(head);
    if head.ends_with(b"/>") || name.starts_with(b"?") || name == b"stream:stream" || head.starts_with(b"</")
    {
        return Some((head, after));
    }
    let mut from = 0;
    loop {
        let end = from + find(after.get(from..)?, b"</")?;
        let closing = after.get(end + 2..)?;
        if closing.len() <= name.len() {
            return None;
        }
        if closing.starts_with(name) && closing.get(name.len()) == Some(&b'>') {
            return bytes.split_at_checked(head_end + end + 2 + name.len() + 1);
        }
        from = end + 2;
    }
}

fn head(element: &[u8]) -> &[u8] {
    let end = element
        .iter()
        .position(|byte| *byte == b'>')
        .unwrap_or(element.len());
    element.get(..end).unwrap_or_default()
}

/// An element's name.
fn name(element: &[u8]) -> &[u8] {
    let name = element.get(1..).unwrap_or_default();
    let end = name
        .iter()
        .position(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
        .unwrap_or(name.len());
    name.get(..end).unwrap_or_default()
}

/// The value of an attribute in an element's head.
fn attribute<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = head;
    loop {
        let start = find(rest, name)?;
        let before = start.checked_sub(1).and_then(|index| rest.get(index));
        rest = rest.get(start + name.len()..)?;
        if !before.is_some_and(u8::is_ascii_whitespace) || rest.first() != Some(&b'=') {
            continue;
        }
        let quote = rest.get(1)?;
        let value = rest.get(2..)?;
        return value.get(..value.iter().position(|byte| byte == quote)?);
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{events_of, told};
    use super::*;

    const XMPP: Xmpp = Xmpp { password: "p" };

    #[test]
    fn a_login_goes_through_its_steps() {
        let bytes = b"<?xml version='1.0'?><stream:stream id='1' from='localhost'>\
            <stream:features><mechanisms xmlns='x'><mechanism>PLAIN</mechanism></mechanisms></stream:features>\
            <success xmlns='y'/>\
            <?xml version='1.0'?><stream:stream id='2'><stream:features><bind/></stream:features>\
            <iq id='b' type='result'><bind><jid>a@b/l</jid></bind></iq>\
            <iq type='result' id='r'><query/></iq>";
        assert_eq!(events_of(&XMPP, Step::Greeting, bytes), [Event::LoggedIn]);
    }

    #[test]
    fn presence_tells_who_and_which() {
        let bytes = b"<presence from='u0000007@localhost/l' to='x'><status>00041</status></presence>\n\
            <presence to='x' from=\"u0000008@localhost/l\"/>\
            <presence type='unavailable' from='u0000009@localhost/l'/>\
            <presence type='subscribe' from='u0000009@localhost'/>";
        let gone = Event::Told(Status {
            user: 9,
            online: false,
            sequence: 0,
            version: 0,
        });
        assert_eq!(
            events_of(&XMPP, Step::Live, bytes),
            [told(7, 41), told(8, 0), gone]
        );
    }

    #[test]
    fn a_failed_login_and_the_end_of_the_stream_are_errors() {
        let failure = b"<failure xmlns='x'><not-authorized/></failure>";
        for (step, bytes) in [
            (Step::Authenticating, &failure[..]),
            (Step::Live, b"</stream:stream>"),
        ] {
            let mut session = Session::new(1);
            session.step = step;
            let answer = XMPP.read(&mut session, bytes, &mut BytesMut::new(), &mut |_| ());
            assert!(answer.is_err());
        }
    }
}
