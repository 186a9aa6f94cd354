//! The data directory: whose it is, and what lies in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use redb::backends::FileBackend;

use super::error::StoreError;
use super::file::StoreFile;
use super::guarded::Guarded;

/// How every database of this kind begins.
const MAGIC: &[u8; 9] = b"redb\x1a\x0a\xa9\x0d\x0a";

/// A data directory that is this process's alone, until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// Locked; the system lets go of it however the process ends.
    _lock: File,
}

impl Folder {
    /// Takes the directory, which is made if it is not there.
    pub fn take(path: &Path) -> Result<Folder, StoreError> {
        let failed = |error| {
            StoreError::Refused(format!(
                "the data_dir {} cannot be used: {error}. It must be a folder that this user may write to",
                path.display()
            ))
        };
        // What users do is nobody else's to read.
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).map_err(failed)?;
        let lock_path = path.join("lock");
        let lock = options().open(&lock_path).map_err(failed)?;
        give_to_owner(path, &lock_path);
        match lock.try_lock() {
            Ok(()) => Ok(Folder {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => Err(StoreError::system(&lock_path, error)),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        database_in(&self.path)
    }

    /// Where a new database is made, before it takes its place.
    pub fn new_database(&self) -> PathBuf {
        self.path.join("presence.redb.new")
    }

    /// Makes an empty database if there is none: aside, and then put in its place, so that no crash leaves half of one.
    pub fn make_database(&self) -> Result<(), StoreError> {
        self.remove_left_over()?;
        let path = self.database();
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > 0 => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::system(&path, error)),
        }
        let file = self.begin_new()?;
        file.close().map_err(|error| StoreError::of(&path, error))?;
        self.put_in_place()
    }

    /// An empty database aside. What lies there is the rest of an earlier attempt.
    pub fn begin_new(&self) -> Result<StoreFile, StoreError> {
        let path = self.new_database();
        self.remove_left_over()?;
        let file = StoreFile::open(
            &path,
            open_or_create(&path).map_err(|error| StoreError::system(&path, error))?,
        )?;
        file.release().map_err(|error| StoreError::system(&path, error))?;
        give_to_owner(&self.path, &path);
        Ok(file)
    }

    /// What an attempt to make a database left, if one did not come to its end.
    fn remove_left_over(&self) -> Result<(), StoreError> {
        let path = self.new_database();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::system(&path, error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Keeps the database under another name too, until one that was made aside takes its place: at no moment is there
    /// none, or a start would begin an empty one.
    pub fn keep_as(&self, kept: &Path) -> Result<(), StoreError> {
        let failed = |error| StoreError::system(kept, error);
        match std::fs::remove_file(kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        std::fs::hard_link(self.database(), kept)
            // Some file systems have no links.
            .or_else(|_| std::fs::rename(self.database(), kept))
            .map_err(failed)
    }

    /// The database that was made aside takes its place.
    pub fn put_in_place(&self) -> Result<(), StoreError> {
        let (from, to) = (self.new_database(), self.database());
        std::fs::rename(&from, &to)
            .and_then(|()| File::open(&self.path)?.sync_all())
            .map_err(|error| StoreError::system(&to, error))
    }

    /// Opens the database, held back.
    pub fn open_database(&self) -> Result<StoreFile, StoreError> {
        let path = self.database();
        let mut begin = [0; MAGIC.len()];
        let read = File::open(&path).and_then(|mut file| file.read_exact(&mut begin));
        match read {
            Ok(()) if begin == *MAGIC => {}
            Ok(()) => return Err(StoreError::Foreign(path)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(StoreError::Foreign(path));
            }
            Err(error) => return Err(StoreError::system(&path, error)),
        }
        let guard = open_existing(&path).map_err(|error| StoreError::system(&path, error))?;
        StoreFile::open(&path, guard)
    }
}

/// What root makes in the folder of another user is that user's: a server that runs as that user is to open what root
/// restored. If the system refuses it, that server says what it may not open.
fn give_to_owner(folder: &Path, file: &Path) {
    if let (Ok(owner), Ok(made)) = (std::fs::metadata(folder), std::fs::metadata(file))
        && made.uid() == 0
        && owner.uid() != 0
    {
        let _ = chown(file, Some(owner.uid()), Some(owner.gid()));
    }
}

/// The database of a data directory.
pub fn database_in(folder: &Path) -> PathBuf {
    folder.join("presence.redb")
}

/// A file that is there, held back.
pub fn open_existing(path: &Path) -> io::Result<Guarded> {
    guarded(OpenOptions::new().read(true).write(true).open(path)?)
}

fn open_or_create(path: &Path) -> io::Result<Guarded> {
    guarded(options().open(path)?)
}

fn guarded(file: File) -> io::Result<Guarded> {
    Guarded::new(FileBackend::new(file).map_err(io::Error::other)?)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options
}
