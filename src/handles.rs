//! Generation-checked handles: a number that finds its object, or is told to be stale.
//!
//! A handle is 8 bits of kind, 24 bits of slot and 32 bits of generation, from the top. A slot's generation rises with
//! each object put into it; a slot whose generation would wrap is retired, so no handle is ever given out twice.
//!
//! Reading takes the one uncontended lock of its slot, for as long as it takes to clone an `Arc`. The first slots are
//! inside the table, the others in chunks that double in size and stay where they are.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Slots inside the table, and the unit of the chunks.
const FIRST_SLOTS: u32 = 64;
/// Slots that 24 bits can name.
const SLOTS_MAX: u32 = 1 << 24;
/// Chunk `k` holds the slots from `FIRST_SLOTS << k` to twice that.
const CHUNKS: usize = 18;
const NO_SLOT: u32 = u32::MAX;

/// Why a handle finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandleError {
    /// Zero, of another kind, stale, or never given out.
    Invalid,
    /// Its slot is one of those the process this one was forked from had.
    Forked,
}

/// The objects of one kind, by handle.
pub struct Table<T> {
    kind: u8,
    /// Slots below are those of the process this one was forked from.
    base: u32,
    /// The last generation of a slot.
    generation_max: u32,
    first: [Slot<T>; FIRST_SLOTS as usize],
    chunks: [OnceLock<Box<[Slot<T>]>>; CHUNKS],
    /// Slots given out so far, from `base` on.
    used: AtomicU32,
    /// Most recently freed slot; the others follow by `Slot::next_free`.
    free: Mutex<u32>,
}

struct Slot<T> {
    entry: RwLock<Entry<T>>,
    /// Belongs to the holder of `Table::free`.
    next_free: AtomicU32,
}

struct Entry<T> {
    /// Of the object in it, or of the last one.
    generation: u32,
    value: Option<T>,
}

impl<T> Slot<T> {
    const fn new() -> Slot<T> {
        Slot {
            entry: RwLock::new(Entry {
                generation: 0,
                value: None,
            }),
            next_free: AtomicU32::new(NO_SLOT),
        }
    }
}

impl<T> Table<T> {
    /// An empty table of a kind above 0 whose slots start at `base`.
    pub const fn new(kind: u8, base: u32) -> Table<T> {
        Table::with_generation_max(kind, base, u32::MAX)
    }

    const fn with_generation_max(kind: u8, base: u32, generation_max: u32) -> Table<T> {
        Table {
            kind,
            base,
            generation_max,
            first: [const { Slot::new() }; FIRST_SLOTS as usize],
            chunks: [const { OnceLock::new() }; CHUNKS],
            used: AtomicU32::new(0),
            free: Mutex::new(NO_SLOT),
        }
    }

    /// Puts an object in; the object back if all slots are taken or retired.
    pub fn insert(&self, value: T) -> Result<u64, T> {
        let mut free = self.lock_free();
        let slot_number = if *free == NO_SLOT {
            self.base.saturating_add(self.used.load(Ordering::Relaxed))
        } else {
            *free
        };
        if slot_number >= SLOTS_MAX {
            return Err(value);
        }
        let Some(slot) = self.slot(slot_number, Absent::Create) else {
            return Err(value);
        };
        if *free == NO_SLOT {
            self.used.fetch_add(1, Ordering::Release);
        } else {
            *free = slot.next_free.load(Ordering::Relaxed);
        }
        drop(free);
        let mut entry = slot.entry.write().unwrap_or_else(PoisonError::into_inner);
        entry.generation += 1;
        entry.value = Some(value);
        Ok(u64::from(self.kind) << 56 | u64::from(slot_number) << 32 | u64::from(entry.generation))
    }

    /// The object of a handle.
    pub fn get(&self, handle: u64) -> Result<T, HandleError>
    where
        T: Clone,
    {
        let (slot_number, generation) = self.parse(handle)?;
        let slot = self
            .slot(slot_number, Absent::Refuse)
            .ok_or(HandleError::Invalid)?;
        let entry = slot.entry.read().unwrap_or_else(PoisonError::into_inner);
        match &entry.value {
            Some(value) if entry.generation == generation => Ok(value.clone()),
            _ => Err(HandleError::Invalid),
        }
    }

    /// Takes the object of a handle out; the handle is stale from now on.
    pub fn remove(&self, handle: u64) -> Result<T, HandleError> {
        let (slot_number, generation) = self.parse(handle)?;
        let slot = self
            .slot(slot_number, Absent::Refuse)
            .ok_or(HandleError::Invalid)?;
        let value = {
            let mut entry = slot.entry.write().unwrap_or_else(PoisonError::into_inner);
            if entry.generation != generation {
                return Err(HandleError::Invalid);
            }
            entry.value.take().ok_or(HandleError::Invalid)?
        };
        if generation < self.generation_max {
            let mut free = self.lock_free();
            slot.next_free.store(*free, Ordering::Relaxed);
            *free = slot_number;
        }
        Ok(value)
    }

    /// The slot after the last one ever used. Takes no lock: the fork handler asks.
    pub fn slots_end(&self) -> u32 {
        self.base.saturating_add(self.used.load(Ordering::Acquire))
    }

    /// Slot and generation, if the handle could be of this table.
    fn parse(&self, handle: u64) -> Result<(u32, u32), HandleError> {
        let [kind, slot @ .., _, _, _, _] = handle.to_be_bytes();
        let slot_number = u32::from_be_bytes([0, slot[0], slot[1], slot[2]]);
        if kind != self.kind {
            return Err(HandleError::Invalid);
        }
        if slot_number < self.base {
            return Err(HandleError::Forked);
        }
        Ok((slot_number, handle as u32))
    }

