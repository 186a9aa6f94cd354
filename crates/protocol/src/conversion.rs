//! Between the protobuf types and [`crate::message`]. Total both ways: an unknown body becomes `Unknown`, unknown enum
//! values stay numbers, a missing sub-message reads as empty. Owned strings are moved, never copied, on the way in.

use presence::ids::SessionId;
use presence::status::Version;

use crate::message::{
    KnownUser, LoginReply, LoginRequest, Reply, Request, ServerMessage, SubscriptionSummary,
    SubscriptionsChanged, UserStatus,
};
use crate::wire;
use crate::wire::client_frame::Body as ClientBody;
use crate::wire::server_frame::Body as ServerBody;

// ---- client to server -------------------------------------------------------------------------------------------

pub(crate) fn client_frame(request_id: u64, request: &Request) -> wire::ClientFrame {
    let body = match request {
        Request::Login(login) => Some(ClientBody::Login(login_to_wire(login))),
        Request::Logout => Some(ClientBody::Logout(wire::Logout {})),
        Request::RenewUserSig { user_sig } => Some(ClientBody::RenewUserSig(wire::RenewUserSig {
            user_sig: user_sig.clone(),
        })),
        Request::SetSelfStatus { custom_status } => Some(ClientBody::SetSelfStatus(wire::SetSelfStatus {
            custom_status: custom_status.clone(),
        })),
        Request::GetUserStatus { user_ids } => Some(ClientBody::GetUserStatus(wire::GetUserStatus {
            user_ids: user_ids.clone(),
        })),
        Request::Subscribe { user_ids } => Some(ClientBody::Subscribe(wire::Subscribe {
            user_ids: user_ids.clone(),
        })),
        Request::Unsubscribe { user_ids } => Some(ClientBody::Unsubscribe(wire::Unsubscribe {
            user_ids: user_ids.clone(),
        })),
        Request::GetSubscriptions => Some(ClientBody::GetSubscriptions(wire::GetSubscriptions {})),
        Request::GetFriends => Some(ClientBody::GetFriends(wire::GetFriends {})),
        Request::RestoreSubscriptions {
            list_generation,
            user_ids,
        } => Some(ClientBody::RestoreSubscriptions(wire::RestoreSubscriptions {
            list_generation: *list_generation,
            user_ids: user_ids.clone(),
        })),
        Request::Unknown => None,
    };
    wire::ClientFrame { request_id, body }
}

pub(crate) fn request(frame: wire::ClientFrame) -> (u64, Request) {
    let request = match frame.body {
        Some(ClientBody::Login(login)) => Request::Login(login_from_wire(login)),
        Some(ClientBody::Logout(wire::Logout {})) => Request::Logout,
        Some(ClientBody::RenewUserSig(wire::RenewUserSig { user_sig })) => Request::RenewUserSig { user_sig },
        Some(ClientBody::SetSelfStatus(wire::SetSelfStatus { custom_status })) => {
            Request::SetSelfStatus { custom_status }
        }
        Some(ClientBody::GetUserStatus(wire::GetUserStatus { user_ids })) => {
            Request::GetUserStatus { user_ids }
        }
        Some(ClientBody::Subscribe(wire::Subscribe { user_ids })) => Request::Subscribe { user_ids },
        Some(ClientBody::Unsubscribe(wire::Unsubscribe { user_ids })) => Request::Unsubscribe { user_ids },
        Some(ClientBody::GetSubscriptions(wire::GetSubscriptions {})) => Request::GetSubscriptions,
        Some(ClientBody::GetFriends(wire::GetFriends {})) => Request::GetFriends,
        Some(ClientBody::RestoreSubscriptions(wire::RestoreSubscriptions {
            list_generation,
            user_ids,
        })) => Request::RestoreSubscriptions {
            list_generation,
            user_ids,
        },
        None => Request::Unknown,
    };
    (frame.request_id, request)
}

fn login_to_wire(login: &LoginRequest) -> wire::Login {
    wire::Login {
        sdk_app_id: login.sdk_app_id,
        user_id: login.user_id.clone(),
        user_sig: login.user_sig.clone(),
        platform: login.platform.clone(),
        instance: login.instance.clone(),
        session: login.session.map_or(0, |session| session.0),
        list_generation: login.list_generation,
        known: login
            .known
            .iter()
            .map(|known| wire::KnownVersion {
                user_id: known.user_id.clone(),
                version: known.version.0,
                online: known.online,
            })
            .collect(),
        client: login.client.clone(),
        only_to_log_out: login.only_to_log_out,
    }
}

