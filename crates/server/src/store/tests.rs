//! The store against a model, on disks that lose, cut and refuse.

mod disk;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crossbeam_channel::{Sender, bounded};
use presence::ids::{AppId, SessionId, UserId, UserKey};
use presence::status::Version;
use presence::time::Wall;
use presence::user::Mark;
use presence_node::durable::record::{encode_deleted, encode_friends, user_key};
use presence_node::durable::{Saved, Table};
use proptest::prelude::*;

use self::disk::{Disk, Step, write};
use super::control::PATIENCE;
use super::file::{FILES_NUMBER, FORMAT, Pending, RESERVE, StoreFile, each_record};
use super::folder::Folder;
use super::guarded::Guarded;
use super::writer::{Order, Settings, Statistics, Writer};
use super::{Store, StoreError, StoreHandle, back_up, restore};

/// What a store holds.
type Model = BTreeMap<(u8, Box<[u8]>), Box<[u8]>>;

/// In these tests.
const PENDING_MAX: usize = 100;

const NOW: Wall = Wall(1_780_000_000_000);

fn user(number: u64) -> Box<[u8]> {
    let app = AppId::new(7).expect("above 0");
    let user = UserId::new(&format!("user-{number}")).expect("a user id");
    user_key(&UserKey { app, user })
}

/// A record of a user that can be told from others.
fn version(number: u64) -> Box<[u8]> {
    encode_deleted(&Mark {
        version: Version(number),
        session: SessionId(0),
        revoked_until_s: 0,
    })
}

fn saved(table: Table, key: u64, value: Option<Box<[u8]>>) -> Saved {
    Saved {
        table,
        key: user(key),
        value,
    }
}

fn apply(model: &mut Model, saved: &Saved) {
    let key = (saved.table as u8, saved.key.clone());
    match &saved.value {
        Some(value) => model.insert(key, value.clone()),
        None => model.remove(&key),
    };
}

fn held_by(file: &StoreFile) -> Model {
    let mut model = Model::new();
    let snapshot = file.snapshot().expect("a snapshot");
    each_record(&snapshot, |table, key, value| {
        model.insert((table, key.into()), value.into());
        Ok(())
    })
    .expect("readable");
    model
}

/// Batches of changes: few users, so that they meet again.
fn batches() -> impl Strategy<Value = Vec<Vec<Saved>>> {
    let change = (0..4_u8, 0..12_u64, any::<Option<u16>>()).prop_map(|(table, key, value)| match table {
        0 | 1 => saved(Table::Users, key, value.map(|number| version(number.into()))),
        2 => saved(
            Table::Friends,
            key,
            value.map(|number| encode_friends(&ids(number))),
        ),
        _ => saved(Table::Friends, key, None),
    });
    prop::collection::vec(prop::collection::vec(change, 0..40), 0..12)
}

fn ids(number: u16) -> Vec<UserId> {
    (0..number % 50)
        .map(|count| UserId::new(&format!("friend-{number}-{count}")).expect("a user id"))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Through the thread, an orderly end, and a backup: what comes back is what a map would hold.
    #[test]
    fn what_was_kept_comes_back(first in batches(), second in batches()) {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let mut model = Model::new();
        for batches in [first, second] {
            let store = Store::open(&data, NOW).expect("a folder of its own");
            let handle = store.handle();
            prop_assert_eq!(load(&handle), model.clone());
            for batch in batches {
                for saved in &batch {
                    apply(&mut model, saved);
                }
                handle.0.keep_last(batch);
            }
            store.close().expect("written");
        }
        let backup = folder.path().join("backup");
        back_up(&data, &backup, NOW).expect("a backup");
        let restored = folder.path().join("restored");
        restore(&restored, &backup, false).expect("restored");
        let store = Store::open(&restored, NOW).expect("a store");
        prop_assert!(store.is_after_crash(), "what was given out since is not known");
        prop_assert_eq!(load(&store.handle()), model);
    }
}

fn load(handle: &StoreHandle) -> Model {
    let mut model = Model::new();
    handle
        .0
        .load(&mut |table, key, value| {
            model.insert((table as u8, key.into()), value.into());
            Ok(())
        })
        .expect("loaded");
    model
}

