//! Whom one user watches: bounded, oldest first, kept a while after the user left (R5).
//!
//! It knows names only: that they have accounts and are not the owner is checked by the engine (R5.4, R5.5). Nobody
//! stands in the list twice.

use std::collections::HashSet;

use crate::ids::UserId;
use crate::settings::AppSettings;
use crate::time::{Mono, Now};

/// A user's subscription list. Oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionList {
    pub(crate) ids: Vec<UserId>,
    pub(crate) generation: u64,
    /// Only ever true of an empty list.
    pub(crate) restorable: bool,
    /// When the list is cleared, while its owner is away and it holds anyone.
    pub(crate) linger_end: Option<Mono>,
}

/// What a step did to the list: the watcher index and the user's devices (R5.3) follow it. Empty: nothing happened.
/// Nobody stands in two of the three: who fell off in the call that added it is in `evicted` alone, whether it was in
/// the list before or not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListChange {
    /// Now the newest, in this order; each may have been in the list before (R5.2).
    pub added: Vec<UserId>,
    /// Taken off by request or by the end of the linger, oldest first.
    pub removed: Vec<UserId>,
    /// Fell off because the list was full, oldest first (R5.2).
    pub evicted: Vec<UserId>,
}

impl ListChange {
    /// Whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.evicted.is_empty()
    }
}

impl SubscriptionList {
    /// An empty, restorable list whose generation no earlier list of this user had: `floor` is the engine's, or above
    /// the last generation of the list of a deleted account of this name (R1.5).
    #[must_use]
    pub fn new(floor: u64) -> SubscriptionList {
        // 0 on the wire says that a client has no copy.
        SubscriptionList {
            ids: Vec::new(),
            generation: floor.max(1),
            restorable: true,
            linger_end: None,
        }
    }

    /// The ids, oldest first (R5.9).
    pub fn ids(&self) -> impl Iterator<Item = UserId> + '_ {
        self.ids.iter().copied()
    }

    /// The list changed, and its generation is to be above all that a server before a crash may have given out: they are
    /// below `floor`.
    pub fn lift(&mut self, floor: u64) {
        self.generation = self.generation.max(floor);
    }

    /// Whether `user` is in it.
    #[must_use]
    pub fn contains(&self, user: &UserId) -> bool {
        self.ids.contains(user)
    }

    /// How many are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Rises with every change.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Empty because it was cleared by the linger or lost by a restart, and untouched by the user since (R5.8).
    #[must_use]
    pub fn is_restorable(&self) -> bool {
        self.restorable
    }

    /// R5.1–R5.3. `ids` have accounts and are not the owner; the call was admitted. Repeats count once. No ids: nothing
    /// happens, since a call in which nobody succeeds changes nothing (R4.3).
    pub fn subscribe(&mut self, ids: &[UserId], settings: &AppSettings) -> ListChange {
        if ids.is_empty() {
            return ListChange::default();
        }
        self.restorable = false;
        let (mut added, named) = distinct(ids);
        self.ids.retain(|id| !named.contains(id));
        let surplus = (self.ids.len() + added.len()).saturating_sub(settings.subscriptions_max);
        // Before the new ones come, so that a full list needs no more room for them.
        let mut evicted: Vec<UserId> = self.ids.drain(..surplus.min(self.ids.len())).collect();
        // More ids in one call than the list holds: the first of them fall off as they come.
        evicted.extend(added.drain(..surplus - evicted.len()));
        self.ids.reserve_exact(added.len());
        self.ids.extend_from_slice(&added);
        self.changed(ListChange {
            added,
            removed: Vec::new(),
            evicted,
        })
    }

    /// R5.7. Ids not in it are passed over. No ids: nothing happens; to clear the list there is
    /// [`SubscriptionList::clear`].
    pub fn unsubscribe(&mut self, ids: &[UserId]) -> ListChange {
        if ids.is_empty() {
            return ListChange::default();
        }
        self.restorable = false;
        let removed = self.take_out(ids);
        self.changed(ListChange {
            removed,
            ..ListChange::default()
        })
    }

    /// R5.7 without ids.
    pub fn clear(&mut self) -> ListChange {
        self.restorable = false;
        let removed = std::mem::take(&mut self.ids);
        self.changed(ListChange {
            removed,
            ..ListChange::default()
        })
    }

    /// R5.8: `None` if it is not restorable at `generation`. `ids` oldest first, and not the owner; some may have no
    /// account yet. Repeats count once, and past the maximum the oldest are left out.
    pub fn restore(&mut self, generation: u64, ids: &[UserId], settings: &AppSettings) -> Option<ListChange> {
        if !self.restorable || generation != self.generation {
            return None;
        }
        self.restorable = false;
        let (mut added, _) = distinct(ids);
        added.drain(..added.len().saturating_sub(settings.subscriptions_max));
        self.ids.clone_from(&added);
        Some(self.changed(ListChange {
            added,
            ..ListChange::default()
        }))
    }

    /// The owner came online: the linger ends.
    pub fn owner_online(&mut self) {
        self.linger_end = None;
    }

    /// The owner is no longer ONLINE: the linger begins (R5.8). One that runs goes on: being kicked while OFFLINE does
    /// not prolong it.
    pub fn owner_gone(&mut self, now: Now, settings: &AppSettings) {
        if self.linger_end.is_none() && !self.ids.is_empty() {
            self.linger_end = Some(now.mono.after(settings.subscription_linger));
        }
    }

    /// When [`SubscriptionList::advance`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> {
        self.linger_end
    }

    /// Clears the list if its linger is over (R5.8).
    pub fn advance(&mut self, now: Now) -> ListChange {
        if self.linger_end.is_none_or(|end| end > now.mono) {
            return ListChange::default();
        }
        self.restorable = true;
        let removed = std::mem::take(&mut self.ids);
        self.changed(ListChange {
            removed,
            ..ListChange::default()
        })
    }

    /// Removes those of `ids` that are in the list and answers them, oldest first.
    fn take_out(&mut self, ids: &[UserId]) -> Vec<UserId> {
        let (_, named) = distinct(ids);
        let mut taken = Vec::with_capacity(named.len().min(self.ids.len()));
        taken.extend(self.ids.extract_if(.., |id| named.contains(id)));
        taken
    }

    /// A new generation if anything happened. Most lists stay as they are for long, so little room is kept for growth: what
    /// spares a long list that members leave and join to move each time.
    fn changed(&mut self, change: ListChange) -> ListChange {
        if !change.is_empty() {
            self.generation += 1;
            self.ids.shrink_to(self.ids.len() + self.ids.len() / ROOM_SHARE);
        }
        if self.ids.is_empty() {
            self.linger_end = None;
        }
        change
    }
}

