//! Steps of one user, and what is due as time passes: ends of grace, retention and linger.

use presence::ids::UserKey;
use presence::status::Status;
use presence::time::Now;
use presence::user::Context;

use super::keeping::Parts;
use super::{MemoryEngine, NEVER, Record};
use crate::engine::{Engine, Happening};

/// Users of whom what is due is carried out in one turn of the loop. After a restart, everybody who does not come back is
/// due at one moment (R2.9): however many they are, others are served in between.
const ADVANCED_PER_TURN: usize = 128;

impl MemoryEngine {
    /// Carries out a part of what is due: [`ADVANCED_PER_TURN`].
    pub(super) fn advance_part(&mut self, at: Now) {
        for _ in 0..ADVANCED_PER_TURN {
            let Some((deadline, key)) = self.timers.first().copied() else {
                break;
            };
            if deadline > at.mono {
                break;
            }
            self.advance_user(key, at);
            if self.timers.first() == Some(&(deadline, key)) {
                // A machine that calls something due and then does nothing must not hold up the loop for ever.
                debug_assert!(
                    false,
                    "what is due was carried out, and a record's timer goes with it"
                );
                self.timers.remove(&(deadline, key));
            }
        }
        self.behind_at = self.is_due(at).then_some(at.mono);
    }

    /// Carries out what is due, unless a part of it was at this very moment: the rest is for later turns.
    pub(super) fn advance_to(&mut self, at: Now) {
        if self.is_due(at) && self.behind_at != Some(at.mono) {
            self.advance(at);
        }
    }

    /// Carries out what is due of one user: a step must not find a grace that is over (presence::user::User).
    pub(super) fn advance_user(&mut self, key: UserKey, at: Now) {
        let deadline = self.records.of(&key).map_or(NEVER, |record| record.deadline);
        if deadline > at.mono {
            return;
        }
        let mut lost = Vec::new();
        self.carry_out(
            key,
            at,
            true,
            |record, context| {
                lost.extend(record.user.graces_over(at.mono));
                // The linger's end is told to nobody: its owner has no device here (R5.8).
                if !record.list.advance(at).is_empty() {
                    record.list.lift(context.floor.0);
                }
                ((), record.user.advance(context))
            },
            |_, ()| {},
        );
        for (platform, loss) in lost {
            self.happened(key, platform, None, Happening::Lost(loss));
        }
    }

