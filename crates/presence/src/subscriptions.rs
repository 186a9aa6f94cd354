//! Whom one user watches: bounded, oldest first, kept a while after the user left (R5).

use crate::ids::UserId;
use crate::settings::AppSettings;
use crate::time::{Mono, Now};

/// A user's subscription list. Oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionList {
    // (private: ids oldest first, generation, restorable, linger deadline)
}

/// What a step did to the list: the watcher index and the user's devices (R5.3) follow it. Empty: nothing happened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListChange {
    /// Now the newest, in this order; each may have been in the list before (R5.2).
    pub added: Vec<UserId>,
    /// Taken off by request or by the end of the linger.
    pub removed: Vec<UserId>,
    /// Fell off because the list was full, oldest first (R5.2).
    pub evicted: Vec<UserId>,
}

impl SubscriptionList {
    /// An empty, restorable list whose generation no list before a restart had: `floor` is the engine's.
    #[must_use]
    pub fn new(floor: u64) -> SubscriptionList { let _ = floor; todo!() }

    /// The ids, oldest first (R5.9).
    pub fn ids(&self) -> impl Iterator<Item = UserId> + '_ { std::iter::empty() }

    /// Whether `user` is in it.
    #[must_use]
    pub fn contains(&self, user: &UserId) -> bool { let _ = user; todo!() }

    /// Rises with every change.
    #[must_use]
    pub fn generation(&self) -> u64 { todo!() }

    /// Empty because it was cleared or lost, and unchanged since (R5.8).
    #[must_use]
    pub fn is_restorable(&self) -> bool { todo!() }

    /// R5.1–R5.3. `ids` are different, have accounts, and are not the owner.
    pub fn subscribe(&mut self, ids: &[UserId], settings: &AppSettings) -> ListChange { let _ = (ids, settings); todo!() }

    /// R5.7. Ids not in it are passed over.
    pub fn unsubscribe(&mut self, ids: &[UserId]) -> ListChange { let _ = ids; todo!() }

    /// R5.7 without ids.
    pub fn clear(&mut self) -> ListChange { todo!() }

    /// R5.8: `None` if it is not restorable at `generation`. `ids` oldest first; past the maximum the oldest are left out.
    pub fn restore(&mut self, generation: u64, ids: &[UserId], settings: &AppSettings) -> Option<ListChange> { let _ = (generation, ids, settings); todo!() }

    /// The owner came online: the linger ends.
    pub fn owner_online(&mut self) {}

    /// The owner is no longer ONLINE: the linger begins (R5.8).
    pub fn owner_gone(&mut self, now: Now, settings: &AppSettings) { let _ = (now, settings); }

    /// When [`SubscriptionList::advance`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Mono> { todo!() }

    /// Clears the list if its linger is over (R5.8).
    pub fn advance(&mut self, now: Now) -> ListChange { let _ = now; todo!() }
}
