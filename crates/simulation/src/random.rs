//! The one source of chance: everything random in a simulation is drawn from its seed.

/// SplitMix64: small, fast, and the same in every version of every library. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Numbers that follow from `seed` and from what they are for, so that drawing more of one kind does not change
    /// another.
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Random {
        let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
        for byte in purpose.bytes() {
            state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        let mut random = Random(state);
        random.next_u64();
        random
    }

    /// Any number, evenly distributed.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from `least` to `most`, both included.
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next_u64() % (most.saturating_sub(least) + 1)
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, chance: u64) -> bool {
        self.next_u64() % 100 < chance
    }

    /// One of `choices`, which must not be empty.
    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        let index = self.next_u64() % choices.len() as u64;
        choices[index as usize].clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_and_another_purpose_does_not() {
        let draw = |seed, purpose| {
            let mut random = Random::new(seed, purpose);
            [(); 4].map(|()| random.next_u64())
        };
        assert_eq!(draw(7, "plan"), draw(7, "plan"));
        assert_ne!(draw(7, "plan"), draw(8, "plan"));
        assert_ne!(draw(7, "plan"), draw(7, "world"));
    }

    #[test]
    fn a_range_includes_both_ends() {
        let mut random = Random::new(1, "range");
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| random.between(3, 5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [3, 4, 5]);
    }
}
