//! The memory engine: a shard of the users in each loop. A command about a user at home here is answered at once; one
//! about users of other shards goes there, and their answers are gathered. What changes is kept in a durable store if
//! there is one (`keeping`); everything is answered from memory.

mod accounts;
mod asking;
mod deletion;
mod friends;
mod keeping;
mod sessions;
mod steps;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::task::{Context as TaskContext, Poll};

use presence::ids::{AppId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::status::{Presence, Version};
use presence::subscriptions::{ListChange, SubscriptionList};
use presence::time::{Mono, Now, Wall};
use presence::user::{Context, Mark, User};

use self::asking::{Asking, Gather};
use self::keeping::{Keeping, Parts};
use super::mesh::Mesh;
use super::{Answer, Command, Engine, Output, Sight, Snapshot, StatusCounts, Tag};
use crate::keyed::{Keyed, KeyedSlab};
use crate::slab::{Id, Slab};

/// Loops a node may have: one bit each in the set of those interested in a user.
pub const LOOPS_MAX: usize = 64;

/// The loop that is the home of `user` in a node of `loops` loops: the same in every process and version.
#[must_use]
pub fn home_of(user: &UserKey, loops: usize) -> usize {
    // FNV-1a, the same everywhere, unlike the standard library's hasher; its bits are then mixed, since names differ in
    // few of them.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in user.app.get().to_le_bytes().iter().chain(user.user.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    ((hash ^ (hash >> 33)) % loops.max(1) as u64) as usize
}

/// Above every version that a start before `start` gave out (R6.5): seconds since the epoch, shifted left by 20 bits,
/// the fraction of the second included, so that two starts in one second are told apart.
#[must_use]
pub fn floor_at(start: Wall) -> Version {
    let milliseconds = u128::try_from(start.0).unwrap_or(0);
    Version(u64::try_from((milliseconds << 20) / 1000).unwrap_or(u64::MAX))
}

/// A deadline that does not come.
const NEVER: Mono = Mono(u64::MAX);

/// What an answer about the user reads (R4.4) stands first, in two neighbouring cache lines, which come from memory
/// together: of a query of 500 users, memory is what takes the time. A record is as long as four lines.
#[repr(C, align(128))]
struct Record {
    key: UserKey,
    /// Bits of the platforms online, as the last step left them: an answer need not reach the devices for them.
    platforms: u32,
    user: User,
    list: SubscriptionList,
    friends: Box<[UserId]>,
    /// As it stands in `timers`; [`NEVER`]: not there.
    deadline: Mono,
    /// What of it is to be given to the store.
    marks: Parts,
}

impl Record {
    fn new(key: UserKey, user: User, list: SubscriptionList) -> Record {
        Record {
            key,
            platforms: user.platforms(),
            user,
            list,
            friends: Box::default(),
            deadline: NEVER,
            marks: Parts::NONE,
        }
    }

    fn next_deadline(&self) -> Mono {
        let deadlines = [self.user.next_deadline(), self.list.next_deadline()];
        deadlines.into_iter().flatten().fold(NEVER, Mono::min)
    }

    /// See `shown`.
    fn snapshot(&self, lift: Version) -> Snapshot {
        Snapshot {
            presence: shown(self.user.presence(), lift),
            kept_version: self.user.presence().version,
            platforms: self.platforms,
        }
    }

    /// As [`Record::snapshot`], where it is.
    fn sight(&self, lift: Version) -> Sight<'_> {
        Sight {
            user: &self.key.user,
            presence: self.user.presence(),
            version: self.user.presence().version.max(lift),
            platforms: self.platforms,
        }
    }

    /// The first byte of the one text of an answer that stands apart.
    fn reach(&self) -> u8 {
        let text = self.user.presence().custom.as_str();
        text.bytes().next().unwrap_or(0)
    }

    /// What of the list is kept, to see whether a step changed it.
    fn list_state(&self) -> (u64, bool, Option<Mono>) {
        let list = &self.list;
        (list.generation(), list.is_restorable(), list.next_deadline())
    }
}

impl Keyed for Record {
    fn key(&self) -> &UserKey {
        &self.key
    }
}

/// What one shard tells another. Positions are those in the question.
enum Message {
    Ask {
        gather: u64,
        from: usize,
        app: AppId,
        users: Vec<(u32, UserId)>,
        kind: Asking,
    },
    Told {
        gather: u64,
        users: Vec<(u32, Option<Snapshot>)>,
    },
    Unwatch {
        from: usize,
        app: AppId,
        users: Vec<UserId>,
    },
    Change {
        user: UserKey,
        presence: Presence,
    },
    Befriended {
        app: AppId,
        users: Vec<UserId>,
    },
    Deleted {
        user: UserKey,
    },
}

