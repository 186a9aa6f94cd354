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
    ids: Vec<UserId>,
    generation: u64,
    /// Only ever true of an empty list.
    restorable: bool,
    /// When the list is cleared, while its owner is away and it holds anyone.
    linger_end: Option<Mono>,
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
        let mut added = distinct(ids);
        self.take_out(&added);
        self.ids.extend_from_slice(&added);
        let surplus = self.ids.len().saturating_sub(settings.subscriptions_max);
        let evicted: Vec<UserId> = self.ids.drain(..surplus).collect();
        // More ids in one call than the list holds: the first of them fall off as they come.
        added.drain(..added.len().saturating_sub(self.ids.len()));
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

    /// R5.8: `None` if it is not restorable at `generation`. `ids` oldest first, with accounts, and not the owner; repeats
    /// count once, and past the maximum the oldest are left out.
    pub fn restore(&mut self, generation: u64, ids: &[UserId], settings: &AppSettings) -> Option<ListChange> {
        if !self.restorable || generation != self.generation {
            return None;
        }
        self.restorable = false;
        let mut added = distinct(ids);
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
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        self.ids
            .extract_if(.., |id| sorted.binary_search(id).is_ok())
            .collect()
    }

    /// A new generation if anything happened. Most lists stay as they are for long, so no room is kept for growth.
    fn changed(&mut self, change: ListChange) -> ListChange {
        if !change.is_empty() {
            self.generation += 1;
            self.ids.shrink_to_fit();
        }
        if self.ids.is_empty() {
            self.linger_end = None;
        }
        change
    }
}

/// In order of first mention.
fn distinct(ids: &[UserId]) -> Vec<UserId> {
    let mut seen = HashSet::with_capacity(ids.len());
    ids.iter().copied().filter(|id| seen.insert(*id)).collect()
}
