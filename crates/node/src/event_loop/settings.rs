//! An app as a loop knows it, and what follows when its settings change at run time (R7.2–R7.4, R7.6): those who missed
//! something are caught up, spread over time.

use std::collections::VecDeque;
use std::sync::Arc;

use presence::ids::{AppId, UserKey};
use presence::settings::AppSettings;
use presence::time::Mono;

use super::Loop;
use crate::config::AppConfig;
use crate::engine::Command;
use crate::gateway::pending::{Devices, Pending};
use crate::hub::fanout::reasons_told;
use crate::hub::watchers::Reasons;
use crate::slab::Id;
use crate::statistics::AppStatistics;
use crate::transport::Transport;

/// One app.
pub(crate) struct App {
    pub(crate) secret_key: String,
    pub(crate) settings: AppSettings,
    /// Watched users of whom subscribers were not told something (R7.3).
    pub(crate) missed: Vec<Id>,
    /// What happened so far, and how many devices there are.
    pub(crate) counted: AppStatistics,
    /// Changes of its users in this turn.
    pub(crate) changed: u64,
}

impl App {
    pub(crate) fn new(config: &AppConfig) -> App {
        App {
            secret_key: config.secret_key.clone(),
            settings: config.settings.clone(),
            missed: Vec::new(),
            counted: AppStatistics::default(),
            changed: 0,
        }
    }
}

/// Something to be made up for.
enum Due {
    /// The subscribers of this watched user are told what it shows.
    Watched(Id),
    /// This local user watches its friends from now on.
    Friends(Id),
    /// Of those whom this user waits for, some have not come back after a restart (R2.9).
    Absent(UserKey, Vec<Id>),
}

/// What is to be made up for, a part of it at a time.
#[derive(Default)]
pub(super) struct CatchUp {
    due: VecDeque<Due>,
    per_step: usize,
    next: Mono,
}

/// Steps of a catch-up, and the time between them: all of it in 5 s (R7.3 gives 30 s, R9.2 gives 5 s).
const STEPS: usize = 50;
const STEP_MS: u64 = 100;

impl CatchUp {
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (!self.due.is_empty()).then_some(self.next)
    }

    fn add(&mut self, due: impl Iterator<Item = Due>, now: Mono) {
        if self.due.is_empty() {
            self.next = now;
        }
        self.due.extend(due);
        self.per_step = self.due.len().div_ceil(STEPS).max(1);
    }

    /// Leaves out the friends of those users, who begin anew: however often a switch is thrown, each stands here once.
    fn without_friends_of(&mut self, is_one: impl Fn(Id) -> bool) {
        self.due
            .retain(|due| !matches!(due, Due::Friends(local) if is_one(*local)));
    }

    /// What is to be done now.
    fn take_step(&mut self, now: Mono) -> Vec<Due> {
        if self.due.is_empty() || self.next > now {
            return Vec::new();
        }
        self.next = Mono(now.0.saturating_add(STEP_MS));
        let count = self.per_step.min(self.due.len());
        self.due.drain(..count).collect()
    }
}

impl<T: Transport> Loop<T> {
    /// R7.6. An app this node was not started with is none of its own.
    pub(super) fn configure(&mut self, id: AppId, settings: AppSettings) {
        let Some(app) = self.apps.get_mut(&id) else {
            tracing::warn!(app = %id, "settings for an app that this server does not have");
            return;
        };
        let before = reasons_told(&app.settings);
        let after = reasons_told(&settings);
        app.settings = settings.clone();
        let is_new = |reason: Reasons| after.meets(reason) && !before.meets(reason);
        if is_new(Reasons::SUBSCRIBER) {
            let missed = std::mem::take(&mut app.missed);
            self.catch_up
                .add(missed.into_iter().map(Due::Watched), self.now.mono);
        }
        if is_new(Reasons::FRIEND) {
            let of_app = |local| self.hub.locals.get(local).is_some_and(|user| user.key.app == id);
            self.catch_up.without_friends_of(of_app);
            let of_app = self.hub.locals.iter().filter(|(_, user)| user.key.app == id);
            self.catch_up
                .add(of_app.map(|(local, _)| Due::Friends(local)), self.now.mono);
        }
        if is_new(Reasons::SUBSCRIBER) || is_new(Reasons::FRIEND) {
            let withheld = self.absent.take_withheld(id);
            self.make_up_for(withheld);
        }
        self.submit(None, Command::Configure { app: id, settings });
    }

    /// R2.9: whom these users wait for is not back.
    fn make_up_for(&mut self, absent: Vec<(UserKey, Vec<Id>)>) {
        if !absent.is_empty() {
            let due = absent.into_iter().map(|(user, ids)| Due::Absent(user, ids));
            self.catch_up.add(due, self.now.mono);
        }
    }

    pub(super) fn catch_up_some(&mut self) {
        let absent = self.absent.take_due(self.now.mono);
        self.make_up_for(absent);
        let step = self.catch_up.take_step(self.now.mono);
        if step.is_empty() {
            return;
        }
        for due in step {
            match due {
                Due::Watched(id) => {
                    // A change since then has told them already, if the mark is gone.
                    let missed = self
                        .hub
                        .watched
                        .get_mut(id)
                        .is_some_and(|watched| std::mem::take(&mut watched.missed));
                    if missed && let Some(app) = self.hub.watched.get(id).map(|watched| watched.key.app) {
                        let delivered = self.counted.deliveries;
                        self.tell_watchers(id);
                        self.count_deliveries(app, delivered);
                    }
                }
                Due::Absent(user, ids) => self.tell_absent(user, ids),
                Due::Friends(local) => {
                    if let Some(user) = self.hub.locals.get(local).map(|user| user.key) {
                        let pending = Pending::Friends {
                            user,
                            devices: Devices::All,
                            known: Arc::default(),
                        };
                        self.ask(pending, Command::ListFriends { user });
                    }
                }
            }
        }
        self.use_outputs();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Slab;

    #[test]
    fn a_catch_up_is_spread_over_five_seconds_r7_3() {
        let mut slab = Slab::new();
        let ids: Vec<Id> = (0..1_000).map(|_| slab.insert(())).collect();
        let mut catch_up = CatchUp::default();
        assert_eq!(catch_up.next_deadline(), None);
        catch_up.add(ids.into_iter().map(Due::Watched), Mono(7));
        let mut steps = 0;
        while let Some(at) = catch_up.next_deadline() {
            assert_eq!(catch_up.take_step(at).len(), 20);
            assert!(catch_up.take_step(at).is_empty());
            steps += 1;
        }
        assert_eq!(steps, STEPS);
    }

    #[test]
    fn a_switch_that_is_thrown_again_and_again_makes_the_catch_up_no_longer_r7_4() {
        let mut slab = Slab::new();
        let locals: Vec<Id> = (0..10).map(|_| slab.insert(())).collect();
        let (ours, others) = locals.split_at(5);
        let mut catch_up = CatchUp::default();
        catch_up.add(others.iter().copied().map(Due::Friends), Mono(0));
        catch_up.add(std::iter::once(Due::Watched(ours[0])), Mono(0));
        for _ in 0..3 {
            catch_up.without_friends_of(|local| ours.contains(&local));
            catch_up.add(ours.iter().copied().map(Due::Friends), Mono(0));
        }
        assert_eq!(catch_up.due.len(), 11);
    }
}
