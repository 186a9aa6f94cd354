//! A seed is a run: the same seed gives the same trace, line by line.

use presence_simulation::{Report, run};

/// The first line in which two traces differ.
fn difference(one: &Report, other: &Report) -> Option<(String, String)> {
    let (ones, others) = (one.lines.iter(), other.lines.iter());
    let shorter = one.lines.len().min(other.lines.len());
    let pair = ones.zip(others).find(|(one, other)| one != other);
    match pair {
        Some((one, other)) => Some((one.clone(), other.clone())),
        None if one.lines.len() == other.lines.len() => None,
        None => Some((
            one.lines.get(shorter).cloned().unwrap_or_default(),
            other.lines.get(shorter).cloned().unwrap_or_default(),
        )),
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [0, 1, 2, 3, 5, 8, 13, 21] {
        let (one, other) = (run(seed, None, false), run(seed, None, false));
        assert_eq!(difference(&one, &other), None, "seed {seed}");
        assert_eq!(one.hash, other.hash, "seed {seed}");
        assert!(one.lines.len() > 100, "seed {seed} does too little to compare");
    }
}

#[test]
fn another_seed_gives_another_trace() {
    assert_ne!(run(1, None, false).hash, run(2, None, false).hash);
}
