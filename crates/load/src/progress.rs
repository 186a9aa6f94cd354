//! What a person at the terminal sees while a run lasts, and when the tool stops waiting.

use std::cell::Cell;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// One line on stderr that says what happens now; on a terminal it counts.
pub struct Progress {
    /// "round 2/10, redis".
    heading: String,
    terminal: bool,
    phase: Cell<&'static str>,
    shown_at: Cell<Instant>,
}

const REDRAW: Duration = Duration::from_millis(200);

impl Progress {
    /// Nothing shown yet.
    pub fn new(heading: String) -> Progress {
        Progress {
            heading,
            terminal: io::stderr().is_terminal(),
            phase: Cell::new(""),
            shown_at: Cell::new(Instant::now()),
        }
    }

    /// `done` of `total` in this phase. Cheap enough to call after every turn.
    pub fn show(&self, phase: &'static str, done: usize, total: usize) {
        let new = self.phase.replace(phase) != phase;
        if new || (self.terminal && self.shown_at.get().elapsed() >= REDRAW) {
            self.shown_at.set(Instant::now());
            let mut err = io::stderr().lock();
            // A closed stderr is no reason to end a measurement.
            let _ = match (self.terminal, total) {
                (true, 0) => write!(err, "\r\x1b[K{}: {phase} {done}", self.heading),
                (true, _) => write!(err, "\r\x1b[K{}: {phase} {done}/{total}", self.heading),
                (false, 0) => writeln!(err, "{}: {phase}", self.heading),
                (false, _) => writeln!(err, "{}: {phase} ({total})", self.heading),
            };
        }
    }

    /// The run is over, and this is what it gave.
    pub fn done(&self, result: &str) {
        let clear = if self.terminal { "\r\x1b[K" } else { "" };
        eprintln!("{clear}{}: {result}", self.heading);
    }
}

/// Counts the time in which nothing came. A server may be slow, and a connection that its full queue turned away is tried
/// again after up to 32 seconds; one that says nothing at all for longer has lost something.
pub struct Patience {
    awaited: &'static str,
    last: Instant,
}

impl Patience {
    /// The longest a turn of a waiting loop should take.
    pub const TURN: Duration = Duration::from_millis(100);

    const LIMIT: Duration = Duration::from_secs(60);

    /// Begins to wait.
    pub fn new(awaited: &'static str) -> Patience {
        Patience {
            awaited,
            last: Instant::now(),
        }
    }

    /// A turn brought this many events. An error when there were none for too long.
    pub fn saw(&mut self, events: usize) -> io::Result<()> {
        if events > 0 {
            self.last = Instant::now();
        } else if self.last.elapsed() > Patience::LIMIT {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!(
                    "waited {} s for {} and nothing came",
                    Patience::LIMIT.as_secs(),
                    self.awaited
                ),
            ));
        }
        Ok(())
    }
}
