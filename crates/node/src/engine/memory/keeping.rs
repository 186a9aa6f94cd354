//! What a durable store is given of this shard, and what it gives back at the start. See [`durable`](crate::durable).
//!
//! A step marks the parts of its user that changed, which costs a few instructions; the records are made later, when a
//! batch is collected, so a user that changes often is written once a batch. Marks stand in the records themselves.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use presence::ids::{AppId, UserKey};
use presence::settings::AppSettings;
use presence::status::Status;
use presence::subscriptions::SubscriptionList;
use presence::time::{Mono, Now};
use presence::user::{Context, User};

use super::{MemoryEngine, NEVER, Record, home_of};
use crate::durable::record::{
    UserRecord, app_key, decode_friends, decode_list, decode_user, decode_user_key, encode_deleted,
    encode_friends, encode_list, encode_settings, encode_user, user_key,
};
use crate::durable::{COLLECT_MS, Damaged, Saved, Store, StoreHandle, Table};

/// What of a user is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parts(u8);

impl Parts {
    pub(super) const NONE: Parts = Parts(0);
    /// Presence, devices, numbers.
    pub(super) const USER: Parts = Parts(1);
    pub(super) const LIST: Parts = Parts(2);
    pub(super) const FRIENDS: Parts = Parts(4);
    const ALL: Parts = Parts(7);

    pub(super) fn and(self, other: Parts) -> Parts {
        Parts(self.0 | other.0)
    }

    fn has(self, part: Parts) -> bool {
        self.0 & part.0 != 0
    }
}

/// Users of one batch: encoding them takes about as long as a slice of a fan-out.
const BATCH_USERS_MAX: usize = 512;
/// How soon to ask a store again that had no room.
const RETRY_MS: u64 = 50;

/// The store and what it is to be given.
pub(super) struct Keeping {
    store: Arc<dyn Store>,
    /// Places of records that have marks, in the order of their first mark. No place stands here twice.
    marked: VecDeque<u32>,
    /// Accounts that were deleted since; there may be new ones of their names.
    gone: BTreeSet<UserKey>,
    apps: BTreeSet<AppId>,
    /// The store had no room for it.
    unsent: Vec<Saved>,
    collect_at: Mono,
}

impl Keeping {
    pub(super) fn new(store: Arc<dyn Store>) -> Keeping {
        Keeping {
            store,
            marked: VecDeque::new(),
            gone: BTreeSet::new(),
            apps: BTreeSet::new(),
            unsent: Vec::new(),
            collect_at: NEVER,
        }
    }

    /// Something of a record changed.
    pub(super) fn mark(&mut self, record: &mut Record, place: u32, parts: Parts, now: Mono) {
        if parts == Parts::NONE {
            return;
        }
        if record.marks == Parts::NONE {
            self.marked.push_back(place);
        }
        record.marks = record.marks.and(parts);
        self.collect_soon(now);
    }

    /// A record was removed.
    pub(super) fn removed(&mut self, record: &Record, place: u32, now: Mono) {
        // Rare, so the place is looked for: a place that is given to another must not stand here twice.
        if record.marks != Parts::NONE {
            self.marked.retain(|marked| *marked != place);
        }
        self.gone.insert(record.key);
        self.collect_soon(now);
    }

    /// The settings of an app changed.
    pub(super) fn configured(&mut self, app: AppId, now: Mono) {
        self.apps.insert(app);
        self.collect_soon(now);
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (self.collect_at != NEVER).then_some(self.collect_at)
    }

    fn collect_soon(&mut self, now: Mono) {
        if self.collect_at == NEVER {
            self.collect_at = now.after(Duration::from_millis(COLLECT_MS));
        }
    }

    fn is_empty(&self) -> bool {
        self.marked.is_empty() && self.gone.is_empty() && self.apps.is_empty() && self.unsent.is_empty()
    }
}