/// What a machine that lost its power leaves: everything synced, and of what was not any part.
#[test]
fn a_power_failure_at_any_moment_leaves_the_last_commit_or_the_one_under_way() {
    const COMMITS: u64 = 12;
    let disk = Disk::default();
    let file = disk.open().expect("an empty disk");
    file.release().expect("written");
    let begun = disk.state().bytes.clone();
    disk.state().steps.clear();
    let numbers = file.numbers(NOW).expect("numbers");
    file.reserve(numbers).expect("written");
    let mut models = vec![held_by(&file)];
    disk.state().steps.push(Step::Committed(0));
    for commit in 1..=COMMITS {
        let mut model = models.last().expect("the first").clone();
        let mut pending = Pending::new();
        for number in 0..commit * 3 {
            let key = number * 7 % 40;
            let value = (number % 5 != 4).then(|| version(commit * 1_000 + number));
            let saved = saved(Table::Users, key, value);
            apply(&mut model, &saved);
            pending.insert((saved.table, saved.key), saved.value);
        }
        let reserved = numbers.reserved + commit;
        file.commit(&pending, Some(reserved), commit == COMMITS)
            .expect("written");
        models.push(model);
        disk.state()
            .steps
            .push(Step::Committed(usize::try_from(commit).expect("small")));
    }
    let steps = disk.state().steps.clone();

    let mut images = 0;
    let mut synced = begun;
    let mut unsynced: Vec<Step> = Vec::new();
    let mut acknowledged = None;
    for step in steps {
        match step {
            Step::Committed(count) => acknowledged = Some(count),
            Step::Sync => {
                for step in unsynced.drain(..) {
                    happen(&mut synced, &step);
                }
                check(&synced, &models, acknowledged, numbers.reserved);
                images += 1;
            }
            step => {
                unsynced.push(step);
                // The disk got all of it; only the last of it; every second of it; half of the last.
                let last = unsynced.len() - 1;
                let parts: [&dyn Fn(usize) -> bool; 3] =
                    [&|_| true, &|at| at == last, &|at| at % 2 == last % 2];
                for part in parts {
                    let mut image = synced.clone();
                    let kept = unsynced.iter().enumerate().filter(|(at, _)| part(*at));
                    kept.for_each(|(_, step)| happen(&mut image, step));
                    check(&image, &models, acknowledged, numbers.reserved);
                    images += 1;
                }
                if let Some(Step::Write(offset, bytes)) = unsynced.last() {
                    let mut image = synced.clone();
                    let torn = Step::Write(*offset, bytes[..bytes.len() / 2].to_vec());
                    happen(&mut image, &torn);
                    check(&image, &models, acknowledged, numbers.reserved);
                    images += 1;
                }
            }
        }
    }
    assert!(images > 200, "{images}");
    assert_eq!(acknowledged, Some(models.len() - 1));
}

/// As far as it goes: a write past an end that was not moved, since moving it was lost, is lost too.
fn happen(image: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Write(offset, bytes) => {
            let _ = write(image, *offset, bytes);
        }
        Step::SetLen(len) => image.resize(usize::try_from(*len).expect("small"), 0),
        Step::Sync | Step::Committed(_) => {}
    }
}

fn check(image: &[u8], models: &[Model], acknowledged: Option<usize>, reserved: u64) {
    let file = Disk::with(image.to_vec()).open().expect("whole");
    let held = held_by(&file);
    let least = acknowledged.unwrap_or(0);
    let found = models.iter().skip(least).take(2).position(|model| *model == held);
    assert!(
        found.is_some(),
        "commit {acknowledged:?} was acknowledged, and something else is there"
    );
    let numbers = file.numbers(NOW).expect("numbers");
    // Before the first is acknowledged, nothing was given out yet.
    if let (Some(count), Some(found)) = (acknowledged, found) {
        assert!(
            numbers.floor > reserved + count as u64,
            "above all that may have been given out"
        );
        let is_the_end = count + found == models.len() - 1;
        assert_eq!(numbers.after_crash, !is_the_end);
    }
}

#[test]
fn a_clock_set_back_gives_no_lower_numbers() {
    let disk = Disk::default();
    let start = |now| {
        let file = disk.open().expect("a store");
        file.release().expect("written");
        let numbers = file.numbers(now).expect("numbers");
        file.reserve(numbers).expect("written");
        numbers
    };
    let first = start(NOW);
    assert_eq!(first.lift, 0, "there was nobody before");
    let mut last = first;
    for now in [Wall(0), Wall(i64::MIN), NOW] {
        let numbers = start(now);
        assert_eq!(numbers.floor, last.reserved + 1, "{now:?}");
        assert_eq!(numbers.lift, numbers.floor - 1, "it never ended in order");
        last = numbers;
    }
    let file = disk.open().expect("a store");
    file.release().expect("written");
    file.commit(&Pending::new(), None, true).expect("written");
    let after_order = file.numbers(Wall(0)).expect("numbers");
    assert_eq!((after_order.lift, after_order.after_crash), (last.lift, false));
}

