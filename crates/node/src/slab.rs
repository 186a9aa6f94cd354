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

struct Place<T> {
    generation: u32,
    value: Option<T>,
}

/// See the module.
pub(crate) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Slab<T> {
        Slab {
            places: Vec::new(),
            free: Vec::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Places that were ever in use.
    pub(crate) fn places_len(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// Puts in what `make` makes of its own id.
    pub(crate) fn insert_with(&mut self, make: impl FnOnce(Id) -> T) -> Id {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                value: None,
            });
            u32::try_from(self.places.len() - 1).expect("fewer than 2^32 places fit in memory")
        });
        let slot = &mut self.places[place as usize];
        let id = Id {
            place,
            generation: slot.generation,
        };
        slot.value = Some(make(id));
        id
    }

    pub(crate) fn insert(&mut self, value: T) -> Id {
        self.insert_with(|_| value)
    }

    pub(crate) fn get(&self, id: Id) -> Option<&T> {
        let slot = self.places.get(id.place as usize)?;
        slot.value.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        let slot = self.places.get_mut(id.place as usize)?;
        slot.value.as_mut().filter(|_| slot.generation == id.generation)
    }

    /// Who lives at `place` now.
    pub(crate) fn at(&self, place: u32) -> Option<&T> {
        self.places.get(place as usize)?.value.as_ref()
    }

    /// The id of who lives at `place` now.
    pub(crate) fn id_at(&self, place: u32) -> Option<Id> {
        let slot = self.places.get(place as usize)?;
        slot.value.as_ref().map(|_| Id {
            place,
            generation: slot.generation,
        })
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<T> {
        let slot = self.places.get_mut(id.place as usize)?;
        if slot.generation != id.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.place);
        Some(value)
    }

    /// Those in use, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &T)> + '_ {
        self.places.iter().enumerate().filter_map(|(place, slot)| {
            let id = Id {
                place: place as u32,
                generation: slot.generation,
            };
            slot.value.as_ref().map(|value| (id, value))
        })
    }
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
        assert_eq!(slab.len(), 1);
        assert_eq!(slab.iter().collect::<Vec<_>>(), vec![(second, &"second")]);
    }
}