fn login_from_wire(login: wire::Login) -> LoginRequest {
    LoginRequest {
        sdk_app_id: login.sdk_app_id,
        user_id: login.user_id,
        user_sig: login.user_sig,
        platform: login.platform,
        instance: login.instance,
        session: (login.session != 0).then_some(SessionId(login.session)),
        list_generation: login.list_generation,
        known: login
            .known
            .into_iter()
            .map(|known| KnownUser {
                user_id: known.user_id,
                version: Version(known.version),
                online: known.online,
            })
            .collect(),
        client: login.client,
        only_to_log_out: login.only_to_log_out,
    }
}

// ---- server to client -------------------------------------------------------------------------------------------

pub(crate) fn server_message(frame: wire::ServerFrame) -> ServerMessage {
    match frame.body {
        Some(ServerBody::Reply(reply)) => ServerMessage::Reply(reply_from_wire(reply)),
        Some(ServerBody::Push(push)) => ServerMessage::Push(statuses(push.changes)),
        Some(ServerBody::SubscriptionsChanged(changed)) => {
            ServerMessage::SubscriptionsChanged(SubscriptionsChanged {
                generation: changed.generation,
                added: changed.added,
                removed: changed.removed,
                evicted: changed.evicted,
            })
        }
        Some(ServerBody::SessionEnded(wire::SessionEnded { code, message })) => {
            ServerMessage::SessionEnded { code, message }
        }
        Some(ServerBody::GoAway(wire::GoAway { spread_ms, message })) => {
            ServerMessage::GoAway { spread_ms, message }
        }
        None => ServerMessage::Unknown,
    }
}

pub(crate) fn subscriptions_changed_frame(changed: &SubscriptionsChanged) -> wire::ServerFrame {
    server_frame(ServerBody::SubscriptionsChanged(wire::SubscriptionsChanged {
        generation: changed.generation,
        added: changed.added.clone(),
        removed: changed.removed.clone(),
        evicted: changed.evicted.clone(),
    }))
}

pub(crate) fn session_ended_frame(code: i32, message: &str) -> wire::ServerFrame {
    server_frame(ServerBody::SessionEnded(wire::SessionEnded {
        code,
        message: message.to_owned(),
    }))
}

pub(crate) fn go_away_frame(spread_ms: u32, message: &str) -> wire::ServerFrame {
    server_frame(ServerBody::GoAway(wire::GoAway {
        spread_ms,
        message: message.to_owned(),
    }))
}

pub(crate) fn login_reply_to_wire(login: &LoginReply) -> wire::LoginReply {
    let list = &login.subscriptions;
    wire::LoginReply {
        session: login.session.0,
        server_time_ms: login.server_time_ms,
        heartbeat_interval_ms: login.heartbeat_interval_ms,
        heartbeat_timeout_ms: login.heartbeat_timeout_ms,
        user_sig_expires_ms: login.user_sig_expires_ms,
        subscriptions: Some(wire::SubscriptionList {
            generation: list.generation,
            restorable: list.restorable,
            complete: list.user_ids.is_some(),
            user_ids: list.user_ids.clone().unwrap_or_default(),
        }),
        max_frame_bytes: login.frame_bytes_max,
    }
}

fn server_frame(body: ServerBody) -> wire::ServerFrame {
    wire::ServerFrame { body: Some(body) }
}

fn reply_from_wire(reply: wire::Reply) -> Reply {
    Reply {
        request_id: reply.request_id,
        code: reply.code,
        message: reply.message,
        retry_after_ms: reply.retry_after_ms,
        users: statuses(reply.users),
        evicted: reply.evicted,
        login: reply.login.map(login_reply_from_wire),
    }
}

fn login_reply_from_wire(login: wire::LoginReply) -> LoginReply {
    let list = login.subscriptions.unwrap_or_default();
    LoginReply {
        session: SessionId(login.session),
        server_time_ms: login.server_time_ms,
        heartbeat_interval_ms: login.heartbeat_interval_ms,
        heartbeat_timeout_ms: login.heartbeat_timeout_ms,
        user_sig_expires_ms: login.user_sig_expires_ms,
        subscriptions: SubscriptionSummary {
            generation: list.generation,
            restorable: list.restorable,
            user_ids: list.complete.then_some(list.user_ids),
        },
        frame_bytes_max: login.max_frame_bytes,
    }
}

fn statuses(users: Vec<wire::UserStatus>) -> Vec<UserStatus> {
    users
        .into_iter()
        .map(|user| UserStatus {
            user_id: user.user_id,
            code: user.code,
            status: user.status,
            custom_status: user.custom_status,
            version: user.version,
            since_ms: user.since_ms,
            reason: user.reason,
            platforms: user.platforms,
        })
        .collect()
}
