//! The one way to read the time in a node. It is given to it, so that a test or a simulation can move it.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use presence::time::{Mono, Now, Wall};

/// Both clocks of a node. Read many times a tick, from every loop's thread: cheap, and it never blocks.
///
/// The monotonic side must advance with the timers of the tokio runtime that the node runs on.
pub trait Clock: Send + Sync + 'static {
    /// The time.
    fn now(&self) -> Now;
}

/// The clocks of the machine.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// Its monotonic side begins at 0 now.
    #[must_use]
    pub fn new() -> SystemClock {
        SystemClock {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            mono: Mono::default().after(self.origin.elapsed()),
            wall: wall_of(SystemTime::now()),
        }
    }
}

/// The clock of the tokio runtime it is read in: paused and moved with it, as tests and simulators do. Wall time is
/// elapsed time since a given moment, plus a shift that can be changed while the node runs.
#[derive(Debug)]
pub struct RuntimeClock {
    origin: tokio::time::Instant,
    wall_at_origin: Wall,
    wall_shift_ms: AtomicI64,
}

impl RuntimeClock {
    /// It is `wall` now. Call it inside the runtime.
    #[must_use]
    pub fn starting_at(wall: Wall) -> RuntimeClock {
        RuntimeClock {
            origin: tokio::time::Instant::now(),
            wall_at_origin: wall,
            wall_shift_ms: AtomicI64::new(0),
        }
    }

    /// Moves the wall clock, and only that, by so many milliseconds; below 0: back.
    pub fn shift_wall(&self, milliseconds: i64) {
        self.wall_shift_ms.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Now {
        let mono = Mono::default().after(self.origin.elapsed());
        let elapsed_ms = i64::try_from(mono.0).unwrap_or(i64::MAX);
        let shift_ms = self.wall_shift_ms.load(Ordering::Relaxed);
        let wall_ms = self
            .wall_at_origin
            .0
            .saturating_add(elapsed_ms)
            .saturating_add(shift_ms);
        Now {
            mono,
            wall: Wall(wall_ms),
        }
    }
}

/// A machine whose clock stands before 1970 reads as 1970.
fn wall_of(time: SystemTime) -> Wall {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_runtime_clock_follows_the_runtime_and_its_wall_can_be_shifted() {
        let clock = RuntimeClock::starting_at(Wall(1_000_000));
        tokio::time::advance(Duration::from_millis(250)).await;
        clock.shift_wall(-50);
        let now = clock.now();
        assert_eq!(now.mono, Mono(250));
        assert_eq!(now.wall, Wall(1_000_200));
    }

    #[test]
    fn the_system_clock_knows_this_century() {
        let clock = SystemClock::new();
        assert!(clock.now().wall > Wall(1_600_000_000_000));
        assert!(clock.now().mono >= Mono(0));
    }
}
