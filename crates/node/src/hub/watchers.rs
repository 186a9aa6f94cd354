//! Who watches one user here, and for which reasons. One entry a watcher, however many reasons: that is how a device
//! hears of a change once (R6.2).

use std::collections::HashMap;

/// Why someone watches: a set. Own devices are not in it; they always hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Reasons(u8);

impl Reasons {
    pub(crate) const NONE: Reasons = Reasons(0);
    /// It subscribes.
    pub(crate) const SUBSCRIBER: Reasons = Reasons(1);
    /// It has the user in its friend list.
    pub(crate) const FRIEND: Reasons = Reasons(2);

    pub(crate) fn with(self, other: Reasons) -> Reasons {
        Reasons(self.0 | other.0)
    }

    pub(crate) fn without(self, other: Reasons) -> Reasons {
        Reasons(self.0 & !other.0)
    }

    /// Whether any reason is in both.
    pub(crate) fn meets(self, other: Reasons) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A local user who watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watcher {
    /// Its place among the local users: who leaves is taken out first, so the place is enough.
    pub(crate) user: u32,
    /// Never empty.
    pub(crate) reasons: Reasons,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Watchers {
    entries: Vec<Watcher>,
    /// Where each stands, once there are many.
    #[allow(clippy::box_collection)] // one pointer where there are few, which is nearly always
    places: Option<Box<HashMap<u32, u32>>>,
}

/// Entries that short lists grow by.
pub(crate) const ROOM_STEP: usize = 4;
/// Up to so many are looked through one by one.
const LINEAR_MAX: usize = 32;

impl Watchers {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn as_slice(&self) -> &[Watcher] {
        &self.entries
    }

    /// The reasons of `user`; none: it does not watch.
    pub(crate) fn reasons_of(&self, user: u32) -> Reasons {
        self.place_of(user)
            .and_then(|place| self.entries.get(place))
            .map_or(Reasons::NONE, |watcher| watcher.reasons)
    }

    /// Adds a reason. True if `user` did not watch before.
    pub(crate) fn add(&mut self, user: u32, reason: Reasons) -> bool {
        if let Some(watcher) = self.place_of(user).and_then(|place| self.entries.get_mut(place)) {
            watcher.reasons = watcher.reasons.with(reason);
            return false;
        }
        if let Some(places) = &mut self.places {
            places.insert(user, self.entries.len() as u32);
        }
        if self.entries.len() == self.entries.capacity() {
            // Doubling would leave half of it unused where there are many short lists.
            self.entries.reserve_exact(ROOM_STEP.max(self.entries.len() / 2));
        }
        self.entries.push(Watcher {
            user,
            reasons: reason,
        });
        if self.places.is_none() && self.entries.len() > LINEAR_MAX {
            let places = self
                .entries
                .iter()
                .enumerate()
                .map(|(place, watcher)| (watcher.user, place as u32));
            self.places = Some(Box::new(places.collect()));
        }
        true
    }

    /// Takes a reason away. True if `user` watched and does not any more.
    pub(crate) fn remove(&mut self, user: u32, reason: Reasons) -> bool {
        let Some(place) = self.place_of(user) else {
            return false;
        };
        let Some(watcher) = self.entries.get_mut(place) else {
            return false;
        };
        watcher.reasons = watcher.reasons.without(reason);
        if !watcher.reasons.is_empty() {
            return false;
        }
        self.entries.swap_remove(place);
        if let Some(places) = &mut self.places {
            places.remove(&user);
            if let Some(moved) = self.entries.get(place) {
                places.insert(moved.user, place as u32);
            }
        }
        // Well below the limit, so that one who comes and goes at it costs nothing.
        if self.entries.len() < LINEAR_MAX / 2 && self.places.take().is_some() {
            self.entries.shrink_to_fit();
        }
        true
    }

    fn place_of(&self, user: u32) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(&user).map(|place| *place as usize),
            None => self.entries.iter().position(|watcher| watcher.user == user),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_with_two_reasons_is_one_entry_until_both_are_gone_r6_2() {
        let user = 7;
        let mut watchers = Watchers::default();
        assert!(watchers.add(user, Reasons::SUBSCRIBER));
        assert!(!watchers.add(user, Reasons::FRIEND));
        assert_eq!(watchers.len(), 1);
        assert!(!watchers.remove(user, Reasons::SUBSCRIBER));
        assert!(watchers.reasons_of(user).meets(Reasons::FRIEND));
        assert!(!watchers.reasons_of(user).meets(Reasons::SUBSCRIBER));
        assert!(watchers.remove(user, Reasons::FRIEND));
        assert!(!watchers.remove(user, Reasons::FRIEND));
        assert!(watchers.is_empty());
    }

    #[test]
    fn many_watchers_are_found_as_few_are() {
        let ids: Vec<u32> = (0..200).collect();
        let mut watchers = Watchers::default();
        for id in &ids {
            assert!(watchers.add(*id, Reasons::SUBSCRIBER));
        }
        // Out of order, across the change from many to few.
        for id in ids.iter().step_by(2).chain(ids.iter().skip(1).step_by(2).rev()) {
            assert_eq!(watchers.reasons_of(*id), Reasons::SUBSCRIBER);
            assert!(watchers.remove(*id, Reasons::SUBSCRIBER));
            assert_eq!(watchers.reasons_of(*id), Reasons::NONE);
        }
        assert!(watchers.is_empty());
    }
}
