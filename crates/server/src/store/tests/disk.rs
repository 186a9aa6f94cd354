//! A disk for the tests of the store: it remembers each step, so that a power failure can be had after any of them.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

use crate::store::StoreError;
use crate::store::file::StoreFile;
use crate::store::guarded::Guarded;

/// A disk in memory that knows what was synced.
#[derive(Debug, Clone, Default)]
pub(super) struct Disk {
    inner: Arc<Mutex<DiskState>>,
    pub(super) refuses: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
pub(super) struct DiskState {
    pub(super) bytes: Vec<u8>,
    /// What was done, in order.
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Sync,
    /// So many commits were acknowledged.
    Committed(usize),
}

impl Disk {
    pub(super) fn with(bytes: Vec<u8>) -> Disk {
        let disk = Disk::default();
        disk.state().bytes = bytes;
        disk
    }

    pub(super) fn state(&self) -> MutexGuard<'_, DiskState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self) -> Result<StoreFile, StoreError> {
        let guard = Guarded::new(self.clone()).expect("a length");
        StoreFile::open(std::path::Path::new("disk"), guard)
    }

    fn refused(&self) -> io::Result<()> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        Ok(())
    }
}

pub(super) fn write(bytes: &mut [u8], offset: u64, data: &[u8]) -> io::Result<()> {
    let from = usize::try_from(offset).map_err(io::Error::other)?;
    bytes
        .get_mut(from..from + data.len())
        .ok_or(io::ErrorKind::UnexpectedEof)?
        .copy_from_slice(data);
    Ok(())
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).map_err(io::Error::other)?;
        let state = self.state();
        let bytes = state.bytes.get(from..from + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.refused()?;
        let mut state = self.state();
        state
            .bytes
            .resize(usize::try_from(len).map_err(io::Error::other)?, 0);
        state.steps.push(Step::SetLen(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.refused()?;
        self.state().steps.push(Step::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.refused()?;
        let mut state = self.state();
        write(&mut state.bytes, offset, data)?;
        state.steps.push(Step::Write(offset, data.to_vec()));
        Ok(())
    }
}
