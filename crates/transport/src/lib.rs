//! What may lie between a connection's bytes and its socket: TLS 1.3. Both ends use it: the gateway and the client.
//!
//! ```text
//! frames of the protocol
//!    |
//! Layered: nothing, or TLS
//!    |
//! a stream: TCP, a pipe of a test, a simulated network
//! ```
//!
//! Nothing here knows a frame, an option or a task. Everything is polled, owns no buffer while idle beyond what the TLS
//! library keeps, and can be taken apart and put together again on another runtime ([`Layered::map`]), which is what the
//! gateway does with a connection that moves to the loop of its user. tokio-rustls owns its socket for good and could
//! not be moved so.
#![forbid(unsafe_code)]

mod layered;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;

pub use layered::Layered;
