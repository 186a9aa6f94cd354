//! Tests: the end of a store whose disk does not answer in time.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::bounded;
use presence_node::durable::{Saved, Table};

use super::writer::Order;
use super::{Store, StoreError, wall_now};

/// Far beyond what anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opened and loaded.
fn store(folder: &tempfile::TempDir) -> Store {
    let store = Store::open(folder.path(), wall_now()).expect("a store");
    store.handle().0.load(&mut |_, _, _| Ok(())).expect("empty");
    store
}

/// R6.5: versions of the lost changes may have been given out, so the next start has to show all under higher ones.
#[test]
fn a_store_without_room_for_the_last_changes_did_not_end_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = store(&folder);
    // Nobody takes a batch from it, as while the thread waits for the disk.
    let (full, _kept) = bounded(0);
    let shared = Arc::get_mut(&mut store.shared).expect("nobody else has it");
    let _batches = std::mem::replace(&mut shared.batches, full);
    store.handle().0.keep_last(vec![Saved {
        table: Table::Friends,
        key: Box::from(*b"lost"),
        value: None,
    }]);
    let refused = store.close().expect_err("something is lost");
    assert!(refused.to_string().contains("no room"), "{refused}");
    let next = Store::open(folder.path(), wall_now()).expect("a store");
    assert!(next.is_after_crash());
}

/// And nobody else gets a folder that is still written to.
#[test]
fn a_rescue_gives_up_a_disk_that_does_not_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = store(&folder);
    // The thread waits for who takes this answer, as it would for the disk.
    let (stuck, _kept) = bounded(0);
    store.shared.orders.send(Order::Snapshot(stuck)).expect("it runs");
    let (result, rescued) = bounded(1);
    std::thread::spawn(move || result.send(store.rescue()));
    let refused = rescued
        .recv_timeout(PATIENCE)
        .expect("it gives up")
        .expect_err("nothing was written");
    assert!(refused.to_string().contains("did not answer"), "{refused}");
    let next = Store::open(folder.path(), wall_now());
    assert!(matches!(next, Err(StoreError::InUse(_))), "{:?}", next.err());
}
