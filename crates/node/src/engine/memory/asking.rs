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
    /// Whom it is about, where it is to watch them: one who is deleted meanwhile is nobody to subscribe to.
    app: AppId,
    watched: Vec<UserId>,
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
                app,
                watched: if kind == Asking::Look { Vec::new() } else { users },
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

    /// R1.5: an account was deleted whose snapshot may have come, while others of the same question have not. Without
    /// this, who asked would subscribe to it after all subscriptions to it were taken off.
    pub(super) fn forget_gathered(&mut self, deleted: &UserKey) {
        for gather in self.gathers.iter_mut().filter(|gather| gather.app == deleted.app) {
            for (user, snapshot) in gather.watched.iter().zip(&mut gather.users) {
                if *user == deleted.user {
                    *snapshot = None;
                }
            }
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

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use presence::settings::AppSettings;
    use presence::status::Version;

    use super::*;
    use crate::engine::{Command, Engine, Output};

    const NOW: fn() -> Now = Now::default;

    fn app() -> AppId {
        AppId::new(7).expect("above 0")
    }

    /// A user at home on loop `home` of three.
    fn at_home(home: usize) -> UserKey {
        (0..)
            .map(|number| {
                let user = UserId::new(&format!("user-{number}")).expect("a user id");
                UserKey { app: app(), user }
            })
            .find(|key| home_of(key, 3) == home)
            .expect("names are spread over the loops")
    }

    /// Three loops with an account each, and what the first of them does as a gateway does it: it subscribes to whom it
    /// finds, the moment it is told.
    struct Scene {
        engines: Vec<MemoryEngine>,
        users: [UserKey; 3],
        changes: Vec<Output>,
    }

    impl Scene {
        fn new() -> Scene {
            let engines = MemoryEngine::for_loops(3, Version(1_000), &[(app(), AppSettings::default())]);
            let users = [at_home(0), at_home(1), at_home(2)];
            let mut scene = Scene {
                engines,
                users,
                changes: Vec::new(),
            };
            for (home, user) in users.into_iter().enumerate() {
                scene.order(home, Command::Import { user });
                scene.take(home);
            }
            scene.changes.clear();
            scene
        }

        fn order(&mut self, home: usize, command: Command) {
            self.engines[home].submit(NOW(), Some(Tag(0)), command);
        }

        /// Loop `home` takes what is there, and sends on what it has for others.
        fn take(&mut self, home: usize) {
            let [subscriber, ..] = self.users;
            let mut cx = Context::from_waker(Waker::noop());
            while let Poll::Ready(output) = self.engines[home].poll_output(NOW(), &mut cx) {
                if home != 0 {
                    continue;
                }
                if let Output::Answer {
                    answer: Answer::Users(snapshots),
                    ..
                } = &output
                {
                    let asked = self.users[1..].iter().zip(snapshots);
                    let ids = asked
                        .filter(|(_, snapshot)| snapshot.is_some())
                        .map(|(key, _)| key.user)
                        .collect();
                    self.order(
                        0,
                        Command::Subscribe {
                            user: subscriber,
                            ids,
                        },
                    );
                }
                self.changes.push(output);
            }
            self.engines[home].flush();
        }

        fn watch(&mut self, count: usize) {
            let users = self.users[1..=count].iter().map(|key| key.user).collect();
            let watch = Command::Watch {
                app: app(),
                users,
                mention: false,
            };
            self.order(0, watch);
            self.take(0);
        }

        fn subscriptions(&self) -> Vec<UserId> {
            let record = self.engines[0].records.of(&self.users[0]);
            record.expect("it is an account").list.ids().collect()
        }
    }

    /// R1.5: the snapshot and the deletion come at once.
    #[test]
    fn who_is_deleted_before_it_is_subscribed_to_does_not_stay_listed() {
        let mut scene = Scene::new();
        let [_, bob, _] = scene.users;
        scene.watch(1);
        let mut cx = Context::from_waker(Waker::noop());
        while scene.engines[1].poll_output(NOW(), &mut cx).is_ready() {}
        scene.order(1, Command::Delete { user: bob });
        scene.take(1);
        scene.take(0);
        let was_told = |output: &Output| matches!(output, Output::ListChanged { change, .. } if change.removed == [bob.user]);
        assert_eq!(scene.subscriptions(), []);
        assert!(scene.changes.iter().any(was_told), "{:?}", scene.changes);
    }

    /// R1.5: the deletion comes while another loop has not answered.
    #[test]
    fn who_is_deleted_while_others_are_asked_about_is_not_found() {
        let mut scene = Scene::new();
        let [_, bob, carol] = scene.users;
        scene.watch(2);
        scene.take(1);
        scene.take(0);
        scene.order(1, Command::Delete { user: bob });
        scene.take(1);
        scene.take(0);
        scene.take(2);
        scene.take(0);
        assert_eq!(scene.subscriptions(), [carol.user]);
    }
}
