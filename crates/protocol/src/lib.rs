//! The wire: `presence.proto`, framing, UserSig and the numbered errors.
//!
//! The only crate that names the fields of a protobuf type. The client and the node speak [`message`] types; bytes and
//! protobuf stay inside. Everything here is pure.
#![forbid(unsafe_code)]

mod conversion;
pub mod errors;
pub mod frame;
mod hot;
mod id_list;
pub mod message;
pub mod nearest;
mod secrets;
pub mod user_sig;
#[rustfmt::skip] // as generated
#[allow(missing_docs, clippy::all, clippy::pedantic)] // documented in presence.proto
mod wire;
