//! The durable store of a standalone server: one redb file in the data directory. See docs/STORE.md.
//!
//! redb: embedded and pure Rust, with atomic commits of checksummed pages, and nothing to install or administer.
//!
//! It knows records as bytes, but for the numbers in them (R6.5) and the settings of apps; what they mean is the node's.
//! Nobody waits for it: the node's loops hand over batches through a bounded channel to one thread, which commits at
//! least every second what it was given (`writer`).

mod backup;
mod control;
mod error;
mod file;
mod folder;
mod guarded;
pub mod settings;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, SendTimeoutError, Sender, TrySendError, bounded};
use presence::status::Version;
use presence::time::Wall;
use presence_node::clock::{Clock as _, SystemClock};
use presence_node::durable::{Saved, StoreHandle, Take};

pub use self::backup::{back_up, restore};
use self::control::Control;
pub use self::error::StoreError;
use self::file::{FORMAT, LoadError, Numbers, StoreFile, UPGRADES};
use self::folder::Folder;
pub use self::writer::Statistics;
use self::writer::{BATCHES_MAX, Order, Writer};

/// Orders that may wait for the store's thread.
const ORDERS_MAX: usize = 16;
/// How long a loop that ends waits for the store to take what is left.
const LAST_WAIT: Duration = Duration::from_secs(3);
/// How long a server that gives up waits for the disk.
const RESCUE_WAIT: Duration = Duration::from_secs(2);

/// The store of a running server. Dropped without [`Store::close`] it leaves what a crash leaves.
pub struct Store {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    control: Control,
    after_crash: bool,
}

/// What the node's loops hold of it.
struct Shared {
    path: PathBuf,
    numbers: Numbers,
    earlier_lifts: Vec<Version>,
    /// Until the node has loaded it.
    file: Mutex<Option<StoreFile>>,
    batches: Sender<Vec<Saved>>,
    orders: Sender<Order>,
    statistics: Arc<Statistics>,
    /// A loop ended with changes that had no room.
    is_incomplete: AtomicBool,
    /// Released last.
    _folder: Folder,
}

impl Store {
    /// Opens the store in `folder`, or makes it. Nothing is written to a file that is there before the node has loaded all of
    /// it. `now` is for the floor of this start.
    pub fn open(folder: &Path, now: Wall) -> Result<Store, StoreError> {
        let folder = Folder::take(folder)?;
        folder.make_database()?;
        let path = folder.database();
        let file = folder.open_database()?;
        upgrade_if_older(&file, &path)?;
        let numbers = file.numbers(now).map_err(|error| StoreError::of(&path, error))?;
        let earlier_lifts = file
            .earlier_lifts(numbers)
            .map_err(|error| StoreError::of(&path, error))?;
        let (batches, batches_out) = bounded(BATCHES_MAX);
        let (orders, orders_out) = bounded(ORDERS_MAX);
        let statistics = Arc::new(Statistics::default());
        let reopen = {
            let path = path.clone();
            Box::new(move || folder::open_existing(&path))
        };
        let writer = Writer::new(path.clone(), numbers, reopen, Arc::clone(&statistics));
        let thread = std::thread::Builder::new()
            .name("tim-store".to_owned())
            .spawn(move || writer.run(&batches_out, &orders_out))
            .map_err(|error| StoreError::system(&path, error))?;
        let control = Control::start(&folder, orders.clone())?;
        Ok(Store {
            shared: Arc::new(Shared {
                path,
                numbers,
                earlier_lifts: earlier_lifts.into_iter().map(Version).collect(),
                file: Mutex::new(Some(file)),
                batches,
                orders,
                statistics,
                is_incomplete: AtomicBool::new(false),
                _folder: folder,
            }),
            thread: Some(thread),
            control,
            after_crash: numbers.after_crash,
        })
    }

    /// For the node.
    pub fn handle(&self) -> StoreHandle {
        StoreHandle(Arc::clone(&self.shared) as Arc<dyn presence_node::durable::Store>)
    }

    /// Whether the last server ended other than in order.
    pub fn is_after_crash(&self) -> bool {
        self.after_crash
    }

    /// What it has done.
    pub fn statistics(&self) -> Arc<Statistics> {
        Arc::clone(&self.shared.statistics)
    }

    /// Commits what it was given, without the mark of an orderly end: for a node that does not stop in time, whose loops
    /// may know more than they have handed over. The next start is one after a crash. A disk that does not answer is waited
    /// for [`RESCUE_WAIT`] at most: it may be why the node did not stop.
    pub fn rescue(self) -> Result<(), StoreError> {
        self.end(Order::Rescue, Some(RESCUE_WAIT)).map(drop)
    }

