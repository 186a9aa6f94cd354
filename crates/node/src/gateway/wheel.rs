//! One coarse wheel for every deadline of every connection, in place of a timer each. A connection stands in one
//! bucket; what is due there is looked up when the bucket comes up, so hearing from a connection costs nothing here.

use std::collections::BTreeMap;
use std::time::Duration;

use presence::time::Mono;

use crate::slab::Id;

/// See the module.
pub(crate) struct Wheel {
    bucket_ms: u64,
    buckets: BTreeMap<u64, Vec<Id>>,
}

/// Buckets in the shortest of the time-outs: a deadline is late by at most this part of it.
const BUCKETS_PER_TIMEOUT: u64 = 8;
/// Where time-outs are long, a bucket is still no longer than this.
const BUCKET_MAX_MS: u64 = 1_000;
/// Where they are short, no shorter: less than the clock's granularity is of no use.
const BUCKET_MIN_MS: u64 = 5;

impl Wheel {
    /// For time-outs of which `shortest` is the shortest.
    pub(crate) fn new(shortest: Duration) -> Wheel {
        let shortest_ms = u64::try_from(shortest.as_millis()).unwrap_or(u64::MAX);
        Wheel {
            bucket_ms: (shortest_ms / BUCKETS_PER_TIMEOUT).clamp(BUCKET_MIN_MS, BUCKET_MAX_MS),
            buckets: BTreeMap::new(),
        }
    }

    /// Has `id` come up at `deadline`, or up to a bucket later. Answers the bucket, which tells whether it is the
    /// latest wish of `id` when it comes up.
    pub(crate) fn schedule(&mut self, id: Id, deadline: Mono) -> u64 {
        let bucket = deadline.0.div_ceil(self.bucket_ms);
        self.buckets.entry(bucket).or_default().push(id);
        bucket
    }

    /// The bucket that a deadline falls in.
    pub(crate) fn bucket_of(&self, deadline: Mono) -> u64 {
        deadline.0.div_ceil(self.bucket_ms)
    }

    /// When the next bucket comes up.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.buckets
            .keys()
            .next()
            .map(|bucket| Mono(bucket.saturating_mul(self.bucket_ms)))
    }

    /// The next bucket that is due at `now`, with its number.
    pub(crate) fn pop_due(&mut self, now: Mono) -> Option<(u64, Vec<Id>)> {
        if self.next_deadline()? > now {
            return None;
        }
        self.buckets.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    #[test]
    fn a_deadline_comes_up_on_time_or_an_eighth_of_the_shortest_time_out_later() {
        let mut slab = Slab::new();
        let id = slab.insert(());
        for deadline in [1, 299, 300, 301, 12_345] {
            let mut wheel = Wheel::new(Duration::from_millis(300));
            let bucket = wheel.schedule(id, Mono(deadline));
            assert_eq!(bucket, wheel.bucket_of(Mono(deadline)));
            let due = wheel.next_deadline().expect("one is scheduled");
            assert!(
                due.0 >= deadline && due.0 - deadline <= 300 / 8,
                "{deadline} came up at {}",
                due.0
            );
            assert_eq!(wheel.pop_due(Mono(due.0 - 1)), None);
            assert_eq!(wheel.pop_due(due), Some((bucket, vec![id])));
            assert_eq!(wheel.next_deadline(), None);
        }
    }
}
