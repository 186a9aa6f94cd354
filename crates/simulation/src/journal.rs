//! What happened, line by line, and the moment it is now. The hash of all lines tells whether two runs were the same.

use std::fmt;

/// The trace of a run.
#[derive(Debug, Default)]
pub struct Journal {
    now_ms: u64,
    lines: Vec<String>,
    hash: u64,
    prints: bool,
}

impl Journal {
    /// One that also prints each line as it comes.
    #[must_use]
    pub fn new(prints: bool) -> Journal {
        Journal {
            prints,
            ..Journal::default()
        }
    }

    /// Milliseconds since the simulation began.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// It is later now.
    pub fn set_now_ms(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
    }

    /// Notes a line.
    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        let line = format!("{:>6} ms  {what}", self.now_ms);
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.prints {
            println!("{line}");
        }
        self.lines.push(line);
    }

    /// All lines.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Of all lines: equal for equal runs.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_every_line_and_its_moment() {
        let run = |at, text: &str| {
            let mut journal = Journal::new(false);
            journal.set_now_ms(at);
            journal.note(format_args!("{text}"));
            journal.hash()
        };
        assert_eq!(run(1, "a"), run(1, "a"));
        assert_ne!(run(1, "a"), run(2, "a"));
        assert_ne!(run(1, "a"), run(1, "b"));
    }
}
