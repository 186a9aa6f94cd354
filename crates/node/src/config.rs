//! How a node and its apps are configured.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use presence::ids::{AppId, UserId};
use presence::settings::AppSettings;
use presence_transport::tls::ServerTls;

use crate::backend::BackendHandle;
use crate::durable::StoreHandle;

/// An app as configured. Its `Debug` does not show the secret key.
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
    /// Friend lists to begin with (R9.1): owner → friends. Owners and friends are accounts from the start.
    pub friends: BTreeMap<UserId, Vec<UserId>>,
}

impl std::fmt::Debug for AppConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppConfig")
            .field("id", &self.id)
            .field("settings", &self.settings)
            .field("accounts", &self.accounts.len())
            .field("friends", &self.friends.len())
            .finish_non_exhaustive()
    }
}

/// Everything about a node but its apps. `Default` has the defaults of docs/SEMANTICS.md.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where to listen without TLS; port 0: any.
    pub listen: Vec<SocketAddr>,
    /// Where to listen with TLS; port 0: any. Takes `tls`.
    pub listen_tls: Vec<SocketAddr>,
    /// The certificate for `listen_tls`. Its owner keeps a clone to replace it with while the node runs.
    pub tls: Option<ServerTls>,
    /// Loops; 0: one per available core. At most [`LOOPS_MAX`](crate::engine::memory::LOOPS_MAX); more are as many.
    pub loops: usize,
    /// R2.6.
    pub heartbeat_interval: Duration,
    /// R2.6. Noticed at most an eighth of the shortest timeout here, and at most a second, later; so are the others.
    pub heartbeat_timeout: Duration,
    /// How long a connection may take to log in.
    pub login_deadline: Duration,
    /// Largest frame accepted.
    pub frame_bytes_max: usize,
    /// Bytes an outbox holds before changes are merged (R6.3).
    pub outbox_bytes_max: usize,
    /// R8.10: how long a full outbox may stand unread.
    pub slow_receiver_timeout: Duration,
    /// R8.9: failed logins of one account ... 0: no limit.
    pub login_failures_max: usize,
    /// R8.9: ... in this long ⇒ 70050 for as long.
    pub login_failures_window: Duration,
    /// Connections at once; one more is closed as soon as it is accepted.
    pub connections_max: usize,
    /// Connections at once from one address (one /64 of IPv6).
    pub connections_per_address_max: usize,
    /// Connections that one address (one /64 of IPv6) may open in a second.
    pub accepts_per_address_max: usize,
    /// Over how long clients spread their return when the node stops (R2.9).
    pub drain: Duration,
    /// R9.1.
    pub friends_max: usize,
    /// R2.9: how long after a restart devices that were live may take to come back. Without a store nobody was.
    pub restart_grace: Duration,
    /// Where what must outlive the node is kept; `None`: nowhere, and the next start knows nobody.
    pub store: Option<StoreHandle>,
    /// Who hears of what devices do (R10.1).
    pub backend: Option<BackendHandle>,
}

impl Default for NodeConfig {
    fn default() -> NodeConfig {
        NodeConfig {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            tls: None,
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
            connections_per_address_max: 20_000,
            accepts_per_address_max: 20_000,
            drain: Duration::from_secs(2),
            friends_max: 3_000,
            restart_grace: Duration::from_secs(45),
            store: None,
            backend: None,
        }
    }
}
