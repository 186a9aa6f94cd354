//! A slab whose values are found by their user, too. The key stands in the value alone, not in a map beside it: of a
//! hundred thousand idle users that is what one can do without.

use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::sync::OnceLock;

use foldhash::SharedSeed;
use hashbrown::HashTable;
use presence::ids::{AppId, UserKey};

use crate::slab::{Id, Slab};

/// A value that belongs to one user, always the same.
pub(crate) trait Keyed {
    fn key(&self) -> &UserKey;
}

/// See the module. At most one value a user.
pub(crate) struct KeyedSlab<T, S = SecretState> {
    values: Slab<T>,
    places: HashTable<Entry>,
    /// Another one only in the test of users who share a hash.
    hasher: S,
}

/// How names are hashed: quickly, and under a secret. Users choose their names, and whoever knew the secret could choose
/// such as share a hash. foldhash's own secret is made of addresses and the clock; here it is the system's randomness, as
/// it is for the standard library's SipHash, which takes several times as long for a short name.
pub(crate) type SecretState = foldhash::fast::SeedableRandomState;

/// The hasher of one table: the secrets of no two are the same.
fn secret_state() -> SecretState {
    static SHARED: OnceLock<SharedSeed> = OnceLock::new();
    let random = || RandomState::new().hash_one(0);
    SecretState::with_seed(random(), SHARED.get_or_init(|| SharedSeed::from_u64(random())))
}

fn is_named(value: &impl Keyed, app: AppId, name: &[u8]) -> bool {
    value.key().app == app && value.key().user.as_bytes() == name
}

/// Where a value is, and enough of its key's hash to tell it from nearly all others without a look at it.
struct Entry {
    mark: u32,
    place: u32,
}

/// The bits of a hash that the table itself looks at least.
fn mark_of(hash: u64) -> u32 {
    (hash >> 24) as u32
}

/// Values that are fetched from memory at one time: as many as the nearest cache holds with what they lead to.
const FETCHED_AT_ONCE: usize = 64;

impl<T: Keyed> KeyedSlab<T> {
    pub(crate) fn new() -> KeyedSlab<T> {
        KeyedSlab::with_hasher(secret_state())
    }
}

/// The one way a user is hashed here, whether its name is a user id or still text.
fn hash_of(hasher: &impl BuildHasher, app: AppId, name: &[u8]) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(app.get());
    state.write(name);
    state.finish()
}

fn hash_of_key(hasher: &impl BuildHasher, key: &UserKey) -> u64 {
    hash_of(hasher, key.app, key.user.as_bytes())
}

impl<T: Keyed, S: BuildHasher> KeyedSlab<T, S> {
    fn with_hasher(hasher: S) -> KeyedSlab<T, S> {
        KeyedSlab {
            values: Slab::new(),
            places: HashTable::new(),
            hasher,
        }
    }

    /// Puts in the value of a user who has none here.
    pub(crate) fn insert(&mut self, value: T) -> Id {
        let hash = hash_of_key(&self.hasher, value.key());
        debug_assert!(self.id_of(value.key()).is_none(), "at most one value a user");
        let id = self.values.insert(value);
        let (values, hasher) = (&self.values, &self.hasher);
        let entry = Entry {
            mark: mark_of(hash),
            place: id.place(),
        };
        self.places.insert_unique(hash, entry, |entry| {
            values
                .at(entry.place)
                .map_or(0, |value| hash_of_key(hasher, value.key()))
        });
        id
    }

    pub(crate) fn id_of(&self, key: &UserKey) -> Option<Id> {
        let hash = hash_of_key(&self.hasher, key);
        let is_it = |entry: &Entry| {
            entry.mark == mark_of(hash)
                && self
                    .values
                    .at(entry.place)
                    .is_some_and(|value| value.key() == key)
        };
        self.values.id_at(self.places.find(hash, is_it)?.place)
    }

