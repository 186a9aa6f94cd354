//! What the handlers of the administration share.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use presence_node::{AsyncAdmin, NodeConfig};

use crate::http::limits::{Failures, Rates};
use crate::http::proxies::Proxies;
use crate::live::Live;
use crate::metrics::Operations;

/// Calls a second of each operation and app, unless configured otherwise: as the original has it.
pub const RATE_DEFAULT: u32 = 200;

/// See the module.
pub struct Service {
    /// The node's side.
    pub admin: AsyncAdmin,
    /// The apps.
    pub live: Arc<Live>,
    /// Where clients connect, as they would be told: `tim://127.0.0.1:7788`.
    pub gateways: Vec<String>,
    /// When the server began.
    pub started: Started,
    /// Who speaks for others.
    pub proxies: Proxies,
    /// Failed authentications.
    pub failures: Failures,
    /// Calls of each app.
    pub rates: Rates,
    /// For who operates the server.
    pub operations: Arc<Operations>,
}

/// A moment by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// For how long ago.
    pub at: Instant,
    /// For people: milliseconds since the epoch.
    pub wall_ms: u64,
}

impl Service {
    /// `rate`: calls a second of each operation and app; 0: no limit.
    pub fn new(
        admin: AsyncAdmin,
        live: Arc<Live>,
        node: &NodeConfig,
        gateways: Vec<String>,
        rate: u32,
        proxies: Proxies,
        operations: Arc<Operations>,
    ) -> Service {
        Service {
            admin,
            live,
            gateways,
            started: Started {
                at: Instant::now(),
                wall_ms: now_ms(),
            },
            proxies,
            failures: Failures::new(node.login_failures_max, node.login_failures_window),
            rates: Rates::new(rate),
            operations,
        }
    }
}

/// Milliseconds since the epoch; 0 if the clock stands before it.
pub fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
