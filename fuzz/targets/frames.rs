//! See `presence_fuzz::checks::frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| presence_fuzz::checks::frames(bytes));