    /// The values of many users of an app, in their order, each given to `use_it`. Where [`KeyedSlab::of`] waits for one
    /// user's memory after the other, here all of a batch is on its way at one time: each step below is done for the whole
    /// batch before the next, and none depends on another user's. `reach` reads what `use_it` will need. A name that is no
    /// user id is nobody's.
    pub(crate) fn of_each<'n>(
        &self,
        app: AppId,
        names: impl Iterator<Item = &'n [u8]>,
        reach: impl Fn(&T) -> u8,
        mut use_it: impl FnMut(Option<&T>),
    ) {
        let mut names = names.peekable();
        let mut batch = Vec::with_capacity(FETCHED_AT_ONCE);
        let mut places = Vec::with_capacity(FETCHED_AT_ONCE);
        let mut found = Vec::with_capacity(FETCHED_AT_ONCE);
        while names.peek().is_some() {
            batch.clear();
            batch.extend(
                names
                    .by_ref()
                    .take(FETCHED_AT_ONCE)
                    .map(|name| (name, hash_of(&self.hasher, app, name))),
            );
            places.clear();
            places.extend(batch.iter().map(|(_, hash)| {
                let entry = self.places.find(*hash, |entry| entry.mark == mark_of(*hash));
                entry.map(|entry| entry.place)
            }));
            found.clear();
            found.extend(places.iter().map(|place| self.at((*place)?)));
            // Only so that they are read.
            std::hint::black_box(
                found
                    .iter()
                    .flatten()
                    .fold(0, |all, value| all ^ value.key().user.as_bytes().len() as u8),
            );
            std::hint::black_box(found.iter().flatten().fold(0, |all, value| all ^ reach(value)));
            for ((name, hash), value) in batch.iter().zip(&found) {
                match value {
                    // Who shares the mark of another is looked for again.
                    Some(value) if !is_named(*value, app, name) => use_it(self.at_hash(*hash, app, name)),
                    value => use_it(*value),
                }
            }
        }
    }

    fn at_hash(&self, hash: u64, app: AppId, name: &[u8]) -> Option<&T> {
        let is_it = |entry: &Entry| {
            entry.mark == mark_of(hash)
                && self
                    .values
                    .at(entry.place)
                    .is_some_and(|value| is_named(value, app, name))
        };
        self.values.at(self.places.find(hash, is_it)?.place)
    }

    pub(crate) fn of(&self, key: &UserKey) -> Option<&T> {
        self.get(self.id_of(key)?)
    }

    pub(crate) fn of_mut(&mut self, key: &UserKey) -> Option<&mut T> {
        self.get_mut(self.id_of(key)?)
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        self.values.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.values.get_mut(id)
    }

    /// The value at a place, if it is in use.
    pub(crate) fn at(&self, place: u32) -> Option<&T> {
        self.values.at(place)
    }

    /// The id of who lives at `place` now.
    pub(crate) fn id_at(&self, place: u32) -> Option<Id> {
        self.values.id_at(place)
    }

    /// The same of a place that is in use, as the caller knows: see [`Slab::id_in_use`].
    pub(crate) fn id_in_use(&self, place: u32) -> Option<Id> {
        self.values.id_in_use(place)
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let value = self.values.remove(id)?;
        let hash = hash_of_key(&self.hasher, value.key());
        if let Ok(entry) = self.places.find_entry(hash, |entry| entry.place == id.place()) {
            entry.remove();
        }
        Some(value)
    }

    /// All, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> + '_ {
        self.values.iter()
    }

    /// Places that were ever in use: every value is at one below.
    pub(crate) fn places_len(&self) -> u32 {
        self.values.places_len()
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasherDefault, Hasher};

    use presence::ids::{AppId, UserId};

    use super::*;

    impl Keyed for (UserKey, usize) {
        fn key(&self) -> &UserKey {
            &self.0
        }
    }

    fn key(number: usize) -> UserKey {
        UserKey {
            app: AppId::new(1).expect("not 0"),
            user: UserId::new(&number.to_string()).expect("well-formed"),
        }
    }

    /// All users have the same hash, and so the same mark.
    #[derive(Default)]
    struct Same;

    impl Hasher for Same {
        fn write(&mut self, _bytes: &[u8]) {}

        fn finish(&self) -> u64 {
            0x1234_5678_9abc_def0
        }
    }

    #[test]
    fn users_who_share_a_mark_are_told_apart() {
        let mut users = KeyedSlab::with_hasher(BuildHasherDefault::<Same>::default());
        let ids: Vec<Id> = (0..5).map(|number| users.insert((key(number), number))).collect();
        let ask = |users: &KeyedSlab<(UserKey, usize), _>| {
            let mut each = Vec::new();
            users.of_each(
                key(0).app,
                ["4", "7", "0", "2", "3", "1"].into_iter().map(str::as_bytes),
                |value| value.1 as u8,
                |value| each.push(value.map(|value| value.1)),
            );
            each
        };
        assert_eq!(ask(&users), [Some(4), None, Some(0), Some(2), Some(3), Some(1)]);
        assert_eq!(users.id_of(&key(3)), Some(ids[3]));
        assert_eq!(users.remove(ids[2]), Some((key(2), 2)));
        assert_eq!(ask(&users), [Some(4), None, Some(0), None, Some(3), Some(1)]);
        assert_eq!(users.of(&key(2)), None);
    }

    #[test]
    fn a_name_that_is_no_user_id_and_a_user_of_another_app_are_nobodys() {
        let mut users = KeyedSlab::new();
        users.insert((key(7), 7));
        let ask = |app| {
            let mut each = Vec::new();
            let names = [&b"7"[..], b"", b"7\0", &[b'7'; 40], b"\xff", b"7"];
            users.of_each(
                app,
                names.into_iter(),
                |_| 0,
                |value| each.push(value.map(|value| value.1)),
            );
            each
        };
        assert_eq!(ask(key(7).app), [Some(7), None, None, None, None, Some(7)]);
        assert_eq!(ask(AppId::new(2).expect("not 0")), [None; 6]);
    }

    #[test]
    fn no_two_tables_have_the_same_secret() {
        let hash = || hash_of_key(&secret_state(), &key(1));
        let hashes: std::collections::HashSet<u64> = (0..10).map(|_| hash()).collect();
        assert_eq!(hashes.len(), 10);
    }

    #[test]
    fn values_are_found_by_user_and_by_id_until_they_are_removed() {
        let mut users = KeyedSlab::new();
        let ids: Vec<Id> = (0..1_000)
            .map(|number| users.insert((key(number), number)))
            .collect();
        for (number, id) in ids.iter().enumerate().step_by(2) {
            assert_eq!(users.remove(*id), Some((key(number), number)));
            assert_eq!(users.remove(*id), None);
        }
        for (number, id) in ids.iter().enumerate() {
            let is_there = number % 2 == 1;
            assert_eq!(users.id_of(&key(number)), is_there.then_some(*id));
            assert_eq!(users.of(&key(number)).is_some(), is_there);
        }
        let mut each = Vec::new();
        let names: Vec<UserId> = (0..1_000).rev().map(|number| key(number).user).collect();
        users.of_each(
            key(0).app,
            names.iter().map(UserId::as_bytes),
            |value| value.1 as u8,
            |value| each.push(value.map(|value| value.1)),
        );
        assert!(
            each.into_iter()
                .eq((0..1_000).rev().map(|number| (number % 2 == 1).then_some(number)))
        );
        assert_eq!(users.len(), 500);
        let again = users.insert((key(0), 7));
        assert_eq!(users.of_mut(&key(0)).map(|value| value.1), Some(7));
        assert_eq!(users.id_at(again.place()), Some(again));
    }
}