    /// Commits what is left, and ends it. After the node has stopped. If a loop could not hand over all, it is a rescue and
    /// an error: versions may have been given out that the store does not have (R6.5).
    pub fn close(self) -> Result<(), StoreError> {
        if self.shared.is_incomplete.load(Ordering::Acquire) {
            self.rescue()?;
            let lost = "the store had no room for the last changes: they are lost, and the next start is one after a crash";
            return Err(StoreError::Refused(lost.to_owned()));
        }
        let statistics = self.end(Order::Close, None)?;
        let [commits, records, us, us_max] = [
            &statistics.commits,
            &statistics.records,
            &statistics.commit_us,
            &statistics.commit_us_max,
        ]
        .map(|count| count.load(Ordering::Relaxed));
        let (mean_us, max_us) = (us.checked_div(commits).unwrap_or(0), us_max);
        tracing::info!(commits, records, mean_us, max_us, "store closed");
        Ok(())
    }

    /// Ends the thread with this order, waiting so long at most, or without an end.
    fn end(
        mut self,
        order: impl FnOnce(Sender<Result<(), String>>) -> Order,
        patience: Option<Duration>,
    ) -> Result<Arc<Statistics>, StoreError> {
        self.control.stop();
        let (answer, answered) = bounded(1);
        let gone = || StoreError::Refused("the store's thread ended before its time".to_owned());
        let result = match patience {
            None => {
                self.shared.orders.send(order(answer)).map_err(|_| gone())?;
                answered.recv().map_err(|_| gone())?
            }
            Some(patience) => {
                let until = Instant::now() + patience;
                let sent = self.shared.orders.send_deadline(order(answer), until);
                let answered = match sent {
                    Ok(()) => answered.recv_deadline(until),
                    Err(SendTimeoutError::Timeout(_)) => Err(RecvTimeoutError::Timeout),
                    Err(SendTimeoutError::Disconnected(_)) => Err(RecvTimeoutError::Disconnected),
                };
                match answered {
                    Ok(result) => result,
                    Err(RecvTimeoutError::Disconnected) => return Err(gone()),
                    Err(RecvTimeoutError::Timeout) => {
                        // The thread may still write: the folder is this process's until it ends.
                        std::mem::forget(Arc::clone(&self.shared));
                        let text = format!("the disk did not answer within {} ms", patience.as_millis());
                        return Err(StoreError::Refused(text));
                    }
                }
            }
        };
        self.control.join();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            return Err(gone());
        }
        result.map_err(StoreError::Refused)?;
        Ok(self.statistics())
    }
}

/// The wall clock.
pub fn wall_now() -> Wall {
    SystemClock::new().now().wall
}

/// Whether every record is what its table may hold.
fn check_all(file: &StoreFile) -> Result<(), LoadError> {
    file.load(&mut |table, key, value| file::check(table, key, value))
}

/// An older file is copied before it becomes one of this version's format.
fn upgrade_if_older(file: &StoreFile, path: &Path) -> Result<(), StoreError> {
    let format = file.format(path)?;
    if format == FORMAT {
        return Ok(());
    }
    let mut copy = path.as_os_str().to_owned();
    copy.push(format!(".format-{format}"));
    std::fs::copy(path, &copy).map_err(|error| StoreError::system(Path::new(&copy), error))?;
    file.release().map_err(|error| StoreError::system(path, error))?;
    file.upgrade(format, UPGRADES)
        .map_err(|error| StoreError::of(path, error))?;
    tracing::info!(path = %path.display(), from = format, to = FORMAT, copy = %Path::new(&copy).display(), "store upgraded");
    Ok(())
}

impl presence_node::durable::Store for Shared {
    fn floor(&self) -> Version {
        Version(self.numbers.floor)
    }

    fn lift(&self) -> Version {
        Version(self.numbers.lift)
    }

    fn earlier_lifts(&self) -> Vec<Version> {
        self.earlier_lifts.clone()
    }

    fn load(&self, take: Take<'_>) -> io::Result<()> {
        let mut place = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = place.take() else {
            return Err(io::Error::other("the store was loaded already"));
        };
        let loaded = file
            .load(take)
            // Everything in it is right: from here on it may be written.
            .and_then(|()| file.release().map_err(LoadError::Taker))
            .and_then(|()| file.reserve(self.numbers).map_err(LoadError::Database));
        match loaded {
            Ok(()) => {
                let gone = |_| io::Error::other("the store's thread ended before its time");
                self.orders.send(Order::Begin(file)).map_err(gone)
            }
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error.at(&self.path))),
        }
    }

    fn keep(&self, batch: Vec<Saved>) -> Result<(), Vec<Saved>> {
        match self.batches.try_send(batch) {
            // Without its thread the process is about to end.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
            Err(TrySendError::Full(batch)) => Err(batch),
        }
    }

    fn keep_last(&self, batch: Vec<Saved>) {
        let records = batch.len();
        if self.batches.send_timeout(batch, LAST_WAIT).is_err() {
            self.is_incomplete.store(true, Ordering::Release);
            tracing::error!(
                records,
                "the store had no room for the last changes before the end"
            );
        }
    }
}
