//! One connection's outgoing side: bytes to be written, and the requests that were written and have no answer.

use std::collections::VecDeque;

use bytes::BytesMut;
use presence_protocol::frame::{self, HEARTBEAT, PREFACE};
use presence_protocol::message::{Request, encode_request};
use tokio::time::Instant;

use super::calls::Seq;

/// Requests on the wire at once. Enough to keep any link busy; it bounds what a dead connection leaves in doubt.
const REQUESTS_MAX: usize = 256;

/// Bytes waiting to be written, past which no further request is encoded.
const OUT_BYTES_MAX: usize = 128 * 1024;

/// A buffer that is empty keeps at most this much memory: a notification or a small request needs no allocation.
pub(crate) const IDLE_BUFFER_BYTES: usize = 256;

/// Requests there is room for while none is on the wire.
const IDLE_IN_FLIGHT: usize = 4;

/// Largest frame taken from a server: the answer with a full friend list (3 000) fits twice.
pub(crate) const SERVER_FRAME_BYTES_MAX: usize = 1024 * 1024;

/// What a request on the wire is for. No `Debug`: it may hold a UserSig.
pub(crate) enum Purpose {
    /// The first frame of the connection.
    Login,
    /// The same, of a device that only comes to log out (R8.8).
    LateLogout,
    /// R8.8.
    Logout,
    /// R5.8.
    Restore,
    /// A call of the application.
    Call(Seq, Effect),
}

/// What an answer means to the session besides being a result.
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// It tells of users (R6.5): a subscribe.
    Tells,
    /// This UserSig is the one to log in with from now on (R8.4).
    NewUserSig(String),
}

/// A request on the wire.
pub(crate) struct InFlight {
    id: u64,
    pub(crate) purpose: Purpose,
    sent_at: Instant,
}

/// The server would refuse a frame this large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// See the module.
pub(crate) struct Wire {
    pub(crate) out: BytesMut,
    in_flight: VecDeque<InFlight>,
    /// When the last request had its answer that was the oldest.
    answered_at: Instant,
    next_id: u64,
    pub(crate) frame_bytes_max: usize,
    /// When anything was last sent (R2.6).
    pub(crate) last_sent: Instant,
}

impl Wire {
    pub(crate) fn new(now: Instant) -> Wire {
        Wire {
            out: BytesMut::new(),
            in_flight: VecDeque::new(),
            answered_at: now,
            next_id: 1,
            frame_bytes_max: frame::FRAME_BYTES_MAX,
            last_sent: now,
        }
    }

    /// A new connection: nothing is on the wire, and the preface comes first.
    pub(crate) fn open(&mut self, now: Instant) {
        self.reset();
        self.out.extend_from_slice(PREFACE);
        self.last_sent = now;
    }

    /// The connection is gone, and with it what waited for answers.
    pub(crate) fn reset(&mut self) {
        self.out = BytesMut::new();
        self.in_flight = VecDeque::new();
        self.next_id = 1;
    }

    /// Puts a request on the wire; nothing happens if it is too large.
    pub(crate) fn send(&mut self, purpose: Purpose, request: &Request, now: Instant) -> Result<(), TooLarge> {
        let before = self.out.len();
        encode_request(self.next_id, request, &mut self.out);
        let fits = self
            .out
            .get(before..)
            .is_some_and(|encoded| frame::next(encoded, self.frame_bytes_max).is_ok());
        if !fits {
            self.out.truncate(before);
            return Err(TooLarge);
        }
        self.in_flight.push_back(InFlight {
            id: self.next_id,
            purpose,
            sent_at: now,
        });
        self.next_id += 1;
        self.last_sent = now;
        Ok(())
    }

    /// What the last request's answer will mean.
    pub(crate) fn set_last_effect(&mut self, effect: Effect) {
        if let Some(InFlight {
            purpose: Purpose::Call(_, last),
            ..
        }) = self.in_flight.back_mut()
        {
            *last = effect;
        }
    }

    /// R2.6.
    pub(crate) fn send_heartbeat(&mut self, now: Instant) {
        self.out.extend_from_slice(HEARTBEAT);
        self.last_sent = now;
    }

    /// Whether another request may go on the wire.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.len() < REQUESTS_MAX && self.out.len() < OUT_BYTES_MAX
    }

    /// Whether every request was answered.
    pub(crate) fn is_quiet(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Since when the oldest request waits for its answer (R8.6). Answers come in order, so one behind others waits from
    /// theirs on: many that are large take their time on a slow link, and to give that up would have them sent anew.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        let oldest = self.in_flight.front()?;
        Some(oldest.sent_at.max(self.answered_at))
    }

    /// What the answered request was for; `None` for an answer to nothing.
    pub(crate) fn answered(&mut self, id: u64, now: Instant) -> Option<Purpose> {
        // Answers come in order, so this is the first; a server that does otherwise is followed all the same.
        let index = self.in_flight.iter().position(|request| request.id == id)?;
        let request = self.in_flight.remove(index)?;
        if index == 0 {
            self.answered_at = now;
        }
        if self.in_flight.is_empty() && self.in_flight.capacity() > IDLE_IN_FLIGHT {
            self.in_flight = VecDeque::new();
        }
        Some(request.purpose)
    }

    /// Gives back the memory of a burst.
    pub(crate) fn tidy(&mut self) {
        if self.out.is_empty() && self.out.capacity() > IDLE_BUFFER_BYTES {
            self.out = BytesMut::new();
        }
    }
}