    /// As [`MemoryEngine::carry_out`], once what is due of the user is carried out.
    pub(super) fn step<R>(
        &mut self,
        key: UserKey,
        at: Now,
        touched: bool,
        step: impl FnOnce(&mut Record, Context<'_>) -> (R, bool),
        answer: impl FnOnce(&mut MemoryEngine, R),
    ) -> bool {
        if self.is_due(at) {
            self.advance_user(key, at);
        }
        self.carry_out(key, at, touched, step, answer)
    }

    /// Steps one user. `step` says whether the presence changed; `answer` is given what it returned before anybody
    /// hears of the change (R6.4). `touched`: what is kept of the user may have changed also where its presence did not.
    /// False: no such account, or its app is not one of this server's.
    fn carry_out<R>(
        &mut self,
        key: UserKey,
        at: Now,
        touched: bool,
        step: impl FnOnce(&mut Record, Context<'_>) -> (R, bool),
        answer: impl FnOnce(&mut MemoryEngine, R),
    ) -> bool {
        let Some(settings) = self.apps.get(&key.app) else {
            return false;
        };
        let Some(id) = self.records.id_of(&key) else {
            return false;
        };
        let Some(record) = self.records.get_mut(id) else {
            return false;
        };
        let context = Context {
            now: at,
            floor: self.floor,
            settings,
        };
        let status_before = record.user.presence().status;
        let list_before = record.list_state();
        let (result, changed) = step(record, context);
        record.platforms = record.user.platforms();
        // R5.8. Also when nothing changed: a subscribe may have been on its way when its user's last connection went.
        if record.user.presence().status == Status::Online {
            record.list.owner_online();
        } else {
            record.list.owner_gone(at, settings);
        }
        let presence = changed.then(|| record.user.presence().clone());
        if let Some(keeping) = &mut self.keeping {
            let user = if changed || touched {
                Parts::USER
            } else {
                Parts::NONE
            };
            let is_same = record.list_state() == list_before;
            let list = if is_same { Parts::NONE } else { Parts::LIST };
            keeping.mark(record, id.place(), user.and(list), at.mono);
        }
        let deadline = record.next_deadline();
        let before = std::mem::replace(&mut record.deadline, deadline);
        if deadline != before {
            self.timers.remove(&(before, key));
            if deadline != NEVER {
                self.timers.insert((deadline, key));
            }
        }
        if let Some(presence) = &presence {
            self.count_status(key.app, Some(status_before), Some(presence.status));
        }
        answer(self, result);
        if let Some(presence) = presence {
            self.tell(key, presence);
        }
        true
    }

    pub(super) fn is_due(&self, at: Now) -> bool {
        self.timers
            .first()
            .is_some_and(|(deadline, _)| *deadline <= at.mono)
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context as TaskContext, Poll, Waker};
    use std::time::Duration;

    use presence::ids::{AppId, ConnectionId, DeviceKey, Platform, UserId};
    use presence::login::{Login, Loss};
    use presence::settings::AppSettings;
    use presence::status::Version;

    use super::*;
    use crate::engine::{Answer, Command, Departure, Output, Tag};

    fn outputs(engine: &mut MemoryEngine, at: Now) -> Vec<Output> {
        let mut cx = TaskContext::from_waker(Waker::noop());
        let next = || match engine.poll_output(at, &mut cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }

    /// How many of these are OFFLINE from here on.
    fn offline(outputs: &[Output]) -> usize {
        let is_offline = |output: &&Output| match output {
            Output::Change { presence, .. } => presence.status == Status::Offline,
            _ => false,
        };
        outputs.iter().filter(is_offline).count()
    }

    /// R2.8, R2.9: as after a restart, when all graces end at one moment.
    #[test]
    fn of_many_who_are_due_at_once_a_part_is_carried_out_a_turn_and_whoever_acts_is_up_to_date() {
        const USERS: usize = 1_000;
        let app = AppId::new(7).expect("not 0");
        let settings = AppSettings {
            offline_grace: Duration::from_secs(10),
            ..AppSettings::default()
        };
        let mut engines = MemoryEngine::for_loops(1, Version(1_000), &[(app, settings)]);
        let engine = engines.first_mut().expect("one loop");
        let user = |number: usize| UserKey {
            app,
            user: UserId::new(&format!("user-{number:04}")).expect("well-formed"),
        };
        let login = |number: usize| Command::LogIn {
            user: user(number),
            login: Login {
                device: DeviceKey {
                    platform: Platform::Ios,
                    instance: "phone".into(),
                },
                connection: ConnectionId(number as u64),
                resumes: None,
                signed_at_s: i64::MAX,
            },
        };
        let start = Now::default();
        for number in 0..USERS {
            engine.submit(start, Some(Tag(0)), login(number));
            let told = outputs(engine, start);
            let session = told.iter().find_map(|output| match output {
                Output::Answer {
                    answer: Answer::LoggedIn(done),
                    ..
                } => Some(done.session),
                _ => None,
            });
            let leave = Command::Leave {
                user: user(number),
                session: session.expect("it may log in"),
                connection: ConnectionId(number as u64),
                how: Departure::Lost(Loss::Timeout),
            };
            engine.submit(start, None, leave);
        }
        assert_eq!(offline(&outputs(engine, start)), 0, "they are in grace");

        let over = Now {
            mono: start.mono.after(Duration::from_secs(10)),
            ..start
        };
        let is_due = |engine: &MemoryEngine| engine.next_deadline().is_some_and(|due| due <= over.mono);
        engine.advance(over);
        let mut gone = offline(&outputs(engine, over));
        assert_eq!(gone, ADVANCED_PER_TURN);
        // The last to be due comes back before it is its turn: it was away all the same.
        engine.submit(over, Some(Tag(0)), login(USERS - 1));
        let told = outputs(engine, over);
        let seen: Vec<Status> = told
            .iter()
            .filter_map(|output| match output {
                Output::Change { presence, .. } => Some(presence.status),
                _ => None,
            })
            .collect();
        assert_eq!(seen, [Status::Offline, Status::Online]);
        gone += 1;
        let mut turns = 1;
        while is_due(engine) {
            engine.advance(over);
            gone += offline(&outputs(engine, over));
            turns += 1;
        }
        assert_eq!((gone, turns), (USERS, USERS.div_ceil(ADVANCED_PER_TURN)));
    }
}
