//! See `presence_fuzz::checks::server_options`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| presence_fuzz::checks::server_options(bytes));
