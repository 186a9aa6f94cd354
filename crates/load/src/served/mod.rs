//! Servers under load: each a program with a configuration of the tool's own, started on a free port of the loopback
//! interface and the first core, in a folder that goes with it.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::dialect::{Dialect, Need};

mod accounting;
mod brokers;
mod chat;
mod counting;
mod own;

pub use accounting::ProcessTree;
use counting::Counters;
pub use counting::Counts;

/// A server that load can be put on.
pub trait Served {
    /// As on the command line and in the tables.
    fn name(&self) -> &'static str;

    /// How it is spoken to, in a scenario with this need.
    fn dialect(&self, need: Need) -> Box<dyn Dialect>;

    /// Writes its configuration into the folder and says what to run.
    fn launch(&self, place: &Place<'_>) -> io::Result<Launch>;

    /// The Debian package that has it, named like its program; `None` for what is built here.
    fn package(&self) -> Option<&'static str>;

    /// Whether its program is there.
    fn is_installed(&self) -> bool {
        self.package()
            .is_none_or(|package| find_program(package).is_some())
    }
}

/// Where a server is to run, and what it must know before it starts.
pub struct Place<'a> {
    /// Empty, its own; removed after the run.
    pub folder: &'a Path,
    /// On 127.0.0.1, free.
    pub port: u16,
    /// Who will log in, who watches whom.
    pub relations: &'a Relations,
}

impl Place<'_> {
    /// Writes a file of the folder, with `FOLDER` and `PORT` replaced in the text. Its path.
    fn write(&self, name: &str, template: &str) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        let text = template
            .replace("FOLDER", &self.folder.to_string_lossy())
            .replace("PORT", &self.port.to_string());
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// How to start a server and when it is ready.
pub struct Launch {
    /// Not started yet; its outputs are redirected by the caller.
    pub command: Command,
    /// What tells that it is ready.
    pub ready: Ready,
}

/// What tells that a server is ready.
#[derive(Debug, Clone, Copy)]
pub enum Ready {
    /// Its port accepts connections.
    Accepts,
    /// It wrote this.
    Says(&'static str),
}

/// Users 0 to `users`, and pairs (who watches, whom): what servers with rosters must be told beforehand.
#[derive(Debug, Default)]
pub struct Relations {
    /// How many users there are.
    pub users: u32,
    /// Without repeats.
    pub watches: Vec<(u32, u32)>,
}

/// A roster's word for a relation, seen from its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    To,
    From,
    Both,
}

impl Subscription {
    fn word(self) -> &'static str {
        match self {
            Subscription::To => "to",
            Subscription::From => "from",
            Subscription::Both => "both",
        }
    }
}

impl Relations {
    /// Everyone's roster.
    fn rosters(&self) -> Vec<BTreeMap<u32, Subscription>> {
        let mut rosters = vec![BTreeMap::new(); self.users as usize];
        for &(watcher, watched) in &self.watches {
            for (owner, contact, subscription) in [
                (watcher, watched, Subscription::To),
                (watched, watcher, Subscription::From),
            ] {
                if let Some(roster) = rosters.get_mut(owner as usize) {
                    roster
                        .entry(contact)
                        .and_modify(|known| {
                            if *known != subscription {
                                *known = Subscription::Both;
                            }
                        })
                        .or_insert(subscription);
                }
            }
        }
        rosters
    }
}

/// The servers there are, in the order of the tables. `binary` is our server's; `None`: beside this program.
pub fn all(binary: Option<PathBuf>, merging: bool) -> Vec<Box<dyn Served>> {
    let ours = own::Ours { binary, merging };
    vec![
        Box::new(ours.clone()),
        Box::new(own::OursTls::new(ours)),
        Box::new(own::FLOOR_EACH),
        Box::new(own::FLOOR_BATCH),
        Box::new(brokers::Redis),
        Box::new(brokers::Nats),
        Box::new(brokers::Mosquitto),
        Box::new(chat::Ejabberd),
        Box::new(chat::Prosody),
    ]
}

/// A server that runs. Ended, and its folder removed, when dropped.
pub struct ServerProcess {
    child: Child,
    folder: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it costs.
    pub tree: ProcessTree,
    counters: Option<Counters>,
}

impl ServerProcess {
    /// Starts a server and waits until it is ready. With `counting`, a library, its calls are counted.
    pub fn start(
        served: &dyn Served,
        relations: &Relations,
        counting: Option<&Path>,
    ) -> io::Result<ServerProcess> {
        let folder = new_folder()?;
        let result = ServerProcess::start_in(&folder, served, relations, counting);
        if result.is_err() {
            remove(&folder);
        }
        result
    }

