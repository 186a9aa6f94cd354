//! Backups: every record of one moment in one file, with a checksum over all of it; and a store made from one. The layout
//! is in docs/STORE.md. Not a copy of the database: it is smaller, does not depend on the database's own format, and is
//! made while the server goes on writing.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use presence::time::Wall;
use redb::ReadTransaction;
use sha2::{Digest as _, Sha256};

use super::error::StoreError;
use super::file::{FORMAT, Filling, LoadError, UPGRADES, each_record, reserved_of};
use super::folder::{Folder, database_in};
use super::{check_all, control};

const MAGIC: &[u8; 8] = b"TIMPBK1\n";
/// Bytes a key or value may have: more than any has, less than would hurt.
const FIELD_BYTES_MAX: u32 = 16 * 1024 * 1024;
const END: u8 = 0;

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Records of all kinds.
    pub records: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Writes all that `snapshot` holds.
pub(super) fn dump(snapshot: &ReadTransaction, now: Wall, out: impl Write) -> Result<(), LoadError> {
    let mut out = Hashing {
        inner: out,
        hash: Sha256::new(),
        bytes: 0,
    };
    out.write_all(MAGIC)?;
    out.write_all(&FORMAT.to_le_bytes())?;
    out.write_all(&now.0.to_le_bytes())?;
    out.write_all(&reserved_of(snapshot)?.to_le_bytes())?;
    let mut records = 0_u64;
    each_record(snapshot, |table, key, value| {
        records += 1;
        out.write_all(&[table])?;
        for field in [key, value] {
            let length = u32::try_from(field.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(field)?;
        }
        Ok(())
    })?;
    out.write_all(&[END])?;
    out.write_all(&records.to_le_bytes())?;
    let sum = out.hash.finalize();
    out.inner.write_all(&sum)?;
    out.inner.flush()?;
    Ok(())
}

/// A backup that is read: its head, then record after record.
struct Backup<R> {
    input: Hashing<R>,
    format: u64,
    reserved: u64,
    records: u64,
}

/// A record of a backup: the number of its table, key and value.
type Record = (u8, Vec<u8>, Vec<u8>);

impl<R: Read> Backup<R> {
    fn open(input: R) -> io::Result<Backup<R>> {
        let mut input = Hashing {
            inner: input,
            hash: Sha256::new(),
            bytes: 0,
        };
        if input.array::<8>()? != *MAGIC {
            return Err(invalid("it is no backup of tim-presence-server"));
        }
        let format = u64::from_le_bytes(input.array()?);
        if format == 0 || format > FORMAT {
            return Err(invalid("it is of a newer version of tim-presence-server"));
        }
        let _made = i64::from_le_bytes(input.array()?); // for people who look into it
        let reserved = u64::from_le_bytes(input.array()?);
        Ok(Backup {
            input,
            format,
            reserved,
            records: 0,
        })
    }

    /// `None` after the last; the end and the checksum are right then.
    fn next(&mut self) -> io::Result<Option<Record>> {
        let [table] = self.input.array::<1>()?;
        if table != END {
            self.records += 1;
            return Ok(Some((table, self.field()?, self.field()?)));
        }
        let records = u64::from_le_bytes(self.input.array()?);
        let sum = self.input.hash.clone().finalize();
        let mut found = [0; 32];
        self.input.read_exact(&mut found)?;
        if records != self.records || sum.as_slice() != found {
            return Err(invalid("its checksum is wrong: it was damaged"));
        }
        match self.input.read(&mut [0])? {
            0 => Ok(None),
            _ => Err(invalid("something follows its end")),
        }
    }

    fn field(&mut self) -> io::Result<Vec<u8>> {
        let length = u32::from_le_bytes(self.input.array()?);
        if length > FIELD_BYTES_MAX {
            return Err(invalid("it was damaged"));
        }
        let mut bytes = Vec::new();
        let read = self.input.take_up_to(length.into(), &mut bytes)?;
        if read < u64::from(length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }
}

/// Reads all of a backup, and says what it holds.
fn verify(path: &Path) -> Result<(Summary, u64), StoreError> {
    let read = || {
        let mut backup = Backup::open(BufReader::new(File::open(path)?))?;
        while backup.next()?.is_some() {}
        let summary = Summary {
            records: backup.records,
            bytes: backup.input.bytes,
        };
        Ok((summary, backup.reserved))
    };
    read().map_err(|error| unusable(path, error))
}

fn unusable(path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        io::ErrorKind::InvalidData => StoreError::Refused(format!("{}: {error}", path.display())),
        io::ErrorKind::UnexpectedEof => {
            StoreError::Refused(format!("{}: it ends too early: it was damaged", path.display()))
        }
        _ => StoreError::system(path, error),
    }
}

/// Writes a backup of the store in `folder` to `target`, which is replaced only once the backup is whole. Of a running
/// server, that server gives it; else the file is read, and not written to.
pub fn back_up(folder: &Path, target: &Path, now: Wall) -> Result<Summary, StoreError> {
    if !database_in(folder).exists() {
        return Err(StoreError::Refused(format!(
            "there is no store in {}",
            folder.display()
        )));
    }
    if is_same_file(target, &database_in(folder)) {
        return Err(StoreError::Refused(format!(
            "{} is the store itself: a backup needs a file of its own",
            target.display()
        )));
    }
    let part = aside(target);
    let out = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&part)
        .map_err(|error| StoreError::system(&part, error))?;
    let result = write_backup(folder, &out, now).and_then(|()| {
        out.sync_all().map_err(|error| StoreError::system(&part, error))?;
        let (summary, _) = verify(&part)?;
        std::fs::rename(&part, target).map_err(|error| StoreError::system(target, error))?;
        sync_folder_of(target).map_err(|error| StoreError::system(target, error))?;
        Ok(summary)
    });
    if result.is_err() {
        // Half a backup is of no use; what went wrong is told.
        let _ = std::fs::remove_file(&part);
    }
    result
}

