//! What the application was told of each user, and the client's copy of the subscription list.
//!
//! A mark is the version a user was last told at (R6.5): by a notification, or by the result of a subscribe. Whatever is
//! not newer is dropped. The marks go with the login of a reconnect, so that the server pushes what differs (R6.6).

use presence::ids::UserId;
use presence::status::{Status, Version};
use presence_protocol::message::{KnownUser, SubscriptionSummary, SubscriptionsChanged, UserStatus};

use crate::by_user::ByUser;

/// Users with a mark: friends (3 000), subscriptions (200) and oneself fit twice. Past it, marks of users that are not
/// in the list give way, the least recently told first.
pub(crate) const MARKS_MAX: usize = 8_192;

/// Marks that give way at once, so that finding them is paid for by as many tellings.
const MARKS_FREED: usize = MARKS_MAX / 8;

/// Bytes of an id and its version on the wire besides the id itself: tags, lengths, and a version below 2^53, and
/// whether ONLINE.
const KNOWN_OVERHEAD_BYTES: usize = 2 + 2 + 1 + 8 + 2 + 2;

/// The versions told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    marks: ByUser<Mark>,
    tellings: u64,
}

#[derive(Debug, Clone, Copy)]
struct Mark {
    version: u64,
    /// Whether as ONLINE (R2.9).
    online: bool,
    /// When, in tellings.
    at: u64,
}

impl Told {
    /// Raises the mark of `user`; false if `status` is not newer than what was told (R6.5).
    pub(crate) fn tell(&mut self, user: UserId, status: &UserStatus, keep: impl Fn(&UserId) -> bool) -> bool {
        self.tellings += 1;
        let told = Mark {
            version: status.version,
            online: status.status == Status::Online.number(),
            at: self.tellings,
        };
        if let Some(mark) = self.marks.get_mut(&user) {
            if told.version <= mark.version {
                return false;
            }
            *mark = told;
            return true;
        }
        if self.marks.len() >= MARKS_MAX {
            self.free(keep);
        }
        self.marks.insert(user, told);
        true
    }

    fn free(&mut self, keep: impl Fn(&UserId) -> bool) {
        let mut ages: Vec<(u64, UserId)> = self
            .marks
            .iter()
            .filter(|(user, _)| !keep(user))
            .map(|(user, mark)| (mark.at, *user))
            .collect();
        ages.sort_unstable();
        for (_, user) in ages.into_iter().take(MARKS_FREED) {
            self.marks.remove(&user);
        }
    }

    /// What goes with a login: `first` first, then the others, as far as `bytes_max` goes. Whoever is left out is pushed
    /// again and dropped here.
    pub(crate) fn known<'a>(&self, first: impl Iterator<Item = &'a str>, bytes_max: usize) -> Vec<KnownUser> {
        let mut known = Vec::new();
        let mut bytes = 0;
        let mut rest = self.marks.clone();
        let first: Vec<UserId> = first.filter_map(|id| UserId::new(id).ok()).collect();
        let others: Vec<UserId> = rest
            .keys()
            .filter(|user| !first.contains(user))
            .copied()
            .collect();
        for user in first.into_iter().chain(others) {
            let Some(mark) = rest.remove(&user) else { continue };
            bytes += user.as_str().len() + KNOWN_OVERHEAD_BYTES;
            if bytes > bytes_max {
                break;
            }
            known.push(KnownUser {
                user_id: user.as_str().to_owned(),
                version: Version(mark.version),
                online: mark.online,
            });
        }
        known
    }
}

/// The copy of the subscription list: what a restore sends (R5.8). Oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ListCopy {
    pub(crate) generation: u64,
    pub(crate) ids: Vec<String>,
}

impl ListCopy {
    /// Takes over what a login reply says of the list.
    pub(crate) fn take_over(&mut self, summary: SubscriptionSummary) {
        self.generation = summary.generation;
        if let Some(ids) = summary.user_ids {
            self.ids = ids;
        }
    }

    /// Follows a change of the list. One that is not newer changes nothing.
    pub(crate) fn follow(&mut self, change: &SubscriptionsChanged) {
        if change.generation <= self.generation {
            return;
        }
        self.generation = change.generation;
        let moves = |id: &String| {
            [&change.added, &change.removed, &change.evicted]
                .iter()
                .any(|ids| ids.contains(id))
        };
        self.ids.retain(|id| !moves(id));
        self.ids.extend(
            change
                .added
                .iter()
                .filter(|id| !change.evicted.contains(id))
                .cloned(),
        );
    }

    pub(crate) fn contains(&self, id: &str) -> bool {
        self.ids.iter().any(|listed| listed == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn tell(told: &mut Told, user: UserId, version: u64, keep: impl Fn(&UserId) -> bool) -> bool {
        let status = UserStatus {
            version,
            status: Status::Online.number(),
            ..UserStatus::default()
        };
        told.tell(user, &status, keep)
    }

    fn nobody(_: &UserId) -> bool {
        false
    }

    #[test]
    fn a_version_that_is_not_newer_is_not_told() {
        let mut told = Told::default();
        assert!(tell(&mut told, user("a"), 5, nobody));
        assert!(!tell(&mut told, user("a"), 5, nobody), "R6.5: twice");
        assert!(!tell(&mut told, user("a"), 4, nobody), "R6.5: going back");
        assert!(tell(&mut told, user("a"), 6, nobody));
        assert!(tell(&mut told, user("b"), 1, nobody));
    }

    #[test]
    fn marks_are_bounded_and_those_of_the_list_stay() {
        let mut told = Told::default();
        let keep = |id: &UserId| id.as_str() == "u0";
        for number in 0..MARKS_MAX + 1 {
            assert!(tell(&mut told, user(&format!("u{number}")), 1, keep));
        }
        assert_eq!(told.marks.len(), MARKS_MAX - MARKS_FREED + 1);
        assert!(!tell(&mut told, user("u0"), 1, keep), "kept though the oldest");
        assert!(tell(&mut told, user("u1"), 1, keep), "freed");
    }

    #[test]
    fn a_login_carries_the_first_marks_that_fit() {
        let mut told = Told::default();
        for name in ["a", "b", "c"] {
            tell(&mut told, user(name), 7, nobody);
        }
        let room_for_two = 2 * (1 + KNOWN_OVERHEAD_BYTES);
        let known = told.known(["c", "x", "b"].into_iter(), room_for_two);
        assert_eq!(
            known,
            ["c", "b"].map(|user| KnownUser {
                user_id: user.to_owned(),
                version: Version(7),
                online: true,
            })
        );
        assert_eq!(told.known(["c"].into_iter(), usize::MAX).len(), 3);
    }

    #[test]
    fn the_copy_follows_the_list() {
        let mut list = ListCopy::default();
        let ids = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        list.take_over(SubscriptionSummary {
            generation: 3,
            restorable: false,
            user_ids: Some(ids("a b c")),
        });
        list.follow(&SubscriptionsChanged {
            generation: 4,
            added: ids("b d"),
            removed: ids("c"),
            evicted: ids("a"),
        });
        assert_eq!(
            list,
            ListCopy {
                generation: 4,
                ids: ids("b d")
            },
            "R5.2"
        );
        list.follow(&SubscriptionsChanged {
            generation: 4,
            removed: ids("b"),
            ..SubscriptionsChanged::default()
        });
        assert_eq!(list.ids, ids("b d"), "an old change");
        list.take_over(SubscriptionSummary {
            generation: 4,
            restorable: false,
            user_ids: None,
        });
        assert_eq!(list.ids, ids("b d"), "the copy is current");
        assert!(list.contains("d") && !list.contains("a"));
    }
}