/// A list keeps room for so small a share of its length.
const ROOM_SHARE: usize = 16;

/// Safe here: however ids are chosen to collide, there are no more than a call names or a list holds (R5.1, R5.2).
type QuickHash = foldhash::fast::RandomState;

/// In order of first mention, and the same as a set.
fn distinct(ids: &[UserId]) -> (Vec<UserId>, HashSet<UserId, QuickHash>) {
    let mut seen = HashSet::with_capacity_and_hasher(ids.len(), QuickHash::default());
    let mut distinct = Vec::with_capacity(ids.len());
    distinct.extend(ids.iter().copied().filter(|id| seen.insert(*id)));
    (distinct, seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: u64 = 500;

    fn id(name: &str) -> UserId {
        UserId::new(name).expect("a user id")
    }

    /// One letter, one user.
    fn ids(letters: &str) -> Vec<UserId> {
        letters.chars().map(|letter| id(&letter.to_string())).collect()
    }

    fn letters(ids: impl IntoIterator<Item = UserId>) -> String {
        ids.into_iter().map(|id| id.as_str().to_owned()).collect()
    }

    fn at_most(subscriptions_max: usize) -> AppSettings {
        AppSettings {
            subscriptions_max,
            ..AppSettings::default()
        }
    }

    fn list_of(members: &str) -> SubscriptionList {
        let mut list = SubscriptionList::new(FLOOR);
        list.subscribe(&ids(members), &AppSettings::default());
        list
    }

    fn at(ms: u64) -> Now {
        Now {
            mono: Mono(ms),
            ..Now::default()
        }
    }

    fn change(added: &str, removed: &str, evicted: &str) -> ListChange {
        ListChange {
            added: ids(added),
            removed: ids(removed),
            evicted: ids(evicted),
        }
    }

    /// R5.8: as after a restart without a store.
    #[test]
    fn a_new_list_is_empty_and_restorable_at_a_generation_that_says_so() {
        let list = SubscriptionList::new(FLOOR);
        assert!(list.is_restorable() && list.is_empty());
        assert_eq!((list.generation(), list.next_deadline()), (FLOOR, None));
        assert_eq!(
            SubscriptionList::new(0).generation(),
            1,
            "0 means that a client has no copy"
        );
    }

    /// R5.1, R5.9.
    #[test]
    fn subscriptions_are_listed_oldest_first() {
        let mut list = SubscriptionList::new(FLOOR);
        assert_eq!(list.subscribe(&ids("ab"), &at_most(200)), change("ab", "", ""));
        assert_eq!(list.subscribe(&ids("c"), &at_most(200)), change("c", "", ""));
        assert_eq!((letters(list.ids()).as_str(), list.len()), ("abc", 3));
        assert_eq!(list.generation(), FLOOR + 2);
        assert!(list.contains(&id("a")) && !list.contains(&id("x")));
    }

    /// R5.2.
    #[test]
    fn subscribing_again_makes_it_the_newest_and_evicts_nobody() {
        let mut list = list_of("abc");
        assert_eq!(list.subscribe(&ids("a"), &at_most(3)), change("a", "", ""));
        assert_eq!(letters(list.ids()), "bca");
    }

    /// R5.2.
    #[test]
    fn past_the_maximum_exactly_the_oldest_go() {
        let mut list = list_of("abcd");
        assert_eq!(list.subscribe(&ids("bef"), &at_most(5)), change("bef", "", "a"));
        assert_eq!(letters(list.ids()), "cdbef");
    }

    /// R5.2, R7.6: the maximum was lowered.
    #[test]
    fn a_lowered_maximum_trims_at_the_next_subscribe() {
        let mut list = list_of("abcd");
        assert_eq!(list.subscribe(&ids("e"), &at_most(2)), change("e", "", "abc"));
        assert_eq!(letters(list.ids()), "de");
    }

    /// R5.2: in a call of more than the list holds, nobody is both added and evicted.
    #[test]
    fn of_a_call_larger_than_the_maximum_the_last_stay() {
        let mut list = list_of("ab");
        assert_eq!(list.subscribe(&ids("xbyz"), &at_most(2)), change("yz", "", "axb"));
        assert_eq!(letters(list.ids()), "yz");
        assert_eq!(list.subscribe(&ids("q"), &at_most(0)), change("", "", "yzq"));
        assert!(list.is_empty());
    }

    /// R5.2 with the default maximum.
    #[test]
    fn the_two_hundred_and_first_evicts_the_first() {
        let mut list = SubscriptionList::new(FLOOR);
        for count in 0..200 {
            let change = list.subscribe(&[id(&format!("u{count}"))], &AppSettings::default());
            assert_eq!(change.evicted, []);
        }
        assert_eq!(
            list.subscribe(&ids("x"), &AppSettings::default()).evicted,
            [id("u0")]
        );
        assert_eq!(list.len(), 200);
    }

    #[test]
    fn repeats_count_once_and_no_ids_are_no_call() {
        let mut list = list_of("a");
        assert_eq!(list.subscribe(&ids("bcb"), &at_most(200)), change("bc", "", ""));
        let generation = list.generation();
        assert!(list.subscribe(&[], &at_most(1)).is_empty() && list.unsubscribe(&[]).is_empty());
        assert_eq!(
            (letters(list.ids()).as_str(), list.generation()),
            ("abc", generation)
        );
        let mut fresh = SubscriptionList::new(FLOOR);
        fresh.subscribe(&[], &at_most(1));
        fresh.unsubscribe(&[]);
        assert!(
            fresh.is_restorable(),
            "nobody was named, so the user touched nothing"
        );
    }

    /// R5.7.
    #[test]
    fn unsubscribing_passes_over_who_is_not_in_it() {
        let mut list = list_of("abc");
        assert_eq!(list.unsubscribe(&ids("cxa")), change("", "ac", ""));
        let generation = list.generation();
        assert!(list.unsubscribe(&ids("x")).is_empty());
        assert_eq!(
            (letters(list.ids()).as_str(), list.generation()),
            ("b", generation)
        );
    }

    /// R5.7.
    #[test]
    fn clearing_removes_all_and_leaves_nothing_to_restore() {
        let mut list = list_of("ab");
        assert_eq!(list.clear(), change("", "ab", ""));
        assert!(list.is_empty() && !list.is_restorable());
        assert!(list.clear().is_empty());
    }

    /// R5.8.
    #[test]
    fn a_list_is_cleared_when_its_owner_stays_away_for_the_linger() {
        let mut list = list_of("ab");
        let generation = list.generation();
        list.owner_gone(at(1_000), &AppSettings::default());
        assert_eq!(list.next_deadline(), Some(Mono(301_000)));
        assert!(list.advance(at(300_999)).is_empty());
        assert_eq!(list.advance(at(301_000)), change("", "ab", ""));
        assert!(list.is_restorable());
        assert_eq!((list.generation(), list.next_deadline()), (generation + 1, None));
        assert!(list.advance(at(999_000)).is_empty());
    }

    /// R5.8.
    #[test]
    fn an_owner_who_returns_in_time_finds_the_list_as_it_was() {
        let mut list = list_of("ab");
        let before = list.clone();
        list.owner_gone(at(0), &AppSettings::default());
        list.owner_online();
        assert!(list.advance(at(300_000)).is_empty());
        assert_eq!(list, before);
    }

    /// R5.8: OFFLINE, then kicked to UNLOGINED.
    #[test]
    fn a_linger_that_runs_is_not_prolonged() {
        let mut list = list_of("ab");
        list.owner_gone(at(0), &AppSettings::default());
        list.owner_gone(at(200_000), &AppSettings::default());
        assert_eq!(list.next_deadline(), Some(Mono(300_000)));
    }

    /// R5.8.
    #[test]
    fn an_empty_list_has_no_linger() {
        let mut list = list_of("a");
        list.owner_gone(at(0), &AppSettings::default());
        assert_eq!(
            list.unsubscribe(&ids("a")),
            change("", "a", ""),
            "the account of the last was deleted"
        );
        assert_eq!(list.next_deadline(), None);
        list.owner_gone(at(0), &AppSettings::default());
        assert_eq!(list.next_deadline(), None);
    }

    /// R5.8.
    #[test]
    fn the_first_device_restores_a_cleared_list_and_the_second_cannot() {
        let mut list = list_of("ab");
        list.owner_gone(at(0), &AppSettings::default());
        list.advance(at(300_000));
        let generation = list.generation();
        assert_eq!(list.restore(generation - 1, &ids("ab"), &at_most(200)), None);
        assert_eq!(
            list.restore(generation, &ids("ab"), &at_most(200)),
            Some(change("ab", "", ""))
        );
        assert_eq!(
            (letters(list.ids()).as_str(), list.generation()),
            ("ab", generation + 1)
        );
        assert_eq!(list.restore(generation, &ids("xy"), &at_most(200)), None);
        assert_eq!(list.restore(generation + 1, &ids("xy"), &at_most(200)), None);
    }

    /// R5.8: an empty copy is restored too; after it there is nothing left to restore.
    #[test]
    fn restoring_nothing_changes_nothing_but_ends_it() {
        let mut list = SubscriptionList::new(FLOOR);
        assert_eq!(
            list.restore(FLOOR, &[], &at_most(200)),
            Some(ListChange::default())
        );
        assert!(!list.is_restorable());
        assert_eq!(list.generation(), FLOOR);
    }

    /// R5.8.
    #[test]
    fn of_a_restore_past_the_maximum_the_oldest_are_left_out() {
        let mut list = SubscriptionList::new(FLOOR);
        assert_eq!(
            list.restore(FLOOR, &ids("abcb"), &at_most(2)),
            Some(change("bc", "", ""))
        );
        assert_eq!(letters(list.ids()), "bc");
    }

    /// R5.8.
    #[test]
    fn whatever_the_user_does_to_a_cleared_list_ends_the_restoring() {
        let touches: [fn(&mut SubscriptionList) -> ListChange; 3] = [
            |list| list.subscribe(&ids("x"), &AppSettings::default()),
            |list| list.unsubscribe(&ids("x")),
            SubscriptionList::clear,
        ];
        for touch in touches {
            let mut list = SubscriptionList::new(FLOOR);
            touch(&mut list);
            assert!(!list.is_restorable());
            assert_eq!(list.restore(list.generation(), &ids("ab"), &at_most(200)), None);
        }
    }

    /// Ten subscriptions cost ten names.
    #[test]
    fn a_list_keeps_no_room_to_grow() {
        let mut list = list_of("abcdefghijklmnopqrst");
        list.unsubscribe(&ids("abcdefghij"));
        assert_eq!((list.len(), list.ids.capacity()), (10, 10));
        assert!(
            size_of::<SubscriptionList>() <= 56,
            "{}",
            size_of::<SubscriptionList>()
        );
    }
}
