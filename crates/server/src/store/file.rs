//! The database file: its tables, its format, what a start reserves in it. docs/STORE.md has it to the byte.
//!
//! Invariants: `reserved` is above every version, session number and generation that was ever given out; it rises in a
//! commit of its own before a server gives out anything, and again long before a running one reaches it. `running` is 1
//! from the first commit of a start to the last of an orderly end.

use std::collections::HashMap;
use std::path::Path;

use presence::time::Wall;
use presence_node::durable::record::{
    UserRecord, decode_friends, decode_list, decode_settings, decode_user, decode_user_key,
};
use presence_node::durable::{Damaged, Saved, Table, Take};
use presence_node::engine::memory::floor_at;
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, TableDefinition,
    WriteTransaction,
};

use super::error::StoreError;
use super::guarded::Guarded;
use super::writer::Settings;

/// The format this version writes.
pub const FORMAT: u64 = 1;

/// How far ahead of what is given out numbers are reserved: more than one user's changes between two commits.
pub const RESERVE: u64 = 1 << 24;

/// Pages of the file kept in memory. Everything is answered from the node's memory; this serves writing alone, and more
/// of it makes no commit quicker.
const CACHE_BYTES: usize = 1024 * 1024;

const META: TableDefinition<'static, &str, u64> = TableDefinition::new("meta");

const META_FORMAT: &str = "format";
const META_RESERVED: &str = "reserved";
const META_LIFT: &str = "lift";
const META_RUNNING: &str = "running";

/// The lifts of starts before that of `meta`. There is no such table before the second crash.
const LIFTS: TableDefinition<'static, u64, ()> = TableDefinition::new("lifts");
/// How many of them are kept: who was last told one of those before is told again what it knows.
const LIFTS_MAX: usize = 16;

type Bytes = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// What an app's settings were in the file when a server last looked (see `settings`). Not a table of the node's.
const FILES: Bytes = TableDefinition::new("files");
/// Its number in a backup.
pub const FILES_NUMBER: u8 = 5;

fn definition(table: Table) -> Bytes {
    TableDefinition::new(match table {
        Table::Users => "users",
        Table::Lists => "lists",
        Table::Friends => "friends",
        Table::Apps => "apps",
    })
}

/// One step of [`upgrade`]: from a format to the next, in one transaction.
pub type Upgrade = fn(&WriteTransaction) -> Result<(), redb::Error>;

/// From format 1 to 2, and so on. A change of a table or a record is a new step here.
pub const UPGRADES: &[Upgrade] = &[];

const _: () = assert!(UPGRADES.len() as u64 + 1 == FORMAT);

/// What is waiting to be committed: each record once, the newest.
pub type Pending = HashMap<(Table, Box<[u8]>), Option<Box<[u8]>>>;

/// The numbers of a start (R6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// See [`Store::floor`](presence_node::durable::Store::floor).
    pub floor: u64,
    /// See [`Store::lift`](presence_node::durable::Store::lift).
    pub lift: u64,
    /// Above all that may be given out before the next reservation.
    pub reserved: u64,
    /// Whether the last server ended other than in order.
    pub after_crash: bool,
}

/// The open file.
pub struct StoreFile {
    database: Database,
    guard: Guarded,
}

