//! The server's process: started on the first core, its CPU time and memory as the system accounts them.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::arguments::Server;

/// The app that the load logs in to.
pub const APP_ID: u64 = 1_400_000_001;
/// Its key; the server is on loopback and lives as long as the run.
pub const SECRET_KEY: &str = "load-load-load-load-load-load-load-load-load-load-load-load-load";

/// Our server with every limit off that would refuse or merge load: only its cost is measured.
const CONFIGURATION: &str = include_str!("server.toml");

/// A server under load. Ended when dropped.
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    directory: Option<PathBuf>,
}

impl ServerProcess {
    /// Starts `server` on the first core and waits until it listens.
    pub fn start(server: Server) -> io::Result<ServerProcess> {
        let own = std::env::current_exe()?;
        let mut directory = None;
        let mut command = match server {
            Server::Ours => {
                let folder = std::env::temp_dir().join(format!("tim-presence-load-{}", std::process::id()));
                std::fs::create_dir_all(&folder)?;
                let file = folder.join("server.toml");
                std::fs::write(&file, CONFIGURATION.replace("SECRET_KEY", SECRET_KEY))?;
                let mut command = Command::new(own.with_file_name("tim-presence-server"));
                command.arg("--config").arg(file);
                directory = Some(folder);
                command
            }
            Server::Floor(_) => {
                let mut command = Command::new(own);
                command.arg(server.name());
                command
            }
        };
        // SAFETY: sched_setaffinity and CPU_SET are async-signal-safe; nothing else runs between fork and exec.
        unsafe {
            command.pre_exec(|| {
                pin_to_cpu(0);
                Ok(())
            });
        }
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("cannot start {:?}: {error}", command.get_program()),
            )
        })?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped above")).read_line(&mut line)?;
        let address = line
            .trim()
            .rsplit_once("tim://")
            .and_then(|(_, address)| address.parse().ok())
            .ok_or_else(|| {
                io::Error::other(format!("the server did not say where it listens, but: {line}"))
            })?;
        Ok(ServerProcess {
            child,
            address,
            directory,
        })
    }

    /// User and system time of all its threads so far.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // Fields after the command's name, which may hold spaces, begin with the state, field 3.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .collect();
        let ticks = |index: usize| {
            fields
                .get(index - 3)
                .and_then(|text| text.parse::<u64>().ok())
                .unwrap_or(0)
        };
        // SAFETY: sysconf takes no pointer.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as u64;
        Ok(Duration::from_micros(
            (ticks(14) + ticks(15)) * 1_000_000 / per_second,
        ))
    }

    /// Its resident memory now, in bytes.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
            .ok_or_else(|| io::Error::other("no VmRSS in /proc"))?;
        Ok(kilobytes * 1024)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, and wait only collects it.
        drop(self.child.kill());
        drop(self.child.wait());
        if let Some(directory) = &self.directory {
            drop(std::fs::remove_dir_all(directory));
        }
    }
}

/// As many open files as the system lets us have; servers inherit it.
pub fn raise_file_limit() -> io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls only read or write the struct given.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
        }
    };
    if done {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The load runs on the last core, the server on the first.
pub fn pin_self_to_last_cpu() {
    // SAFETY: sysconf takes no pointer.
    let cpus = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    pin_to_cpu(usize::try_from(cpus).unwrap_or(1).saturating_sub(1));
}

fn pin_to_cpu(cpu: usize) {
    // SAFETY: the set is a plain bit field; failure leaves the scheduler free, which only costs steadiness.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &set);
    }
}
