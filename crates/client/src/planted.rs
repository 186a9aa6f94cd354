//! Planted panics: custom statuses that make this crate panic, so that tests can see what becomes of a panic. Only with the
//! feature `test-panic`, which nothing turns on but those tests (`tests/contract/panic.c`).

/// Panics on the thread that calls, inside the call.
pub(crate) const IN_CALL: &str = "panic in the call";

/// Panics on the runtime's thread, where the session lives.
pub(crate) const IN_SESSION: &str = "panic in the session";

/// Panics if the custom status is the one that should.
pub(crate) fn panic_if(custom_status: &str, planted: &str) {
    assert!(custom_status != planted, "planted: {planted}");
}
