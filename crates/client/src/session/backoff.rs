//! How long to wait before connecting again: exponential with full jitter (R8.5).

use std::time::Duration;

/// Counts failures in a row.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    base: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(base: Duration, max: Duration) -> Backoff {
        Backoff {
            base: base.min(max),
            max,
            failures: 0,
        }
    }

    /// A wait evenly distributed up to a bound that doubles with each failure. `random` is any number, evenly distributed.
    pub(crate) fn next(&mut self, random: u64) -> Duration {
        let bound = self
            .base
            .saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(self.max);
        self.failures = self.failures.saturating_add(1);
        up_to(bound, random)
    }

    /// The connection works again.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A time evenly distributed up to `bound`, both ends included, in milliseconds.
pub(crate) fn up_to(bound: Duration, random: u64) -> Duration {
    let choices = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX - 1) + 1;
    Duration::from_millis(random % choices)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM_MAX: u64 = 500 * 1000 * 2000 * 4000 - 1;

    #[test]
    fn the_bound_doubles_up_to_the_maximum_and_begins_anew() {
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30));
        let mut bounds = Vec::new();
        for _ in 0..40 {
            // The largest wait that many draws give is the bound itself.
            let mut probe = backoff.clone();
            let bound = (0..31_000u64).map(|random| {
                let mut probe = probe.clone();
                probe.next(random)
            });
            bounds.push(bound.max().unwrap().as_millis());
            probe.next(0);
            backoff = probe;
        }
        assert_eq!(bounds[..7], [500, 1000, 2000, 4000, 8000, 16_000, 30_000], "R8.5");
        assert!(bounds[7..].iter().all(|bound| *bound == 30_000));
        backoff.reset();
        assert!(backoff.next(RANDOM_MAX) <= Duration::from_millis(500));
    }

    #[test]
    fn the_jitter_is_full() {
        assert_eq!(up_to(Duration::from_millis(9), 10), Duration::ZERO);
        assert_eq!(up_to(Duration::from_millis(9), 9), Duration::from_millis(9));
        assert_eq!(up_to(Duration::ZERO, u64::MAX), Duration::ZERO);
    }
}
