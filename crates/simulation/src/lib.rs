//! Real clients and a real node on a simulated network, in simulated time, with faults drawn from a seed; what the
//! applications see is checked against the invariants of the rules. See docs/ARCHITECTURE.md, "Simulation".
//!
//! ```text
//! seed -> scenario (data) -> runner: turmoil, links, processes, the wall clock
//!                              |- device: Client::create_in, an application --told--> checker
//!                              '- server: presence_node::single                      (invariants)
//! ```
//!
//! The same seed gives the same run, to the letter of its [`journal`]. For development only: nothing here is shipped.
#![forbid(unsafe_code)]

pub mod checker;
pub mod device;
pub mod journal;
pub mod network;
pub mod random;
pub mod runner;
pub mod scenario;
pub mod server;
pub mod spoiled;

pub use checker::{Invariant, Violation};
pub use runner::{Plant, Report, run};