impl StoreFile {
    /// Opens what `guard` holds, checking every page, and writes nothing to it. What is empty becomes a new store, as
    /// soon as [`StoreFile::release`] is called.
    pub fn open(path: &Path, guard: Guarded) -> Result<StoreFile, StoreError> {
        let is_new = redb::StorageBackend::len(&guard).map_err(|error| StoreError::system(path, error))? == 0;
        let failed = |error| StoreError::of(path, error);
        let database = Builder::new()
            .set_cache_size(CACHE_BYTES)
            .set_check_integrity_on_open(true)
            .create_with_backend(guard.clone())
            .map_err(|error| failed(error.into()))?;
        let file = StoreFile { database, guard };
        if is_new {
            file.begin_anew().map_err(failed)?;
        }
        let format = file.format(path)?;
        if format > FORMAT {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                format,
            });
        }
        Ok(file)
    }

    fn begin_anew(&self) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_FORMAT, FORMAT)?;
            for table in Table::ALL {
                transaction.open_table(definition(table))?;
            }
            transaction.open_table(FILES)?;
        }
        Ok(transaction.commit()?)
    }

    /// The format of the file; foreign if it is a database without one.
    pub fn format(&self, path: &Path) -> Result<u64, StoreError> {
        let foreign = || StoreError::Foreign(path.to_owned());
        let format = (|| {
            let meta = self.database.begin_read()?.open_table(META)?;
            Ok::<_, redb::Error>(meta.get(META_FORMAT)?.map(|value| value.value()))
        })();
        match format {
            Ok(Some(format)) if format > 0 => Ok(format),
            Ok(_)
            | Err(
                redb::Error::TableDoesNotExist(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableIsMultimap(_),
            ) => Err(foreign()),
            Err(error) => Err(StoreError::of(path, error)),
        }
    }

    /// From an older format to this version's, each step in a transaction.
    pub fn upgrade(&self, from: u64, steps: &[Upgrade]) -> Result<(), redb::Error> {
        let steps = steps.iter().zip(1..).filter(|(_, format)| *format >= from);
        for (step, format) in steps {
            let transaction = self.database.begin_write()?;
            step(&transaction)?;
            transaction.open_table(META)?.insert(META_FORMAT, format + 1)?;
            transaction.commit()?;
        }
        Ok(())
    }

    /// Lets what was held back, and what follows, through to the file.
    pub fn release(&self) -> std::io::Result<()> {
        self.guard.release()
    }

    /// Gives every record of users, lists and friends to `take`.
    pub fn load(&self, take: Take<'_>) -> Result<(), LoadError> {
        let transaction = self.database.begin_read().map_err(redb::Error::from)?;
        for table in [Table::Users, Table::Lists, Table::Friends] {
            let records = transaction
                .open_table(definition(table))
                .map_err(redb::Error::from)?;
            for record in records.iter().map_err(redb::Error::from)? {
                let (key, value) = record.map_err(redb::Error::from)?;
                take(table, key.value(), value.value())?;
            }
        }
        Ok(())
    }

    /// What a start at `now` takes: written by [`StoreFile::reserve`].
    pub fn numbers(&self, now: Wall) -> Result<Numbers, redb::Error> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let get = |key| Ok::<_, redb::Error>(meta.get(key)?.map_or(0, |value| value.value()));
        // Above the wall clock's, so that a file that was lost and begun anew is above what it gave out; above the last
        // reservation, whatever the clock says.
        let floor = floor_at(now).0.max(get(META_RESERVED)?) + 1;
        let after_crash = get(META_RUNNING)? != 0;
        Ok(Numbers {
            floor,
            lift: if after_crash { floor - 1 } else { get(META_LIFT)? },
            reserved: floor + RESERVE,
            after_crash,
        })
    }

    /// See [`Store::earlier_lifts`](presence_node::durable::Store::earlier_lifts): of the start that `numbers` are for, before
    /// they are written by [`StoreFile::reserve`]. Ascending.
    pub fn earlier_lifts(&self, numbers: Numbers) -> Result<Vec<u64>, redb::Error> {
        let transaction = self.database.begin_read()?;
        let mut lifts = Vec::new();
        match transaction.open_table(LIFTS) {
            Ok(table) => {
                for entry in table.iter()? {
                    lifts.push(entry?.0.value());
                }
            }
            Err(redb::TableError::TableDoesNotExist(_)) => {}
            Err(error) => return Err(error.into()),
        }
        let last = transaction.open_table(META)?.get(META_LIFT)?;
        let last = last.map_or(0, |value| value.value());
        if last != 0 && last != numbers.lift {
            lifts.push(last);
        }
        lifts.drain(..lifts.len().saturating_sub(LIFTS_MAX));
        Ok(lifts)
    }

    /// The first commit of a start: before anything is given out.
    pub fn reserve(&self, numbers: Numbers) -> Result<(), redb::Error> {
        let earlier = self.earlier_lifts(numbers)?;
        let transaction = self.database.begin_write()?;
        if !earlier.is_empty() {
            let mut lifts = transaction.open_table(LIFTS)?;
            for lift in &earlier {
                lifts.insert(lift, ())?;
            }
            lifts.retain(|lift, ()| earlier.contains(&lift))?;
        }
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_RESERVED, numbers.reserved)?;
            meta.insert(META_LIFT, numbers.lift)?;
            meta.insert(META_RUNNING, 1)?;
        }
        Ok(transaction.commit()?)
    }

    /// Commits, durably. `reserved`: a new reservation. `last`: the server ends in order.
    pub fn commit(&self, pending: &Pending, reserved: Option<u64>, last: bool) -> Result<(), redb::Error> {
        let transaction = self.database.begin_write()?;
        for table in Table::ALL {
            let mut records = transaction.open_table(definition(table))?;
            // In the order of their keys: neighbours share pages.
            let mut of_table: Vec<_> = pending.iter().filter(|((of, _), _)| *of == table).collect();
            of_table.sort_unstable_by(|((_, one), _), ((_, other), _)| one.cmp(other));
            for ((_, key), value) in of_table {
                match value {
                    Some(value) => records.insert(&**key, &**value)?,
                    None => records.remove(&**key)?,
                };
            }
        }
        {
            let mut meta = transaction.open_table(META)?;
            if let Some(reserved) = reserved {
                meta.insert(META_RESERVED, reserved)?;
            }
            if last {
                meta.insert(META_RUNNING, 0)?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// One record.
    pub fn get(&self, table: Table, key: &[u8]) -> Result<Option<Box<[u8]>>, redb::Error> {
        let records = self.database.begin_read()?.open_table(definition(table))?;
        Ok(records.get(key)?.map(|value| value.value().into()))
    }

    /// What the settings of an app were in the file.
    pub fn file_settings(&self, key: &[u8]) -> Result<Option<Box<[u8]>>, redb::Error> {
        let records = self.database.begin_read()?.open_table(FILES)?;
        Ok(records.get(key)?.map(|value| value.value().into()))
    }

    /// Commits the settings of an app, if they are other than they were.
    pub fn put_settings(&self, settings: &Settings) -> Result<(), redb::Error> {
        let key = &*settings.key;
        let kept = (self.file_settings(key)?, self.get(Table::Apps, key)?);
        if kept == (Some(settings.in_file.clone()), Some(settings.in_effect.clone())) {
            return Ok(());
        }
        let transaction = self.database.begin_write()?;
        transaction.open_table(FILES)?.insert(key, &*settings.in_file)?;
        transaction
            .open_table(definition(Table::Apps))?
            .insert(key, &*settings.in_effect)?;
        Ok(transaction.commit()?)
    }

    /// What was committed up to now, whatever is committed later.
    pub fn snapshot(&self) -> Result<ReadTransaction, redb::Error> {
        Ok(self.database.begin_read()?)
    }

    /// Ends it.
    pub fn close(self) -> Result<(), redb::Error> {
        Ok(self.database.close()?)
    }
}

/// Every record of a snapshot, by the number of its table, as a backup has it.
pub fn each_record(
    snapshot: &ReadTransaction,
    mut take: impl FnMut(u8, &[u8], &[u8]) -> std::io::Result<()>,
) -> Result<(), LoadError> {
    let tables = Table::ALL
        .into_iter()
        .map(|table| (table as u8, definition(table)));
    for (number, table) in tables.chain([(FILES_NUMBER, FILES)]) {
        let records = snapshot.open_table(table).map_err(redb::Error::from)?;
        for record in records.iter().map_err(redb::Error::from)? {
            let (key, value) = record.map_err(redb::Error::from)?;
            take(number, key.value(), value.value())?;
        }
    }
    Ok(())
}

/// The reservation of a snapshot.
pub fn reserved_of(snapshot: &ReadTransaction) -> Result<u64, redb::Error> {
    let meta = snapshot.open_table(META)?;
    Ok(meta.get(META_RESERVED)?.map_or(0, |value| value.value()))
}

/// Fills a new store from a backup, in one transaction. It then is as after a crash: what it holds is older than what
/// was given out since.
pub struct Filling {
    transaction: WriteTransaction,
}

impl Filling {
    /// `format`: that of the records. `reserved`: the largest known.
    pub fn begin(file: &StoreFile, format: u64, reserved: u64) -> Result<Filling, redb::Error> {
        let transaction = file.database.begin_write()?;
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_FORMAT, format)?;
            meta.insert(META_RESERVED, reserved)?;
            meta.insert(META_RUNNING, 1)?;
        }
        Ok(Filling { transaction })
    }

    /// One record.
    pub fn put(&self, number: u8, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        let table = match Table::from_number(number) {
            Some(table) => definition(table),
            None if number == FILES_NUMBER => FILES,
            None => {
                return Err(LoadError::Damaged(Damaged {
                    what: "a record of a table that there is not",
                }));
            }
        };
        let mut records = self.transaction.open_table(table).map_err(redb::Error::from)?;
        records.insert(key, value).map_err(redb::Error::from)?;
        Ok(())
    }

    /// Commits.
    pub fn end(self) -> Result<(), redb::Error> {
        Ok(self.transaction.commit()?)
    }
}

