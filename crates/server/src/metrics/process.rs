//! What the system says of this process. On Linux; elsewhere nothing is said.

use std::fs;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// User and system.
    pub cpu_seconds: f64,
    pub resident_bytes: u64,
    pub open_fds: u64,
    /// `None`: any number.
    pub fds_max: Option<u64>,
}

/// Clock ticks a second in /proc: fixed by the kernel's ABI on every architecture this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// This process, now. `None` where the system does not say.
    pub fn read() -> Option<Process> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let limits = fs::read_to_string("/proc/self/limits").ok()?;
        // The one that lists them is among them.
        let open_fds = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
        Some(Process {
            cpu_seconds: cpu_seconds(&stat)?,
            resident_bytes: resident_bytes(&status)?,
            open_fds: u64::try_from(open_fds).ok()?,
            fds_max: fds_max(&limits)?,
        })
    }
}

/// The fields behind the name, which may hold anything: utime is the 12th, stime the 13th.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

fn fds_max(limits: &str) -> Option<Option<u64>> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_ascii_whitespace().next()?;
    Some(soft.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_files_are_read() {
        assert_eq!(
            cpu_seconds("7 (a) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0"),
            Some(2.0)
        );
        assert_eq!(cpu_seconds("7 (a"), None);
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
        assert_eq!(
            fds_max("Max open files            1024  4096  files\n"),
            Some(Some(1024))
        );
        assert_eq!(
            fds_max("Max open files            unlimited unlimited files\n"),
            Some(None)
        );
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let process = Process::read().expect("this is Linux");
        assert!(
            process.resident_bytes > 100_000 && process.open_fds >= 3,
            "{process:?}"
        );
    }
}