/// One shard. See the module.
pub struct MemoryEngine {
    index: usize,
    floor: Version,
    /// See [`Store::lift`](crate::durable::Store::lift).
    lift: Version,
    /// See [`Store::earlier_lifts`](crate::durable::Store::earlier_lifts).
    earlier_lifts: Vec<Version>,
    keeping: Option<Box<Keeping>>,
    apps: HashMap<AppId, AppSettings>,
    records: KeyedSlab<Record>,
    /// Deleted accounts (R1.5).
    marks: HashMap<UserKey, Mark>,
    /// Other loops that are interested in a user of this shard, one bit each.
    interest: HashMap<UserKey, u64>,
    timers: BTreeSet<(Mono, UserKey)>,
    /// When a part of what was due was carried out, and more is left (`steps`).
    behind_at: Option<Mono>,
    gathers: Slab<Gather>,
    outputs: VecDeque<Output>,
    /// Accounts by status.
    counts: HashMap<AppId, StatusCounts>,
    mesh: Mesh<Message>,
    /// Came from other shards and waits until what came before it was used: whoever is told what a user shows may act
    /// on it before that user is deleted here.
    received: VecDeque<Message>,
    shards: usize,
}

impl MemoryEngine {
    /// The engines of a node with `loops` loops (1 to [`LOOPS_MAX`]), by loop. `floor` is that of this start:
    /// [`floor_at`].
    #[must_use]
    pub fn for_loops(loops: usize, floor: Version, apps: &[(AppId, AppSettings)]) -> Vec<MemoryEngine> {
        let loops = loops.clamp(1, LOOPS_MAX);
        Mesh::among(loops)
            .into_iter()
            .enumerate()
            .map(|(index, mesh)| MemoryEngine {
                index,
                floor,
                lift: Version(0),
                earlier_lifts: Vec::new(),
                keeping: None,
                apps: apps.iter().cloned().collect(),
                records: KeyedSlab::new(),
                marks: HashMap::new(),
                interest: HashMap::new(),
                timers: BTreeSet::new(),
                behind_at: None,
                gathers: Slab::new(),
                outputs: VecDeque::new(),
                counts: HashMap::new(),
                mesh,
                received: VecDeque::new(),
                shards: loops,
            })
            .collect()
    }

    fn answer(&mut self, tag: Option<Tag>, answer: Answer) {
        if let Some(tag) = tag {
            self.outputs.push_back(Output::Answer { tag, answer });
        }
    }

    /// Makes the account if there is none (R1.2) and if its app is one of this server's. What it then shows is still
    /// to be told.
    fn make(&mut self, key: UserKey, at: Now) -> Option<Presence> {
        let settings = self.apps.get(&key.app)?;
        if self.records.of(&key).is_some() {
            return None;
        }
        let context = Context {
            now: at,
            floor: self.floor,
            settings,
        };
        let user = match self.marks.remove(&key) {
            Some(mark) => User::registered_again(mark, context),
            None => User::registered(context),
        };
        let presence = user.presence().clone();
        let record = Record::new(key, user, SubscriptionList::new(presence.version.0));
        let id = self.records.insert(record);
        self.mark(id, Parts::USER, at);
        self.count_status(key.app, None, Some(presence.status));
        Some(presence)
    }

    /// Something of a record changed that is kept.
    fn mark(&mut self, id: Id, parts: Parts, at: Now) {
        if let Some(keeping) = &mut self.keeping
            && let Some(record) = self.records.get_mut(id)
        {
            keeping.mark(record, id.place(), parts, at.mono);
        }
    }

    /// Makes the account if there is none, and tells who waits for it to exist: friends do.
    fn register(&mut self, key: UserKey, at: Now) {
        if let Some(presence) = self.make(key, at) {
            self.tell(key, presence);
        }
    }

    /// A change goes to its home, and once to each other loop that is interested.
    fn tell(&mut self, user: UserKey, presence: Presence) {
        let mut others = self.interest.get(&user).copied().unwrap_or(0);
        while others != 0 {
            let to = others.trailing_zeros() as usize;
            others &= others - 1;
            let presence = presence.clone();
            self.mesh.send(to, Message::Change { user, presence });
        }
        self.outputs.push_back(Output::Change { user, presence });
    }

