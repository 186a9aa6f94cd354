//! A node to talk to, and a client that speaks the wire: each test reads like the exchange it is about.
#![allow(dead_code, unused_imports)] // each test file uses a part

mod client;
mod log;
mod node;
pub mod socket;

use std::future::Future;
use std::time::Duration;

use presence::ids::{AppId, SessionId, UserId, UserKey};
use presence::settings::AppSettings;
use presence::status::Version;
use presence_node::{AppConfig, NodeConfig};
use presence_protocol::message::{KnownUser, LoginReply, LoginRequest, UserStatus};

pub use self::client::{Event, TestClient};
pub use self::log::Log;
pub use self::node::{START_S, TestNode, encrypted, in_websocket};

pub const APP: u64 = 1_400_000_001;
pub const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

pub async fn within<F: Future>(what: &str, patience: Duration, future: F) -> F::Output {
    match tokio::time::timeout(patience, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// Virtual: the runtime jumps there as soon as nothing else is to be done.
pub async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}

pub fn app_id() -> AppId {
    AppId::new(APP).expect("not 0")
}

pub fn user_id(name: &str) -> UserId {
    UserId::new(name).expect("well-formed")
}

pub fn user(name: &str) -> UserKey {
    UserKey {
        app: app_id(),
        user: user_id(name),
    }
}

/// The tests' defaults: no limit on calls, subscribing makes accounts.
pub fn settings() -> AppSettings {
    AppSettings {
        auto_register_on_mention: true,
        rate_calls: 0,
        ..AppSettings::default()
    }
}

pub fn app(settings: AppSettings) -> AppConfig {
    AppConfig {
        id: app_id(),
        secret_key: KEY.to_owned(),
        settings,
        accounts: Vec::new(),
        friends: std::collections::BTreeMap::new(),
    }
}

pub fn owned(users: &[&str]) -> Vec<String> {
    users.iter().map(|user| (*user).to_owned()).collect()
}

pub fn names(users: &[UserStatus]) -> Vec<&str> {
    users.iter().map(|user| user.user_id.as_str()).collect()
}

pub fn resume(request: LoginRequest, login: &LoginReply, known: &[&UserStatus]) -> LoginRequest {
    LoginRequest {
        session: Some(SessionId(login.session.0)),
        list_generation: login.subscriptions.generation,
        known: known
            .iter()
            .map(|user| told(&user.user_id, user.version, user.status))
            .collect(),
        ..request
    }
}

/// What a client says that it was told of a user.
pub fn told(user_id: &str, version: u64, status: i32) -> KnownUser {
    KnownUser {
        user_id: user_id.to_owned(),
        version: Version(version),
        online: status == ONLINE,
    }
}

pub const ONLINE: i32 = 1;
pub const OFFLINE: i32 = 2;
pub const UNLOGINED: i32 = 3;

/// Runs a story in virtual time on one loop, over TCP on one loop and on three, and over TLS and WebSocket on two.
#[macro_export]
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        mod in_memory {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(super::support::Kind::Memory).await;
            })*
        }
        mod over_one_loop {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::Loops(1)).await;
            })*
        }
        mod over_three_loops {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::Loops(3)).await;
            })*
        }
        mod over_tls {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::Tls).await;
            })*
        }
        mod over_websocket {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::support::Kind::WebSocket).await;
            })*
        }
    };
}

/// What a story runs on.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Memory,
    Loops(usize),
    Tls,
    WebSocket,
}

impl Kind {
    pub fn node(self, settings: AppSettings) -> TestNode {
        self.node_with(NodeConfig::default(), app(settings))
    }

    pub fn node_with(self, config: NodeConfig, app: AppConfig) -> TestNode {
        match self {
            Kind::Memory => TestNode::in_memory(config, app),
            Kind::Loops(loops) => TestNode::over_tcp(config, loops, app),
            Kind::Tls => TestNode::over_tls(config, 2, app),
            Kind::WebSocket => TestNode::over_websocket(config, 2, app),
        }
    }
}
