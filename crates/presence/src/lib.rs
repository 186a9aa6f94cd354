//! The rules of user status, pure: state, event and [`Now`](time::Now) go in; changes and effects come out, and the
//! caller carries them out. No I/O, async, threads, locks, clock, randomness, logging, protobuf or C types.
//!
//! Three machines, each owned by whoever keeps its state (the engine or the gateway of a node):
//!
//! - [`user::User`]: the devices of one account, its presence and version (R2, R3, R6.5, R8.3, R8.7);
//! - [`subscriptions::SubscriptionList`]: whom one user watches (R5);
//! - [`gates::Gates`]: which calls of one user are let through (R7).
//!
//! Every rule is found by its number (`R7.3`) at the code that implements it and in the test that proves it.
#![forbid(unsafe_code)]

mod devices;
mod displaced;
pub mod gates;
pub mod ids;
pub mod late_logout;
pub mod login;
mod multi_login;
#[cfg(test)]
mod scene;
pub mod settings;
pub mod status;
pub mod stored;
pub mod subscriptions;
pub mod time;
pub mod user;
