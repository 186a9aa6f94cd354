//! What the load says to a server and what it hears, one dialect a protocol: bytes out, events in. A dialect owns no
//! socket and no clock; what it must remember of a connection is in its [`Session`].
//!
//! Users are numbers here. Each dialect writes them as the name `u` and seven digits.

use std::io::Write as _;
use std::ops::Range;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rustls::ClientConfig;

pub mod mqtt;
pub mod nats;
pub mod ours;
mod ours_reader;
pub mod redis;
pub mod xmpp;

/// A protocol that carries presence, or what is used for it.
///
/// Methods that write a request return how many [`Event::Done`] will answer it (0: the protocol acknowledges nothing).
pub trait Dialect: Sync {
    /// The first bytes of a connection. [`Event::LoggedIn`] tells when the server accepted the login.
    fn log_in(&self, session: &mut Session, out: &mut BytesMut);

    /// Reads every whole message of `bytes` and tells what each means; what the protocol demands as an answer goes to
    /// `out`. Returns how many bytes were read; the rest is the beginning of a message. An error is final: the server
    /// refused something or said what cannot be understood.
    fn read(
        &self,
        session: &mut Session,
        bytes: &[u8],
        out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, String>;

    /// From now on, be told of these users' changes.
    fn subscribe(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize;

    /// Undoes [`Dialect::subscribe`].
    fn unsubscribe(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize;

    /// The session's user changes its status; everyone who watches it is told `sequence`.
    fn change(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize;

    /// After a login: whatever makes the user visible as online to those who watch it and to those who will.
    /// Nothing where the login does that.
    fn announce(&self, _session: &mut Session, _out: &mut BytesMut) -> usize {
        0
    }

    /// Whether a subscription tells the present status of the users. If not, a query after it does.
    fn subscription_tells_status(&self) -> bool {
        true
    }

    /// Asks for the status of these users: one [`Event::Answered`] for each, then [`Event::Done`].
    fn query(&self, _session: &mut Session, _users: &[u32], _out: &mut BytesMut) -> usize {
        0
    }

    /// Like [`Dialect::change`], so that a query finds it.
    fn record(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        self.change(session, sequence, out)
    }

    /// Makes these users exist, never logged in.
    fn create(&self, _session: &mut Session, _users: Range<u32>, _out: &mut BytesMut) -> usize {
        0
    }

    /// Whom to trust, where the protocol's bytes go through TLS.
    fn tls(&self) -> Option<Arc<ClientConfig>> {
        None
    }

    /// Why the protocol has no equivalent of what a scenario does; `None`: it has one.
    fn lacks(&self, _need: Need) -> Option<&'static str> {
        None
    }
}

/// What a scenario does with a server, as far as not every protocol can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Changes to watchers, many connections.
    Changes,
    /// Logins without subscriptions.
    Logins,
    /// A login whose watchers, and who subscribes later, learn that the user is online.
    LoginsSeen,
    /// A lost connection is told to the watchers.
    Losses,
    /// The status of many users in one request.
    Queries,
    /// Subscriptions that come and go on a live connection.
    Churn,
}

/// What a dialect remembers of one connection.
#[derive(Debug, Clone)]
pub struct Session {
    /// Who it logs in as.
    pub user: u32,
    /// Requests sent so far, for protocols that number them.
    pub requests: u64,
    /// How far the login is.
    pub step: Step,
}

impl Session {
    /// A connection that has said nothing yet.
    pub fn new(user: u32) -> Session {
        Session {
            user,
            requests: 0,
            step: Step::Greeting,
        }
    }

    fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }
}

/// The steps of a login; a protocol with fewer skips the ones between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The server has not greeted, or has not answered the login.
    Greeting,
    /// It was told who this is.
    Authenticating,
    /// It believes that.
    Authenticated,
    /// The last request of the login is under way.
    Binding,
    /// Logged in.
    Live,
}

/// What a message means to a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The login succeeded.
    LoggedIn,
    /// A request was answered with success.
    Done,
    /// A status by way of notification.
    Told(Status),
    /// A status as part of an answer.
    Answered(Status),
}