    /// A step of a subscription list, answered.
    fn list_step(
        &mut self,
        key: UserKey,
        at: Now,
        tag: Option<Tag>,
        step: impl FnOnce(&mut SubscriptionList, &AppSettings) -> Option<ListChange>,
    ) {
        let found = self.step(
            key,
            at,
            false,
            |record, context| {
                let change = step(&mut record.list, context.settings);
                if change.as_ref().is_some_and(|change| !change.is_empty()) {
                    record.list.lift(context.floor.0);
                }
                (change.map(|change| (change, record.list.generation())), false)
            },
            |engine, result| {
                let answer = match result {
                    Some((change, generation)) => Answer::List { change, generation },
                    None => Answer::NotRestorable,
                };
                engine.answer(tag, answer);
            },
        );
        if !found {
            self.answer(tag, Answer::Stale);
        }
    }

    fn receive(&mut self, message: Message, at: Now) {
        match message {
            Message::Ask {
                gather,
                from,
                app,
                users,
                kind,
            } => {
                let users = self.look_placed(at, from, app, users, kind);
                self.mesh.send(from, Message::Told { gather, users });
            }
            Message::Told { gather, users } => self.gathered(Id::from_bits(gather), users),
            Message::Unwatch { from, app, users } => self.unwatch(from, app, users),
            Message::Change { user, presence } => self.outputs.push_back(Output::Change { user, presence }),
            Message::Befriended { app, users } => self.befriended(app, users, at),
            Message::Deleted { user } => self.forget_subscriptions_to(user, at),
        }
    }
}

impl Engine for MemoryEngine {
    fn floor(&self) -> Version {
        self.floor
    }

    fn knows(&self, told: Version, kept: Version) -> bool {
        // No change has the version of a lift: whoever was told it was told what was kept then, and what is kept now if
        // that is older.
        told == kept || (told > kept && self.earlier_lifts.contains(&told))
    }

    fn submit(&mut self, at: Now, tag: Option<Tag>, command: Command) {
        self.advance_to(at);
        match command {
            Command::LogIn { user, login } => self.log_in(user, login, at, tag),
            Command::Leave {
                user,
                session,
                connection,
                how,
            } => self.leave(user, session, connection, how, at, tag),
            Command::LogOutLate { user, login } => self.log_out_late(user, &login, at, tag),
            Command::SetCustom {
                user,
                session,
                connection,
                custom,
            } => self.set_custom(user, session, connection, custom, at, tag),
            Command::CheckRevoked { user, signed_at_s } => {
                self.answer(tag, self.unless_revoked(&user, signed_at_s));
            }
            Command::Subscribe { user, ids } => {
                self.list_step(user, at, tag, |list, settings| {
                    Some(list.subscribe(&ids, settings))
                });
            }
            Command::Unsubscribe { user, ids } => {
                self.list_step(user, at, tag, |list, _| Some(list.unsubscribe(&ids)));
            }
            Command::ClearSubscriptions { user } => {
                self.list_step(user, at, tag, |list, _| Some(list.clear()))
            }
            Command::Restore {
                user,
                generation,
                ids,
            } => {
                self.list_step(user, at, tag, |list, settings| {
                    list.restore(generation, &ids, settings)
                });
            }
            Command::ListSubscriptions { user } => {
                let ids = self
                    .records
                    .of(&user)
                    .map(|record| record.list.ids().collect())
                    .unwrap_or_default();
                self.answer(tag, Answer::Ids(ids));
            }
            Command::ListFriends { user } => {
                let ids = self
                    .records
                    .of(&user)
                    .map(|record| record.friends.to_vec())
                    .unwrap_or_default();
                self.answer(tag, Answer::Ids(ids));
            }
            Command::Look { app, users } => self.ask(at, tag, app, users, Asking::Look),
            Command::Watch { app, users, mention } => {
                let kind = if mention { Asking::Mention } else { Asking::Watch };
                self.ask(at, tag, app, users, kind);
            }
            Command::Unwatch { app, users } => self.unwatch_all(app, users),
            Command::Kick { user } => self.kick(user, at, tag),
            Command::Delete { user } => self.delete(user, at, tag),
            Command::Import { user } => {
                self.answer(tag, Answer::Done);
                self.register(user, at);
            }
            Command::SetFriends { owner, friends } => self.set_friends(owner, friends, at, tag),
            Command::EditFriends {
                owner,
                add,
                remove,
                friends_max,
            } => self.edit_friends(owner, &add, &remove, friends_max, at, tag),
            Command::Describe { app, users, detail } => {
                let accounts = self.describe(app, &users, detail);
                self.answer(tag, Answer::Accounts(accounts));
            }
            Command::ListAccounts {
                app,
                filter,
                from,
                count_max,
            } => {
                let page = self.list(app, filter, from, count_max);
                self.answer(tag, Answer::AccountPage(page));
            }
            Command::Count { app } => {
                let counts = self.counts.get(&app).copied().unwrap_or_default();
                self.answer(tag, Answer::Counts(counts));
            }
            Command::Configure { app, settings } => {
                self.apps.insert(app, settings);
                // Every loop is told; one of them keeps it.
                if self.index == 0
                    && let Some(keeping) = &mut self.keeping
                {
                    keeping.configured(app, at.mono);
                }
            }
        }
    }

