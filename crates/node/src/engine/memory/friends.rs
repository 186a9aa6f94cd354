//! Friend lists, as a backend sets and edits them (R9.1).

use std::collections::HashSet;

use presence::ids::{AppId, UserId, UserKey};
use presence::time::Now;

use super::{MemoryEngine, Message, Parts, home_of};
use crate::engine::{Answer, FriendsEdited, Output, Tag};

impl MemoryEngine {
    pub(super) fn set_friends(&mut self, owner: UserKey, friends: Vec<UserId>, at: Now, tag: Option<Tag>) {
        self.answer(tag, Answer::Done);
        self.register(owner, at);
        let Some(id) = self.records.id_of(&owner) else {
            return;
        };
        if let Some(record) = self.records.get_mut(id) {
            record.friends = friends.clone().into_boxed_slice();
        }
        self.mark(id, Parts::FRIENDS, at);
        let registers = self
            .apps
            .get(&owner.app)
            .is_some_and(|settings| settings.auto_register_on_mention);
        if registers {
            self.register_friends(owner.app, &friends, at);
        }
        self.outputs
            .push_back(Output::FriendsChanged { user: owner, friends });
    }

    /// R1.2: each at its home.
    fn register_friends(&mut self, app: AppId, friends: &[UserId], at: Now) {
        let mut by_home: Vec<Vec<UserId>> = vec![Vec::new(); self.shards];
        for &user in friends {
            by_home[home_of(&UserKey { app, user }, self.shards)].push(user);
        }
        for (home, users) in by_home.into_iter().enumerate() {
            if users.is_empty() {
                continue;
            }
            if home == self.index {
                self.befriended(app, users, at);
            } else {
                self.mesh.send(home, Message::Befriended { app, users });
            }
        }
    }

    pub(super) fn befriended(&mut self, app: AppId, users: Vec<UserId>, at: Now) {
        for user in users {
            self.register(UserKey { app, user }, at);
        }
    }

    /// R9.1.
    pub(super) fn edit_friends(
        &mut self,
        owner: UserKey,
        add: &[UserId],
        remove: &[UserId],
        friends_max: usize,
        at: Now,
        tag: Option<Tag>,
    ) {
        let Some(record) = self.records.of(&owner) else {
            self.answer(tag, Answer::FriendsEdited(None));
            return;
        };
        let mut edited = FriendsEdited::default();
        let mut friends = record.friends.to_vec();
        friends.retain(|friend| {
            let goes = remove.contains(friend) && !add.contains(friend);
            if goes {
                edited.removed.push(*friend);
            }
            !goes
        });
        let mut known: HashSet<UserId> = friends.iter().copied().collect();
        for friend in add {
            if *friend == owner.user || remove.contains(friend) || known.contains(friend) {
                continue;
            }
            if friends.len() >= friends_max {
                edited.no_room.push(*friend);
                continue;
            }
            known.insert(*friend);
            friends.push(*friend);
            edited.added.push(*friend);
        }
        let changed = !(edited.added.is_empty() && edited.removed.is_empty());
        self.answer(tag, Answer::FriendsEdited(Some(edited)));
        if changed {
            self.set_friends(owner, friends, at, None);
        }
    }
}
