//! What waits to be told to the application, in order. Bounded without losing a result or the final state of a user:
//!
//! - results: as many as calls were accepted (their room is taken at the call);
//! - status changes: one per user (R6.3). The older one leaves its place and the newer one goes to the end, so that a
//!   merge never moves a change before a result it must follow (R6.4);
//! - connection states and evictions: a few, then the oldest gives way or is merged into the newest;
//! - log records: a few, then the newest are counted instead.

use std::any::Any;
use std::collections::VecDeque;

use presence::ids::UserId;
use presence_protocol::message::UserStatus;

use super::ThreadHook;
use crate::api::{Completion, ConnectionState, Listener, ListenerKind, LogLevel, Outcome};
use crate::by_user::ByUser;

/// Users whose change waits; then the oldest gives way. Five times what friends and subscriptions come to: only a server
/// that names whom nobody watches gets here.
pub(crate) const CHANGES_MAX: usize = 16_384;

/// Connection states that wait; then the oldest gives way. A receiver this slow is interested in the latest.
pub(crate) const CONNECTION_STATES_MAX: usize = 64;

/// Eviction events that wait; then the oldest is merged into the newest.
pub(crate) const EVICTIONS_MAX: usize = 64;

/// Ids that a merged eviction event keeps, the newest: five lists full.
const EVICTED_IDS_MAX: usize = 1_000;

/// Log records that wait; then they are counted instead, and the count is told.
pub(crate) const LOGS_MAX: usize = 256;

/// Changes a single callback is given at most.
pub(crate) const CHANGES_PER_CALL_MAX: usize = 256;

/// A queue that drained keeps room for this many items; what is larger is given back.
const IDLE_CAPACITY: usize = 4;

/// Slots up to this many are not looked through for gaps.
const GAPS_MIN: usize = 64;

/// Something for the delivery's thread to do.
pub(crate) enum Item {
    /// Call it once.
    Result(Completion, Outcome),
    /// Tell of one user. Leaves the queue as part of [`Popped::Changes`].
    Change(UserId, UserStatus),
    /// Tell of the connection.
    Connection(ConnectionState, i32, String),
    /// R8.3, R8.7.
    Kicked(i32, String),
    /// R8.4.
    Expired,
    /// R5.2.
    Evicted(Vec<String>),
    /// For the log listener.
    Log(LogLevel, String),
    /// Put it in the place of the one before.
    Listen(Listener),
    /// Take it out of its place.
    Unlisten(ListenerKind),
    /// Put the hook in the place of the one before.
    Hook(Option<ThreadHook>),
    /// Something of the application's whose last call returned: drop it where callbacks run.
    Discard(Box<dyn Any + Send>),
    /// Call it when nothing else will be called.
    Closed(Box<dyn FnOnce() + Send>),
    /// Nothing follows.
    End,
}

/// What the front of the queue was.
pub(crate) enum Popped {
    /// Changes that were ready together, at most one per user.
    Changes(Vec<UserStatus>),
    /// Anything else.
    Item(Item),
}

/// See the module.
#[derive(Default)]
pub(crate) struct Queue {
    /// `None` where something left its place.
    slots: VecDeque<Option<Item>>,
    /// Number of the slot at the front; slots are numbered through.
    front: u64,
    /// Slots that hold something.
    filled: usize,
    /// Where the waiting change of each user is.
    changes: ByUser<u64>,
    connection_states: usize,
    evictions: usize,
    logs: usize,
    logs_lost: u64,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Puts `item` at the end, within the bounds of its kind.
    pub(crate) fn push(&mut self, item: Item) {
        let item = match item {
            Item::Change(user, status) => {
                let place = self.front + self.slots.len() as u64;
                match self.changes.insert(user, place) {
                    Some(older) => {
                        self.vacate(older);
                    }
                    None if self.changes.len() > CHANGES_MAX => {
                        if let Some(Item::Change(oldest, _)) =
                            self.take_oldest(|item| matches!(item, Item::Change(..)))
                        {
                            self.changes.remove(&oldest);
                        }
                    }
                    None => {}
                }
                Item::Change(user, status)
            }
            Item::Connection(..) => {
                if self.connection_states == CONNECTION_STATES_MAX {
                    self.take_oldest(|item| matches!(item, Item::Connection(..)));
                } else {
                    self.connection_states += 1;
                }
                item
            }
            Item::Evicted(newest) => Item::Evicted(self.merge_evicted(newest)),
            Item::Log(level, text) => {
                if self.logs == LOGS_MAX {
                    self.logs_lost += 1;
                    return;
                }
                self.logs += 1;
                Item::Log(level, text)
            }
            other => other,
        };
        self.slots.push_back(Some(item));
        self.filled += 1;
        self.close_gaps();
    }