    fn look_now(
        &mut self,
        at: Now,
        app: AppId,
        names: &[&str],
        see: &mut dyn FnMut(Option<Sight<'_>>),
    ) -> bool {
        // What is due, and what waits to come out, comes before the answer.
        if self.shards > 1 || !self.outputs.is_empty() || self.is_due(at) {
            return false;
        }
        self.see_each(app, names, see);
        true
    }

    fn poll_output(&mut self, at: Now, cx: &mut TaskContext<'_>) -> Poll<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Poll::Ready(output);
            }
            if let Some(message) = self.received.pop_front() {
                self.advance_to(at);
                self.receive(message, at);
                continue;
            }
            match self.mesh.poll_receive(cx) {
                Poll::Ready(batch) => self.received = batch.into(),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        let timer = self.timers.first().map(|(deadline, _)| *deadline);
        let collect = self.keeping.as_ref().and_then(|keeping| keeping.next_deadline());
        [timer, collect].into_iter().flatten().min()
    }

    fn advance(&mut self, at: Now) {
        self.advance_part(at);
        self.collect(at);
    }

    fn flush(&mut self) -> bool {
        self.mesh.flush()
    }

    fn close(&mut self, at: Now) {
        self.collect_all(at);
    }
}

/// What is shown of a presence: after a crash, a version above all that may have been shown before it (R6.5).
fn shown(presence: &Presence, lift: Version) -> Presence {
    let mut presence = presence.clone();
    presence.version = presence.version.max(lift);
    presence
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::durable::held::Held;
    use crate::engine::conformance;

    #[test]
    fn the_memory_engine_does_what_every_engine_must() {
        conformance::run(&mut |loops, floor, app| {
            MemoryEngine::for_loops(loops, floor, &[app])
                .into_iter()
                .map(|engine| Box::new(engine) as Box<dyn Engine>)
                .collect()
        });
    }

    #[test]
    fn the_memory_engine_does_so_with_a_store_too_and_across_restarts() {
        fn boxed(engines: Vec<MemoryEngine>) -> Vec<Box<dyn Engine>> {
            engines
                .into_iter()
                .map(|engine| Box::new(engine) as Box<dyn Engine>)
                .collect()
        }
        let grace = std::time::Duration::from_secs(45);
        conformance::run(&mut |loops, floor, app| {
            let store = Held::default().open(floor, false);
            let engines = MemoryEngine::restored(loops, &[app], &store, grace, &Now::default);
            boxed(engines.expect("an empty store"))
        });
        conformance::run_restarts(|loops, store, app, grace, now| {
            let engines = MemoryEngine::restored(loops, &[app], store, grace, &|| now);
            boxed(engines.expect("what an engine wrote"))
        });
    }

    #[test]
    fn a_later_start_has_a_higher_floor_below_two_to_the_53_r6_5() {
        let first = floor_at(Wall(1_780_000_000_000));
        let next_millisecond = floor_at(Wall(1_780_000_000_001));
        assert!(
            next_millisecond.0 >= first.0 + 1_000,
            "a thousand changes of one user in a millisecond"
        );
        assert!(first.0 >> 20 == 1_780_000_000);
        let in_2200 = floor_at(Wall(7_260_000_000_000));
        assert!(in_2200.0 < 1 << 53);
    }

    #[test]
    fn users_are_spread_over_the_loops() {
        let app = AppId::new(1_400_000_001).expect("not 0");
        let mut counts = [0; 4];
        for number in 0..4_000 {
            let user = UserId::new(&format!("user-{number}")).expect("well-formed");
            counts[home_of(&UserKey { app, user }, 4)] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1_200).contains(count)),
            "{counts:?}"
        );
    }
}