/// Whether both name one file that is there, by whatever way.
fn is_same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

fn write_backup(folder: &Path, out: &File, now: Wall) -> Result<(), StoreError> {
    let mut out = BufWriter::new(out);
    if control::fetch_backup(folder, &mut out)? {
        return Ok(());
    }
    let folder = Folder::take(folder)?;
    let path = folder.database();
    let file = folder.open_database()?;
    let snapshot = file.snapshot().map_err(|error| StoreError::of(&path, error))?;
    dump(&snapshot, now, &mut out).map_err(|error| error.at(&path))
}

/// Makes the store in `folder` from a backup. One that is there is refused, or, with `replace`, kept beside it under
/// another name. No server may run on it.
pub fn restore(folder: &Path, source: &Path, replace: bool) -> Result<Summary, StoreError> {
    let (summary, mut reserved) = verify(source)?;
    let folder = Folder::take(folder)?;
    let path = folder.database();
    let is_there = std::fs::metadata(&path).is_ok_and(|found| found.len() > 0);
    if is_there && !replace {
        return Err(StoreError::Refused(format!(
            "there is a store in {}; with --replace it is kept beside the new one",
            folder.path().display()
        )));
    }
    if is_there && let Ok(old) = folder.open_database() {
        // It may be damaged, which is why it is replaced; else what it gave out is not given out again (R6.5).
        let old_reserved = old.snapshot().and_then(|snapshot| reserved_of(&snapshot));
        reserved = reserved.max(old_reserved.unwrap_or(0));
    }
    fill(&folder, source, reserved)?;
    if is_there {
        let kept = folder.path().join("presence.redb.before-restore");
        folder.keep_as(&kept)?;
    }
    folder.put_in_place()?;
    Ok(summary)
}

/// A new database with what the backup holds, aside.
fn fill(folder: &Folder, source: &Path, reserved: u64) -> Result<(), StoreError> {
    let path = folder.new_database();
    let of = |error: redb::Error| StoreError::of(&path, error);
    let file = folder.begin_new()?;
    let read = |error| unusable(source, error);
    let input = File::open(source).map_err(read)?;
    let mut backup = Backup::open(BufReader::new(input)).map_err(read)?;
    let filling = Filling::begin(&file, backup.format, reserved).map_err(of)?;
    while let Some((table, key, value)) = backup.next().map_err(read)? {
        filling
            .put(table, &key, &value)
            .map_err(|error| error.at(source))?;
    }
    filling.end().map_err(of)?;
    file.upgrade(backup.format, UPGRADES).map_err(of)?;
    check_all(&file).map_err(|error| error.at(source))?;
    file.close().map_err(of)
}

fn aside(target: &Path) -> PathBuf {
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A stream whose bytes are summed up as they pass.
struct Hashing<S> {
    inner: S,
    hash: Sha256,
    bytes: u64,
}

impl<S: Write> Write for Hashing<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or(bytes));
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<S: Read> Read for Hashing<S> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(out)?;
        self.hash.update(out.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<S: Read> Hashing<S> {
    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// No more room is asked for than there are bytes, whatever length a damaged file names.
    fn take_up_to(&mut self, length: u64, out: &mut Vec<u8>) -> io::Result<u64> {
        let mut limited = Read::take(self, length);
        Ok(limited.read_to_end(out)? as u64)
    }
}
