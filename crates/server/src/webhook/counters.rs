//! What became of the events, counted from any thread.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// See the module. Rising, but for `waiting`.
#[derive(Debug, Default)]
pub struct Counters {
    waiting: AtomicUsize,
    delivered: AtomicU64,
    retried: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    /// Events that wait now, those being sent included.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Events that a receiver took.
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Attempts that failed and were to be made again.
    pub fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }

    /// Events that were not taken in time, after attempts.
    pub fn given_up(&self) -> u64 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Events that found no room, or were left when the server stopped or the webhook was removed.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts one more that waits, unless that is too many: then it is counted as dropped.
    pub(super) fn admit(&self, waiting_max: usize) -> bool {
        let admitted = self.waiting.fetch_add(1, Ordering::Relaxed) < waiting_max;
        if !admitted {
            self.refuse_admitted();
        }
        admitted
    }

    /// One that was counted as waiting is dropped.
    pub(super) fn refuse_admitted(&self) {
        self.drop_waiting(1);
    }

    /// So many that waited are dropped.
    pub(super) fn drop_waiting(&self, count: usize) {
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        self.dropped.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// One that waited does so no more, and nobody was to be told of it.
    pub(super) fn ignore(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn deliver(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.delivered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn retry(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn give_up(&self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }
}
