//! The embeddable presence server. See docs/ARCHITECTURE.md, "The node".

pub mod options;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use presence::ids::{AppId, UserId, UserKey};
use presence::settings::AppSettings;

/// An app as configured.
#[derive(Clone)]
pub struct AppConfig {
    /// R1.1.
    pub id: AppId,
    /// The secret key that UserSigs are made with.
    pub secret_key: String,
    /// What can change at run time.
    pub settings: AppSettings,
    /// Accounts to exist from the start (R1.2), besides those of `friends`.
    pub accounts: Vec<UserId>,
    /// Friend lists to begin with (R9.1): owner → friends.
    pub friends: BTreeMap<UserId, Vec<UserId>>,
}

/// Everything about a node but its apps. `Default` has the defaults of docs/SEMANTICS.md.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where to listen; port 0: any.
    pub listen: Vec<SocketAddr>,
    /// Loops; 0: one per available core.
    pub loops: usize,
    /// R2.6.
    pub heartbeat_interval: Duration,
    /// R2.6.
    pub heartbeat_timeout: Duration,
    /// How long a connection may take to log in.
    pub login_deadline: Duration,
    /// Largest frame accepted.
    pub frame_bytes_max: usize,
    /// Bytes an outbox holds before changes are merged (R6.3).
    pub outbox_bytes_max: usize,
    /// R8.10: how long a full outbox may stand unread.
    pub slow_receiver_timeout: Duration,
    /// R8.9: failed logins of one account ...
    pub login_failures_max: usize,
    /// R8.9: ... in this long ⇒ 70050 for as long.
    pub login_failures_window: Duration,
    /// Connections at once.
    pub connections_max: usize,
    /// R9.1.
    pub friends_max: usize,
}

impl Default for NodeConfig {
    fn default() -> NodeConfig {
        NodeConfig {
            listen: Vec::new(),
            loops: 0,
            heartbeat_interval: Duration::from_secs(120),
            heartbeat_timeout: Duration::from_secs(400),
            login_deadline: Duration::from_secs(10),
            frame_bytes_max: presence_protocol::frame::FRAME_BYTES_MAX,
            outbox_bytes_max: 256 * 1024,
            slow_receiver_timeout: Duration::from_secs(60),
            login_failures_max: 10,
            login_failures_window: Duration::from_secs(60),
            connections_max: 1_000_000,
            friends_max: 3_000,
        }
    }
}

/// A running node on threads of its own.
pub struct Node {}

impl Node {
    /// Listens and starts the loops' threads.
    pub fn start(config: NodeConfig, apps: Vec<AppConfig>) -> std::io::Result<Node> { let _ = (config, apps); todo!() }

    /// Where it listens, ports resolved.
    pub fn addresses(&self) -> &[SocketAddr] { todo!() }

    /// What a backend may do. Blocking calls, from any thread but a loop's.
    pub fn admin(&self) -> &Admin { todo!() }

    /// Closes listeners and connections, ends the threads. `Err` if they did not end in time (they go on ending).
    pub fn stop(self, timeout: Duration) -> Result<(), StopTimeout> { let _ = timeout; todo!() }
}

/// [`Node::stop`] ran out of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopTimeout;

/// The backend's side of a node: REST, configuration reload and tests go through it.
pub struct Admin {}

impl Admin {
    /// New settings of an app, in effect from the next call and the next change (R7.6).
    pub fn set_app_settings(&self, app: AppId, settings: AppSettings) { let _ = (app, settings); todo!() }
    /// R8.7.
    pub fn kick(&self, user: UserKey) { let _ = user; todo!() }
    /// R1.2.
    pub fn import_account(&self, user: UserKey) { let _ = user; todo!() }
    /// R1.5.
    pub fn delete_account(&self, user: UserKey) { let _ = user; todo!() }
    /// R9.1: replaces the friend list of `owner`.
    pub fn set_friends(&self, owner: UserKey, friends: Vec<UserId>) { let _ = (owner, friends); todo!() }
}
