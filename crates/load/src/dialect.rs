//! What the load says to a server and hears from it: our protocol, and the floor's, which has the same bytes.

use bytes::BytesMut;
use presence::ids::AppId;
use presence_protocol::frame::{self, FRAME_BYTES_MAX, Next, PREFACE};
use presence_protocol::message::{self, LoginRequest, Request, ServerMessage};
use presence_protocol::user_sig;

use crate::process::{APP_ID, SECRET_KEY};

/// What the first message in a buffer means to a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The request was answered with success.
    Done,
    /// A change of `user` with number `sequence` was delivered; 0: not one of a scenario (a login).
    Delivered {
        /// Number of the user.
        user: u32,
        /// Number of the change, from the custom status.
        sequence: u64,
    },
    /// Anything else.
    Other,
}

/// Characters of a custom status: with it a push has 64 bytes, like the messages of the peers it is compared with.
const CUSTOM_STATUS_BYTES: usize = 27;

/// Preface and login of user number `user`.
pub fn log_in(user: u32, now_s: i64) -> BytesMut {
    let mut bytes = BytesMut::new();
    bytes.extend_from_slice(PREFACE);
    let app = AppId::new(APP_ID).expect("above 0");
    let user_id = user_name(user);
    let request = Request::Login(LoginRequest {
        sdk_app_id: APP_ID,
        user_sig: user_sig::sign(app, SECRET_KEY, &user_id, now_s, 86_400),
        user_id,
        platform: "Linux".into(),
        instance: format!("load-{user}"),
        session: None,
        list_generation: 0,
        known: Vec::new(),
        client: "tim-presence-load".into(),
    });
    message::encode_request(1, &request, &mut bytes);
    bytes
}

/// A subscription of these users.
pub fn subscribe(users: impl IntoIterator<Item = u32>) -> BytesMut {
    let mut bytes = BytesMut::new();
    let user_ids = users.into_iter().map(user_name).collect();
    message::encode_request(2, &Request::Subscribe { user_ids }, &mut bytes);
    bytes
}

/// A change of the custom status to number `sequence`.
pub fn change(sequence: u64, bytes: &mut BytesMut) {
    let custom_status = format!("{sequence:0width$}", width = CUSTOM_STATUS_BYTES);
    message::encode_request(2 + sequence, &Request::SetSelfStatus { custom_status }, bytes);
}

/// Takes the first message off `buffer`: what it means and how many bytes it had. `None`: not whole yet.
pub fn take(buffer: &[u8]) -> Result<Option<(Event, usize)>, String> {
    let (body, consumed) = match frame::next(buffer, FRAME_BYTES_MAX).map_err(|error| error.to_string())? {
        Next::Frame { body, consumed } => (body, consumed),
        Next::Incomplete => return Ok(None),
    };
    let event = match message::decode_server(body).map_err(|error| error.0)? {
        ServerMessage::Reply(reply) if reply.code != 0 => {
            return Err(format!("{} {}", reply.code, reply.message));
        }
        ServerMessage::Reply(_) => Event::Done,
        ServerMessage::Push(changes) => match changes.as_slice() {
            [change] => Event::Delivered {
                user: user_number(&change.user_id),
                sequence: change.custom_status.parse().unwrap_or(0),
            },
            more => return Err(format!("a push with {} changes, one expected", more.len())),
        },
        ServerMessage::SubscriptionsChanged(_) | ServerMessage::Unknown => Event::Other,
        ServerMessage::SessionEnded { code, message } => {
            return Err(format!("session ended: {code} {message}"));
        }
        ServerMessage::GoAway { message, .. } => return Err(format!("the server goes away: {message}")),
    };
    Ok(Some((event, consumed)))
}

fn user_name(user: u32) -> String {
    format!("u{user:07}")
}

fn user_number(name: &str) -> u32 {
    name.trim_start_matches('u').parse().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use presence::ids::UserId;
    use presence::status::{CustomStatus, Presence, Reason, Status, Version};
    use presence::time::Wall;

    use super::*;

    #[test]
    fn a_push_has_64_bytes_and_carries_its_number() {
        let presence = Presence {
            status: Status::Online,
            custom: CustomStatus::new(&format!("{:0width$}", 42, width = CUSTOM_STATUS_BYTES), 100)
                .expect("short"),
            version: Version(1_800_000_000 << 20),
            since: Wall(1_800_000_000_000),
            reason: Reason::CustomStatus,
        };
        let bytes = message::encode_change(&UserId::new(&user_name(7)).expect("printable"), &presence);
        assert_eq!(bytes.len(), 64);
        assert_eq!(
            take(&bytes),
            Ok(Some((
                Event::Delivered {
                    user: 7,
                    sequence: 42
                },
                64
            )))
        );
        assert_eq!(take(&bytes[..63]), Ok(None));
    }
}
