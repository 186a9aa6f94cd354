//! What a server asked of the system and of the allocator, counted by `counting/counting.c` preloaded into it.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::report::Figure;

/// The counts so far, in the order of the C file; the last is the system's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    writes: u64,
    reads: u64,
    waits: u64,
    other_calls: u64,
    allocations: u64,
    copied_bytes: u64,
    /// Times that a thread slept and was woken.
    pub wake_ups: u64,
}

const COUNTERS: usize = 6;

/// The file that a server's counts are in.
pub struct Counters {
    path: PathBuf,
}

impl Counters {
    /// Has `command` count from its start, by means of this library, into a file in `folder`.
    pub fn preload(command: &mut Command, library: &Path, folder: &Path) -> io::Result<Counters> {
        let path = folder.join("counters");
        std::fs::write(&path, [0; COUNTERS * 8])?;
        command
            .env("LD_PRELOAD", std::fs::canonicalize(library)?)
            .env("TIM_PRESENCE_LOAD_COUNTERS", &path);
        Ok(Counters { path })
    }

    /// The counts now. An error if nothing was counted: the library could not be loaded, or the program goes around it.
    pub fn read(&self, wake_ups: u64) -> io::Result<Counts> {
        let mut bytes = [0; COUNTERS * 8];
        std::fs::File::open(&self.path)?.read_exact_at(&mut bytes, 0)?;
        let (numbers, _) = bytes.as_chunks::<8>();
        let [writes, reads, waits, other_calls, allocations, copied_bytes] =
            <[[u8; 8]; COUNTERS]>::try_from(numbers)
                .unwrap_or_default()
                .map(u64::from_ne_bytes);
        if waits == 0 {
            return Err(io::Error::other("the server's calls are not counted"));
        }
        Ok(Counts {
            writes,
            reads,
            waits,
            other_calls,
            allocations,
            copied_bytes,
            wake_ups,
        })
    }
}

impl Counts {
    /// What was counted since `before`, for each of `deliveries`.
    pub fn figures(&self, before: &Counts, deliveries: u64) -> Vec<Figure> {
        let each =
            |count: fn(&Counts) -> u64| count(self).saturating_sub(count(before)) as f64 / deliveries as f64;
        vec![
            Figure::less(
                "system calls/delivery",
                each(|counts| counts.writes + counts.reads + counts.waits + counts.other_calls),
            ),
            Figure::less("writes/delivery", each(|counts| counts.writes)),
            Figure::less("wake-ups/delivery", each(|counts| counts.wake_ups)),
            Figure::less("allocations/delivery", each(|counts| counts.allocations)),
            Figure::less("bytes copied/delivery", each(|counts| counts.copied_bytes)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_differences_for_each_delivery() {
        let before = Counts {
            writes: 10,
            reads: 1,
            waits: 1,
            other_calls: 0,
            allocations: 100,
            copied_bytes: 1000,
            wake_ups: 4,
        };
        let after = Counts {
            writes: 20,
            reads: 3,
            waits: 3,
            other_calls: 6,
            allocations: 105,
            copied_bytes: 1640,
            wake_ups: 9,
        };
        let values: Vec<f64> = after
            .figures(&before, 10)
            .iter()
            .map(|figure| figure.value)
            .collect();
        assert_eq!(values, [2.0, 1.0, 0.5, 0.5, 64.0]);
    }
}
