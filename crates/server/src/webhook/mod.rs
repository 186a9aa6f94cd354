//! Webhooks (R10): what devices do is posted to the app's backend, as the original's `State.StateChange`.
//!
//! The node's loops hand events over ([`Webhooks`] is their [`Backend`]) and go on; one thread of its own does the rest.
//! docs/WEBHOOKS.md is the contract with the receiver.
//!
//! ```text
//! loops --- tell, never waits ---> worker: one queue a user (queue) --- at most so many at once ---> HTTP (request)
//! ```

mod body;
mod counters;
mod queue;
mod request;
mod target;
#[cfg(test)]
mod tests;
mod worker;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use presence::ids::AppId;
use presence_node::{Backend, DeviceEvent};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use self::counters::Counters;
pub use self::target::Target;

/// Events of all apps that may wait; one more is dropped and counted (R10.1).
pub const WAITING_MAX: usize = 100_000;

/// Where each app's events go. An app that is not here has no webhook.
pub type Targets = BTreeMap<AppId, Arc<Target>>;

/// The times of a webhook.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long one request may take, connecting and the answer included.
    pub request: Duration,
    /// The wait before the second attempt; each further one is twice as long ...
    pub retry_first: Duration,
    /// ... up to this.
    pub retry_most: Duration,
    /// An event that was not taken so long after it happened is given up (R10.1).
    pub give_up: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            request: Duration::from_secs(5),
            retry_first: Duration::from_secs(1),
            retry_most: Duration::from_secs(30),
            give_up: Duration::from_secs(5 * 60),
        }
    }
}

/// An event and when it was handed over.
struct Offer {
    event: DeviceEvent,
    at: Instant,
}

/// The loops' end: see [`Backend`].
pub struct Hook {
    listens: AtomicBool,
    waiting_max: usize,
    offers: mpsc::Sender<Offer>,
    counters: Arc<Counters>,
}

impl Backend for Hook {
    fn listens(&self) -> bool {
        self.listens.load(Ordering::Relaxed)
    }

    fn tell(&self, event: DeviceEvent) {
        if !self.counters.admit(self.waiting_max) {
            return;
        }
        let offer = Offer {
            event,
            at: Instant::now(),
        };
        // There is room for all that may wait, so this fails only once the worker has ended.
        if self.offers.try_send(offer).is_err() {
            self.counters.refuse_admitted();
        }
    }
}

/// The running webhooks of a server.
pub struct Webhooks {
    hook: Arc<Hook>,
    targets: watch::Sender<Targets>,
    stop: watch::Sender<Option<Instant>>,
    thread: Option<JoinHandle<()>>,
}

impl Webhooks {
    /// Starts the thread that sends. An error: the system refused it.
    pub fn start(targets: Targets) -> io::Result<Webhooks> {
        Webhooks::start_with(targets, Timing::default(), WAITING_MAX)
    }

    fn start_with(targets: Targets, timing: Timing, waiting_max: usize) -> io::Result<Webhooks> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (offers, incoming) = mpsc::channel(waiting_max);
        let counters = Arc::new(Counters::default());
        let hook = Arc::new(Hook {
            listens: AtomicBool::new(!targets.is_empty()),
            waiting_max,
            offers,
            counters: Arc::clone(&counters),
        });
        let client = request::Client::new(&targets);
        let (targets, targets_seen) = watch::channel(targets);
        let (stop, stop_seen) = watch::channel(None);
        let worker = worker::Worker::new(timing, client, counters, incoming, targets_seen, stop_seen);
        let thread = std::thread::Builder::new()
            .name("tim-webhook".to_owned())
            .spawn(move || {
                runtime.block_on(worker.run());
                // A name that is being resolved is not worth waiting for.
                runtime.shutdown_background();
            })?;
        Ok(Webhooks {
            hook,
            targets,
            stop,
            thread: Some(thread),
        })
    }

    /// For the node's configuration.
    pub fn hook(&self) -> Arc<Hook> {
        Arc::clone(&self.hook)
    }

    /// What became of the events so far.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.hook.counters)
    }

    /// New targets, for what is sent from now on. What waits for an app that has no webhook any more is dropped.
    pub fn set_targets(&self, targets: Targets) {
        self.hook.listens.store(!targets.is_empty(), Ordering::Relaxed);
        self.targets.send_replace(targets);
    }

    /// Sends what waits, for at most `timeout`, and ends. Answers how many events were left: they are counted as
    /// dropped. The node has stopped before, so nothing new comes.
    pub fn stop(mut self, timeout: Duration) -> u64 {
        let counters = self.counters();
        let before = counters.dropped();
        self.stop.send_replace(Some(Instant::now() + timeout));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the webhooks panicked");
        }
        if counters.delivered() + counters.given_up() + counters.dropped() > 0 {
            tracing::info!(
                delivered = counters.delivered(),
                retried = counters.retried(),
                given_up = counters.given_up(),
                dropped = counters.dropped(),
                "webhooks stopped"
            );
        }
        counters.dropped() - before
    }
}
