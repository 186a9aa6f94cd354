//! What the network-status callback is told. The original keeps a connection from TIMInit on; ours makes one when a user
//! logs in. So that programs which wait for "connected" before they log in go on, the server is tried from TIMInit on,
//! every [`RETRY`] until it answers, and a login that the server refuses still leaves "connected".

use std::ffi::c_int;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use presence_client::ConnectionState;
use presence_protocol::errors::code;

use crate::listeners::Listeners;

/// The original's TIMNetworkStatus.
pub mod status {
    use std::ffi::c_int;

    /// The server can be reached.
    pub const CONNECTED: c_int = 0;
    /// The connection of a logged-in user was lost; it is being restored.
    pub const DISCONNECTED: c_int = 1;
    /// An attempt to connect begins.
    pub const CONNECTING: c_int = 2;
    /// It failed; code and text say why.
    pub const CONNECT_FAILED: c_int = 3;
}

/// Between two attempts to reach the server while nobody logs in.
pub const RETRY: Duration = Duration::from_secs(10);

/// Nothing was told yet.
const NEVER: c_int = -1;

/// What was told last.
pub struct Network(AtomicI32);

impl Network {
    /// Nothing.
    pub const fn new() -> Network {
        Network(AtomicI32::new(NEVER))
    }

    /// Tells the application, on the callback thread, if that is news.
    pub fn tell(&self, listeners: &Listeners, status: c_int, code: i32, text: &str) {
        if self.0.swap(status, Ordering::AcqRel) != status {
            listeners.tell_network(status, code, text);
        }
    }

    /// Whether the application waits to be told how an attempt went.
    pub fn is_connecting(&self) -> bool {
        self.0.load(Ordering::Acquire) == status::CONNECTING
    }

    /// As [`Network::tell`], for what a client says of its connection.
    pub fn follow(&self, listeners: &Listeners, state: ConnectionState, code: i32, text: &str) {
        if let Some(status) = news(self.0.load(Ordering::Acquire), state, code) {
            let (code, text) = failure(code).map_or((code::OK, ""), |code| (code, text));
            self.tell(listeners, status, code, text);
        }
    }
}

/// The original's code for an attempt that made no connection, by the client's code; `None`: it was not for want of one.
pub fn failure(number: i32) -> Option<i32> {
    match number {
        code::CONNECT_TIMEOUT | code::CONNECTION_REFUSED | code::UNREACHABLE | code::NO_CONNECTION => {
            Some(number)
        }
        // TLS: the original has no code for it. The text says what is wrong with the certificate.
        code::SERVER_NOT_TRUSTED => Some(code::NO_CONNECTION),
        _ => None,
    }
}

fn news(told: c_int, state: ConnectionState, code: i32) -> Option<c_int> {
    match state {
        ConnectionState::Connecting => Some(status::CONNECTING),
        ConnectionState::Connected => Some(status::CONNECTED),
        ConnectionState::Disconnected if failure(code).is_some() => Some(match told {
            status::CONNECTED | status::DISCONNECTED => status::DISCONNECTED,
            _ => status::CONNECT_FAILED,
        }),
        // A login was refused: the server was reached.
        ConnectionState::Disconnected if told == status::CONNECTING && code != code::OK => {
            Some(status::CONNECTED)
        }
        // Logged out, kicked: the network is as it was.
        ConnectionState::Disconnected => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_was_there_is_disconnected_and_one_that_was_not_failed() {
        use ConnectionState::{Connected, Connecting, Disconnected};
        assert_eq!(news(NEVER, Connecting, 0), Some(status::CONNECTING));
        assert_eq!(
            news(status::CONNECTING, Disconnected, 9511),
            Some(status::CONNECT_FAILED)
        );
        assert_eq!(
            news(status::CONNECTING, Disconnected, code::SERVER_NOT_TRUSTED),
            Some(status::CONNECT_FAILED)
        );
        assert_eq!(news(status::CONNECTING, Connected, 0), Some(status::CONNECTED));
        assert_eq!(
            news(status::CONNECTED, Disconnected, 9523),
            Some(status::DISCONNECTED)
        );
    }

    #[test]
    fn the_end_of_a_session_is_not_the_networks() {
        use ConnectionState::Disconnected;
        assert_eq!(news(status::CONNECTED, Disconnected, 0), None, "a logout");
        assert_eq!(news(status::CONNECTED, Disconnected, 6208), None, "R8.3");
        assert_eq!(
            news(status::CONNECTING, Disconnected, 70001),
            Some(status::CONNECTED)
        );
    }
}