impl MemoryEngine {
    /// As [`MemoryEngine::for_loops`], with what `store` holds, which is given from here on what changes. Devices that
    /// were live are in grace for `restart_grace` from the end of this call (R2.9). An error says that the store could
    /// not be read or is damaged.
    pub fn restored(
        loops: usize,
        apps: &[(AppId, AppSettings)],
        store: &StoreHandle,
        restart_grace: Duration,
        clock: &dyn Fn() -> Now,
    ) -> io::Result<Vec<MemoryEngine>> {
        let StoreHandle(store) = store;
        let mut engines = MemoryEngine::for_loops(loops, store.floor(), apps);
        for engine in &mut engines {
            engine.lift = store.lift();
            engine.earlier_lifts = store.earlier_lifts();
        }
        let loops = engines.len();
        let start = clock();
        let mut records = 0_u64;
        store.load(&mut |table, key, value| {
            records += 1;
            let key = decode_user_key(key)?;
            match engines.get_mut(home_of(&key, loops)) {
                Some(engine) => engine.restore(table, key, value, restart_grace, start),
                None => Ok(()),
            }
        })?;
        let took = clock().mono.since(start.mono);
        for engine in &mut engines {
            engine.begin(Arc::clone(store), took);
        }
        tracing::info!(records, took_ms = took.as_millis(), "store loaded");
        Ok(engines)
    }

    /// Hands over what is to be kept, if it is time: one batch.
    pub(super) fn collect(&mut self, at: Now) {
        let is_time = self
            .keeping
            .as_ref()
            .is_some_and(|keeping| keeping.collect_at <= at.mono);
        if !is_time {
            return;
        }
        let batch = self.batch(at);
        let Some(keeping) = &mut self.keeping else {
            return;
        };
        match keeping.store.keep(batch) {
            Ok(()) if keeping.is_empty() => keeping.collect_at = NEVER,
            // More of it in the next turn.
            Ok(()) => keeping.collect_at = at.mono,
            Err(batch) => {
                keeping.unsent = batch;
                keeping.collect_at = at.mono.after(Duration::from_millis(RETRY_MS));
            }
        }
    }

    /// The loop ends: hands over all.
    pub(super) fn collect_all(&mut self, at: Now) {
        while self.keeping.as_ref().is_some_and(|keeping| !keeping.is_empty()) {
            let batch = self.batch(at);
            if let Some(keeping) = &mut self.keeping {
                keeping.store.keep_last(batch);
            }
        }
    }

    /// What had no room before, or the next of what is marked.
    fn batch(&mut self, at: Now) -> Vec<Saved> {
        let Some(keeping) = &mut self.keeping else {
            return Vec::new();
        };
        if !keeping.unsent.is_empty() {
            return std::mem::take(&mut keeping.unsent);
        }
        let mut batch = Vec::new();
        while let Some(app) = keeping.apps.pop_first() {
            if let Some(settings) = self.apps.get(&app) {
                batch.push(saved(Table::Apps, app_key(app), Some(encode_settings(settings))));
            }
        }
        let mut users = 0;
        while users < BATCH_USERS_MAX
            && let Some(key) = keeping.gone.pop_first()
        {
            users += 1;
            match self.records.of(&key) {
                Some(record) => save(record, Parts::ALL, at, &mut batch),
                None => {
                    let mark = self.marks.get(&key).map(encode_deleted);
                    batch.push(saved(Table::Users, user_key(&key), mark));
                    batch.push(saved(Table::Lists, user_key(&key), None));
                    batch.push(saved(Table::Friends, user_key(&key), None));
                }
            }
        }
        while users < BATCH_USERS_MAX
            && let Some(place) = keeping.marked.pop_front()
        {
            users += 1;
            let id = self.records.id_at(place);
            if let Some(record) = id.and_then(|id| self.records.get_mut(id)) {
                let parts = std::mem::take(&mut record.marks);
                save(record, parts, at, &mut batch);
            }
        }
        batch
    }

    /// A record of users, lists or friends that a store gave back; those of users come first. Of an app that this server
    /// does not have, nothing is taken, and its records stay in the store.
    fn restore(
        &mut self,
        table: Table,
        key: UserKey,
        value: &[u8],
        restart_grace: Duration,
        now: Now,
    ) -> Result<(), Damaged> {
        let Some(settings) = self.apps.get(&key.app) else {
            return Ok(());
        };
        let no_account = Damaged {
            what: "a list of a user that has no account",
        };
        match table {
            Table::Users => match decode_user(value)? {
                UserRecord::Deleted(mark) => {
                    self.marks.insert(key, mark);
                }
                UserRecord::Account(stored) => {
                    let context = Context {
                        now,
                        floor: self.floor,
                        settings,
                    };
                    let user = User::restored(stored, restart_grace, context).map_err(|_| Damaged {
                        what: "a record of a user that cannot be",
                    })?;
                    if self.records.of(&key).is_some() {
                        return Err(Damaged {
                            what: "two records of a user",
                        });
                    }
                    let generation = user.presence().version.max(self.lift);
                    let status = user.presence().status;
                    let list = SubscriptionList::new(generation.0);
                    self.records.insert(Record::new(key, user, list));
                    self.count_status(key.app, None, Some(status));
                    self.arm(key);
                }
            },
            Table::Lists => {
                let list = SubscriptionList::restored(decode_list(value)?, now, settings);
                let record = self.records.of_mut(&key).ok_or(no_account)?;
                record.list = list;
                if record.user.presence().status != Status::Online {
                    record.list.owner_gone(now, settings);
                }
                self.arm(key);
            }
            Table::Friends => {
                let friends = decode_friends(value)?;
                let record = self.records.of_mut(&key).ok_or(no_account)?;
                record.friends = friends.into_boxed_slice();
            }
            Table::Apps => {}
        }
        Ok(())
    }

