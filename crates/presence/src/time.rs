//! Time as the rules see it: it only comes in.

use std::time::Duration;

/// A point on the node's monotonic clock, in milliseconds since an arbitrary origin. Measures elapsed time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Mono(pub u64);

impl Mono {
    /// The point `duration` later.
    #[must_use]
    pub fn after(self, duration: Duration) -> Mono {
        Mono(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long ago `earlier` was; zero if it is in the future.
    #[must_use]
    pub fn since(self, earlier: Mono) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time, in milliseconds since the Unix epoch. Shown to people and compared with UserSigs; it may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Wall(pub i64);

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For timers.
    pub mono: Mono,
    /// For `since` and UserSigs.
    pub wall: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_duration_is_too_long_for_the_clock() {
        assert_eq!(Mono(5).after(Duration::from_millis(7)), Mono(12));
        assert_eq!(Mono(5).after(Duration::MAX), Mono(u64::MAX));
        assert_eq!(Mono(12).since(Mono(5)), Duration::from_millis(7));
        assert_eq!(Mono(5).since(Mono(12)), Duration::ZERO);
    }
}
