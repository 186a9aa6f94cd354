//! The messages as the client and the node speak them, and their way to and from bytes.

use bytes::{Bytes, BytesMut};
use presence::gates::Call;
use presence::ids::{SessionId, UserId};
use presence::status::{Presence, Version};
use prost::Message as _;

use crate::{conversion, frame, hot, id_list, wire};

/// What a client asks. Its `Debug` does not show a UserSig.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// R8.1.
    Login(LoginRequest),
    /// R8.8.
    Logout,
    /// R8.4.
    RenewUserSig {
        /// The new one.
        user_sig: String,
    },
    /// R3.
    SetSelfStatus {
        /// Empty clears.
        custom_status: String,
    },
    /// R4.
    GetUserStatus {
        /// As the caller gave them.
        user_ids: Vec<String>,
    },
    /// R5.1.
    Subscribe {
        /// As the caller gave them.
        user_ids: Vec<String>,
    },
    /// R5.7; none: the whole list.
    Unsubscribe {
        /// As the caller gave them.
        user_ids: Vec<String>,
    },
    /// R5.9.
    GetSubscriptions,
    /// R9.1.
    GetFriends,
    /// R5.8.
    RestoreSubscriptions {
        /// The generation of the cleared list.
        list_generation: u64,
        /// Oldest first.
        user_ids: Vec<String>,
    },
    /// A body this version does not know: answered with 7013.
    Unknown,
}

/// What a client asks, as a server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// One of the calls that name many users, as encoders write it: the ids are where they stand in the frame.
    Call {
        /// Which.
        call: Call,
        /// As the caller gave them.
        user_ids: Vec<&'a str>,
    },
    /// Any other request; and such a call, too, where it is encoded in an unusual way.
    Request(Request),
}

/// See `Login` in presence.proto. Its `Debug` does not show the UserSig.
#[derive(Clone, PartialEq, Eq)]
pub struct LoginRequest {
    /// The app, as sent.
    pub sdk_app_id: u64,
    /// The account, as sent.
    pub user_id: String,
    /// A secret.
    pub user_sig: String,
    /// Name of the platform.
    pub platform: String,
    /// The device's instance id.
    pub instance: String,
    /// The login this one continues.
    pub session: Option<SessionId>,
    /// Generation of the client's copy of its list; 0: none.
    pub list_generation: u64,
    /// What the client was last told.
    pub known: Vec<KnownUser>,
    /// "name/version".
    pub client: String,
    /// A logout said late (R8.8): the reply of a server that knows this has no `login`.
    pub only_to_log_out: bool,
}

/// What a client was last told of a user (R6.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// Who.
    pub user_id: String,
    /// At which version.
    pub version: Version,
    /// Whether as ONLINE (R2.9).
    pub online: bool,
}

/// What a server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerMessage {
    /// The answer to a request.
    Reply(Reply),
    /// Changes of watched users (R6).
    Push(Vec<UserStatus>),
    /// The subscription list changed (R5.3).
    SubscriptionsChanged(SubscriptionsChanged),
    /// The session is over: 6208, 70052 or 6206.
    SessionEnded {
        /// Why.
        code: i32,
        /// For a person.
        message: String,
    },
    /// Reconnect elsewhere or later.
    GoAway {
        /// Wait a random part of this.
        spread_ms: u32,
        /// For a person.
        message: String,
    },
    /// A body this version does not know: ignored.
    Unknown,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// The request it answers.
    pub request_id: u64,
    /// 0 or a code of the table.
    pub code: i32,
    /// For a person; empty when code is 0.
    pub message: String,
    /// With 7008 and 70050.
    pub retry_after_ms: u32,
    /// Per user.
    pub users: Vec<UserStatus>,
    /// Who fell off the list (R5.2).
    pub evicted: Vec<String>,
    /// With a login.
    pub login: Option<LoginReply>,
}

