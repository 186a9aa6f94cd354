//! Our own protocol; the floor speaks it too.

use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;
use presence::ids::AppId;
use presence_protocol::frame::PREFACE;
use presence_protocol::message::{self, LoginRequest, Request};
use presence_protocol::user_sig;
use rustls::ClientConfig;

use super::{Dialect, Event, Session, ours_reader};

/// See the module.
pub struct Ours {
    /// The app that the load logs in to, and its key.
    pub app: AppId,
    /// The key that UserSigs are made with.
    pub secret_key: &'static str,
    /// When UserSigs are said to be made: seconds since the epoch.
    pub now_s: i64,
    /// Whom to trust, over TLS.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Characters of a custom status: with it a push has 64 bytes, like the messages of the peers it is compared with.
pub const CUSTOM_STATUS_BYTES: usize = 27;

/// Most ids of one call (R5.1).
const SUBSCRIBE_BATCH: usize = 100;

/// How long a UserSig is valid: longer than any run.
const USER_SIG_VALID_S: i64 = 86_400;

/// Request ids begin here, so that each takes four bytes and the floor can answer without counting.
pub const REQUEST_ID_BASE: u64 = 1 << 21;

impl Dialect for Ours {
    fn tls(&self) -> Option<Arc<ClientConfig>> {
        self.tls.clone()
    }

    fn log_in(&self, session: &mut Session, out: &mut BytesMut) {
        out.extend_from_slice(PREFACE);
        let user_id = user_name(session.user);
        let login = LoginRequest {
            sdk_app_id: self.app.get(),
            user_sig: user_sig::sign(self.app, self.secret_key, &user_id, self.now_s, USER_SIG_VALID_S),
            instance: user_id.clone(),
            user_id,
            platform: "Linux".into(),
            session: None,
            list_generation: 0,
            known: Vec::new(),
            client: concat!("tim-presence-load/", env!("CARGO_PKG_VERSION")).into(),
            only_to_log_out: false,
        };
        put(session, &Request::Login(login), out);
    }

    fn read(
        &self,
        session: &mut Session,
        bytes: &[u8],
        _out: &mut BytesMut,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<usize, String> {
        ours_reader::read(session, bytes, on_event)
    }

    fn subscribe(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        for batch in users.chunks(SUBSCRIBE_BATCH) {
            let user_ids = names(batch);
            put(session, &Request::Subscribe { user_ids }, out);
        }
        users.len().div_ceil(SUBSCRIBE_BATCH)
    }

    fn unsubscribe(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        for batch in users.chunks(SUBSCRIBE_BATCH) {
            let user_ids = names(batch);
            put(session, &Request::Unsubscribe { user_ids }, out);
        }
        users.len().div_ceil(SUBSCRIBE_BATCH)
    }

    fn change(&self, session: &mut Session, sequence: u64, out: &mut BytesMut) -> usize {
        let custom_status = format!("{sequence:0width$}", width = CUSTOM_STATUS_BYTES);
        put(session, &Request::SetSelfStatus { custom_status }, out);
        1
    }

    fn query(&self, session: &mut Session, users: &[u32], out: &mut BytesMut) -> usize {
        let user_ids = names(users);
        put(session, &Request::GetUserStatus { user_ids }, out);
        1
    }

    /// Being subscribed to makes an account (R1.2, `auto_register_on_mention`).
    fn create(&self, session: &mut Session, users: Range<u32>, out: &mut BytesMut) -> usize {
        let users: Vec<u32> = users.filter(|user| *user != session.user).collect();
        self.subscribe(session, &users, out)
    }
}

fn put(session: &mut Session, request: &Request, out: &mut BytesMut) {
    message::encode_request(REQUEST_ID_BASE + session.next_request(), request, out);
}

fn names(users: &[u32]) -> Vec<String> {
    users.iter().map(|user| user_name(*user)).collect()
}

/// As on the wire.
pub fn user_name(user: u32) -> String {
    format!("u{user:07}")
}
