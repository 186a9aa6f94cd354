//! The calls that were accepted and have no result yet, in the order of their acceptance. Results leave in that order
//! too (docs/C_API.md, "Callbacks" 2): one that comes early is held until those before it are there.

use std::collections::VecDeque;

use presence_protocol::errors::code;
use presence_protocol::message::{Request, UserStatus};
use tokio::time::Instant;

use crate::api::{Completion, Outcome};
use crate::delivery::queue::Item;

/// The place of a call in the order of acceptance.
pub(crate) type Seq = u64;

/// How often a query is sent again after its connection died, so that every call ends.
const RESENDS_MAX: u8 = 3;

/// Calls there is room for while there is none: one at a time needs no allocation.
const IDLE_CALLS: usize = 4;

/// Where a call stands.
enum State {
    /// A login or logout, or a call that the client answers itself: the session completes it.
    Session,
    /// Not on the wire. Gives up at `until` (R8.6); `None` while connected.
    Waiting {
        request: Request,
        until: Option<Instant>,
        resends: u8,
    },
    /// On the wire. A query keeps its request, to be sent again (R8.6).
    Sent { query: Option<(Request, u8)> },
    /// Has its result, which is held for those before it.
    Done(Outcome),
}

struct Call {
    completion: Completion,
    state: State,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Calls {
    calls: VecDeque<Call>,
    /// The place of the call at the front.
    front: Seq,
    /// No call before this place waits to be sent.
    unsent: Seq,
    /// The last place whose result is held.
    held: Option<Seq>,
    /// No waiting call gives up before this.
    next_give_up: Option<Instant>,
    /// What is to be told once the results up to a place were delivered (R6.4).
    behind: VecDeque<(Seq, Item)>,
    /// There is no connection, and so nothing is told of users (R6.8).
    away: bool,
}

impl Calls {
    pub(crate) fn accept_session(&mut self, completion: Completion) -> Seq {
        self.accept(completion, State::Session)
    }

    /// A request; `until`: when it gives up waiting for a connection, `None` if there is one.
    pub(crate) fn accept_request(
        &mut self,
        completion: Completion,
        request: Request,
        until: Option<Instant>,
    ) -> Seq {
        self.note_give_up(until);
        self.accept(
            completion,
            State::Waiting {
                request,
                until,
                resends: 0,
            },
        )
    }

    fn accept(&mut self, completion: Completion, state: State) -> Seq {
        self.calls.push_back(Call { completion, state });
        self.front + self.calls.len() as u64 - 1
    }

    fn note_give_up(&mut self, until: Option<Instant>) {
        if let Some(until) = until {
            self.next_give_up = Some(self.next_give_up.map_or(until, |earlier| earlier.min(until)));
        }
    }

    fn get_mut(&mut self, seq: Seq) -> Option<&mut Call> {
        self.calls
            .get_mut(usize::try_from(seq.checked_sub(self.front)?).ok()?)
    }

    /// Gives the call its result, and moves to `out` what can be told now.
    pub(crate) fn complete(&mut self, seq: Seq, outcome: Outcome, out: &mut Vec<Item>) {
        let Some(call) = self.get_mut(seq) else { return };
        match std::mem::replace(&mut call.state, State::Done(outcome)) {
            State::Done(first) => {
                call.state = State::Done(first);
                return;
            }
            // The client's own word changes nobody's status, so no event has to wait for it: one that did could come after
            // the result of an unsubscribe that it came before (R5.7), or after the connection was lost (R6.8).
            State::Session => {}
            State::Waiting { .. } | State::Sent { .. } => {
                self.held = Some(self.held.map_or(seq, |held| held.max(seq)));
            }
        }
        self.release(out);
    }

    /// As [`Calls::complete`], for a call that waits and that the client answers in the server's stead.
    pub(crate) fn refuse(&mut self, seq: Seq, outcome: Outcome, out: &mut Vec<Item>) {
        if let Some(call) = self.get_mut(seq)
            && matches!(call.state, State::Waiting { .. })
        {
            call.state = State::Session;
        }
        self.complete(seq, outcome, out);
    }

    fn release(&mut self, out: &mut Vec<Item>) {
        while let Some(Call {
            state: State::Done(_),
            ..
        }) = self.calls.front()
        {
            if let Some(Call {
                completion,
                state: State::Done(outcome),
            }) = self.calls.pop_front()
            {
                out.push(Item::Result(completion, outcome));
            }
            self.front += 1;
            self.release_behind(out);
        }
        if self.held.is_some_and(|held| held < self.front) {
            self.held = None;
        }
        if self.calls.is_empty() {
            self.next_give_up = None;
            // A burst's memory is given back once it is over.
            if self.calls.capacity() > IDLE_CALLS {
                self.calls = VecDeque::new();
            }
        }
    }

