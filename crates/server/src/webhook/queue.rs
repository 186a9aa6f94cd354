//! Who is to be told what next: one queue a user, so that a user's events stay in order; retries with back-off. No I/O
//! and no clock: times are given.
//!
//! A user has at most one event under way. Each app has so many requests at once at most, so that a receiver that hangs
//! holds up its own app alone.

use std::collections::{BTreeSet, HashMap, VecDeque};

use presence::ids::{AppId, UserKey};
use presence_node::DeviceEvent;
use tokio::time::Instant;

use super::{Offer, Timing};

/// Requests under way for one app.
pub const IN_FLIGHT_PER_APP_MAX: usize = 32;
/// Requests under way for all apps.
pub const IN_FLIGHT_MAX: usize = 256;

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// It is made again.
    Retried,
    /// There was no time left for another.
    GivenUp,
    /// Its app has no webhook any more; it was dropped with the others.
    Forgotten,
}

struct User {
    events: VecDeque<Offer>,
    /// Attempts of the first event that failed.
    failures: u32,
    under_way: UnderWay,
    /// When the next attempt of its first event is due.
    retry_at: Option<Instant>,
}

/// What is being sent for a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnderWay {
    Nothing,
    /// Its first event.
    First,
    /// One that was dropped meanwhile: what waits came after it, and waits until it has landed.
    Forgotten,
}

#[derive(Default)]
struct App {
    /// Users whose first event may be sent, in the order they came to be so.
    ready: VecDeque<UserKey>,
    in_flight: usize,
}

/// See the module.
pub struct Queues {
    timing: Timing,
    users: HashMap<UserKey, User>,
    apps: HashMap<AppId, App>,
    retries: BTreeSet<(Instant, UserKey)>,
    in_flight: usize,
}

impl Queues {
    pub fn new(timing: Timing) -> Queues {
        Queues {
            timing,
            users: HashMap::new(),
            apps: HashMap::new(),
            retries: BTreeSet::new(),
            in_flight: 0,
        }
    }