/// R6.6.
#[test]
fn the_lifts_of_earlier_crashes_are_remembered_the_newest_of_them() {
    let disk = Disk::default();
    let open = || {
        let file = disk.open().expect("a store");
        file.release().expect("written");
        file
    };
    let mut lifts = Vec::new();
    for start in 0..20_usize {
        let file = open();
        let numbers = file.numbers(NOW).expect("numbers");
        // Of starts 1 to 20: the first follows no crash.
        let before = lifts.len().saturating_sub(16);
        assert_eq!(
            file.earlier_lifts(numbers).expect("readable"),
            lifts[before..],
            "{start}"
        );
        file.reserve(numbers).expect("written");
        lifts.extend((start > 0).then_some(numbers.lift));
    }
    // After an orderly end the last lift is the one that is in effect still.
    open().commit(&Pending::new(), None, true).expect("written");
    let file = open();
    let numbers = file.numbers(NOW).expect("numbers");
    assert_eq!(lifts.pop(), Some(numbers.lift));
    let earlier = file.earlier_lifts(numbers).expect("readable");
    assert_eq!(earlier, lifts[lifts.len() - 16..]);
}

/// The thread with a disk of its own.
struct Thread {
    disk: Disk,
    batches: Sender<Vec<Saved>>,
    orders: Sender<Order>,
    statistics: Arc<Statistics>,
    reserved: u64,
    thread: std::thread::JoinHandle<()>,
}

impl Thread {
    fn start(batches_max: usize) -> Thread {
        let disk = Disk::default();
        let file = disk.open().expect("an empty disk");
        file.release().expect("written");
        let numbers = file.numbers(NOW).expect("numbers");
        file.reserve(numbers).expect("written");
        let statistics = Arc::new(Statistics::default());
        let again = disk.clone();
        let mut writer = Writer::new(
            "disk".into(),
            numbers,
            Box::new(move || Guarded::new(again.clone())),
            Arc::clone(&statistics),
        );
        writer.pending_max = PENDING_MAX;
        let (batches, batches_out) = bounded(batches_max);
        let (orders, orders_out) = bounded(4);
        let thread = std::thread::spawn(move || writer.run(&batches_out, &orders_out));
        orders.send(Order::Begin(file)).expect("it runs");
        Thread {
            disk,
            batches,
            orders,
            statistics,
            reserved: numbers.reserved,
            thread,
        }
    }

    /// What is committed, after all that was given before.
    fn committed(&self) -> Result<Model, String> {
        let (answer, answered) = bounded(1);
        self.orders.send(Order::Snapshot(answer)).expect("it runs");
        let snapshot = answered.recv().expect("an answer")?;
        let mut model = Model::new();
        each_record(&snapshot, |table, key, value| {
            model.insert((table, key.into()), value.into());
            Ok(())
        })
        .expect("readable");
        Ok(model)
    }

    fn close(self) -> (Disk, Result<(), String>) {
        let (answer, answered) = bounded(1);
        self.orders.send(Order::Close(answer)).expect("it runs");
        let result = answered.recv().expect("an answer");
        self.thread.join().expect("no panic");
        (self.disk, result)
    }
}

#[test]
fn what_a_full_disk_did_not_take_is_written_once_there_is_room() {
    let thread = Thread::start(64);
    let mut model = Model::new();
    let mut keep = |number: u64| {
        let saved = saved(Table::Users, number % 3, Some(version(number)));
        apply(&mut model, &saved);
        thread.batches.send(vec![saved]).expect("room");
    };
    keep(1);
    assert_eq!(thread.committed().map(|model| model.len()), Ok(1));
    thread.disk.refuses.store(true, Ordering::Relaxed);
    for number in 2..40 {
        keep(number);
    }
    let refused = thread.committed().expect_err("the disk is full");
    assert!(
        refused.contains("no storage space") || refused.contains("full"),
        "{refused}"
    );
    assert!(thread.statistics.failing.load(Ordering::Relaxed));
    keep(40);
    thread.disk.refuses.store(false, Ordering::Relaxed);
    assert_eq!(thread.committed(), Ok(model.clone()));
    assert!(!thread.statistics.failing.load(Ordering::Relaxed));
    let (disk, result) = thread.close();
    assert_eq!(result, Ok(()));
    let file = disk.open().expect("whole");
    assert_eq!(held_by(&file), model);
    assert!(!file.numbers(NOW).expect("numbers").after_crash);
}

