//! The gateway: connections, their frames, logins and requests. It knows sockets and messages, asks the engine, and
//! tells the hub who is here.

pub(crate) mod absent;
pub(crate) mod answers;
pub(crate) mod catch_up;
pub(crate) mod closing;
pub(crate) mod connection;
pub(crate) mod failures;
pub(crate) mod lists;
pub(crate) mod login;
pub(crate) mod outbox;
pub(crate) mod pending;
pub(crate) mod replies;
pub(crate) mod requests;
pub(crate) mod serve;
pub(crate) mod texts;
pub(crate) mod wheel;
