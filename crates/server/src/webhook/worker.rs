//! The webhooks' one thread: takes what the loops hand over, keeps so many requests under way, and sees to their ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use presence::ids::{AppId, UserKey};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::queue::{Failed, Queues};
use super::request::{Client, Failure};
use super::{Counters, Offer, Targets, Timing};

/// Events taken from the loops at once.
const OFFERS_PER_TURN: usize = 1_024;
/// The log says at most this often that events were dropped.
const DROPS_LOGGED_EVERY: Duration = Duration::from_secs(10);

/// A request that ended.
struct Ended {
    user: UserKey,
    result: Result<(), Failure>,
}

/// See the module.
pub(super) struct Worker {
    timing: Timing,
    client: Client,
    counters: Arc<Counters>,
    incoming: mpsc::Receiver<Offer>,
    targets: watch::Receiver<Targets>,
    /// Until when to send what is left, once the server stops.
    stop: watch::Receiver<Option<Instant>>,
    is_stopping: bool,
    queues: Queues,
    under_way: JoinSet<Ended>,
    /// Apps whose last request failed, with how many did in a row.
    failing: HashMap<AppId, u64>,
    drops_logged: u64,
    drops_logged_at: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        timing: Timing,
        client: Client,
        counters: Arc<Counters>,
        incoming: mpsc::Receiver<Offer>,
        targets: watch::Receiver<Targets>,
        stop: watch::Receiver<Option<Instant>>,
    ) -> Worker {
        Worker {
            timing,
            client,
            counters,
            incoming,
            targets,
            stop,
            is_stopping: false,
            queues: Queues::new(timing),
            under_way: JoinSet::new(),
            failing: HashMap::new(),
            drops_logged: 0,
            drops_logged_at: None,
        }
    }

    /// Until it is told to stop.
    pub(super) async fn run(mut self) {
        let mut offers = Vec::new();
        loop {
            let now = Instant::now();
            let until = *self.stop.borrow_and_update();
            // Here, where the word is read: it may come while the worker is at something else, and is awaited below only once.
            if until.is_some() && !std::mem::replace(&mut self.is_stopping, true) {
                // There will be no time for retries.
                self.queues.hurry();
            }
            self.queues.wake(now);
            self.send();
            self.log_drops(now);
            if until.is_some_and(|until| until <= now || (self.queues.is_empty() && self.incoming.is_empty()))
            {
                break;
            }
            let retry = self.queues.next_retry();
            let wake_at = [retry, until].into_iter().flatten().min();
            tokio::select! {
                _ = self.incoming.recv_many(&mut offers, OFFERS_PER_TURN) => {
                    for offer in offers.drain(..) {
                        self.take(offer);
                    }
                }
                Some(ended) = self.under_way.join_next() => {
                    // A request that panicked would be a bug, and ends the process (end_on_panic).
                    if let Ok(ended) = ended {
                        self.ended(ended);
                    }
                }
                () = sleep_until(wake_at) => {}
                Ok(()) = self.targets.changed() => self.retarget(),
                changed = self.stop.changed() => {
                    // Whoever went without a word wants no more sent.
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        self.leave();
    }

    fn take(&mut self, offer: Offer) {
        if self.targets.borrow().contains_key(&offer.event.user.app) {
            self.queues.push(offer);
        } else {
            self.counters.ignore();
        }
    }

    /// Begins as many requests as may be under way.
    fn send(&mut self) {
        while let Some(event) = self.queues.next() {
            let Some(target) = self.targets.borrow().get(&event.user.app).cloned() else {
                // Removed a moment ago, and `retarget` has not seen it yet. What was to be sent counts as landed, or its
                // place among those under way would be lost for ever.
                self.forget(event.user.app);
                self.queues.delivered(&event.user);
                continue;
            };
            let (client, limit) = (self.client.clone(), self.timing.request);
            self.under_way.spawn(async move {
                let result = client.post(&target, &event, now_s(), limit).await;
                Ended {
                    user: event.user,
                    result,
                }
            });
        }
    }

    fn ended(&mut self, ended: Ended) {
        let app = ended.user.app;
        match ended.result {
            Ok(()) => {
                if self.queues.delivered(&ended.user) {
                    self.counters.deliver();
                }
                if let Some(failures) = self.failing.remove(&app) {
                    tracing::info!(%app, failures, "the webhook works again");
                }
            }
            Err(failure) => {
                let failures = self.failing.entry(app).or_insert(0);
                *failures += 1;
                if *failures == 1 {
                    tracing::warn!(%app, error = %failure, "the webhook failed; trying again");
                } else {
                    tracing::debug!(%app, user = %ended.user.user, error = %failure, "the webhook failed");
                }
                match self.queues.failed(&ended.user, Instant::now(), jitter()) {
                    Failed::Retried => self.counters.retry(),
                    Failed::GivenUp => {
                        self.counters.give_up();
                        tracing::warn!(%app, user = %ended.user.user, error = %failure, "an event for the webhook was given up");
                    }
                    Failed::Forgotten => {}
                }
            }
        }
    }

    /// Forgets the apps that have no webhook any more.
    fn retarget(&mut self) {
        let targets = self.targets.borrow_and_update().clone();
        for app in self.queues.apps() {
            if !targets.contains_key(&app) {
                self.forget(app);
            }
        }
    }

    fn forget(&mut self, app: AppId) {
        let dropped = self.queues.forget(Some(app));
        self.counters.drop_waiting(dropped);
        self.failing.remove(&app);
    }

    fn log_drops(&mut self, now: Instant) {
        let dropped = self.counters.dropped();
        let is_time = self
            .drops_logged_at
            .is_none_or(|at| now.duration_since(at) >= DROPS_LOGGED_EVERY);
        if dropped > self.drops_logged && is_time {
            let count = dropped - self.drops_logged;
            let waiting = self.counters.waiting();
            tracing::warn!(count, waiting, "events for webhooks were dropped");
            self.drops_logged = dropped;
            self.drops_logged_at = Some(now);
        }
    }

    /// The end: what is left is dropped.
    fn leave(mut self) {
        self.under_way.abort_all();
        self.incoming.close();
        let mut left = self.queues.forget(None);
        while self.incoming.try_recv().is_ok() {
            left += 1;
        }
        if left > 0 {
            self.counters.drop_waiting(left);
            tracing::warn!(count = left, "the server stops with events for webhooks unsent");
        }
    }
}

/// Pending for ever without a moment.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// From 0 to 1.
fn jitter() -> f64 {
    // Without random numbers users who failed together return together: a pity, no more.
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use presence::ids::{Platform, UserId};
    use presence::time::Wall;
    use presence_node::DeviceEvent;
    use presence_node::engine::Happening;

    use super::super::Target;
    use super::*;

    /// More than may be under way.
    const EVENTS: usize = super::super::queue::IN_FLIGHT_MAX + 1;

    #[test]
    fn a_webhook_removed_a_moment_ago_keeps_no_place_among_those_under_way() {
        let app = AppId::new(7).unwrap();
        let target = Arc::new(Target::new("http://127.0.0.1:1", None).unwrap());
        let (targets, targets_seen) = watch::channel(BTreeMap::from([(app, target)]));
        let (_stop, stop_seen) = watch::channel(None);
        let (_offers, incoming) = mpsc::channel(1);
        let counters = Arc::new(Counters::default());
        let mut worker = Worker::new(
            Timing::default(),
            Client::new(&Targets::new()),
            Arc::clone(&counters),
            incoming,
            targets_seen,
            stop_seen,
        );
        for number in 0..EVENTS {
            let user = UserId::new(&format!("user-{number}")).unwrap();
            let event = DeviceEvent {
                user: UserKey { app, user },
                platform: Platform::Web,
                client: None,
                at: Wall(0),
                what: Happening::LoggedOut,
            };
            assert!(counters.admit(EVENTS));
            worker.take(Offer {
                event,
                at: Instant::now(),
            });
        }
        targets.send_replace(Targets::new());
        worker.send();
        assert!(worker.queues.is_empty() && worker.under_way.is_empty());
        assert_eq!((counters.waiting(), counters.dropped()), (0, EVENTS as u64));
    }
}