#[test]
fn an_end_that_could_not_be_written_is_said_and_is_no_orderly_one() {
    let thread = Thread::start(64);
    thread
        .batches
        .send(vec![saved(Table::Users, 1, Some(version(1)))])
        .expect("room");
    thread.disk.refuses.store(true, Ordering::Relaxed);
    let (disk, result) = thread.close();
    assert!(result.is_err());
    disk.refuses.store(false, Ordering::Relaxed);
    let file = disk.open().expect("whole");
    assert!(file.numbers(NOW).expect("numbers").after_crash);
}

/// While the disk takes nothing, the thread takes no more than its limit, and who gives it something learns of it.
#[test]
fn what_waits_for_a_disk_that_takes_nothing_has_a_limit() {
    let thread = Thread::start(1);
    thread.disk.refuses.store(true, Ordering::Relaxed);
    let batch = |from: usize, count: usize| -> Vec<Saved> {
        (from..from + count)
            .map(|number| saved(Table::Users, number as u64, Some(version(1))))
            .collect()
    };
    thread.batches.send(batch(0, PENDING_MAX)).expect("room");
    assert!(thread.committed().is_err());
    thread
        .batches
        .send(batch(PENDING_MAX, 1))
        .expect("room for one batch");
    // It is not taken, so there is no room for another; that stays so however long one waits.
    let more = batch(PENDING_MAX + 1, 1);
    assert!(thread.batches.try_send(more.clone()).is_err());
    thread.disk.refuses.store(false, Ordering::Relaxed);
    thread.batches.send(more).expect("it goes on");
    assert_eq!(thread.committed().map(|model| model.len()), Ok(PENDING_MAX + 2));
    assert_eq!(thread.close().1, Ok(()));
}

/// R6.5.
#[test]
fn more_is_reserved_long_before_what_is_reserved_is_given_out() {
    let thread = Thread::start(64);
    let first = thread.reserved;
    for (given_out, expected) in [
        (first - RESERVE / 2, first),
        (first - RESERVE / 2 + 1, first + RESERVE / 2 + 1),
        (first + 5, first + 5 + RESERVE),
    ] {
        let saved = saved(Table::Users, 1, Some(version(given_out)));
        thread.batches.send(vec![saved]).expect("room");
        thread.committed().expect("written");
        let image = thread.disk.state().bytes.clone();
        let numbers = Disk::with(image)
            .open()
            .expect("whole")
            .numbers(Wall(0))
            .expect("numbers");
        assert_eq!(numbers.floor, expected + 1, "{given_out}");
    }
    assert_eq!(thread.close().1, Ok(()));
}

#[test]
fn each_step_of_an_upgrade_is_carried_out_once_in_order() {
    let disk = Disk::default();
    let file = disk.open().expect("an empty disk");
    file.release().expect("written");
    let step: super::file::Upgrade = |transaction| {
        let table = redb::TableDefinition::<&[u8], &[u8]>::new("users");
        let mut users = transaction.open_table(table)?;
        let count = u8::try_from(redb::ReadableTableMetadata::len(&users)?).unwrap_or(u8::MAX);
        users.insert(&[count][..], &[][..])?;
        Ok(())
    };
    file.upgrade(FORMAT, &[step, step]).expect("two steps");
    let path = std::path::Path::new("disk");
    assert_eq!(file.format(path).expect("a format"), FORMAT + 2);
    assert_eq!(held_by(&file).len(), 2);
    file.upgrade(FORMAT + 1, &[step, step, step])
        .expect("two steps of three");
    assert_eq!(held_by(&file).len(), 4);
    file.close().expect("closed");
    assert!(
        matches!(disk.open(), Err(StoreError::Newer { format, .. }) if format == FORMAT + 3),
        "a newer file is refused"
    );
}

/// Every byte of a small store, changed: it is refused, or what it holds is what was written. Nothing panics, and nothing is
/// written to it.
#[test]
fn a_changed_byte_anywhere_is_refused_or_does_no_harm() {
    let disk = Disk::default();
    let file = disk.open().expect("an empty disk");
    file.release().expect("written");
    let mut pending = Pending::new();
    for number in 0..20 {
        pending.insert((Table::Users, user(number)), Some(version(number)));
    }
    file.commit(&pending, Some(5), true).expect("written");
    let model = held_by(&file);
    file.close().expect("closed");
    let whole = disk.state().bytes.clone();
    let (mut refused, mut harmless) = (0, 0);
    for at in (0..whole.len()).step_by(251).chain(0..512) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        let damaged = Disk::with(bytes.clone());
        match damaged.open() {
            Err(StoreError::Damaged { .. } | StoreError::Foreign(_) | StoreError::System { .. }) => {
                refused += 1
            }
            Err(other) => panic!("byte {at}: {other}"),
            Ok(file) => {
                assert_eq!(held_by(&file), model, "byte {at}");
                harmless += 1;
            }
        }
        assert!(damaged.state().bytes == bytes, "byte {at}: something was written");
    }
    assert!(refused > 5 && harmless > 5, "{refused} {harmless}");
}

