//! Processor time and memory of a process and all its descendants, as the system accounts them.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

/// A process and whatever it started.
#[derive(Debug, Clone, Copy)]
pub struct ProcessTree {
    root: i32,
}

impl ProcessTree {
    /// The tree below this process.
    pub fn of(root: u32) -> ProcessTree {
        ProcessTree { root: root as i32 }
    }

    /// User and system time so far: of every living process to the nanosecond, and in ticks what those had that ended
    /// and were waited for.
    pub fn cpu_time(self) -> io::Result<Duration> {
        self.processes()?.iter().map(Process::cpu_time).sum()
    }

    /// Resident memory now, in bytes: the sum over the processes, so that what they share counts for each.
    pub fn resident_bytes(self) -> io::Result<u64> {
        self.processes()?
            .iter()
            .map(|process| process.memory("VmRSS:"))
            .sum()
    }

    /// The highest that each process had so far, summed, in bytes.
    pub fn peak_bytes(self) -> io::Result<u64> {
        self.processes()?
            .iter()
            .map(|process| process.memory("VmHWM:"))
            .sum()
    }

    /// How often a thread slept and was woken, over all living threads.
    pub fn wake_ups(self) -> io::Result<u64> {
        Ok(self.processes()?.iter().map(Process::wake_ups).sum())
    }

    fn processes(self) -> io::Result<Vec<Process>> {
        let mut all = HashMap::new();
        for entry in std::fs::read_dir("/proc")? {
            if let Some(id) = entry?
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<i32>().ok())
                && let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat"))
            {
                all.insert(id, Process::read(id, &stat));
            }
        }
        if !all.contains_key(&self.root) {
            return Err(io::Error::other("the server's process ended"));
        }
        let belongs = |process: &Process| {
            let mut id = process.id;
            // Parents have parents: a tree, unless ids are reused while we read; so bounded.
            for _ in 0..all.len() {
                if id == self.root {
                    return true;
                }
                match all.get(&id) {
                    Some(process) => id = process.parent,
                    None => return false,
                }
            }
            false
        };
        Ok(all.values().filter(|process| belongs(process)).cloned().collect())
    }
}

#[derive(Clone)]
struct Process {
    id: i32,
    parent: i32,
    /// User and system time of ended children that were waited for, in ticks.
    waited_for_ticks: u64,
}

impl Process {
    fn read(id: i32, stat: &str) -> Process {
        // Fields after the command's name, which may hold spaces, begin with the state, field 3 of proc(5).
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        let field = |number: usize| {
            fields
                .get(number - 3)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        };
        Process {
            id,
            parent: field(4) as i32,
            waited_for_ticks: field(16) + field(17),
        }
    }

    fn cpu_time(&self) -> io::Result<Duration> {
        let mut clock = 0;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: both calls write only to the local they are given.
        let error = unsafe {
            match libc::clock_getcpuclockid(self.id, &mut clock) {
                0 if libc::clock_gettime(clock, &mut time) == 0 => None,
                0 => Some(io::Error::last_os_error()),
                error => Some(io::Error::from_raw_os_error(error)),
            }
        };
        match error {
            // It ended since it was listed; its parent has its time now.
            Some(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(Duration::ZERO),
            // What clock_gettime says of a process that ended.
            Some(error) if error.raw_os_error() == Some(libc::EINVAL) => return Ok(Duration::ZERO),
            Some(error) => return Err(error),
            None => {}
        }
        // SAFETY: sysconf takes no pointer.
        let ticks_per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
        let waited_for = Duration::from_micros(self.waited_for_ticks * 1_000_000 / ticks_per_second.max(1));
        Ok(Duration::new(time.tv_sec as u64, time.tv_nsec as u32) + waited_for)
    }

    /// Of its threads; one that ends meanwhile counts for nothing.
    fn wake_ups(&self) -> u64 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id));
        let statuses = threads
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok());
        statuses
            .filter_map(|status| {
                let mut lines = status.lines();
                let rest = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
                rest.trim().parse::<u64>().ok()
            })
            .sum()
    }

    /// A line of `/proc/<id>/status`, in bytes; 0 for a process that ended or has no memory of its own.
    fn memory(&self, line: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id)).unwrap_or_default();
        let kilobytes = status
            .lines()
            .find_map(|text| text.strip_prefix(line))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        Ok(kilobytes.unwrap_or(0) * 1024)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let process = Process::read(7, "7 (a b) c) S 3 7 7 0 -1 4 1 2 3 4 5 6 70 8 20");
        assert_eq!((process.parent, process.waited_for_ticks), (3, 78));
    }

    #[test]
    fn a_child_counts_with_its_parent() {
        let own = ProcessTree::of(std::process::id());
        // Waits for its input to end.
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .spawn()
            .expect("cat is everywhere");
        let tree = own.processes().expect("readable");
        assert!(tree.iter().any(|process| process.id == child.id() as i32));
        assert!(own.cpu_time().expect("readable") > Duration::ZERO);
        assert!(own.wake_ups().expect("readable") > 0, "it waited at least once");
        assert!(own.peak_bytes().expect("readable") >= own.resident_bytes().expect("readable") / 2);
        drop(child.stdin.take());
        child.wait().expect("it ends");
    }

    #[test]
    fn a_tree_whose_root_is_gone_is_an_error() {
        let mut child = Command::new("true").spawn().expect("true is everywhere");
        let id = child.id();
        child.wait().expect("it ends");
        assert!(ProcessTree::of(id).cpu_time().is_err());
    }
}