    fn release_behind(&mut self, out: &mut Vec<Item>) {
        while !self.away && self.behind.front().is_some_and(|(seq, _)| *seq < self.front) {
            out.extend(self.behind.pop_front().map(|(_, item)| item));
        }
    }

    /// Tells `item` after every result there is by now (R6.4).
    pub(crate) fn tell(&mut self, item: Item, out: &mut Vec<Item>) {
        match self.held {
            Some(held) => self.behind.push_back((held, item)),
            None => out.push(item),
        }
    }

    /// The result of `seq` says what `users` show: a change that is held until after it and is not newer would repeat it
    /// (R5.6).
    pub(crate) fn drop_repeated(&mut self, seq: Seq, users: &[UserStatus]) {
        self.behind.retain(|(after, item)| match item {
            Item::Change(user, change) if *after >= seq => !users.iter().any(|status| {
                status.code == code::OK && status.user_id == user.as_str() && status.version >= change.version
            }),
            _ => true,
        });
    }

    /// The next call to be sent, if one waits. It counts as sent when [`Calls::sent`] says so.
    pub(crate) fn next_unsent(&mut self) -> Option<(Seq, &Request)> {
        self.unsent = self.unsent.max(self.front);
        let start = usize::try_from(self.unsent - self.front).unwrap_or(usize::MAX);
        let skipped = self
            .calls
            .iter()
            .skip(start)
            .position(|call| matches!(call.state, State::Waiting { .. }));
        let Some(skipped) = skipped else {
            self.unsent = self.front + self.calls.len() as u64;
            return None;
        };
        self.unsent += skipped as u64;
        match self.calls.get(start + skipped) {
            Some(Call {
                state: State::Waiting { request, .. },
                ..
            }) => Some((self.unsent, request)),
            _ => None,
        }
    }

    /// The call is on the wire. Hands back the request unless it must be kept.
    pub(crate) fn sent(&mut self, seq: Seq) -> Option<Request> {
        let call = self.get_mut(seq)?;
        let State::Waiting { request, resends, .. } =
            std::mem::replace(&mut call.state, State::Sent { query: None })
        else {
            return None;
        };
        if is_query(&request) {
            call.state = State::Sent {
                query: Some((request, resends)),
            };
            return None;
        }
        Some(request)
    }

    /// Nothing that was sent will be answered: queries wait again, calls that change something end with 9508 (R8.6).
    /// Every waiting call gives up at `until` at the latest.
    pub(crate) fn connection_died(&mut self, until: Instant, out: &mut Vec<Item>) {
        for (seq, call) in (self.front..).zip(&mut self.calls) {
            match &mut call.state {
                State::Sent { query } => {
                    call.state = match query.take() {
                        Some((request, resends)) if resends < RESENDS_MAX => State::Waiting {
                            request,
                            until: Some(until),
                            resends: resends + 1,
                        },
                        _ => {
                            // What it changed may be told on the next connection.
                            self.held = self.held.max(Some(seq));
                            State::Done(Outcome::of(code::DISCONNECTED))
                        }
                    };
                }
                State::Waiting { until: give_up, .. } => *give_up = Some(until),
                State::Session | State::Done(_) => {}
            }
        }
        self.away = true;
        self.unsent = self.front;
        self.note_give_up(Some(until));
        self.release(out);
    }

    /// There is a connection: nobody gives up waiting for one, and what was held meanwhile is told.
    pub(crate) fn connected(&mut self, out: &mut Vec<Item>) {
        self.next_give_up = None;
        self.away = false;
        self.release_behind(out);
    }

    /// When [`Calls::give_up`] has something to do.
    pub(crate) fn next_give_up(&self) -> Option<Instant> {
        self.next_give_up
    }

    /// Calls that waited for a connection long enough end with 9523 (R8.6).
    pub(crate) fn give_up(&mut self, now: Instant, out: &mut Vec<Item>) {
        let mut next = None;
        for call in &mut self.calls {
            if let State::Waiting {
                until: Some(until), ..
            } = &call.state
            {
                if *until <= now {
                    call.state = State::Done(Outcome::of(code::NO_CONNECTION));
                } else {
                    next = Some(next.map_or(*until, |earlier: Instant| earlier.min(*until)));
                }
            }
        }
        self.next_give_up = next;
        self.release(out);
    }