    /// Whether nothing waits and nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.in_flight == 0
    }

    /// One more event, after all others of its user.
    pub(super) fn push(&mut self, offer: Offer) {
        let key = offer.event.user;
        let user = self.users.entry(key).or_insert_with(|| User {
            events: VecDeque::new(),
            failures: 0,
            under_way: UnderWay::Nothing,
            retry_at: None,
        });
        user.events.push_back(offer);
        if user.events.len() == 1 && user.under_way == UnderWay::Nothing {
            self.apps.entry(key.app).or_default().ready.push_back(key);
        }
    }

    /// The next event to send, which is under way from now on.
    pub fn next(&mut self) -> Option<DeviceEvent> {
        if self.in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        let app = self
            .apps
            .values_mut()
            .filter(|app| app.in_flight < IN_FLIGHT_PER_APP_MAX && !app.ready.is_empty())
            .min_by_key(|app| app.in_flight)?;
        let key = app.ready.pop_front()?;
        let user = self.users.get_mut(&key)?;
        let event = user.events.front()?.event.clone();
        user.under_way = UnderWay::First;
        app.in_flight += 1;
        self.in_flight += 1;
        Some(event)
    }

    /// The event under way was taken. False: it was dropped meanwhile.
    pub fn delivered(&mut self, key: &UserKey) -> bool {
        let was_first = self.landed(key);
        if was_first {
            self.advance(key);
        }
        was_first
    }

    /// The event under way was not taken. `jitter` is from 0 to 1.
    pub fn failed(&mut self, key: &UserKey, now: Instant, jitter: f64) -> Failed {
        if !self.landed(key) {
            return Failed::Forgotten;
        }
        let Some(user) = self.users.get_mut(key) else {
            return Failed::Forgotten;
        };
        let doubled = self
            .timing
            .retry_first
            .saturating_mul(1_u32.checked_shl(user.failures).unwrap_or(u32::MAX));
        // A fifth of it more or less, so that users who failed together do not return together.
        let wait = doubled.min(self.timing.retry_most).mul_f64(0.8 + 0.4 * jitter);
        user.failures = user.failures.saturating_add(1);
        let begun = user.events.front().map_or(now, |offer| offer.at);
        let retry_at = now + wait;
        if retry_at > begun + self.timing.give_up {
            self.advance(key);
            return Failed::GivenUp;
        }
        user.retry_at = Some(retry_at);
        self.retries.insert((retry_at, *key));
        Failed::Retried
    }

    /// When [`Queues::wake`] has something to do.
    pub fn next_retry(&self) -> Option<Instant> {
        self.retries.first().map(|(at, _)| *at)
    }

    /// Makes ready whose retry is due.
    pub fn wake(&mut self, now: Instant) {
        while let Some((at, key)) = self.retries.first().copied() {
            if at > now {
                break;
            }
            self.retries.remove(&(at, key));
            self.make_ready(key);
        }
    }

    /// Makes ready whoever waits for a retry: there will be no time for it later.
    pub fn hurry(&mut self) {
        for (_, key) in std::mem::take(&mut self.retries) {
            self.make_ready(key);
        }
    }

    /// Drops what waits for an app, or, without one, for all. Answers how many events that were, those under way
    /// included: of them it remains to be said that they landed.
    pub fn forget(&mut self, app: Option<AppId>) -> usize {
        let mut dropped = 0;
        self.users.retain(|key, user| {
            if app.is_some_and(|app| key.app != app) {
                return true;
            }
            dropped += user.events.len();
            user.events.clear();
            user.failures = 0;
            if let Some(at) = user.retry_at.take() {
                self.retries.remove(&(at, *key));
            }
            if user.under_way == UnderWay::First {
                user.under_way = UnderWay::Forgotten;
            }
            user.under_way != UnderWay::Nothing
        });
        for (id, queue) in &mut self.apps {
            if app.is_none_or(|app| app == *id) {
                queue.ready.clear();
            }
        }
        dropped
    }

    /// The apps for which something waits.
    pub fn apps(&self) -> BTreeSet<AppId> {
        let waiting = self.users.iter().filter(|(_, user)| !user.events.is_empty());
        waiting.map(|(key, _)| key.app).collect()
    }

    fn make_ready(&mut self, key: UserKey) {
        if let Some(user) = self.users.get_mut(&key) {
            user.retry_at = None;
            self.apps.entry(key.app).or_default().ready.push_back(key);
        }
    }

    /// A request ended, whatever came of it; whether it was one for the user's first event, and not for a forgotten one.
    fn landed(&mut self, key: &UserKey) -> bool {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(app) = self.apps.get_mut(&key.app) {
            app.in_flight = app.in_flight.saturating_sub(1);
            if app.in_flight == 0 && app.ready.is_empty() {
                self.apps.remove(&key.app);
            }
        }
        let Some(user) = self.users.get_mut(key) else {
            return false;
        };
        let was = std::mem::replace(&mut user.under_way, UnderWay::Nothing);
        if was == UnderWay::Forgotten {
            self.settle(key);
        }
        was == UnderWay::First
    }

    /// The user's first event is done with: its next may be sent.
    fn advance(&mut self, key: &UserKey) {
        let Some(user) = self.users.get_mut(key) else {
            return;
        };
        user.events.pop_front();
        user.failures = 0;
        self.settle(key);
    }

    /// Nothing of the user is under way: it is ready if something waits, else gone.
    fn settle(&mut self, key: &UserKey) {
        let is_done = self.users.get(key).is_none_or(|user| user.events.is_empty());
        if is_done {
            self.users.remove(key);
        } else {
            self.apps.entry(key.app).or_default().ready.push_back(*key);
        }
    }

    /// The longest wait there can be, for tests.
    #[cfg(test)]
    fn longest_wait(&self) -> std::time::Duration {
        self.timing.retry_most.mul_f64(1.2)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use presence::ids::{Platform, UserId};
    use presence::time::Wall;
    use presence_node::engine::Happening;

    use super::*;

    fn key(app: u64, name: &str) -> UserKey {
        UserKey {
            app: AppId::new(app).unwrap(),
            user: UserId::new(name).unwrap(),
        }
    }

    fn offer(user: UserKey, number: i64, at: Instant) -> Offer {
        let event = DeviceEvent {
            user,
            platform: Platform::Web,
            client: None,
            at: Wall(number),
            what: Happening::LoggedOut,
        };
        Offer { event, at }
    }

    fn next(queues: &mut Queues) -> Option<(UserKey, i64)> {
        queues.next().map(|event| (event.user, event.at.0))
    }

    #[test]
    fn a_user_has_one_event_under_way_and_its_others_follow_in_order() {
        let (mut queues, now) = (Queues::new(Timing::default()), Instant::now());
        let (ann, bob) = (key(1, "ann"), key(1, "bob"));
        for number in 0..3 {
            queues.push(offer(ann, number, now));
        }
        queues.push(offer(bob, 10, now));
        assert_eq!(next(&mut queues), Some((ann, 0)));
        assert_eq!(next(&mut queues), Some((bob, 10)));
        assert_eq!(next(&mut queues), None);
        assert!(queues.delivered(&ann));
        assert_eq!(next(&mut queues), Some((ann, 1)));
        assert_eq!(queues.failed(&ann, now, 0.5), Failed::Retried);
        assert_eq!(
            next(&mut queues),
            None,
            "not before its time, and no younger one instead"
        );
        let at = queues.next_retry().unwrap();
        assert_eq!(at, now + Duration::from_secs(1));
        queues.wake(at);
        assert_eq!(next(&mut queues), Some((ann, 1)));
        assert!(queues.delivered(&ann) && queues.delivered(&bob));
        assert_eq!(next(&mut queues), Some((ann, 2)));
        assert!(queues.delivered(&ann) && queues.is_empty());
    }

    #[test]
    fn retries_come_ever_later_and_end_after_five_minutes() {
        let (mut queues, begun) = (Queues::new(Timing::default()), Instant::now());
        let ann = key(1, "ann");
        queues.push(offer(ann, 0, begun));
        queues.push(offer(ann, 1, begun));
        let mut now = begun;
        let mut waits = Vec::new();
        loop {
            assert_eq!(next(&mut queues), Some((ann, 0)));
            match queues.failed(&ann, now, 0.5) {
                Failed::Retried => {
                    let at = queues.next_retry().unwrap();
                    waits.push((at - now).as_secs());
                    assert!(at - now <= queues.longest_wait());
                    now = at;
                    queues.wake(now);
                }
                Failed::GivenUp => break,
                Failed::Forgotten => panic!("nobody forgot it"),
            }
        }
        assert_eq!(waits[..7], [1, 2, 4, 8, 16, 30, 30]);
        assert!(now - begun > Duration::from_secs(250) && now - begun <= Duration::from_secs(300));
        assert_eq!(
            next(&mut queues),
            Some((ann, 1)),
            "the next one has its own attempt"
        );
        let now = begun + Duration::from_secs(300);
        assert_eq!(queues.failed(&ann, now, 0.5), Failed::GivenUp, "it is as old");
        assert!(queues.is_empty());
    }

    #[test]
    fn an_app_whose_receiver_hangs_holds_up_no_other() {
        let (mut queues, now) = (Queues::new(Timing::default()), Instant::now());
        for number in 0..IN_FLIGHT_PER_APP_MAX + 10 {
            queues.push(offer(key(1, &format!("user-{number}")), 0, now));
        }
        for _ in 0..IN_FLIGHT_PER_APP_MAX {
            assert!(next(&mut queues).is_some());
        }
        assert_eq!(next(&mut queues), None);
        queues.push(offer(key(2, "ann"), 7, now));
        assert_eq!(next(&mut queues), Some((key(2, "ann"), 7)));
        assert!(queues.delivered(&key(1, "user-0")));
        assert!(next(&mut queues).is_some(), "one more of the first app");
    }

    #[test]
    fn what_was_forgotten_while_under_way_does_not_come_back() {
        let (mut queues, now) = (Queues::new(Timing::default()), Instant::now());
        let (ann, bob, eve) = (key(1, "ann"), key(1, "bob"), key(2, "eve"));
        for user in [ann, bob, eve] {
            queues.push(offer(user, 0, now));
            queues.push(offer(user, 1, now));
        }
        assert!(next(&mut queues).is_some() && next(&mut queues).is_some() && next(&mut queues).is_some());
        assert_eq!(queues.failed(&bob, now, 0.0), Failed::Retried);
        assert_eq!(queues.forget(AppId::new(1)), 4);
        assert_eq!(queues.next_retry(), None);
        assert_eq!(queues.failed(&ann, now, 0.0), Failed::Forgotten);
        assert!(queues.delivered(&eve));
        assert_eq!(queues.forget(None), 1);
        assert!(queues.is_empty());
    }

    #[test]
    fn what_comes_after_something_forgotten_waits_for_it_and_has_a_result_of_its_own() {
        let (mut queues, now) = (Queues::new(Timing::default()), Instant::now());
        let (ann, bob) = (key(1, "ann"), key(1, "bob"));
        for user in [ann, bob] {
            queues.push(offer(user, 0, now));
            assert_eq!(next(&mut queues), Some((user, 0)));
        }
        assert_eq!(queues.forget(AppId::new(1)), 2);
        for user in [ann, bob] {
            queues.push(offer(user, 1, now));
        }
        assert_eq!(
            next(&mut queues),
            None,
            "in order: the forgotten one is still under way"
        );
        assert!(!queues.delivered(&ann), "it was forgotten");
        assert_eq!(next(&mut queues), Some((ann, 1)));
        assert_eq!(queues.failed(&bob, now, 0.5), Failed::Forgotten);
        assert_eq!(next(&mut queues), Some((bob, 1)));
        assert!(queues.delivered(&ann) && queues.delivered(&bob) && queues.is_empty());
    }

    #[test]
    fn who_is_in_a_hurry_waits_for_no_retry() {
        let (mut queues, now) = (Queues::new(Timing::default()), Instant::now());
        let ann = key(1, "ann");
        queues.push(offer(ann, 0, now));
        assert!(next(&mut queues).is_some());
        assert_eq!(queues.failed(&ann, now, 1.0), Failed::Retried);
        queues.hurry();
        assert_eq!((next(&mut queues), queues.next_retry()), (Some((ann, 0)), None));
    }
}
