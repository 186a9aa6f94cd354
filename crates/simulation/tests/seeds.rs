//! Many seeds, each a story of its own, and none violates an invariant.
//!
//! `PRESENCE_SEEDS=1000` runs the seeds 0 to 999 instead of 0 to 199, `PRESENCE_FROM=5000` those from there on;
//! `PRESENCE_SEED=42` runs that one alone; `PRESENCE_TRACE=1` prints what happens.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use presence_simulation::{Report, run};

/// Seeds without an order.
const SEEDS: u64 = 200;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable}={text} is not a number")),
    )
}

#[test]
fn no_seed_violates_an_invariant() {
    let prints = std::env::var_os("PRESENCE_TRACE").is_some();
    let (first, last) = match number("PRESENCE_SEED") {
        Some(seed) => (seed, seed),
        None => {
            let first = number("PRESENCE_FROM").unwrap_or(0);
            let count = number("PRESENCE_SEEDS").unwrap_or(SEEDS);
            assert!(count > 0, "PRESENCE_SEEDS=0 would prove nothing");
            (first, first.saturating_add(count - 1))
        }
    };
    let next = AtomicU64::new(first);
    let failed = Mutex::new(Vec::<Report>::new());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > last {
                        return;
                    }
                    let report = run(seed, None, prints);
                    if !report.violations.is_empty() {
                        failed.lock().expect("no thread panics").push(report);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics");
    let texts: Vec<String> = failed.iter().map(Report::to_string).collect();
    assert!(
        failed.is_empty(),
        "{} of {} seeds violate an invariant\n{}",
        failed.len(),
        last - first + 1,
        texts.join("\n")
    );
}