    /// Every request ends with `code`; logins and logouts are the session's.
    pub(crate) fn end_requests(&mut self, code: i32, out: &mut Vec<Item>) {
        for call in &mut self.calls {
            if matches!(call.state, State::Waiting { .. } | State::Sent { .. }) {
                call.state = State::Done(Outcome::of(code));
            }
        }
        self.release_last(out);
    }

    /// Everything ends with `code`; what was held behind a result alone is told.
    pub(crate) fn end_all(&mut self, code: i32, out: &mut Vec<Item>) {
        for call in &mut self.calls {
            if !matches!(call.state, State::Done(_)) {
                call.state = State::Done(Outcome::of(code));
            }
        }
        self.release_last(out);
    }

    /// The session is over: what was held until its connection comes back will not be told.
    fn release_last(&mut self, out: &mut Vec<Item>) {
        if self.away {
            self.behind.clear();
        }
        self.release(out);
    }
}

/// A call that changes nothing may be sent twice (R8.6).
fn is_query(request: &Request) -> bool {
    match request {
        Request::GetUserStatus { .. } | Request::GetSubscriptions | Request::GetFriends => true,
        Request::Login(_)
        | Request::Logout
        | Request::RenewUserSig { .. }
        | Request::SetSelfStatus { .. }
        | Request::Subscribe { .. }
        | Request::Unsubscribe { .. }
        | Request::RestoreSubscriptions { .. }
        | Request::Unknown => false,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use presence::ids::UserId;

    use super::*;

    fn set() -> Request {
        Request::SetSelfStatus {
            custom_status: "busy".into(),
        }
    }

    fn done() -> Completion {
        Box::new(|_| ())
    }

    fn codes(out: &mut Vec<Item>) -> Vec<i32> {
        out.drain(..)
            .map(|item| match item {
                Item::Result(_, outcome) => outcome.code,
                Item::Expired => -100,
                _ => -101,
            })
            .collect()
    }

    fn send_all(calls: &mut Calls) -> Vec<Seq> {
        let mut sent = Vec::new();
        while let Some((seq, _)) = calls.next_unsent() {
            calls.sent(seq);
            sent.push(seq);
        }
        sent
    }

    #[test]
    fn results_leave_in_the_order_of_acceptance() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let [first, second, third] = [(); 3].map(|()| calls.accept_request(done(), set(), None));
        calls.complete(third, Outcome::of(3), &mut out);
        calls.complete(second, Outcome::of(2), &mut out);
        assert!(out.is_empty());
        calls.complete(first, Outcome::of(1), &mut out);
        assert_eq!(codes(&mut out), [1, 2, 3]);
    }

    #[test]
    fn a_call_completes_once() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let first = calls.accept_request(done(), set(), None);
        let second = calls.accept_request(done(), set(), None);
        calls.complete(second, Outcome::of(2), &mut out);
        calls.complete(second, Outcome::of(5), &mut out);
        calls.complete(first, Outcome::of(1), &mut out);
        calls.complete(first, Outcome::of(4), &mut out);
        calls.end_all(9, &mut out);
        assert_eq!(codes(&mut out), [1, 2]);
    }

