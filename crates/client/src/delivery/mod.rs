//! The only way out to the application: a queue that the session fills, and a consumer that somebody runs — a thread of
//! the client ([`thread`]), a thread of all such clients ([`shared`]), or the application in `poll` ([`poll`]).
//!
//! Invariants: one thing runs at a time; no lock is held while it runs; whatever was promised a call is called once;
//! after [`Outlet::is_ended`] nothing is called.

pub(crate) mod consumer;
#[cfg(all(test, tim_loom))]
mod model;
pub(crate) mod poll;
pub(crate) mod queue;
pub(crate) mod shared;
mod sync;
pub(crate) mod thread;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::Notify;

use crate::visible::Visible;
use consumer::{Consumer, Ran};
use poll::{Chime, WakeFd};
use queue::{Item, Popped, Queue};
use shared::Scheduler;
pub(crate) use sync::thread_mark;

/// Stack of a thread that runs callbacks: as much as a thread of a C program has, for callbacks that were written for
/// one. Only what is used takes memory.
pub(crate) const CALLBACK_STACK_BYTES: usize = 8 << 20;
use sync::{AtomicBool, AtomicUsize, Condvar, Mutex, Token, lock};

/// Called on each callback thread as it starts (`true`) and ends (`false`).
pub type ThreadHook = Box<dyn Fn(bool) + Send + Sync>;

/// Called on a library thread when the queue stops being empty; may only signal.
pub type WakeFn = Box<dyn Fn() + Send + Sync>;

/// Between the session, which fills it, and whoever runs the consumer.
pub(crate) struct Outlet {
    pub(crate) visible: Visible,
    queue: Mutex<Queue>,
    /// For a consumer that waits.
    token: Token,
    waker: Waker,
    station: Mutex<Station>,
    /// Rung when the station changes.
    moved: Condvar,
    /// Mark of the thread that runs the consumer now, 0: none.
    runner: AtomicUsize,
    /// Asks a running `poll` to give the consumer back.
    stop_poll: AtomicBool,
    /// Application code panicked; the session is told by its bell.
    panicked: AtomicBool,
    bell: Arc<Notify>,
}

/// Who is to be woken besides a consumer that waits for a token.
enum Waker {
    Thread,
    Shared(Scheduler),
    Poll { fd: Mutex<WakeFd>, chime: Chime },
}

/// Where the consumer is.
#[derive(Default)]
struct Station {
    /// Here, or with a thread that runs it.
    consumer: Option<Consumer>,
    ended: bool,
}

impl Outlet {
    fn new(waker: Waker, bell: Arc<Notify>) -> Outlet {
        Outlet {
            visible: Visible::new(),
            queue: Mutex::new(Queue::default()),
            token: Token::new(),
            waker,
            station: Mutex::new(Station::default()),
            moved: Condvar::new(),
            runner: AtomicUsize::new(0),
            stop_poll: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
            bell,
        }
    }

    /// Queues `items` in order and wakes the consumer if it may be waiting. Never blocks.
    pub(crate) fn push_all(self: &Arc<Self>, items: &mut Vec<Item>) {
        if items.is_empty() {
            return;
        }
        let was_empty = {
            let mut queue = lock(&self.queue);
            let was_empty = queue.is_empty();
            for item in items.drain(..) {
                queue.push(item);
            }
            if let Waker::Poll { fd, .. } = &self.waker {
                // Under the queue's lock, so that the descriptor never lags behind the queue.
                lock(fd).set(!queue.is_empty());
            }
            was_empty
        };
        if was_empty {
            self.wake();
        }
    }

    fn wake(self: &Arc<Self>) {
        self.token.give();
        match &self.waker {
            Waker::Thread => {}
            Waker::Shared(scheduler) => scheduler.schedule(self),
            Waker::Poll { chime, .. } => chime.ring(),
        }
    }

    fn pop(&self) -> Option<Popped> {
        let mut queue = lock(&self.queue);
        let popped = queue.pop();
        if let Waker::Poll { fd, .. } = &self.waker {
            lock(fd).set(!queue.is_empty());
        }
        popped
    }

    fn is_empty(&self) -> bool {
        lock(&self.queue).is_empty()
    }

    fn run(&self, consumer: &mut Consumer, popped: Popped) -> Ran {
        let ran = consumer.run(popped, &self.visible);
        if ran == Ran::Panicked {
            self.panicked.store(true, Ordering::Release);
            self.bell.notify_one();
        }
        ran
    }

    /// Whether application code panicked since the last time this was asked.
    pub(crate) fn take_panicked(&self) -> bool {
        self.panicked.swap(false, Ordering::AcqRel)
    }

    fn take_consumer(&self) -> Option<Consumer> {
        lock(&self.station).consumer.take()
    }

    fn put_consumer(&self, consumer: Consumer) {
        lock(&self.station).consumer = Some(consumer);
        self.moved.notify_all();
    }

    /// Lets go of the application's things; after it nothing is called.
    fn end(&self, consumer: Consumer) {
        consumer.close();
        self.runner.store(0, Ordering::Release);
        lock(&self.station).ended = true;
        self.moved.notify_all();
    }

    pub(crate) fn is_ended(&self) -> bool {
        lock(&self.station).ended
    }

    /// Whether the calling thread is inside a callback of this client, or is its callback thread.
    pub(crate) fn runs_here(&self) -> bool {
        let here = thread_mark();
        self.runner.load(Ordering::Acquire) == here
            || matches!(&self.waker, Waker::Shared(scheduler) if scheduler.runs_here())
    }

    /// Waits until everything was delivered; false if `deadline` came first (`None`: it never does).
    fn await_end(&self, deadline: Option<Instant>) -> bool {
        let mut station = lock(&self.station);
        while !station.ended {
            match sync::wait(&self.moved, station, deadline) {
                Some(later) => station = later,
                None => return false,
            }
        }
        true
    }
}
