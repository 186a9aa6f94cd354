//! The store's thread: it alone writes. It gathers batches, each record once however often it came, and commits them
//! together: at once after a pause, at most every [`COMMIT_EVERY`] under load.
//!
//! What cannot be written (a full disk) is kept and tried again; once [`PENDING_MAX`] records wait, no batch is taken, and
//! the node keeps its marks instead, which are no more than there are users.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, never, select_biased};
use presence_node::durable::Saved;
use redb::ReadTransaction;

use super::error::StoreError;
use super::file::{Numbers, Pending, RESERVE, StoreFile, highest_number};
use super::guarded::Guarded;

/// The time between the beginnings of two commits.
pub const COMMIT_EVERY: Duration = Duration::from_millis(200);
/// How soon to try again what could not be written.
const RETRY: Duration = Duration::from_secs(1);
/// Records that may wait here: about 20 MB.
const PENDING_MAX: usize = 100_000;
/// Batches that may wait for this thread, of at most about 1 500 records each.
pub const BATCHES_MAX: usize = 64;

/// What else the thread is told.
pub enum Order {
    /// The node has loaded what the file holds: it is the thread's now.
    Begin(StoreFile),
    /// The settings of an app.
    Settings(Settings),
    /// What is known up to now, committed; for a backup.
    Snapshot(Sender<Result<ReadTransaction, String>>),
    /// The end: commits what is left.
    Close(Sender<Result<(), String>>),
    /// The end of a server whose node does not end: commits what is left, and leaves what a crash leaves.
    Rescue(Sender<Result<(), String>>),
}

/// The settings of an app, as records.
pub struct Settings {
    /// Which app.
    pub key: Box<[u8]>,
    /// As the configuration file has them.
    pub in_file: Box<[u8]>,
    /// As they are.
    pub in_effect: Box<[u8]>,
}

/// What the thread has done: read by anyone.
#[derive(Debug, Default)]
pub struct Statistics {
    /// Commits.
    pub commits: AtomicU64,
    /// Records written by them.
    pub records: AtomicU64,
    /// The time they took, microseconds.
    pub commit_us: AtomicU64,
    /// The longest of them.
    pub commit_us_max: AtomicU64,
    /// What is new cannot be written at the moment.
    pub failing: AtomicBool,
}

/// Opens the file anew, after a failure.
pub type Reopen = Box<dyn Fn() -> std::io::Result<Guarded> + Send>;

/// See the module.
pub struct Writer {
    path: PathBuf,
    file: Option<StoreFile>,
    reopen: Reopen,
    reserved: u64,
    highest: u64,
    pending: Pending,
    /// Settings of apps that are to be written, by app: few, and the newest of each.
    settings: HashMap<Box<[u8]>, Settings>,
    /// Records from which on no batch is taken.
    pub(super) pending_max: usize,
    /// When to commit what is pending.
    due: Option<Instant>,
    last: Option<Instant>,
    statistics: Arc<Statistics>,
}

impl Writer {
    /// A writer without a file yet.
    pub fn new(path: PathBuf, numbers: Numbers, reopen: Reopen, statistics: Arc<Statistics>) -> Writer {
        Writer {
            path,
            file: None,
            reopen,
            reserved: numbers.reserved,
            highest: 0,
            pending: Pending::new(),
            settings: HashMap::new(),
            pending_max: PENDING_MAX,
            due: None,
            last: None,
            statistics,
        }
    }

    /// The thread's whole life: until [`Order::Close`], or until nobody is left who could order anything, which is no
    /// orderly end.
    pub fn run(mut self, batches: &Receiver<Vec<Saved>>, orders: &Receiver<Order>) {
        let none = never();
        loop {
            let is_full = self.pending.len() >= self.pending_max;
            let batches_now = if is_full { &none } else { batches };
            let wait = self.due.map_or(Duration::from_secs(3600), |due| {
                due.saturating_duration_since(Instant::now())
            });
            select_biased! {
                recv(orders) -> order => match order {
                    Ok(Order::Begin(file)) => self.file = Some(file),
                    Ok(Order::Settings(settings)) => {
                        self.settings.insert(settings.key.clone(), settings);
                        // Reported there; it is tried again.
                        let _ = self.commit(false);
                    }
                    Ok(Order::Snapshot(answer)) => {
                        self.take_all(batches);
                        // Who asked may have gone.
                        let _ = answer.send(self.snapshot());
                    }
                    Ok(Order::Close(answer)) => {
                        self.take_all(batches);
                        let _ = answer.send(self.close());
                        return;
                    }
                    Ok(Order::Rescue(answer)) => {
                        self.take_all(batches);
                        let _ = answer.send(self.rescue());
                        return;
                    }
                    Err(_) => return,
                },
                recv(batches_now) -> batch => match batch {
                    Ok(batch) => self.take(batch),
                    Err(_) => return,
                },
                default(wait) => {}
            }
            if self.due.is_some_and(|due| due <= Instant::now()) {
                // Reported there; it is tried again.
                let _ = self.commit(false);
            }
        }
    }

