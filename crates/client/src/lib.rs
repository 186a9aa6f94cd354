//! The safe client: one actor per client on a shared runtime. See docs/ARCHITECTURE.md, "The client".
//!
//! Contract (docs/C_API.md): a call that answers `Ok` completes its [`Completion`] exactly once, on the delivery's
//! thread; one that answers `Err` never does and drops it on the caller's thread. No call does I/O on the caller's
//! thread but [`Client::create`], which reads the data directory. No lock is held while application code runs.
//!
//! ```text
//! Client ──commands──▶ session::actor ──bytes──▶ server
//!   ▲                    │ session::machine decides; the actor only carries out
//!   │                    ▼
//! application ◀── delivery (queue, then a thread or poll)
//! ```
//!
//! - [`options`]: every option in one table;
//! - `door`: how commands come from the application's threads to the session;
//! - `session`: the state machine of a login (R8) and the shell that gives it a socket and a clock;
//! - `delivery`: the only way out to the application;
//! - `runtime`: the threads that all clients of a process share, their honest end, and `fork`; `caller`: who goes first;
//! - [`world`]: what a client asks of the outside: connections, a clock, randomness.
#![forbid(unsafe_code)]

mod address;
mod api;
mod by_user;
mod caller;
mod client;
mod data_dir;
mod delivery;
mod dial;
mod door;
pub mod options;
#[cfg(feature = "test-panic")]
mod planted;
mod race;
mod resolver;
mod runtime;
mod session;
mod visible;
pub mod world;

pub use api::{
    CallError, Completion, ConnectionState, Listener, ListenerKind, LogLevel, LoginState, Outcome,
};
pub use client::{Client, ClosedFn, ThreadHook, WakeFn};
pub use runtime::after_fork_in_child;
