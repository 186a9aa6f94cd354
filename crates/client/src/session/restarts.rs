//! How often a change of the network begins an attempt anew (R8.5). Systems tell of one change several times and an
//! application may do so without end, while a slow link needs its time: attempts begun anew that come to nothing are
//! further and further apart, and the one under way goes on until the next may begin.

use tokio::time::{Duration, Instant};

/// Between the first two in a row; it doubles with each.
const GAP_MIN: Duration = Duration::from_millis(100);

/// Between any two in a row.
const GAP_MAX: Duration = Duration::from_secs(5);

/// After so long without one the next is the first in a row.
const ROW_ENDS: Duration = Duration::from_secs(10);

/// Attempts begun anew, and whether another is to be.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    last: Option<Instant>,
    in_row: u32,
    wanted: Option<Instant>,
}

impl Restarts {
    /// When one that is asked for `now` may begin.
    pub(crate) fn due(&self, now: Instant) -> Instant {
        let doublings = self.in_row.saturating_sub(1);
        let gap = GAP_MIN
            .saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX))
            .min(GAP_MAX);
        self.last.map_or(now, |last| now.max(last + gap))
    }

    /// One begins `at` that time, now or soon.
    pub(crate) fn begin(&mut self, at: Instant) {
        let goes_on = self.last.is_some_and(|last| at < last + ROW_ENDS);
        self.in_row = if goes_on { self.in_row.saturating_add(1) } else { 1 };
        self.last = Some(at);
        self.wanted = None;
    }

    /// One is to begin `at` that time, unless what is under way succeeds or another attempt begins.
    pub(crate) fn want(&mut self, at: Instant) {
        self.wanted = Some(at);
    }

    pub(crate) fn wanted(&self) -> Option<Instant> {
        self.wanted
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.wanted.is_some_and(|at| at <= now)
    }

    /// An attempt begins for another reason.
    pub(crate) fn unwant(&mut self) {
        self.wanted = None;
    }

    /// An attempt succeeded: the next is the first in a row.
    pub(crate) fn succeeded(&mut self) {
        self.in_row = 0;
        self.wanted = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_doubles_up_to_5_s_and_begins_anew_with_a_success_or_a_pause() {
        let begun = Instant::now();
        let mut restarts = Restarts::default();
        let mut now = begun;
        let mut gaps = Vec::new();
        for _ in 0..9 {
            restarts.begin(now);
            let due = restarts.due(now);
            gaps.push((due - now).as_millis());
            now = due;
        }
        assert_eq!(gaps, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        now += ROW_ENDS;
        restarts.begin(now);
        assert_eq!(restarts.due(now), now + GAP_MIN);
        restarts.begin(now + GAP_MIN);
        restarts.succeeded();
        assert_eq!(restarts.due(now), now + 2 * GAP_MIN);
        restarts.begin(now + 2 * GAP_MIN);
        assert_eq!(restarts.due(now), now + 3 * GAP_MIN);
    }
}