/// What a message says of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub user: u32,
    /// Whether it is online.
    pub online: bool,
    /// Number of the change, from its text; 0: none of a scenario (a login, a loss).
    pub sequence: u64,
    /// Where the protocol has versions (R6.5): must rise with every notification of the user. Otherwise 0.
    pub version: u64,
}

/// The number of a user in a name, if it is one of the load's.
fn user_number(name: &[u8]) -> Option<u32> {
    match name.split_first() {
        Some((b'u', digits)) if digits.len() == USER_DIGITS => number(digits).map(|number| number as u32),
        _ => None,
    }
}

/// A whole decimal number.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, &digit| {
        digit.is_ascii_digit().then(|| {
            number
                .wrapping_mul(10)
                .wrapping_add(u64::from(digit.wrapping_sub(b'0')))
        })
    })
}

const USER_DIGITS: usize = 7;

fn put_user(user: u32, out: &mut BytesMut) {
    put_text(format_args!("u{user:0width$}", width = USER_DIGITS), out);
}

fn put_text(text: std::fmt::Arguments<'_>, out: &mut BytesMut) {
    out.writer().write_fmt(text).expect("a BytesMut grows");
}

/// The message of protocols that carry bytes of any kind: name, state, number, padded to `PAYLOAD_BYTES`.
mod payload {
    use super::{BytesMut, Status, USER_DIGITS, number, put_text, user_number};

    /// As many bytes as one of our pushes has, framing and all.
    pub const PAYLOAD_BYTES: usize = 64;
    /// As many as our answer for a user that never logged in has.
    pub const BARE_BYTES: usize = 32;

    /// Appends the message of `bytes` bytes.
    pub fn put(status: Status, bytes: usize, out: &mut BytesMut) {
        let width = bytes - (1 + USER_DIGITS) - 3;
        let Status {
            user,
            online,
            sequence,
            ..
        } = status;
        put_text(
            format_args!(
                "u{user:0digits$} {} {sequence:0width$}",
                u8::from(online),
                digits = USER_DIGITS
            ),
            out,
        );
    }

    /// Reads one back.
    pub fn read(bytes: &[u8]) -> Option<Status> {
        let (name, rest) = bytes.split_at_checked(1 + USER_DIGITS)?;
        let (&[b' ', state, b' '], digits) = rest.split_first_chunk::<3>()? else {
            return None;
        };
        Some(Status {
            user: user_number(name)?,
            online: state == b'1',
            sequence: number(digits)?,
            version: 0,
        })
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// What a dialect makes of `bytes`, also when they come one at a time: the events must not depend on that.
    pub fn events_of(dialect: &dyn Dialect, step: Step, bytes: &[u8]) -> Vec<Event> {
        let whole = feed(dialect, step, bytes, bytes.len());
        assert_eq!(whole, feed(dialect, step, bytes, 1), "byte by byte");
        whole
    }

    fn feed(dialect: &dyn Dialect, step: Step, bytes: &[u8], chunk: usize) -> Vec<Event> {
        let mut session = Session::new(5);
        session.step = step;
        let (mut events, mut unread) = (Vec::new(), Vec::new());
        for part in bytes.chunks(chunk.max(1)) {
            unread.extend_from_slice(part);
            let read = dialect
                .read(&mut session, &unread, &mut BytesMut::new(), &mut |event| {
                    events.push(event);
                })
                .expect("understood");
            unread.drain(..read);
        }
        assert!(unread.is_empty(), "{} bytes left over", unread.len());
        events
    }

    /// Online, by notification.
    pub fn told(user: u32, sequence: u64) -> Event {
        Event::Told(Status {
            user,
            online: true,
            sequence,
            version: 0,
        })
    }

    #[test]
    fn a_payload_has_the_bytes_asked_for_and_reads_back() {
        for (online, bytes) in [(true, payload::PAYLOAD_BYTES), (false, payload::BARE_BYTES)] {
            let status = Status {
                user: 1_234_567,
                online,
                sequence: 89,
                version: 0,
            };
            let mut out = BytesMut::new();
            payload::put(status, bytes, &mut out);
            assert_eq!(out.len(), bytes);
            assert_eq!(payload::read(&out), Some(status));
        }
        assert_eq!(payload::read(b"u123456 x"), None);
        assert_eq!(payload::read(b""), None);
    }
}
