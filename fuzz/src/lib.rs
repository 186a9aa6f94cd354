//! What the fuzzers in `targets/` feed. The checks themselves are shared with the library's unit tests, which replay
//! `corpus/` on each `cargo test`.

pub mod checks;

pub mod server;
pub mod session;
pub mod websocket;

/// What `server::options` needs of the C ABI's panic boundary.
pub mod guard {
    use std::borrow::Cow;

    /// Why a call was not accepted.
    #[derive(Debug)]
    pub struct Refusal {
        /// Negative, of the table.
        pub code: i32,
        /// Names the argument or key.
        pub text: Cow<'static, str>,
    }

    impl Refusal {
        /// A refusal.
        pub fn new(code: i32, text: impl Into<Cow<'static, str>>) -> Refusal {
            Refusal {
                code,
                text: text.into(),
            }
        }
    }
}