    /// From here on what changes is given to `store`. `late`: so long after the time of its restored users begins the
    /// time in which they may return (R2.9).
    fn begin(&mut self, store: Arc<dyn Store>, late: Duration) {
        let keys: Vec<UserKey> = self.timers.iter().map(|(_, key)| *key).collect();
        for key in keys {
            if let Some(record) = self.records.of_mut(&key) {
                record.user.prolong_graces(late);
            }
            self.arm(key);
        }
        self.keeping = Some(Box::new(Keeping::new(store)));
    }

    /// Sets the timer of a user.
    fn arm(&mut self, key: UserKey) {
        let Some(record) = self.records.of_mut(&key) else {
            return;
        };
        let deadline = record.next_deadline();
        let before = std::mem::replace(&mut record.deadline, deadline);
        if deadline != before {
            self.timers.remove(&(before, key));
            if deadline != NEVER {
                self.timers.insert((deadline, key));
            }
        }
    }
}

fn save(record: &Record, parts: Parts, at: Now, batch: &mut Vec<Saved>) {
    if parts.has(Parts::USER) {
        let value = encode_user(&record.user.stored(at));
        batch.push(saved(Table::Users, user_key(&record.key), Some(value)));
    }
    if parts.has(Parts::LIST) {
        let value = encode_list(&record.list.stored(at));
        batch.push(saved(Table::Lists, user_key(&record.key), Some(value)));
    }
    if parts.has(Parts::FRIENDS) {
        let value = (!record.friends.is_empty()).then(|| encode_friends(&record.friends));
        batch.push(saved(Table::Friends, user_key(&record.key), value));
    }
}

