//! Every frame of a connection as a line of the log, at `Trace`: what kind it is and for which request, never what it says.

use presence_protocol::message::{Request, ServerMessage};
use tokio::time::Instant;

use super::machine::Machine;
use super::wire::{Purpose, TooLarge};
use crate::api::LogLevel;

impl Machine {
    /// Puts a request on the wire; nothing happens if it is too large.
    pub(super) fn transmit(
        &mut self,
        purpose: Purpose,
        request: &Request,
        now: Instant,
    ) -> Result<(), TooLarge> {
        self.wire.send(purpose, request, now)?;
        self.trace_sent(name_of(request));
        Ok(())
    }

    /// R2.6.
    pub(super) fn transmit_heartbeat(&mut self, now: Instant) {
        self.wire.send_heartbeat(now);
        self.trace_sent("heartbeat");
    }

    pub(super) fn trace_sent(&mut self, name: &'static str) {
        self.log(LogLevel::Trace, || format!("sent: {name}"));
    }

    /// `message`: `None` for a heartbeat.
    pub(crate) fn trace_received(&mut self, message: Option<&ServerMessage>) {
        self.log(LogLevel::Trace, || match message {
            None => "received: heartbeat".to_owned(),
            Some(ServerMessage::Reply(reply)) => {
                format!("received: answer {} to request {}", reply.code, reply.request_id)
            }
            Some(ServerMessage::Push(changes)) => format!("received: {} changes", changes.len()),
            Some(ServerMessage::SubscriptionsChanged(_)) => "received: subscriptions changed".to_owned(),
            Some(ServerMessage::SessionEnded { code, .. }) => format!("received: session ended, {code}"),
            Some(ServerMessage::GoAway { .. }) => "received: go away".to_owned(),
            Some(ServerMessage::Unknown) => "received: unknown".to_owned(),
        });
    }
}

pub(super) fn name_of(request: &Request) -> &'static str {
    match request {
        Request::Login(_) => "login",
        Request::Logout => "logout",
        Request::RenewUserSig { .. } => "renew UserSig",
        Request::SetSelfStatus { .. } => "set status",
        Request::GetUserStatus { .. } => "query",
        Request::Subscribe { .. } => "subscribe",
        Request::Unsubscribe { .. } => "unsubscribe",
        Request::GetSubscriptions => "list subscriptions",
        Request::GetFriends => "list friends",
        Request::RestoreSubscriptions { .. } => "restore subscriptions",
        Request::Unknown => "unknown",
    }
}
