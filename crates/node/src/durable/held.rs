//! A store that holds its records in memory, for tests and simulations: it outlives nodes, not the process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use presence::status::Version;

use super::{Saved, Store, StoreHandle, Table, Take};

type Records = BTreeMap<(Table, Box<[u8]>), Box<[u8]>>;

/// What outlives a node: give [`Held::open`] to one after the other.
#[derive(Debug, Default)]
pub struct Held {
    records: Arc<Mutex<Records>>,
    last_floor: u64,
    lift: u64,
    earlier_lifts: Vec<Version>,
}

/// How far the floors of two starts are apart: further than one of them gives out versions.
const FLOOR_STEP: u64 = 1 << 24;

impl Held {
    /// The store of the next start, whose floor is at least `least`. `crashed`: the last one did not end in order.
    pub fn open(&mut self, least: Version, crashed: bool) -> StoreHandle {
        let floor = least.0.max(self.last_floor + FLOOR_STEP);
        self.last_floor = floor;
        if crashed {
            self.earlier_lifts.push(Version(self.lift));
            self.lift = floor - 1;
        }
        StoreHandle(Arc::new(HeldStore {
            // What an earlier node still gives its own store is not for this one.
            records: Arc::clone(&self.records),
            floor: Version(floor),
            lift: Version(self.lift),
            earlier_lifts: self.earlier_lifts.clone(),
        }))
    }

    /// As it is now; what is kept from here on is not in it: what a crash leaves.
    #[must_use]
    pub fn snapshot(&self) -> Held {
        Held {
            records: Arc::new(Mutex::new(locked(&self.records).clone())),
            last_floor: self.last_floor,
            lift: self.lift,
            earlier_lifts: self.earlier_lifts.clone(),
        }
    }

    /// One record.
    #[must_use]
    pub fn get(&self, table: Table, key: &[u8]) -> Option<Box<[u8]>> {
        locked(&self.records).get(&(table, key.into())).cloned()
    }

    /// Puts in a record as it is.
    pub fn put(&self, saved: Saved) {
        apply(&mut locked(&self.records), saved);
    }
}

struct HeldStore {
    records: Arc<Mutex<Records>>,
    floor: Version,
    lift: Version,
    earlier_lifts: Vec<Version>,
}

impl Store for HeldStore {
    fn floor(&self) -> Version {
        self.floor
    }

    fn lift(&self) -> Version {
        self.lift
    }

    fn earlier_lifts(&self) -> Vec<Version> {
        self.earlier_lifts.clone()
    }

    fn load(&self, take: Take<'_>) -> io::Result<()> {
        for ((table, key), value) in &*locked(&self.records) {
            if *table != Table::Apps {
                take(*table, key, value)?;
            }
        }
        Ok(())
    }

    fn keep(&self, batch: Vec<Saved>) -> Result<(), Vec<Saved>> {
        self.keep_last(batch);
        Ok(())
    }

    fn keep_last(&self, batch: Vec<Saved>) {
        let mut records = locked(&self.records);
        for saved in batch {
            apply(&mut records, saved);
        }
    }
}

fn apply(records: &mut Records, saved: Saved) {
    let key = (saved.table, saved.key);
    match saved.value {
        Some(value) => records.insert(key, value),
        None => records.remove(&key),
    };
}

fn locked(records: &Mutex<Records>) -> MutexGuard<'_, Records> {
    records.lock().unwrap_or_else(PoisonError::into_inner)
}
