//! The file under the database, held back while it is checked: what opening and checking would write (a repair after a
//! crash) is kept in memory until the file turned out to be whole and ours. A damaged or foreign file is so left exactly
//! as it was found.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// See the module. A clone is the same file.
#[derive(Debug, Clone)]
pub struct Guarded {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: Box<dyn StorageBackend>,
    /// `None`: let through.
    held: Mutex<Option<Held>>,
}

/// What would have been done to the file, in order.
#[derive(Debug)]
struct Held {
    len: u64,
    steps: Vec<Step>,
}

#[derive(Debug)]
enum Step {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
    Sync,
}

impl Guarded {
    /// Holds back.
    pub fn new(file: impl StorageBackend) -> io::Result<Guarded> {
        let len = file.len()?;
        Ok(Guarded {
            inner: Arc::new(Inner {
                file: Box::new(file),
                held: Mutex::new(Some(Held {
                    len,
                    steps: Vec::new(),
                })),
            }),
        })
    }

    /// Does what was held back, and holds back no more.
    pub fn release(&self) -> io::Result<()> {
        let mut held = self.held();
        let Some(what) = held.take() else {
            return Ok(());
        };
        let file = &self.inner.file;
        for step in what.steps {
            match step {
                Step::Write { offset, bytes } => file.write(offset, &bytes)?,
                Step::SetLen(len) => file.set_len(len)?,
                Step::Sync => file.sync_data()?,
            }
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.inner.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StorageBackend for Guarded {
    fn len(&self) -> io::Result<u64> {
        match &*self.held() {
            Some(held) => Ok(held.len),
            None => self.inner.file.len(),
        }
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let held = self.held();
        let Some(held) = &*held else {
            return self.inner.file.read(offset, out);
        };
        let end = offset.saturating_add(out.len() as u64);
        if end > held.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let in_file = self
            .inner
            .file
            .len()?
            .saturating_sub(offset)
            .min(out.len() as u64);
        let (from_file, beyond) = out.split_at_mut(usize::try_from(in_file).unwrap_or(0));
        self.inner.file.read(offset, from_file)?;
        beyond.fill(0);
        for step in &held.steps {
            match step {
                Step::Write { offset: at, bytes } => overlay(out, offset, bytes, *at),
                Step::SetLen(len) => {
                    let kept = len.saturating_sub(offset).min(out.len() as u64);
                    out.iter_mut()
                        .skip(usize::try_from(kept).unwrap_or(usize::MAX))
                        .for_each(|byte| *byte = 0);
                }
                Step::Sync => {}
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        match &mut *self.held() {
            Some(held) => {
                held.len = len;
                held.steps.push(Step::SetLen(len));
                Ok(())
            }
            None => self.inner.file.set_len(len),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        match &mut *self.held() {
            Some(held) => {
                held.steps.push(Step::Sync);
                Ok(())
            }
            None => self.inner.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        match &mut *self.held() {
            Some(held) => {
                held.len = held.len.max(offset.saturating_add(data.len() as u64));
                held.steps.push(Step::Write {
                    offset,
                    bytes: data.to_vec(),
                });
                Ok(())
            }
            None => self.inner.file.write(offset, data),
        }
    }

    fn close(&self) -> io::Result<()> {
        self.inner.file.close()
    }
}

/// Puts those of `bytes`, which begin at `at`, into `out`, which begins at `offset`, that fall into it.
fn overlay(out: &mut [u8], offset: u64, bytes: &[u8], at: u64) {
    let skip_out = usize::try_from(at.saturating_sub(offset)).unwrap_or(usize::MAX);
    let skip_bytes = usize::try_from(offset.saturating_sub(at)).unwrap_or(usize::MAX);
    let targets = out.iter_mut().skip(skip_out);
    for (target, byte) in targets.zip(bytes.iter().skip(skip_bytes)) {
        *target = *byte;
    }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::*;

    #[test]
    fn what_is_held_back_is_read_and_done_only_when_released() {
        let file = InMemoryBackend::new();
        file.set_len(10).expect("in memory");
        file.write(0, b"0123456789").expect("in memory");
        let guarded = Guarded::new(file).expect("a length");
        let read = |backend: &dyn StorageBackend, offset, len| {
            let mut out = vec![b'?'; len];
            backend.read(offset, &mut out).map(|()| out)
        };
        guarded.set_len(12).expect("held");
        guarded.write(8, b"abcd").expect("held");
        guarded.write(1, b"xy").expect("held");
        assert_eq!(guarded.len().expect("a length"), 12);
        assert_eq!(read(&guarded, 0, 12).expect("within"), b"0xy34567abcd");
        assert_eq!(read(&guarded, 2, 2).expect("within"), b"y3");
        assert_eq!(read(&guarded, 9, 2).expect("within"), b"bc");
        assert!(read(&guarded, 9, 4).is_err(), "past the end");
        guarded.set_len(9).expect("held");
        guarded.set_len(11).expect("held");
        guarded.sync_data().expect("held");
        assert_eq!(read(&guarded, 6, 5).expect("within"), b"67a\0\0");
        assert_eq!(
            read(&*guarded.inner.file, 0, 10).expect("within"),
            b"0123456789",
            "the file is as it was"
        );
        guarded.release().expect("in memory");
        guarded.release().expect("once is enough");
        assert_eq!(
            read(&*guarded.inner.file, 0, 11).expect("within"),
            b"0xy34567a\0\0"
        );
        guarded.write(0, b"!").expect("let through");
        assert_eq!(read(&*guarded.inner.file, 0, 2).expect("within"), b"!x");
    }
}