fn saved(table: Table, key: Box<[u8]>, value: Option<Box<[u8]>>) -> Saved {
    Saved { table, key, value }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context as TaskContext, Waker};

    use presence::ids::UserId;
    use presence::status::Version;
    use presence::time::Wall;

    use super::*;
    use crate::durable::Take;
    use crate::engine::{Command, Engine};

    /// A store that may have no room, and remembers what it was given.
    #[derive(Default)]
    struct Gate {
        closed: AtomicBool,
        batches: Mutex<Vec<Vec<Saved>>>,
    }

    impl Store for Gate {
        fn floor(&self) -> Version {
            Version(1_000)
        }

        fn lift(&self) -> Version {
            Version(0)
        }

        fn load(&self, _take: Take<'_>) -> io::Result<()> {
            Ok(())
        }

        fn keep(&self, batch: Vec<Saved>) -> Result<(), Vec<Saved>> {
            if self.closed.load(Ordering::Relaxed) {
                return Err(batch);
            }
            self.keep_last(batch);
            Ok(())
        }

        fn keep_last(&self, batch: Vec<Saved>) {
            self.batches.lock().expect("no panic").push(batch);
        }
    }

    struct Scene {
        gate: Arc<Gate>,
        engine: MemoryEngine,
        now: Now,
    }

    fn app() -> AppId {
        AppId::new(7).expect("above 0")
    }

    fn key(name: &str) -> UserKey {
        let user = UserId::new(name).expect("a user id");
        UserKey { app: app(), user }
    }

    impl Scene {
        fn new() -> Scene {
            let gate = Arc::new(Gate::default());
            let now = Now {
                mono: Mono(1_000),
                wall: Wall(1_780_000_000_000),
            };
            let store = StoreHandle(Arc::clone(&gate) as Arc<dyn Store>);
            let apps = [(app(), AppSettings::default())];
            let engines = MemoryEngine::restored(1, &apps, &store, Duration::ZERO, &|| now);
            let engine = engines.expect("an empty store").pop().expect("one loop");
            Scene { gate, engine, now }
        }

        fn order(&mut self, command: Command) {
            self.engine.submit(self.now, None, command);
            let mut cx = TaskContext::from_waker(Waker::noop());
            while self.engine.poll_output(self.now, &mut cx).is_ready() {}
        }

        /// Lets time pass, with what is due in it.
        fn pass(&mut self, ms: u64) {
            let end = self.now.mono.after(Duration::from_millis(ms));
            while let Some(deadline) = self.engine.next_deadline().filter(|deadline| *deadline <= end) {
                self.now.mono = self.now.mono.max(deadline);
                self.engine.advance(self.now);
            }
            self.now.mono = end;
        }

        fn taken(&self) -> Vec<Vec<Saved>> {
            std::mem::take(&mut *self.gate.batches.lock().expect("no panic"))
        }
    }

    #[test]
    fn what_changes_is_handed_over_a_tenth_of_a_second_later_each_once() {
        let mut scene = Scene::new();
        assert_eq!(scene.engine.next_deadline(), None, "an idle loop is not woken");
        for name in ["alice", "bob", "alice"] {
            scene.order(Command::Import { user: key(name) });
        }
        scene.order(Command::SetFriends {
            owner: key("alice"),
            friends: vec![key("bob").user],
        });
        scene.pass(COLLECT_MS - 1);
        assert_eq!(scene.taken(), Vec::<Vec<Saved>>::new());
        scene.pass(1);
        let batches = scene.taken();
        let of: Vec<(Table, Box<[u8]>)> = batches
            .concat()
            .into_iter()
            .map(|saved| (saved.table, saved.key))
            .collect();
        let expected = [
            (Table::Users, user_key(&key("alice"))),
            (Table::Friends, user_key(&key("alice"))),
            (Table::Users, user_key(&key("bob"))),
        ];
        assert_eq!((batches.len(), of.as_slice()), (1, &expected[..]));
        assert_eq!(scene.engine.next_deadline(), None);
    }

    /// What waits is at most a batch and the marks.
    #[test]
    fn a_store_without_room_is_asked_again_and_what_changes_meanwhile_is_merged() {
        let mut scene = Scene::new();
        scene.gate.closed.store(true, Ordering::Relaxed);
        let users: Vec<UserKey> = (0..3 * BATCH_USERS_MAX)
            .map(|number| key(&format!("user-{number}")))
            .collect();
        for user in &users {
            scene.order(Command::Import { user: *user });
        }
        for _ in 0..50 {
            scene.pass(RETRY_MS);
            for user in &users {
                scene.order(Command::Kick { user: *user });
            }
        }
        assert_eq!(scene.taken(), Vec::<Vec<Saved>>::new());
        let keeping = scene.engine.keeping.as_ref().expect("it has a store");
        assert_eq!(keeping.unsent.len(), BATCH_USERS_MAX);
        assert_eq!(keeping.marked.len(), users.len());
        scene.gate.closed.store(false, Ordering::Relaxed);
        scene.pass(RETRY_MS);
        let batches = scene.taken();
        let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
        assert_eq!(
            sizes, [BATCH_USERS_MAX; 4],
            "the one that waited, then each user once"
        );
    }

    #[test]
    fn a_deleted_account_leaves_its_mark_alone_and_a_new_one_of_its_name_everything() {
        let mut scene = Scene::new();
        let alice = key("alice");
        scene.order(Command::Import { user: alice });
        scene.pass(COLLECT_MS);
        scene.taken();
        scene.order(Command::Delete { user: alice });
        scene.pass(COLLECT_MS);
        let values: Vec<(Table, bool)> = scene
            .taken()
            .concat()
            .iter()
            .map(|saved| (saved.table, saved.value.is_some()))
            .collect();
        assert_eq!(
            values,
            [
                (Table::Users, true),
                (Table::Lists, false),
                (Table::Friends, false)
            ]
        );
        // Deleted and there again before anybody looked; and in the place of another that was removed with its mark.
        scene.order(Command::Import { user: alice });
        scene.order(Command::Delete { user: alice });
        scene.order(Command::Import { user: key("bob") });
        scene.order(Command::Import { user: alice });
        scene.engine.close(scene.now);
        let records = scene.taken().concat();
        let accounts: Vec<bool> = records
            .iter()
            .filter(|saved| saved.table == Table::Users)
            .filter_map(|saved| saved.value.as_deref())
            .map(|value| matches!(decode_user(value), Ok(UserRecord::Account(_))))
            .collect();
        assert!(
            accounts.len() >= 2 && accounts.iter().all(|is_account| *is_account),
            "{records:?}"
        );
    }
}
