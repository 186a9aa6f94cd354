//! What may lie between a connection's bytes and its socket: TLS 1.3, and WebSocket over it or without. Both ends use it:
//! the gateway and the client.
//!
//! ```text
//! frames of the protocol
//!    |
//! Layered: nothing, TLS, WebSocket, or WebSocket over TLS
//!    |
//! a stream: TCP, a pipe of a test, a simulated network
//! ```
//!
//! Nothing here knows a frame, an option or a task. Everything is polled, owns no buffer while idle beyond what the TLS
//! library keeps, and can be taken apart and put together again on another runtime ([`Layered::try_map`]), which is what the
//! gateway does with a connection that moves to the loop of its user.
#![forbid(unsafe_code)]

mod layered;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod websocket;

pub use layered::Layered;
