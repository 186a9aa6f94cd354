//! The embeddable presence server. See docs/ARCHITECTURE.md, "The node".
//!
//! [`Node::start`] runs one on threads of its own; [`single`] runs one with a single loop inside somebody else's
//! runtime, with the network and the clocks of the caller's choice.
//!
//! ```text
//! gateway: connections, frames, logins, requests
//!    |  commands                     ^ answers, ends
//!    v                               |
//! engine: records, lists, the rules --- changes ---> hub: who is here and watches whom ---> outboxes
//! ```
//!
//! A node has N loops (`event_loop`), each a single thread of control that owns connections, a hub, and a shard of the
//! engine. A connection lives on the loop that is the home of its user.
#![forbid(unsafe_code)]

mod admin;
mod backend;
pub mod clock;
mod config;
pub mod durable;
pub mod engine;
mod event_loop;
mod gateway;
mod hub;
mod keyed;
mod node;
pub mod options;
mod slab;
mod statistics;
mod transport;

pub use admin::{Admin, AsyncAdmin, Cursor, Unavailable};
pub use backend::{Backend, BackendHandle, DeviceEvent};
pub use config::{AppConfig, NodeConfig};
/// TLS for a server: [`NodeConfig::tls`].
pub use presence_transport::tls::{CertificateError, ServerTls};

pub use node::{Node, StopTimeout, World, run_single, single};
pub use statistics::{AppStatistics, LATENCY_BUCKETS_US, LoopStatistics, Replies, RequestKind};
pub use transport::Listener;
