//! The seam to a durable store: what must outlive the node leaves as records, and comes back as the same records at the
//! next start. The store knows bytes alone; what they mean is `record`'s, written down in docs/STORE.md.
//!
//! A loop's engine marks what changed and hands it over in batches, at most [`COLLECT_MS`] later, each record once
//! however often it changed. Nobody waits for the store: while it has no room, the marks stay, and what changes
//! meanwhile is merged into them; so what waits is never more than there are users.

#[cfg(any(test, feature = "conformance"))]
pub mod held;
pub mod record;

use std::fmt;
use std::io;
use std::sync::Arc;

use presence::status::Version;

/// How long a change may be gathered with others before it is handed over, in milliseconds.
pub const COLLECT_MS: u64 = 100;

/// What a record is about. The numbers are part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Accounts, and the marks of deleted ones (R1.5). Key: app and user.
    Users = 1,
    /// Subscription lists (R5). Key: app and user.
    Lists = 2,
    /// Friend lists (R9). Key: app and owner.
    Friends = 3,
    /// Settings of apps in effect (R7.6). Key: app.
    Apps = 4,
}

impl Table {
    /// All, in the order of their numbers.
    pub const ALL: [Table; 4] = [Table::Users, Table::Lists, Table::Friends, Table::Apps];

    /// The table of that number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Table> {
        Table::ALL.into_iter().find(|table| *table as u8 == number)
    }
}

/// One record as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Where it belongs.
    pub table: Table,
    /// Of whom.
    pub key: Box<[u8]>,
    /// What it is now; `None`: there is none any more.
    pub value: Option<Box<[u8]>>,
}

/// A record that does not say what its table may hold: the file was damaged, or it is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// What was wrong, for a person.
    pub what: &'static str,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl std::error::Error for Damaged {}

impl From<Damaged> for io::Error {
    fn from(damaged: Damaged) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, damaged)
    }
}

/// Takes one record at the start: its table, key and value.
pub type Take<'a> = &'a mut dyn FnMut(Table, &[u8], &[u8]) -> Result<(), Damaged>;

/// Where records are kept. Called by every loop of a node, from its thread.
pub trait Store: Send + Sync + 'static {
    /// The floor of this start (R6.5): above every version and session number that an earlier start gave out, and
    /// durably reserved.
    fn floor(&self) -> Version;

    /// Not above the floor: no version below this one is shown any more. After a start that followed a crash it is above
    /// everything that the crashed server may have shown and could not keep; else it is that of the last such start.
    fn lift(&self) -> Version;

    /// The lifts of earlier starts that followed crashes, as far as they are remembered, but for [`Store::lift`] itself. Whoever
    /// was told one of them knows what has not changed since (R6.6).
    fn earlier_lifts(&self) -> Vec<Version> {
        Vec::new()
    }

    /// Gives every record of users, lists and friends to `take`, once. Called once, before anything is kept.
    fn load(&self, take: Take<'_>) -> io::Result<()>;

    /// Takes a batch to keep it. Never blocks: without room it gives the batch back, and will be asked again.
    fn keep(&self, batch: Vec<Saved>) -> Result<(), Vec<Saved>>;

    /// As [`Store::keep`], from a loop that ends: may wait until there is room.
    fn keep_last(&self, batch: Vec<Saved>);
}

/// A store, shared by the loops of a node.
#[derive(Clone)]
pub struct StoreHandle(pub Arc<dyn Store>);

impl fmt::Debug for StoreHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreHandle")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_found_by_their_numbers() {
        for table in Table::ALL {
            assert_eq!(Table::from_number(table as u8), Some(table));
        }
        assert_eq!((Table::from_number(0), Table::from_number(5)), (None, None));
    }
}
