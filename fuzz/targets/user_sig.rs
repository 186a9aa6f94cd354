//! See `presence_fuzz::checks::user_sig`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| presence_fuzz::checks::user_sig(bytes));