    /// Takes what is at the front; changes that follow each other come together.
    pub(crate) fn pop(&mut self) -> Option<Popped> {
        let popped = match self.pop_slot()? {
            Item::Change(_, status) => {
                let mut together = vec![status];
                while together.len() < CHANGES_PER_CALL_MAX && self.front_is_change() {
                    if let Some(Item::Change(_, status)) = self.pop_slot() {
                        together.push(status);
                    }
                }
                Popped::Changes(together)
            }
            item => Popped::Item(item),
        };
        if self.filled == 0 {
            self.slots.clear();
            if self.logs_lost > 0 {
                let text = format!(
                    "{} log records were lost: the log callback is too slow",
                    self.logs_lost
                );
                self.logs_lost = 0;
                self.push(Item::Log(LogLevel::Warn, text));
            } else if self.slots.capacity() > IDLE_CAPACITY {
                self.slots = VecDeque::new();
                self.changes = ByUser::default();
            }
        }
        Some(popped)
    }

    fn front_is_change(&mut self) -> bool {
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.front += 1;
        }
        matches!(self.slots.front(), Some(Some(Item::Change(..))))
    }

    fn pop_slot(&mut self) -> Option<Item> {
        loop {
            let slot = self.slots.pop_front()?;
            self.front += 1;
            let Some(item) = slot else { continue };
            self.filled -= 1;
            match &item {
                Item::Change(user, _) => {
                    self.changes.remove(user);
                }
                Item::Connection(..) => self.connection_states -= 1,
                Item::Evicted(_) => self.evictions -= 1,
                Item::Log(..) => self.logs -= 1,
                _ => {}
            }
            return Some(item);
        }
    }

    fn vacate(&mut self, place: u64) -> Option<Item> {
        let index = usize::try_from(place.checked_sub(self.front)?).ok()?;
        let item = self.slots.get_mut(index)?.take()?;
        self.filled -= 1;
        Some(item)
    }

    fn take_oldest(&mut self, is_kind: impl Fn(&Item) -> bool) -> Option<Item> {
        let index = self
            .slots
            .iter()
            .position(|slot| slot.as_ref().is_some_and(&is_kind))?;
        self.vacate(self.front + index as u64)
    }

    fn merge_evicted(&mut self, mut newest: Vec<String>) -> Vec<String> {
        if self.evictions < EVICTIONS_MAX {
            self.evictions += 1;
            return newest;
        }
        match self.take_oldest(|item| matches!(item, Item::Evicted(_))) {
            Some(Item::Evicted(mut ids)) => {
                ids.append(&mut newest);
                let surplus = ids.len().saturating_sub(EVICTED_IDS_MAX);
                ids.drain(..surplus);
                ids
            }
            _ => newest,
        }
    }

    /// Gaps are kept below half of the slots, so that merging for ever does not grow the queue.
    fn close_gaps(&mut self) {
        if self.slots.len() < GAPS_MIN || self.slots.len() < self.filled * 2 {
            return;
        }
        self.slots.retain(Option::is_some);
        for (index, slot) in self.slots.iter().enumerate() {
            if let Some(Item::Change(user, _)) = slot {
                self.changes.insert(*user, self.front + index as u64);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::new(name).unwrap()
    }

    fn change(name: &str, version: u64) -> Item {
        Item::Change(
            user(name),
            UserStatus {
                user_id: name.into(),
                version,
                ..UserStatus::default()
            },
        )
    }

    fn result(code: i32) -> Item {
        Item::Result(Box::new(|_| ()), Outcome::of(code))
    }

    /// What comes out, written short: `alice1` a change, `=0` a result.
    fn drain(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|popped| match popped {
                Popped::Changes(changes) => changes
                    .iter()
                    .map(|c| format!("{}{}", c.user_id, c.version))
                    .collect::<Vec<_>>()
                    .join(" "),
                Popped::Item(Item::Result(_, outcome)) => format!("={}", outcome.code),
                Popped::Item(Item::Connection(_, code, _)) => format!("c{code}"),
                Popped::Item(Item::Evicted(ids)) => format!("-{}", ids.join("-")),
                Popped::Item(Item::Log(_, text)) => text,
                Popped::Item(_) => "?".into(),
            })
            .collect()
    }

    #[test]
    fn changes_that_are_ready_together_come_together() {
        let mut queue = Queue::default();
        queue.push(change("alice", 1));
        queue.push(change("bob", 1));
        queue.push(result(0));
        queue.push(change("carol", 1));
        assert_eq!(drain(&mut queue), ["alice1 bob1", "=0", "carol1"], "R6.3");
        assert!(queue.is_empty());
    }

    #[test]
    fn a_server_that_names_everybody_fills_no_memory() {
        let mut queue = Queue::default();
        for number in 0..CHANGES_MAX + 2 {
            queue.push(change(&format!("u{number}"), 1));
        }
        queue.push(change("u5", 2));
        let told = drain(&mut queue).join(" ");
        let told: Vec<&str> = told.split(' ').collect();
        assert_eq!(told.len(), CHANGES_MAX);
        assert_eq!(
            (told[0], told[CHANGES_MAX - 1]),
            ("u21", "u52"),
            "the oldest two gave way"
        );
        assert!(queue.is_empty() && queue.changes.is_empty());
    }

    #[test]
    fn a_newer_change_takes_the_end_and_never_overtakes_a_result() {
        let mut queue = Queue::default();
        queue.push(change("alice", 1));
        queue.push(change("bob", 1));
        queue.push(result(0));
        queue.push(change("alice", 2));
        assert_eq!(drain(&mut queue), ["bob1", "=0", "alice2"], "R6.3, R6.4");
    }

    #[test]
    fn merging_for_ever_does_not_grow_the_queue_and_keeps_the_last() {
        let mut queue = Queue::default();
        queue.push(result(0));
        for version in 1..=10_000 {
            queue.push(change("alice", version));
            queue.push(change("bob", version));
            assert!(queue.slots.len() <= GAPS_MIN);
        }
        queue.push(result(1));
        assert_eq!(drain(&mut queue), ["=0", "alice10000 bob10000", "=1"]);
    }

    #[test]
    fn places_are_right_after_gaps_were_closed() {
        let mut queue = Queue::default();
        for index in 0..100 {
            queue.push(change(&format!("u{index}."), 1));
        }
        for index in (0..100).filter(|index| index % 3 != 0) {
            queue.push(change(&format!("u{index}."), 2));
        }
        queue.push(change("u0.", 3));
        let told = drain(&mut queue).join(" ");
        assert_eq!(told.split(' ').count(), 100);
        assert!(told.contains("u3.1") && told.contains("u4.2") && told.ends_with("u0.3"));
    }

    #[test]
    fn a_call_is_given_a_bounded_list() {
        let mut queue = Queue::default();
        for index in 0..CHANGES_PER_CALL_MAX + 1 {
            queue.push(change(&format!("u{index}"), 1));
        }
        let sizes: Vec<usize> = drain(&mut queue)
            .iter()
            .map(|call| call.split(' ').count())
            .collect();
        assert_eq!(sizes, [CHANGES_PER_CALL_MAX, 1]);
    }

    #[test]
    fn past_their_bound_the_oldest_connection_states_give_way() {
        let mut queue = Queue::default();
        for code in 0..=CONNECTION_STATES_MAX as i32 {
            queue.push(Item::Connection(ConnectionState::Connecting, code, String::new()));
        }
        let told = drain(&mut queue);
        assert_eq!(told.len(), CONNECTION_STATES_MAX);
        assert_eq!(
            (told.first().unwrap().as_str(), told.last().unwrap().as_str()),
            ("c1", "c64")
        );
    }

    #[test]
    fn past_their_bound_evictions_are_merged_and_not_lost() {
        let mut queue = Queue::default();
        for number in 0..=EVICTIONS_MAX {
            queue.push(Item::Evicted(vec![format!("u{number}")]));
        }
        let told = drain(&mut queue);
        assert_eq!(told.len(), EVICTIONS_MAX);
        assert_eq!(told.last().unwrap(), "-u0-u64");
    }

    #[test]
    fn past_their_bound_log_records_are_counted() {
        let mut queue = Queue::default();
        for number in 0..LOGS_MAX + 3 {
            queue.push(Item::Log(LogLevel::Info, number.to_string()));
        }
        let told = drain(&mut queue);
        assert_eq!(told.len(), LOGS_MAX + 1);
        assert!(told.last().unwrap().starts_with("3 log records were lost"));
    }

    #[test]
    fn a_drained_queue_gives_its_memory_back() {
        let mut queue = Queue::default();
        for index in 0..10_000 {
            queue.push(result(0));
            queue.push(change(&format!("u{index}"), 1));
        }
        assert_eq!(drain(&mut queue).len(), 20_000);
        assert!(queue.slots.capacity() <= IDLE_CAPACITY && queue.changes.capacity() <= IDLE_CAPACITY);
    }
}
