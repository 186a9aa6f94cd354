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
