//! The machines of the crate, tied together as an engine does it, against a naive model written straight from the text
//! of the rules: random stories of two apps, compared after every step (R1 to R8).
//!
//! `PRESENCE_CASES` sets the number of stories (10 000), `PRESENCE_SEED` the random numbers: a failure prints its seed
//! and the shortest story found.

mod command;
mod driver;
mod model;
mod mutant;
mod step;
mod world;

use std::hash::{BuildHasher, RandomState};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::command::stories;
use crate::driver::play;
use crate::mutant::Mutant;

/// Stories in `cargo test`.
const CASES: u32 = 10_000;
/// Stories within which each mutant has to be found; the rarest takes a tenth of it.
const MUTANT_CASES: u32 = 20_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}={text}: {error}")),
    )
}

fn runner(cases: u32, shrinks: u32, seed: u64) -> TestRunner {
    let config = Config {
        cases,
        max_shrink_iters: shrinks,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

#[test]
fn the_machines_and_the_model_agree_on_every_story() {
    let cases = number("PRESENCE_CASES").map_or(CASES, |cases| u32::try_from(cases).unwrap_or(u32::MAX));
    let seed = number("PRESENCE_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let result = runner(cases, 4_096, seed).run(&stories(), |(flips, commands)| {
        play(&flips, &commands, None).map_err(TestCaseError::fail)
    });
    if let Err(error) = result {
        panic!("PRESENCE_SEED={seed}: {error}");
    }
}

/// Each rule that the model gets wrong on purpose is noticed: the comparison looks at it, and the stories reach it.
#[test]
fn a_model_with_one_rule_wrong_is_found_out() {
    for mutant in Mutant::ALL {
        let result = runner(MUTANT_CASES, 0, 1).run(&stories(), |(flips, commands)| {
            play(&flips, &commands, Some(mutant)).map_err(TestCaseError::fail)
        });
        assert!(
            matches!(result, Err(TestError::Fail(..))),
            "{mutant:?} was not noticed: {result:?}"
        );
    }
}