/// See `LoginReply` in presence.proto.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginReply {
    /// The number of this login.
    pub session: SessionId,
    /// Server's wall clock, ms.
    pub server_time_ms: i64,
    /// R2.6.
    pub heartbeat_interval_ms: u32,
    /// R2.6.
    pub heartbeat_timeout_ms: u32,
    /// R8.4.
    pub user_sig_expires_ms: i64,
    /// R5.8.
    pub subscriptions: SubscriptionSummary,
    /// Largest frame the server accepts.
    pub frame_bytes_max: u32,
}

/// See `SubscriptionList` in presence.proto.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionSummary {
    /// Rises with every change.
    pub generation: u64,
    /// It may be restored (R5.8).
    pub restorable: bool,
    /// The whole list, oldest first; `None`: the client's copy is current.
    pub user_ids: Option<Vec<String>>,
}

/// See `SubscriptionsChanged` in presence.proto.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscriptionsChanged {
    /// After this change.
    pub generation: u64,
    /// Now the newest, in this order.
    pub added: Vec<String>,
    /// Taken off.
    pub removed: Vec<String>,
    /// Fell off because the list was full, oldest first.
    pub evicted: Vec<String>,
}

/// One user's presence on the wire. Numbers stay numbers: a newer peer may send ones this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserStatus {
    /// As asked for, or as the server names it.
    pub user_id: String,
    /// Per-user result.
    pub code: i32,
    /// 0 UNKNOWN, 1 ONLINE, 2 OFFLINE, 3 UNLOGINED; another number from a newer server.
    pub status: i32,
    /// Custom status.
    pub custom_status: String,
    /// R6.5.
    pub version: u64,
    /// ms since the epoch.
    pub since_ms: i64,
    /// R6.7.
    pub reason: i32,
    /// Bits of the platforms online.
    pub platforms: u32,
}

/// A [`UserStatus`] to be written, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusRef<'a> {
    /// As [`UserStatus::found`].
    Found {
        /// Who.
        user: &'a UserId,
        /// What it shows.
        presence: &'a Presence,
        /// Bits of the platforms online.
        platforms: u32,
    },
    /// No presence: as [`UserStatus::failed`], or with code 0 a user who is named without what it shows.
    Plain {
        /// As it was asked for.
        user_id: &'a str,
        /// 0 or a code of the table.
        code: i32,
    },
}

impl StatusRef<'_> {
    /// 0 or a code of the table.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            StatusRef::Found { .. } => 0,
            StatusRef::Plain { code, .. } => *code,
        }
    }
}

impl UserStatus {
    /// A success: what `user` shows, and the platforms it is online on (0 in a change, R1.4).
    #[must_use]
    pub fn found(user: &UserId, presence: &Presence, platforms: u32) -> UserStatus {
        UserStatus {
            user_id: user.as_str().to_owned(),
            code: 0,
            status: presence.status as i32,
            custom_status: presence.custom.as_str().to_owned(),
            version: presence.version.0,
            since_ms: presence.since.0,
            reason: presence.reason as i32,
            platforms,
        }
    }

    /// A per-user failure (R4.3): the id as it was asked for, and a code of the table. The rest is empty.
    #[must_use]
    pub fn failed(user_id: &str, code: i32) -> UserStatus {
        UserStatus {
            user_id: user_id.to_owned(),
            code,
            ..UserStatus::default()
        }
    }
}

/// The bytes are not a message of this protocol: close the connection. The text never holds what the bytes held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError(pub String);

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not a message of this protocol: {}", self.0)
    }
}

impl std::error::Error for DecodeError {}

/// Appends a request as a frame. `request_id` must be above 0, so that the frame is never mistaken for a heartbeat.
pub fn encode_request(request_id: u64, request: &Request, buffer: &mut BytesMut) {
    debug_assert!(request_id > 0, "request ids begin at 1");
    frame::append(&conversion::client_frame(request_id, request), buffer);
}

