//! A client that speaks the wire.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use presence_protocol::frame::{self, HEARTBEAT, Next};
use presence_protocol::message::{
    Reply, Request, ServerMessage, SubscriptionsChanged, UserStatus, decode_server, encode_request,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{owned, within};

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection to a node.
pub struct TestClient {
    stream: Box<dyn Stream>,
    received: BytesMut,
    inbox: VecDeque<Event>,
    next_request: u64,
    patience: Duration,
}

/// What arrives.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Message(ServerMessage),
    Heartbeat,
    End,
}

impl TestClient {
    /// Waits `patience` at most for whatever it waits for.
    pub fn new(stream: Box<dyn Stream>, patience: Duration) -> TestClient {
        TestClient {
            stream,
            received: BytesMut::new(),
            inbox: VecDeque::new(),
            next_request: 1,
            patience,
        }
    }

    pub async fn send_raw(&mut self, bytes: &[u8]) {
        // A node that has closed the connection refuses bytes; the test sees the end next.
        let _ = self.stream.write_all(bytes).await;
    }

    pub async fn send(&mut self, request: Request) -> u64 {
        let id = self.next_request;
        self.next_request += 1;
        let mut bytes = BytesMut::new();
        encode_request(id, &request, &mut bytes);
        self.send_raw(&bytes).await;
        id
    }

    /// Sends a request and waits for its reply. What arrives before waits its turn.
    pub async fn call(&mut self, request: Request) -> Reply {
        let id = self.send(request).await;
        self.reply_to(id).await
    }

    pub async fn reply_to(&mut self, id: u64) -> Reply {
        let mut before = VecDeque::new();
        loop {
            match self.next().await {
                Event::Message(ServerMessage::Reply(reply)) => {
                    assert_eq!(reply.request_id, id, "requests are answered in order");
                    before.append(&mut self.inbox);
                    self.inbox = before;
                    return reply;
                }
                Event::End => panic!("the connection ended before the reply; before that: {before:?}"),
                other => before.push_back(other),
            }
        }
    }

    /// Reads whatever comes, for so long at most; whether it was closed.
    pub async fn is_closed_within(&mut self, time: Duration) -> bool {
        let closed = async {
            let mut bytes = [0; 1024];
            while !matches!(self.stream.read(&mut bytes).await, Ok(0) | Err(_)) {}
        };
        tokio::time::timeout(time, closed).await.is_ok()
    }

    /// The next thing that arrives.
    pub async fn next(&mut self) -> Event {
        if let Some(event) = self.inbox.pop_front() {
            return event;
        }
        within("something from the server", self.patience, async {
            loop {
                if let Next::Frame { body, consumed } =
                    frame::next(&self.received, usize::MAX >> 8).expect("the node frames well")
                {
                    let event = if body.is_empty() {
                        Event::Heartbeat
                    } else {
                        Event::Message(decode_server(body).expect("the node speaks the protocol"))
                    };
                    let _used = self.received.split_to(consumed);
                    return event;
                }
                match self.stream.read_buf(&mut self.received).await {
                    Ok(0) | Err(_) => return Event::End,
                    Ok(_) => {}
                }
            }
        })
        .await
    }

    pub async fn message(&mut self) -> ServerMessage {
        match self.next().await {
            Event::Message(message) => message,
            other => panic!("a message was expected, not {other:?}"),
        }
    }

    /// The next thing is a change of one user.
    pub async fn push(&mut self) -> UserStatus {
        match self.message().await {
            ServerMessage::Push(mut changes) if changes.len() == 1 => changes.remove(0),
            other => panic!("a push was expected, not {other:?}"),
        }
    }

    /// The next thing is a change of `user`.
    pub async fn push_of(&mut self, user: &str) -> UserStatus {
        let change = self.push().await;
        assert_eq!(change.user_id, user);
        change
    }

    pub async fn list_change(&mut self) -> SubscriptionsChanged {
        match self.message().await {
            ServerMessage::SubscriptionsChanged(changed) => changed,
            other => panic!("a change of the list was expected, not {other:?}"),
        }
    }

    /// The session ends with this code, and the connection after it.
    pub async fn session_ended(&mut self, code: i32) {
        match self.message().await {
            ServerMessage::SessionEnded { code: given, message } => {
                assert_eq!(given, code);
                assert!(!message.is_empty());
            }
            other => panic!("the end of the session was expected, not {other:?}"),
        }
        self.ended().await;
    }

    /// The next thing is the end of the connection.
    pub async fn ended(&mut self) {
        assert_eq!(self.next().await, Event::End);
    }

    /// What arrives until the node answers a heartbeat: with one loop, all that happened so far.
    pub async fn until_heartbeat(&mut self) -> Vec<ServerMessage> {
        self.send_raw(HEARTBEAT).await;
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Event::Message(message) => messages.push(message),
                Event::Heartbeat => return messages,
                Event::End => panic!("the connection ended"),
            }
        }
    }

    pub async fn hears_nothing(&mut self) {
        assert_eq!(self.until_heartbeat().await, vec![]);
    }

    pub async fn set(&mut self, custom: &str) -> Reply {
        self.call(Request::SetSelfStatus {
            custom_status: custom.to_owned(),
        })
        .await
    }

    pub async fn subscribe(&mut self, users: &[&str]) -> Reply {
        self.call(Request::Subscribe {
            user_ids: owned(users),
        })
        .await
    }

    /// Subscribes, which succeeds, and takes the event of the list.
    pub async fn follow(&mut self, users: &[&str]) -> Vec<UserStatus> {
        let reply = self.subscribe(users).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        self.list_change().await;
        reply.users
    }

    pub async fn unsubscribe(&mut self, users: &[&str]) -> Reply {
        self.call(Request::Unsubscribe {
            user_ids: owned(users),
        })
        .await
    }

    pub async fn query(&mut self, users: &[&str]) -> Reply {
        self.call(Request::GetUserStatus {
            user_ids: owned(users),
        })
        .await
    }

    /// What one user shows.
    pub async fn look_at(&mut self, user: &str) -> UserStatus {
        let mut reply = self.query(&[user]).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        reply.users.remove(0)
    }

    pub async fn subscriptions(&mut self) -> Vec<UserStatus> {
        let reply = self.call(Request::GetSubscriptions).await;
        assert_eq!(reply.code, 0, "{}", reply.message);
        reply.users
    }

    /// Logs out and sees the connection end.
    pub async fn log_out(mut self) {
        let reply = self.call(Request::Logout).await;
        assert_eq!(reply.code, 0);
        self.ended().await;
    }
}
