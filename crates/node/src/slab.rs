//! Numbered places whose numbers are told apart when a place is used again: connections, watched users, requests in
//! flight. A stale id finds nothing, whoever lives in its place now.

/// A place, and how often it was given out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    place: u32,
    generation: u32,
}

impl Id {
    /// Which place. Alone it tells no one apart who comes after; so only where the value is known to live on.
    pub(crate) fn place(self) -> u32 {
        self.place
    }

    /// As one number: the generation above, the place below.
    pub(crate) fn to_bits(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    /// The inverse of [`Id::to_bits`].
    pub(crate) fn from_bits(bits: u64) -> Id {
        Id {
            place: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

/// Places that are made at one time. A value never moves, and what is not at hand yet costs nothing.
const CHUNK_PLACES: usize = 64;

/// Places that stand together. How often each was given out stands apart, so that values lie side by side.
struct Chunk<T> {
    generations: [u32; CHUNK_PLACES],
    values: Box<[Option<T>]>,
}

/// See the module.
pub(crate) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Below this, places were given out before.
    places: u32,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            places: 0,
            free: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places as usize - self.free.len()
    }

    /// Places that were given out, those in use and those that are free.
    pub(crate) fn places_len(&self) -> u32 {
        self.places
    }

    /// Puts in what `make` makes of its own id.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Id {
        let place = self.free.pop().unwrap_or_else(|| self.new_place());
        let (chunk, index) = split(place);
        let chunk = &mut self.chunks[chunk];
        let id = Id {
            place,
            generation: chunk.generations[index],
        };
        chunk.values[index] = Some(make(id));
        id
    }

    fn new_place(&mut self) -> u32 {
        let place = self.places;
        self.places = place
            .checked_add(1)
            .expect("fewer than 2^32 places fit in memory");
        if split(place).0 == self.chunks.len() {
            self.chunks.push(Chunk {
                generations: [0; CHUNK_PLACES],
                values: std::iter::repeat_with(|| None).take(CHUNK_PLACES).collect(),
            });
        }
        place
    }

    pub(crate) fn insert(&mut self, value: T) -> Id {
        self.insert_with(|_| value)
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let (chunk, index) = split(id.place);
        let chunk = self.chunks.get(chunk)?;
        if chunk.generations[index] != id.generation {
            return None;
        }
        chunk.values[index].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let (chunk, index) = split(id.place);
        let chunk = self.chunks.get_mut(chunk)?;
        if chunk.generations[index] != id.generation {
            return None;
        }
        chunk.values[index].as_mut()
    }

    /// Who lives at `place` now.
    pub(crate) fn at(&self, place: u32) -> Option<&T> {
        let (chunk, index) = split(place);
        self.chunks.get(chunk)?.values[index].as_ref()
    }

    /// The id of who lives at `place` now.
    pub(crate) fn id_at(&self, place: u32) -> Option<Id> {
        let (chunk, index) = split(place);
        let chunk = self.chunks.get(chunk)?;
        chunk.values[index].as_ref().map(|_| Id {
            place,
            generation: chunk.generations[index],
        })
    }

    /// The same of a place that is in use, as the caller knows. No value is looked at: a hundred thousand of them lie all
    /// over the memory, and a look at each takes milliseconds.
    pub(crate) fn id_in_use(&self, place: u32) -> Option<Id> {
        debug_assert!(self.at(place).is_some(), "place {place} is not in use");
        let (chunk, index) = split(place);
        let generation = self.chunks.get(chunk)?.generations[index];
        Some(Id { place, generation })
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let (chunk, index) = split(id.place);
        let chunk = self.chunks.get_mut(chunk)?;
        if chunk.generations[index] != id.generation {
            return None;
        }
        let value = chunk.values[index].take()?;
        chunk.generations[index] = id.generation.wrapping_add(1);
        self.free.push(id.place);
        Some(value)
    }

    /// Those in use, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> + '_ {
        self.chunks.iter().enumerate().flat_map(|(number, chunk)| {
            let places = chunk.generations.iter().zip(&chunk.values).enumerate();
            places.filter_map(move |(index, (generation, value))| {
                let id = Id {
                    place: (number * CHUNK_PLACES + index) as u32,
                    generation: *generation,
                };
                value.as_ref().map(|value| (id, value))
            })
        })
    }

    /// The values of those in use, by place.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> + '_ {
        self.chunks
            .iter_mut()
            .flat_map(|chunk| chunk.values.iter_mut().flatten())
    }
}

/// The chunk of a place, and where it is there.
fn split(place: u32) -> (usize, usize) {
    (place as usize / CHUNK_PLACES, place as usize % CHUNK_PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_does_not_find_who_lives_in_its_place_now() {
        let mut slab = Slab::new();
        let first = slab.insert("first");
        assert_eq!(slab.remove(first), Some("first"));
        let second = slab.insert("second");
        assert_eq!(second.place, first.place);
        assert_eq!(slab.get(first), None);
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get(Id::from_bits(second.to_bits())), Some(&"second"));
        assert_eq!(slab.id_in_use(second.place), Some(second));
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.iter().collect::<Vec<_>>(), vec![(second, &"second")]);
    }

    #[test]
    fn places_of_several_chunks_are_told_apart_and_used_again() {
        let mut slab = Slab::new();
        let count = 3 * CHUNK_PLACES + 1;
        let ids: Vec<Id> = (0..count).map(|number| slab.insert(number)).collect();
        assert!(
            slab.iter()
                .eq(ids.iter().copied().zip(&(0..count).collect::<Vec<_>>()))
        );
        for id in ids.iter().step_by(2) {
            slab.remove(*id);
        }
        assert_eq!(slab.len(), count / 2);
        for (number, id) in ids.iter().enumerate() {
            assert_eq!(slab.get(*id), (number % 2 == 1).then_some(&number));
            assert_eq!(slab.at(id.place), slab.get(*id));
        }
        assert!(
            (0..count).map(|number| slab.insert(number).place).max() < Some((count + count / 2 + 1) as u32)
        );
        assert_eq!(slab.at(u32::MAX), None);
        assert_eq!(slab.get(Id::from_bits(u64::MAX)), None);
    }
}
