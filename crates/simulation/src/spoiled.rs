//! Stores with a bug planted in them: each does what a good one does but for one promise.

use std::io;
use std::sync::Arc;

use presence::status::Version;
use presence_node::durable::{Saved, Store, StoreHandle, Table, Take};

/// A store whose floor sinks a little with every start, from `first` on, and its lift with it (R6.5).
#[must_use]
pub fn floor_goes_back(store: StoreHandle, first: Version, starts: u64) -> StoreHandle {
    let floor = Version(first.0.saturating_sub(starts));
    let lift = if store.0.lift() == Version(0) {
        Version(0)
    } else {
        Version(floor.0.saturating_sub(1))
    };
    StoreHandle(Arc::new(Spoiled {
        floor,
        lift,
        forgets: false,
        store,
    }))
}

/// A store that does not give back every third user it was given and said it had.
#[must_use]
pub fn forgetful(store: StoreHandle) -> StoreHandle {
    StoreHandle(Arc::new(Spoiled {
        floor: store.0.floor(),
        lift: store.0.lift(),
        forgets: true,
        store,
    }))
}

struct Spoiled {
    store: StoreHandle,
    floor: Version,
    lift: Version,
    forgets: bool,
}

impl Store for Spoiled {
    fn floor(&self) -> Version {
        self.floor
    }

    fn lift(&self) -> Version {
        self.lift
    }

    fn earlier_lifts(&self) -> Vec<Version> {
        self.store.0.earlier_lifts()
    }

    fn load(&self, take: Take<'_>) -> io::Result<()> {
        let mut users = 0;
        self.store.0.load(&mut |table, key, value| {
            if self.forgets && table == Table::Users {
                users += 1;
                if users % 3 == 2 {
                    return Ok(());
                }
            }
            take(table, key, value)
        })
    }

    fn keep(&self, batch: Vec<Saved>) -> Result<(), Vec<Saved>> {
        self.store.0.keep(batch)
    }

    fn keep_last(&self, batch: Vec<Saved>) {
        self.store.0.keep_last(batch);
    }
}