    fn slot(&self, slot_number: u32, absent: Absent) -> Option<&Slot<T>> {
        let index = slot_number.checked_sub(self.base)?;
        if let Some(slot) = self.first.get(index as usize) {
            return Some(slot);
        }
        let chunk_number = (index / FIRST_SLOTS).ilog2();
        let chunk_start = FIRST_SLOTS << chunk_number;
        let chunk = self.chunks.get(chunk_number as usize)?;
        let slots = match absent {
            Absent::Create => chunk.get_or_init(|| (0..chunk_start).map(|_| Slot::new()).collect()),
            Absent::Refuse => chunk.get()?,
        };
        slots.get((index - chunk_start) as usize)
    }

    fn lock_free(&self) -> MutexGuard<'_, u32> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What to do where a chunk does not exist yet.
enum Absent {
    Create,
    Refuse,
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zero_and_foreign_handles_find_nothing() {
        let table = Table::new(1, 0);
        let handle = table.insert(7).expect("there is room");
        assert_eq!(table.get(handle), Ok(7));
        for wrong in [
            0,
            1,
            u64::MAX,
            handle ^ (3 << 56),
            handle + 1,
            handle + (1 << 32),
            handle + (1000 << 32),
        ] {
            assert_eq!(table.get(wrong), Err(HandleError::Invalid), "{wrong:x}");
            assert_eq!(table.remove(wrong), Err(HandleError::Invalid), "{wrong:x}");
        }
        assert_eq!(table.get(handle), Ok(7));
    }

    #[test]
    fn handles_below_the_base_were_made_before_the_fork() {
        let parent = Table::new(1, 0);
        let inherited: Vec<u64> = (0..3)
            .map(|value| parent.insert(value).expect("there is room"))
            .collect();
        let child = Table::new(1, parent.slots_end());
        let own = child.insert(9).expect("there is room");
        for handle in inherited {
            assert_eq!(child.get(handle), Err(HandleError::Forked));
            assert_eq!(child.remove(handle), Err(HandleError::Forked));
        }
        assert_eq!(child.get(own), Ok(9));
        assert_eq!(child.slots_end(), 4);
    }

    #[test]
    fn all_slots_taken_gives_the_object_back() {
        let table = Table::new(1, SLOTS_MAX - 2);
        let first = table.insert(1).expect("there is room");
        table.insert(2).expect("there is room");
        assert_eq!(table.insert(3), Err(3));
        assert_eq!(table.remove(first), Ok(1));
        assert!(table.insert(4).is_ok());
    }

    #[test]
    fn every_slot_number_has_a_place() {
        let table = Table::<u8>::new(1, 0);
        for slot_number in [63, 64, 127, 128, 255, 256, 65_535, 65_536] {
            assert!(table.slot(slot_number, Absent::Create).is_some(), "{slot_number}");
        }
        // Only where the last one lies: its chunk would take a while to build.
        assert_eq!((SLOTS_MAX - 1) / FIRST_SLOTS, (1 << CHUNKS) - 1);
    }

    #[test]
    fn many_threads_never_see_each_others_objects() {
        let table = Arc::new(Table::new(1, 0));
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let table = Arc::clone(&table);
                std::thread::spawn(move || {
                    for round in 0..2_000 {
                        let value = thread << 32 | round;
                        let handle = table.insert(value).expect("there is room");
                        assert_eq!(table.get(handle), Ok(value));
                        assert_eq!(table.remove(handle), Ok(value));
                        assert_eq!(table.get(handle), Err(HandleError::Invalid));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no assertion failed");
        }
        assert!(table.slots_end() <= 4);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Insert,
        Remove(prop::sample::Index),
        Look(prop::sample::Index),
        Guess(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Insert),
            3 => any::<prop::sample::Index>().prop_map(Step::Remove),
            2 => any::<prop::sample::Index>().prop_map(Step::Look),
            1 => (0u64..3, 0u64..80, 0u64..5)
                .prop_map(|(kind, slot, generation)| Step::Guess(kind << 56 | slot << 32 | generation)),
        ]
    }

    proptest! {
        /// Against a map of all handles ever given out; the generations wrap after three.
        #[test]
        fn a_handle_finds_its_object_until_it_is_removed_and_is_never_given_out_again(
            steps in prop::collection::vec(step(), 1..400),
        ) {
            let table = Table::with_generation_max(1, 0, 3);
            let mut live = HashMap::new();
            let mut given = Vec::new();
            let mut seen = HashSet::new();
            for (value, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Insert => {
                        let handle = table.insert(value).expect("there is room");
                        prop_assert!(seen.insert(handle));
                        given.push(handle);
                        live.insert(handle, value);
                    }
                    Step::Remove(which) if !given.is_empty() => {
                        let handle = *which.get(&given);
                        prop_assert_eq!(table.remove(handle), live.remove(&handle).ok_or(HandleError::Invalid));
                    }
                    Step::Look(which) if !given.is_empty() => {
                        let handle = *which.get(&given);
                        prop_assert_eq!(table.get(handle), live.get(&handle).copied().ok_or(HandleError::Invalid));
                    }
                    Step::Guess(handle) => {
                        prop_assert_eq!(table.get(handle), live.get(&handle).copied().ok_or(HandleError::Invalid));
                    }
                    Step::Remove(_) | Step::Look(_) => {}
                }
            }
        }
    }
}
