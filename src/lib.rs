//! The C ABI of tim-presence: checks arguments, guards panics, converts; everything else is `presence-client`'s.
//!
//! One public module per section of `include/tim_presence.h`, in its order; `build.rs` renders them into it, so their
//! doc comments are written for the C programmer. The contract is docs/C_API.md. The private modules are the machinery
//! behind: handles, the panic boundary, strings, listeners' ownership, fork.
//!
//! Invariants: no lock is held while application code runs; nothing is written through an out-pointer unless the
//! function returns 0 (`needed` excepted); no function does I/O on the caller's thread but those of [`server`].
#![allow(
    non_snake_case,
    clippy::missing_safety_doc,
    reason = "C names, and C documentation: what a caller must uphold stands at each parameter"
)]

pub mod errors;
pub mod lifecycle;
pub mod listeners;
pub mod pull;
pub mod server;
pub mod session;
pub mod status;
pub mod types;
pub mod version;

mod arrays;
mod fork;
mod guard;
mod handles;
mod last_error;
mod strings;
mod user_data;

#[cfg(test)]
mod abi_tests;
#[cfg(test)]
mod contract_tests;
#[cfg(all(test, feature = "embedded-server"))]
mod fuzz_corpus;
#[cfg(all(test, target_pointer_width = "64"))]
mod layout_tests;