/// Whether a record is what its table may hold.
pub fn check(table: Table, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
    match table {
        Table::Users => decode_user_key(key).and_then(|_| decode_user(value).map(drop)),
        Table::Lists => decode_user_key(key).and_then(|_| decode_list(value).map(drop)),
        Table::Friends => decode_user_key(key).and_then(|_| decode_friends(value).map(drop)),
        Table::Apps => decode_settings(value).map(drop),
    }
}

/// The largest number that a record shows was given out (R6.5). What is no record shows none.
pub fn highest_number(saved: &Saved) -> u64 {
    let Some(value) = &saved.value else {
        return 0;
    };
    match saved.table {
        Table::Users => match decode_user(value) {
            Ok(UserRecord::Account(user)) => user.presence.version.0.max(user.last_session.0),
            Ok(UserRecord::Deleted(mark)) => mark.version.0.max(mark.session.0),
            Err(_) => 0,
        },
        Table::Lists => decode_list(value).map_or(0, |list| list.generation),
        Table::Friends | Table::Apps => 0,
    }
}

/// Why records could not be read.
#[derive(Debug)]
pub enum LoadError {
    /// The database says so.
    Database(redb::Error),
    /// A record is none.
    Damaged(Damaged),
    /// Whoever takes the records does not take them.
    Taker(std::io::Error),
}

impl From<redb::Error> for LoadError {
    fn from(error: redb::Error) -> LoadError {
        LoadError::Database(error)
    }
}

impl From<Damaged> for LoadError {
    fn from(damaged: Damaged) -> LoadError {
        LoadError::Damaged(damaged)
    }
}

impl From<std::io::Error> for LoadError {
    fn from(error: std::io::Error) -> LoadError {
        LoadError::Taker(error)
    }
}

impl LoadError {
    /// What it means for the file.
    pub fn at(self, path: &Path) -> StoreError {
        match self {
            LoadError::Database(error) => StoreError::of(path, error),
            LoadError::Damaged(damaged) => StoreError::damaged(path, damaged),
            LoadError::Taker(error) => StoreError::system(path, error),
        }
    }
}
