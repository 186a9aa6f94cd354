//! The model's calls and subscription lists: R4, R5, R7.

use presence::gates::{Call, Refusal};
use presence::ids::{UserId, UserKey};
use presence::settings::Plan;
use presence::time::Mono;

use super::Model;
use crate::mutant::Mutant;
use crate::step::{Answer, IdAnswer, ListTold};

impl Model {
    pub(super) fn call(&mut self, user: UserKey, call: Call, ids: &[String]) -> Answer {
        let mut different: Vec<String> = Vec::new();
        for id in ids {
            if !different.contains(id) || self.is(Mutant::RepeatsCounted) {
                different.push(id.clone());
            }
        }
        let itself_only = call == Call::Query
            && !different.is_empty()
            && different.iter().all(|id| id == user.user.as_str());
        if (!itself_only || self.is(Mutant::SelfQueryGated))
            && let Err(refusal) = self.gate(user, call, &different)
        {
            return Answer::Refused(refusal);
        }
        if different.is_empty() {
            let removed = self.list(user);
            self.subscriptions.retain(|(owner, _)| *owner != user);
            self.account_mut(user).restorable = false;
            self.list_told(user, Vec::new(), removed, Vec::new());
            return Answer::Users {
                users: Vec::new(),
                evicted: Vec::new(),
            };
        }
        let mut users = Vec::new();
        let mut good = Vec::new();
        for text in different {
            let answer = match UserId::new(&text) {
                Err(_) => IdAnswer::IllFormed,
                Ok(id) if call == Call::Subscribe && id == user.user => IdAnswer::Oneself,
                Ok(id) => {
                    let key = UserKey {
                        app: user.app,
                        user: id,
                    };
                    let exists = self.account(key).is_some();
                    if exists || call == Call::Unsubscribe {
                        good.push(id);
                    }
                    match call {
                        Call::Unsubscribe => IdAnswer::Off,
                        Call::Query | Call::Subscribe if exists => IdAnswer::Is(self.seen(key)),
                        Call::Query | Call::Subscribe => IdAnswer::NoAccount,
                    }
                }
            };
            users.push((text, answer));
        }
        let evicted = match call {
            Call::Query => Vec::new(),
            _ if good.is_empty() => Vec::new(),
            Call::Subscribe => self.subscribe(user, &good),
            Call::Unsubscribe => {
                let mut removed = self.list(user);
                removed.retain(|id| good.contains(id));
                self.subscriptions
                    .retain(|(owner, id)| *owner != user || !good.contains(id));
                self.account_mut(user).restorable = false;
                self.list_told(user, Vec::new(), removed, Vec::new());
                Vec::new()
            }
        };
        Answer::Users { users, evicted }
    }

    /// R7.1: plan, switch, size, rate.
    pub(super) fn gate(&mut self, user: UserKey, call: Call, different: &[String]) -> Result<(), Refusal> {
        let settings = self.settings[&user.app].clone();
        if self.is(Mutant::SwitchBeforePlan) && !settings.user_status {
            return Err(Refusal::SwitchedOff);
        }
        if settings.plan == Plan::Basic {
            return Err(Refusal::Plan);
        }
        if !settings.user_status {
            return Err(Refusal::SwitchedOff);
        }
        if different.is_empty() && call != Call::Unsubscribe {
            return Err(Refusal::NoIds);
        }
        let ids_max = if call == Call::Query {
            settings.query_batch_max
        } else {
            settings.subscribe_batch_max
        };
        if different.len() > ids_max {
            return Err(Refusal::TooManyIds { ids_max });
        }
        if settings.rate_calls == 0 {
            return Ok(());
        }
        // R7.5: those in the window count.
        let now = self.now.mono;
        let window = settings.rate_window;
        self.calls
            .retain(|(caller, kind, at)| *caller != user || *kind != call || now.since(*at) < window);
        let mine: Vec<Mono> = self
            .calls
            .iter()
            .filter(|(caller, kind, _)| *caller == user && *kind == call)
            .map(|it| it.2)
            .collect();
        let allowed = settings.rate_calls + usize::from(self.is(Mutant::OneCallTooMany));
        if mine.len() >= allowed {
            // So many have to leave the window first.
            let surplus = mine.len() - allowed + 1;
            let leaves = mine[surplus - 1].after(window);
            return Err(Refusal::Rate {
                retry_after: leaves.since(now),
            });
        }
        self.calls.push((user, call, now));
        Ok(())
    }

    /// R5.2: one after the other.
    pub(super) fn subscribe(&mut self, user: UserKey, good: &[UserId]) -> Vec<UserId> {
        let subscriptions_max = self.settings[&user.app].subscriptions_max;
        for id in good {
            if self.is(Mutant::OldSubscriptionStays) && self.subscriptions.contains(&(user, *id)) {
                continue;
            }
            self.subscriptions.retain(|known| *known != (user, *id));
            self.subscriptions.push((user, *id));
        }
        let mut evicted = Vec::new();
        loop {
            let list = self.list(user);
            if list.len() <= subscriptions_max {
                break;
            }
            let victim = if self.is(Mutant::NewestEvicted) {
                list[list.len() - 1]
            } else {
                list[0]
            };
            self.subscriptions.retain(|known| *known != (user, victim));
            evicted.push(victim);
        }
        let list = self.list(user);
        let added = good.iter().copied().filter(|id| list.contains(id)).collect();
        self.account_mut(user).restorable = false;
        self.list_told(user, added, Vec::new(), evicted.clone());
        evicted
    }

    /// R5.8.
    pub(super) fn restore(&mut self, user: UserKey, generation: u64, ids: &[UserId]) -> Answer {
        let account = self.expect_account(user);
        let refused = !account.restorable || account.generation != generation;
        if refused && !self.is(Mutant::RestoresAnytime) {
            return Answer::NotRestorable;
        }
        let mut added: Vec<UserId> = Vec::new();
        for id in ids {
            let key = UserKey {
                app: user.app,
                user: *id,
            };
            if key != user && self.account(key).is_some() && !added.contains(id) {
                added.push(*id);
            }
        }
        while added.len() > self.settings[&user.app].subscriptions_max {
            added.remove(0);
        }
        for id in &added {
            self.subscriptions.retain(|known| *known != (user, *id));
            self.subscriptions.push((user, *id));
        }
        self.account_mut(user).restorable = false;
        self.list_told(user, added, Vec::new(), Vec::new());
        Answer::Done
    }

    /// R5.3: to every device of the owner.
    pub(super) fn list_told(
        &mut self,
        owner: UserKey,
        added: Vec<UserId>,
        removed: Vec<UserId>,
        evicted: Vec<UserId>,
    ) {
        if added.is_empty() && removed.is_empty() && evicted.is_empty() {
            return;
        }
        self.account_mut(owner).generation += 1;
        let generation = self.expect_account(owner).generation;
        let devices = self.devices.iter().filter(|device| device.owner == owner);
        let to = devices.filter_map(|device| device.connection).collect();
        self.lists.push(ListTold {
            owner,
            added,
            removed,
            evicted,
            generation,
            to,
        });
    }
}
