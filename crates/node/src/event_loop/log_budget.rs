//! What strangers can make the server log is bounded: so many records in a while, then a count of those left out.

use presence::time::Mono;

/// Records in one window.
const RECORDS_MAX: u32 = 20;
/// How long a window is.
const WINDOW_MS: u64 = 10_000;

/// See the module.
pub(crate) struct LogBudget {
    left: u32,
    window_ends: Mono,
    left_out: u64,
}

impl LogBudget {
    pub(crate) fn new() -> LogBudget {
        LogBudget {
            left: RECORDS_MAX,
            window_ends: Mono(0),
            left_out: 0,
        }
    }

    /// Whether one more may be written, and if so how many were left out before it.
    pub(crate) fn take(&mut self, now: Mono) -> Option<u64> {
        if now >= self.window_ends {
            self.window_ends = Mono(now.0.saturating_add(WINDOW_MS));
            self.left = RECORDS_MAX;
        }
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Some(std::mem::take(&mut self.left_out))
            }
            None => {
                self.left_out += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_counted_and_the_next_window_is_open_again() {
        let mut budget = LogBudget::new();
        let written = (0..1_000).filter(|_| budget.take(Mono(5)).is_some()).count();
        assert_eq!(written, RECORDS_MAX as usize);
        assert_eq!(
            budget.take(Mono(5 + WINDOW_MS)),
            Some(1_000 - u64::from(RECORDS_MAX))
        );
        assert_eq!(budget.take(Mono(6 + WINDOW_MS)), Some(0));
    }
}
