//! libImSDK: the C functions of the original's SDK over [`presence_client`], so that programs linked against the original
//! run against a server of their own without being compiled again. docs/MIGRATING.md says what is the same and what is
//! not; `include/imsdk/TIMCloud.h` declares it all.
//!
//! ```text
//! exports, unsupported    extern "C": check arguments, guard panics
//!        │
//!      sdk ── place       one process-wide SDK: init, login, calls; where the server is
//!        │
//!  presence_client        (poll delivery)
//!        │
//!  callback_thread        the one thread that runs every callback: results, events, and refusals in the order of the calls
//! ```
//!
//! Invariants: a call that returned 0 runs its callback exactly once (unless the original never runs it: see
//! [`exports`]); no callback is given a NULL text; callbacks run on one thread for the life of the process; no lock is
//! held while one runs.
#![allow(
    non_snake_case,
    reason = "the library and its functions have the original's names"
)]

mod answer;
mod callback_thread;
mod experimental;
mod exports;
mod guard;
mod json;
mod listeners;
mod network;
mod place;
mod process;
mod sdk;
mod unsupported;
