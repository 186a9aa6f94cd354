//! What users show, asked of their homes, and the interest of loops in their changes.

use presence::ids::{AppId, UserId, UserKey};
use presence::time::Now;

use super::{MemoryEngine, Message, home_of};
use crate::engine::{Answer, Snapshot, Tag};
use crate::slab::Id;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Asking {
    Look,
    Watch,
    /// Watch, and R1.2.
    Mention,
}

/// A question to several shards, until the last has answered.
pub(super) struct Gather {
    tag: Option<Tag>,
    shards_missing: usize,
    users: Vec<Option<Snapshot>>,
}

impl MemoryEngine {
    /// Asks the homes of `users`, this shard included.
    pub(super) fn ask(&mut self, at: Now, tag: Option<Tag>, app: AppId, users: Vec<UserId>, kind: Asking) {
        if self.shards == 1 {
            let registers = kind == Asking::Mention && self.mention_registers(app);
            let from = self.index;
            let look_at = |user| self.look_at(at, from, UserKey { app, user }, kind, registers);
            let answers = users.into_iter().map(look_at).collect();
            self.answer(tag, Answer::Users(answers));
            return;
        }
        let mut by_home: Vec<Vec<(u32, UserId)>> = vec![Vec::new(); self.shards];
        for (position, user) in users.iter().enumerate() {
            let home = home_of(&UserKey { app, user: *user }, self.shards);
            by_home[home].push((position as u32, *user));
        }
        let here = std::mem::take(&mut by_home[self.index]);
        let mut answers = vec![None; users.len()];
        for (position, snapshot) in self.look(at, self.index, app, here, kind) {
            answers[position as usize] = snapshot;
        }
        let shards_missing = by_home.iter().filter(|asked| !asked.is_empty()).count();
        if shards_missing == 0 {
            self.answer(tag, Answer::Users(answers));
            return;
        }
        let gather = self
            .gathers
            .insert(Gather {
                tag,
                shards_missing,
                users: answers,
            })
            .to_bits();
        for (home, users) in by_home
            .into_iter()
            .enumerate()
            .filter(|(_, asked)| !asked.is_empty())
        {
            self.mesh.send(
                home,
                Message::Ask {
                    gather,
                    from: self.index,
                    app,
                    users,
                    kind,
                },
            );
        }
    }

    /// What users at home here show, to the loop `from`, which hears of their changes from now on if it watches.
    pub(super) fn look(
        &mut self,
        at: Now,
        from: usize,
        app: AppId,
        users: Vec<(u32, UserId)>,
        kind: Asking,
    ) -> Vec<(u32, Option<Snapshot>)> {
        let registers = kind == Asking::Mention && self.mention_registers(app);
        let look_at = |(position, user)| {
            (
                position,
                self.look_at(at, from, UserKey { app, user }, kind, registers),
            )
        };
        users.into_iter().map(look_at).collect()
    }

    /// R1.2.
    fn mention_registers(&self, app: AppId) -> bool {
        let settings = self.apps.get(&app);
        settings.is_some_and(|settings| settings.auto_register_on_mention)
    }

    fn look_at(
        &mut self,
        at: Now,
        from: usize,
        key: UserKey,
        kind: Asking,
        registers: bool,
    ) -> Option<Snapshot> {
        if registers {
            self.register(key, at);
        }
        // The home itself hears in any case.
        if kind != Asking::Look && from != self.index {
            *self.interest.entry(key).or_default() |= 1 << from;
        }
        self.records.of(&key).map(|record| Snapshot {
            presence: record.user.presence().clone(),
            platforms: record.user.platforms(),
        })
    }

    pub(super) fn unwatch(&mut self, from: usize, app: AppId, users: Vec<UserId>) {
        for user in users {
            let key = UserKey { app, user };
            if let Some(loops) = self.interest.get_mut(&key) {
                *loops &= !(1 << from);
                if *loops == 0 {
                    self.interest.remove(&key);
                }
            }
        }
    }

    pub(super) fn gathered(&mut self, id: Id, users: Vec<(u32, Option<Snapshot>)>) {
        let Some(gather) = self.gathers.get_mut(id) else {
            return;
        };
        for (position, snapshot) in users {
            if let Some(place) = gather.users.get_mut(position as usize) {
                *place = snapshot;
            }
        }
        gather.shards_missing -= 1;
        if gather.shards_missing > 0 {
            return;
        }
        if let Some(gather) = self.gathers.remove(id) {
            self.answer(gather.tag, Answer::Users(gather.users));
        }
    }

    /// This loop is not interested in `users` any more.
    pub(super) fn unwatch_all(&mut self, app: AppId, users: Vec<UserId>) {
        let mut by_home: Vec<Vec<UserId>> = vec![Vec::new(); self.shards];
        for user in users {
            by_home[home_of(&UserKey { app, user }, self.shards)].push(user);
        }
        for (home, users) in by_home
            .into_iter()
            .enumerate()
            .filter(|(_, users)| !users.is_empty())
        {
            if home == self.index {
                self.unwatch(home, app, users);
            } else {
                self.mesh.send(
                    home,
                    Message::Unwatch {
                        from: self.index,
                        app,
                        users,
                    },
                );
            }
        }
    }
}