    #[test]
    fn an_event_stays_behind_the_results_there_were_before_it() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let first = calls.accept_request(done(), set(), None);
        let second = calls.accept_request(done(), set(), None);
        calls.tell(Item::Expired, &mut out);
        assert_eq!(codes(&mut out), [-100], "nothing is held");
        calls.complete(second, Outcome::of(2), &mut out);
        calls.tell(Item::Expired, &mut out);
        assert!(out.is_empty(), "R6.4");
        calls.complete(first, Outcome::of(1), &mut out);
        assert_eq!(codes(&mut out), [1, 2, -100]);
        let third = calls.accept_request(done(), set(), None);
        calls.tell(Item::Expired, &mut out);
        calls.complete(third, Outcome::of(3), &mut out);
        assert_eq!(codes(&mut out), [-100, 3]);
    }

    /// Found by the simulation, seed 119: a result that came early held a notification back until after the result of a
    /// subscribe that said the same.
    #[test]
    fn a_held_change_does_not_repeat_the_result_it_waits_for_r5_6() {
        let at = |version| UserStatus {
            user_id: "ann".into(),
            version,
            ..UserStatus::default()
        };
        let change = |version| Item::Change(UserId::new("ann").unwrap(), at(version));
        for (snapshot, told) in [(6, 0), (7, 0), (5, 1)] {
            let mut calls = Calls::default();
            let mut out = Vec::new();
            let subscribe = calls.accept_request(done(), set(), None);
            let set = calls.accept_request(done(), set(), None);
            calls.complete(set, Outcome::of(0), &mut out);
            calls.tell(change(6), &mut out);
            calls.drop_repeated(subscribe, &[at(snapshot)]);
            calls.complete(subscribe, Outcome::of(0), &mut out);
            let changes = out.iter().filter(|item| matches!(item, Item::Change(..)));
            assert_eq!(changes.count(), told, "a result with version {snapshot}");
        }
    }

    #[test]
    fn an_event_does_not_wait_for_what_the_client_answers_itself_r5_7() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let unsubscribe = calls.accept_request(done(), set(), None);
        let login_again = calls.accept_session(done());
        calls.complete(login_again, Outcome::of(7), &mut out);
        calls.tell(Item::Expired, &mut out);
        calls.complete(unsubscribe, Outcome::of(1), &mut out);
        assert_eq!(codes(&mut out), [-100, 1, 7]);
        let unsubscribe = calls.accept_request(done(), set(), None);
        let too_large = calls.accept_request(done(), set(), None);
        calls.refuse(too_large, Outcome::of(7), &mut out);
        calls.tell(Item::Expired, &mut out);
        calls.complete(unsubscribe, Outcome::of(1), &mut out);
        assert_eq!(codes(&mut out), [-100, 1, 7]);
    }

    #[test]
    fn nor_does_it_once_the_connection_was_lost_r5_7() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let unsubscribe = calls.accept_request(done(), set(), Some(Instant::now()));
        let login_again = calls.accept_session(done());
        calls.complete(login_again, Outcome::of(7), &mut out);
        calls.connection_died(Instant::now(), &mut out);
        calls.tell(Item::Expired, &mut out);
        calls.complete(unsubscribe, Outcome::of(1), &mut out);
        assert_eq!(codes(&mut out), [-100, 1, 7]);
    }

    #[test]
    fn an_event_stays_behind_a_change_whose_outcome_is_unknown_r6_4() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let query = calls.accept_request(done(), Request::GetFriends, None);
        let change = calls.accept_request(done(), set(), None);
        assert_eq!(send_all(&mut calls), [query, change]);
        calls.connection_died(Instant::now(), &mut out);
        calls.connected(&mut out);
        calls.tell(Item::Expired, &mut out);
        calls.complete(query, Outcome::of(0), &mut out);
        assert_eq!(codes(&mut out), [0, code::DISCONNECTED, -100]);
    }

    #[test]
    fn a_dead_connection_ends_changes_and_lets_queries_wait_again() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let until = Instant::now() + Duration::from_secs(15);
        let query = calls.accept_request(done(), Request::GetFriends, None);
        let change = calls.accept_request(done(), set(), None);
        assert_eq!(send_all(&mut calls), [query, change]);
        let waiting = calls.accept_request(done(), set(), None);
        calls.connection_died(until, &mut out);
        assert!(out.is_empty(), "held behind the query");
        assert_eq!(send_all(&mut calls), [query, waiting], "R8.6");
        calls.complete(query, Outcome::of(0), &mut out);
        assert_eq!(codes(&mut out), [0, code::DISCONNECTED]);
    }

    #[test]
    fn a_query_is_not_sent_for_ever() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        calls.accept_request(done(), Request::GetFriends, None);
        for _ in 0..=RESENDS_MAX {
            assert_eq!(send_all(&mut calls).len(), 1);
            calls.connection_died(Instant::now(), &mut out);
        }
        assert_eq!(codes(&mut out), [code::DISCONNECTED]);
    }

    #[test]
    fn calls_that_waited_long_enough_give_up() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        let now = Instant::now();
        let [soon, later] = [1, 2].map(|seconds| now + Duration::from_secs(seconds));
        calls.accept_request(done(), set(), Some(later));
        calls.accept_request(done(), set(), Some(soon));
        assert_eq!(calls.next_give_up(), Some(soon));
        calls.give_up(soon, &mut out);
        assert!(out.is_empty());
        assert_eq!(calls.next_give_up(), Some(later));
        calls.give_up(later, &mut out);
        assert_eq!(
            codes(&mut out),
            [code::NO_CONNECTION, code::NO_CONNECTION],
            "R8.6"
        );
        assert_eq!(calls.next_give_up(), None);
    }

    #[test]
    fn a_logout_ends_the_requests_and_leaves_the_session_calls() {
        let mut calls = Calls::default();
        let mut out = Vec::new();
        calls.accept_request(done(), set(), None);
        let logout = calls.accept_session(done());
        calls.end_requests(code::LOGGED_OUT, &mut out);
        assert_eq!(codes(&mut out), [code::LOGGED_OUT], "R8.8");
        calls.complete(logout, Outcome::of(0), &mut out);
        assert_eq!(codes(&mut out), [0]);
    }
}
