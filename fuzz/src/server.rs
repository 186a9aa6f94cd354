//! The embedded server's options live in the C ABI crate, which has no Rust library to link: its source is taken
//! instead, and stands here where it stands there.

#[path = "../../src/server/options.rs"]
pub mod options;
