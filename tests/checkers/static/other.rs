//! Another library written in Rust, which a program may well link beside ours. It has its own copy of Rust's runtime,
//! under the same names, and uses what of it is process-wide: the panic hook, threads, thread-locals.

use std::cell::Cell;
use std::sync::atomic::{AtomicI32, Ordering};

static PANICS: AtomicI32 = AtomicI32::new(0);
thread_local!(static CALLS: Cell<i32> = const { Cell::new(0) });

/// Counts its own panics from now on, and nobody else's.
#[unsafe(no_mangle)]
pub extern "C" fn other_begin() {
    std::panic::set_hook(Box::new(|_| {
        PANICS.fetch_add(1, Ordering::SeqCst);
    }));
}

/// Panics on a thread of its own and catches it; the number of panics so far.
#[unsafe(no_mangle)]
pub extern "C" fn other_panic() -> i32 {
    CALLS.set(CALLS.get() + 1);
    let failed = std::thread::spawn(|| panic!("on purpose")).join().is_err();
    assert!(failed && std::panic::catch_unwind(|| panic!("again")).is_err());
    PANICS.load(Ordering::SeqCst)
}