    fn take_all(&mut self, batches: &Receiver<Vec<Saved>>) {
        while let Ok(batch) = batches.try_recv() {
            self.take(batch);
        }
    }

    fn take(&mut self, batch: Vec<Saved>) {
        for saved in batch {
            self.highest = self.highest.max(highest_number(&saved));
            self.pending.insert((saved.table, saved.key), saved.value);
        }
        if self.due.is_none() && !self.pending.is_empty() {
            let now = Instant::now();
            self.due = Some(self.last.map_or(now, |last| now.max(last + COMMIT_EVERY)));
        }
    }

    /// Writes what is pending.
    fn commit(&mut self, last: bool) -> Result<(), String> {
        let begun = Instant::now();
        self.last = Some(begun);
        // Long before anybody can reach it: half of what is reserved is more than a user's changes until then.
        let reserve = self.highest > self.reserved.saturating_sub(RESERVE / 2);
        let reserved = reserve.then_some(self.highest + RESERVE);
        let result = match self.reopened() {
            Ok(()) => self
                .file
                .as_ref()
                .map_or(Ok(()), |file| {
                    // Before the others, which may hold newer settings of the app. Both settings at once: whoever
                    // compares them at the next start must not find one older than the other.
                    for settings in self.settings.values() {
                        file.put_settings(settings)?;
                    }
                    if self.pending.is_empty() && !last {
                        return Ok(());
                    }
                    file.commit(&self.pending, reserved, last)
                })
                .map_err(|error| StoreError::of(&self.path, error).to_string()),
            Err(text) => Err(text),
        };
        match result {
            Ok(()) => {
                if !self.pending.is_empty() || last {
                    self.reserved = reserved.unwrap_or(self.reserved);
                    self.count(begun);
                }
                self.pending = Pending::new();
                self.settings.clear();
                self.due = None;
                if self.statistics.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!(path = %self.path.display(), "the store is written again");
                }
                Ok(())
            }
            Err(text) => {
                // After a failure the database takes nothing more before it was opened anew.
                self.file = None;
                self.due = Some(begun + RETRY);
                if !self.statistics.failing.swap(true, Ordering::Relaxed) {
                    tracing::error!(
                        error = text,
                        "the store cannot be written; trying again every second"
                    );
                }
                Err(text)
            }
        }
    }

    fn count(&self, begun: Instant) {
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let statistics = &self.statistics;
        statistics.commits.fetch_add(1, Ordering::Relaxed);
        statistics
            .records
            .fetch_add(self.pending.len() as u64, Ordering::Relaxed);
        statistics.commit_us.fetch_add(took, Ordering::Relaxed);
        statistics.commit_us_max.fetch_max(took, Ordering::Relaxed);
    }

    /// The file is open; it is opened anew if something failed.
    fn reopened(&mut self) -> Result<(), String> {
        if self.file.is_none() {
            let opened = (self.reopen)()
                .map_err(|error| StoreError::system(&self.path, error))
                .and_then(|guard| StoreFile::open(&self.path, guard))
                .map_err(|error| error.to_string())?;
            opened
                .release()
                .map_err(|error| StoreError::system(&self.path, error).to_string())?;
            self.file = Some(opened);
        }
        Ok(())
    }

    fn snapshot(&mut self) -> Result<ReadTransaction, String> {
        if !self.pending.is_empty() || !self.settings.is_empty() {
            self.commit(false)?;
        }
        self.reopened()?;
        match self.file.as_ref().map(StoreFile::snapshot) {
            Some(Ok(snapshot)) => Ok(snapshot),
            Some(Err(error)) => Err(StoreError::of(&self.path, error).to_string()),
            None => Err("the store is not open".to_owned()),
        }
    }

    /// Without the mark of an orderly end: the node may have given out versions that it has not handed over, so the next
    /// start is to be one after a crash (R6.5).
    fn rescue(&mut self) -> Result<(), String> {
        if self.pending.is_empty() && self.settings.is_empty() {
            return Ok(());
        }
        // Once more if it fails: the file is opened anew for it.
        self.commit(false).or_else(|_| self.commit(false))
    }

    fn close(&mut self) -> Result<(), String> {
        if self.file.is_none() && self.pending.is_empty() && !self.statistics.failing.load(Ordering::Relaxed)
        {
            // It never began: nothing was given out.
            return Ok(());
        }
        // Once more if it fails: the file is opened anew for it.
        if self.commit(true).is_err() {
            self.commit(true)?;
        }
        match self.file.take().map(StoreFile::close) {
            Some(Err(error)) => Err(StoreError::of(&self.path, error).to_string()),
            Some(Ok(())) | None => Ok(()),
        }
    }
}
