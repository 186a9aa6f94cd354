//! What users show, asked of their homes, and the interest of loops in their changes.

use presence::ids::{AppId, UserId, UserKey};
use presence::time::Now;

use super::{MemoryEngine, Message, Record, home_of};
use crate::engine::{Answer, Sight, Snapshot, Tag};
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
            let answers = self.look(at, self.index, app, &users, kind);
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
        for (position, snapshot) in self.look_placed(at, self.index, app, here, kind) {
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

    /// As [`MemoryEngine::look`], with the users' positions in the question.
    pub(super) fn look_placed(
        &mut self,
        at: Now,
        from: usize,
        app: AppId,
        users: Vec<(u32, UserId)>,
        kind: Asking,
    ) -> Vec<(u32, Option<Snapshot>)> {
        let (positions, users): (Vec<u32>, Vec<UserId>) = users.into_iter().unzip();
        let snapshots = self.look(at, from, app, &users, kind);
        positions.into_iter().zip(snapshots).collect()
    }

    /// What users at home here show, to the loop `from`, which hears of their changes from now on if it watches.
    fn look(
        &mut self,
        at: Now,
        from: usize,
        app: AppId,
        users: &[UserId],
        kind: Asking,
    ) -> Vec<Option<Snapshot>> {
        let keys = || users.iter().map(|user| UserKey { app, user: *user });
        if kind == Asking::Mention && self.mention_registers(app) {
            keys().for_each(|key| self.register(key, at));
        }
        // The home itself hears in any case.
        if kind != Asking::Look && from != self.index {
            for key in keys() {
                *self.interest.entry(key).or_default() |= 1 << from;
            }
        }
        let mut snapshots = Vec::with_capacity(users.len());
        let (lift, names) = (self.lift, users.iter().map(UserId::as_bytes));
        self.records.of_each(app, names, Record::reach, |record| {
            snapshots.push(record.map(|record| record.snapshot(lift)));
        });
        snapshots
    }

    /// Shows users at home here.
    pub(super) fn see_each(&self, app: AppId, names: &[&str], see: &mut dyn FnMut(Option<Sight<'_>>)) {
        let (lift, names) = (self.lift, names.iter().map(|name| name.as_bytes()));
        self.records.of_each(app, names, Record::reach, |record| {
            see(record.map(|record| record.sight(lift)));
        });
    }

    /// R1.2.
    fn mention_registers(&self, app: AppId) -> bool {
        let settings = self.apps.get(&app);
        settings.is_some_and(|settings| settings.auto_register_on_mention)
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
        // The home itself hears in any case.
        if self.shards == 1 {
            return;
        }
        let mut by_home: Vec<Vec<UserId>> = vec![Vec::new(); self.shards];
        for user in users {
            by_home[home_of(&UserKey { app, user }, self.shards)].push(user);
        }
        let others = by_home
            .into_iter()
            .enumerate()
            .filter(|(home, users)| *home != self.index && !users.is_empty());
        for (home, users) in others {
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