/// Reads the body of a client's frame (not a heartbeat): the request id and the request.
///
/// Whether values make sense (a user id, an instance of 1 to 64 bytes, a request id above 0) is for the node to check:
/// what is ill-formed there has an answer, what fails here only a closed connection. Lists are bounded by the frame.
pub fn decode_request(body: &[u8]) -> Result<(u64, Request), DecodeError> {
    wire::ClientFrame::decode(body)
        .map(conversion::request)
        .map_err(decode_error)
}

/// As [`decode_request`], and without a copy of the ids where a request names many users.
pub fn read_request(body: &[u8]) -> Result<(u64, Incoming<'_>), DecodeError> {
    if let Some((request_id, call, user_ids)) = id_list::read(body) {
        return Ok((request_id, Incoming::Call { call, user_ids }));
    }
    decode_request(body).map(|(request_id, request)| (request_id, Incoming::Request(request)))
}

/// Appends a reply as a frame. Its users are `users`, after those in `reply` itself.
pub fn encode_reply(reply: &Reply, users: &[StatusRef<'_>], buffer: &mut BytesMut) {
    hot::append_reply(reply, users, buffer);
}

/// A reply to a call on users, written user by user from what shows them, into room that its owner keeps from reply to
/// reply: nothing of a user is copied before it is encoded.
pub struct UsersReply<'a> {
    users: hot::UsersRoom<'a>,
    /// 0 once any user succeeded; before that, the first user's code.
    code: Option<i32>,
}

impl<'a> UsersReply<'a> {
    /// A reply without users. What `room` holds is of no meaning, before and after.
    pub fn begin(room: &'a mut Vec<u8>) -> UsersReply<'a> {
        UsersReply {
            users: hot::UsersRoom::new(room),
            code: None,
        }
    }

    /// As [`UserStatus::found`], with `version` in place of the presence's own.
    pub fn found(&mut self, user: &UserId, presence: &Presence, version: Version, platforms: u32) {
        self.code = Some(0);
        self.users.found(user, presence, version, platforms);
    }

    /// As [`UserStatus::failed`].
    pub fn failed(&mut self, user_id: &str, code: i32) {
        self.code.get_or_insert(code);
        self.users.failed(user_id, code);
    }

    /// R4.3: 0 if any user succeeded or none was named, else the first user's code.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code.unwrap_or(0)
    }

    /// The frame, with the fields of `reply` that stand before the users; its own users, evicted and login are not in it.
    #[must_use]
    pub fn frame(self, reply: &Reply) -> Bytes {
        debug_assert!(
            reply.users.is_empty() && reply.evicted.is_empty() && reply.login.is_none(),
            "they are written by encode_reply"
        );
        self.users.frame(reply)
    }
}

/// Appends a server's message as a frame. [`ServerMessage::Unknown`] is only ever received and appends nothing.
pub fn encode_server(message: &ServerMessage, buffer: &mut BytesMut) {
    match message {
        ServerMessage::Reply(reply) => hot::append_reply(reply, &[], buffer),
        ServerMessage::Push(changes) => hot::append_push(changes, buffer),
        ServerMessage::SubscriptionsChanged(changed) => {
            frame::append(&conversion::subscriptions_changed_frame(changed), buffer);
        }
        ServerMessage::SessionEnded { code, message } => {
            frame::append(&conversion::session_ended_frame(*code, message), buffer);
        }
        ServerMessage::GoAway { spread_ms, message } => {
            frame::append(&conversion::go_away_frame(*spread_ms, message), buffer);
        }
        ServerMessage::Unknown => {}
    }
}

/// One change as a whole Push frame, to be shared by all its watchers.
#[must_use]
pub fn encode_change(user: &UserId, presence: &Presence) -> Bytes {
    hot::change_frame(user, presence)
}

/// Reads the body of a server's frame (not a heartbeat).
pub fn decode_server(body: &[u8]) -> Result<ServerMessage, DecodeError> {
    wire::ServerFrame::decode(body)
        .map(conversion::server_message)
        .map_err(decode_error)
}

/// prost's errors name fields and kinds of damage, never contents.
fn decode_error(error: prost::DecodeError) -> DecodeError {
    DecodeError(error.to_string())
}
