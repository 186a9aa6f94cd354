//! The session of a client: who is logged in, over which connection, what waits for an answer.
//!
//! - [`machine`], [`login`], [`logout`], [`link`]: the state machine. Commands, messages, and the time come in; frames, items for the
//!   application, and wishes (connect, hang up) come out. No I/O, no clock of its own;
//! - [`actor`]: the shell that owns the socket and the timer and carries the wishes out;
//! - [`calls`]: what was accepted and has no result; [`wire`]: what was sent on this connection; [`told`]: what the
//!   application knows; [`backoff`]: how long to wait; [`restarts`]: how often a change of network counts; [`farewell`]: saying a logout later.

pub(crate) mod actor;
mod backoff;
mod calls;
mod farewell;
mod link;
mod login;
mod logout;
pub(crate) mod machine;
mod restarts;
mod told;
mod trace;
mod wire;

use std::any::Any;

use presence_protocol::message::Request;

use crate::api::{Completion, Listener, ListenerKind};
use crate::delivery::{ThreadHook, WakeFn};

/// What a client is told by the application. Whatever carries a completion was promised a result.
pub(crate) enum Command {
    /// R8.1.
    Login {
        user_id: String,
        user_sig: String,
        done: Completion,
    },
    /// R8.8.
    Logout { done: Completion },
    /// Whether the server can be reached.
    Reach { done: Completion },
    /// Any other call.
    Call { ask: Ask, done: Completion },
    /// For the delivery.
    Listen(Listener),
    /// For the delivery.
    Unlisten(ListenerKind),
    /// For the delivery.
    Hook(Option<ThreadHook>),
    /// For the delivery; the callback runs on the session's thread, so that is where it is changed.
    Wake(Option<WakeFn>),
    /// R8.5.
    NetworkChanged,
    /// The last command.
    Close {
        closed: Option<Box<dyn FnOnce() + Send>>,
    },
}

/// What a call asks of the server: the requests that are the application's, which are the small ones. Commands wait in
/// queues with room for four, so each byte here is eight in an idle client; in boxes they would cost each call an allocation that
/// another thread frees.
pub(crate) enum Ask {
    RenewUserSig(String),
    SetSelfStatus(String),
    GetUserStatus(Vec<String>),
    Subscribe(Vec<String>),
    Unsubscribe(Vec<String>),
    GetSubscriptions,
    GetFriends,
}

impl From<Ask> for Request {
    fn from(ask: Ask) -> Request {
        match ask {
            Ask::RenewUserSig(user_sig) => Request::RenewUserSig { user_sig },
            Ask::SetSelfStatus(custom_status) => Request::SetSelfStatus { custom_status },
            Ask::GetUserStatus(user_ids) => Request::GetUserStatus { user_ids },
            Ask::Subscribe(user_ids) => Request::Subscribe { user_ids },
            Ask::Unsubscribe(user_ids) => Request::Unsubscribe { user_ids },
            Ask::GetSubscriptions => Request::GetSubscriptions,
            Ask::GetFriends => Request::GetFriends,
        }
    }
}

/// Something of the application's to be dropped where callbacks run.
type Discarded = Box<dyn Any + Send>;