/// R7.6: settings changed while the disk was full are not forgotten.
#[test]
fn settings_that_a_full_disk_did_not_take_are_written_once_there_is_room() {
    let thread = Thread::start(64);
    thread.disk.refuses.store(true, Ordering::Relaxed);
    let settings = Settings {
        key: (*b"an app..").into(),
        in_file: (*b"\0").into(),
        in_effect: (*b"\0").into(),
    };
    thread.orders.send(Order::Settings(settings)).expect("it runs");
    thread.committed().expect_err("the disk is full");
    assert!(thread.statistics.failing.load(Ordering::Relaxed));
    thread.disk.refuses.store(false, Ordering::Relaxed);
    let tables: Vec<u8> = thread
        .committed()
        .expect("written")
        .keys()
        .map(|(table, _)| *table)
        .collect();
    assert_eq!(tables, [Table::Apps as u8, FILES_NUMBER]);
    assert!(!thread.statistics.failing.load(Ordering::Relaxed));
    assert_eq!(thread.close().1, Ok(()));
}

#[test]
fn who_takes_a_backup_slowly_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), NOW).expect("a store");
    let handle = store.handle();
    load(&handle);
    // More than a socket takes by itself.
    let value: Box<[u8]> = vec![0; 4 * 1024 * 1024].into();
    handle.0.keep_last(vec![saved(Table::Friends, 1, Some(value))]);
    let mut slow =
        std::os::unix::net::UnixStream::connect(folder.path().join("control.sock")).expect("it listens");
    io::Write::write_all(&mut slow, b"backup\n").expect("it listens");
    let mut begin = [0; 3];
    io::Read::read_exact(&mut slow, &mut begin).expect("an answer");
    assert_eq!(&begin, b"ok\n");
    let begun = std::time::Instant::now();
    store.close().expect("written");
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

/// A store that is replaced keeps its place until the new one has it, and what was left over is removed.
#[test]
fn a_store_that_is_to_be_replaced_stays_until_the_new_one_takes_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    drop(Store::open(folder.path(), NOW).expect("a store"));
    let left_over = folder.path().join("presence.redb.new");
    std::fs::write(&left_over, b"half of a store").expect("written");
    let kept = folder.path().join("kept");
    let taken = Folder::take(folder.path()).expect("nobody has it");
    taken.keep_as(&kept).expect("kept");
    assert!(kept.exists() && taken.database().exists());
    drop(taken);
    drop(Store::open(folder.path(), NOW).expect("a store"));
    assert!(!left_over.exists());
}

/// Root restores, and the server runs as another user. Whoever else runs this test owns all of it anyway.
#[test]
fn what_a_command_makes_belongs_to_whom_the_folder_belongs() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let (data, backup) = (folder.path().join("data"), folder.path().join("backup"));
    let store = Store::open(&data, NOW).expect("a store");
    load(&store.handle());
    store.close().expect("written");
    back_up(&data, &backup, NOW).expect("a backup");
    let restored = folder.path().join("restored");
    std::fs::create_dir(&restored).expect("made");
    // Refused to all but root.
    let _ = std::os::unix::fs::chown(&restored, Some(4_321), Some(4_321));
    let owner = std::fs::metadata(&restored).expect("there").uid();
    restore(&restored, &backup, false).expect("restored");
    for name in ["presence.redb", "lock"] {
        let file = std::fs::metadata(restored.join(name)).expect("there");
        assert_eq!(file.uid(), owner, "{name}");
    }
}

/// By whatever name: it would have taken the place of the file that the server writes.
#[test]
fn a_backup_onto_the_store_itself_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, link) = (folder.path().join("data"), folder.path().join("link"));
    Store::open(&data, NOW)
        .expect("a store")
        .close()
        .expect("written");
    std::os::unix::fs::symlink(&data, &link).expect("a link");
    let before = std::fs::read(data.join("presence.redb")).expect("there");
    for target in [data.join("presence.redb"), link.join("../data/presence.redb")] {
        let refused = back_up(&data, &target, NOW);
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    assert_eq!(std::fs::read(data.join("presence.redb")).expect("there"), before);
}