    /// What it asked of the system so far; `None`: it is not counted.
    pub fn counts(&self) -> io::Result<Option<Counts>> {
        match &self.counters {
            None => Ok(None),
            Some(counters) => counters.read(self.tree.wake_ups()?).map(Some),
        }
    }

    fn start_in(
        folder: &Path,
        served: &dyn Served,
        relations: &Relations,
        counting: Option<&Path>,
    ) -> io::Result<ServerProcess> {
        let address = free_address()?;
        let place = Place {
            folder,
            port: address.port(),
            relations,
        };
        let Launch { mut command, ready } = served.launch(&place)?;
        let counters = counting
            .map(|library| Counters::preload(&mut command, library, folder))
            .transpose()?;
        let output = std::fs::File::create(folder.join(OUTPUT))?;
        command
            .stdin(Stdio::null())
            .stderr(output.try_clone()?)
            .stdout(output)
            .process_group(0);
        // SAFETY: the calls made there are async-signal-safe; nothing else runs between fork and exec.
        unsafe {
            command.pre_exec(|| {
                pin_to_cpu(0);
                // A tool that is killed leaves no servers behind.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        let child = command.spawn().map_err(|error| {
            io::Error::other(format!("cannot start {:?}: {error}", command.get_program()))
        })?;
        let mut process = ServerProcess {
            tree: ProcessTree::of(child.id()),
            child,
            folder: folder.to_owned(),
            address,
            counters,
        };
        process.wait_until(ready)?;
        Ok(process)
    }

    fn wait_until(&mut self, ready: Ready) -> io::Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let is_ready = match ready {
                Ready::Accepts => TcpStream::connect(self.address).is_ok(),
                Ready::Says(text) => self.output().contains(text),
            };
            if is_ready {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended, {status}: {}", self.output())));
            }
            if Instant::now() > deadline {
                let output = self.output();
                return Err(io::Error::other(format!(
                    "it is not ready after {START_LIMIT:?}: {output}"
                )));
            }
            std::thread::sleep(POLL);
        }
    }

    /// What it wrote.
    fn output(&self) -> String {
        // A server may write bytes that are no text, and it may not have written yet.
        let bytes = std::fs::read(self.folder.join(OUTPUT)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Its whole process group: some start helpers. They may have ended by themselves.
        // SAFETY: kill takes no pointer; the group is this child's own, which is not waited for yet.
        unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
        drop(self.child.wait());
        remove(&self.folder);
    }
}

const OUTPUT: &str = "output";

/// Erlang and ten thousand rosters take a few seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn new_folder() -> io::Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("tim-presence-load-{}-{count}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn remove(folder: &Path) {
    // What is left in the temporary folder harms nobody.
    drop(std::fs::remove_dir_all(folder));
}

/// The path of a program, also where only the administrator's PATH looks.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn program(name: &str, package: &str) -> io::Result<Command> {
    find_program(name).map(Command::new).ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("{name} is not installed; Debian has it: apt-get install {package}"),
        )
    })
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

/// This thread runs before all ordinary ones on its core, if the system lets it: what measures a delay must not add to it.
pub fn prefer_this_thread() {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: only reads the struct given; failure leaves the thread an ordinary one, which only costs steadiness.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &priority) };
}

fn pin_to_cpu(cpu: usize) {
    // SAFETY: the set is a plain bit field; failure leaves the scheduler free, which only costs steadiness.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of::<libc::cpu_set_t>(), &set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_watch_each_other_are_both_in_both_rosters() {
        let relations = Relations {
            users: 3,
            watches: vec![(0, 1), (1, 0), (0, 2)],
        };
        let rosters = relations.rosters();
        assert_eq!(
            rosters[0],
            BTreeMap::from([(1, Subscription::Both), (2, Subscription::To)])
        );
        assert_eq!(rosters[1], BTreeMap::from([(0, Subscription::Both)]));
        assert_eq!(rosters[2], BTreeMap::from([(0, Subscription::From)]));
    }

    #[test]
    fn a_program_that_is_missing_names_its_package() {
        let error = program("no-such-program", "a-package")
            .expect_err("missing")
            .to_string();
        assert!(error.contains("apt-get install a-package"), "{error}");
        assert!(find_program("sh").is_some());
    }
}
