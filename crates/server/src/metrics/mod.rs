//! What an operator watches: `/metrics` in the text format of Prometheus, `/healthz` and `/readyz`. No authentication: see
//! [`MetricsFrom`].
//!
//! Nothing is counted for this alone: the loops keep plain numbers of their own and are asked for them.

#[cfg(test)]
mod page;
mod process;
mod render;
mod table;

use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::{Method, StatusCode};

use crate::http::exchange::{Response, respond};
use crate::http::proxies::Client;
use crate::service::Service;
use crate::store;
use crate::webhook;

/// How long the loops may take to answer before the server counts as unwell.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// The media type of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Who may read `/metrics`. Health is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricsFrom {
    /// This machine.
    #[default]
    Loopback,
    /// Whoever reaches the listener.
    Anywhere,
}

impl MetricsFrom {
    /// What a setting of this type takes.
    pub const TAKES: &str = "loopback or anywhere";

    fn allows(self, client: Client) -> bool {
        match self {
            MetricsFrom::Loopback => client.is_this_machine(),
            MetricsFrom::Anywhere => true,
        }
    }
}

impl FromStr for MetricsFrom {
    type Err = ();

    fn from_str(text: &str) -> Result<MetricsFrom, ()> {
        match text {
            "loopback" => Ok(MetricsFrom::Loopback),
            "anywhere" => Ok(MetricsFrom::Anywhere),
            _ => Err(()),
        }
    }
}

/// What the server knows of itself besides its node.
pub struct Operations {
    /// Who may read the metrics.
    pub from: MetricsFrom,
    /// The webhooks' numbers.
    pub webhooks: Arc<webhook::Counters>,
    /// The store's, if there is one.
    pub store: Option<Arc<store::Statistics>>,
    /// The server is about to stop.
    pub draining: AtomicBool,
}

/// The paths that [`answer`] answers.
pub const PATHS: [&str; 3] = ["/metrics", "/healthz", "/readyz"];

/// Answers what an operator's tools ask; `None`: it is something else.
pub async fn answer(service: &Service, client: Client, method: &Method, path: &str) -> Option<Response> {
    if !PATHS.contains(&path) {
        return None;
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Some(plain(StatusCode::METHOD_NOT_ALLOWED, "GET only\n"));
    }
    let operations = &service.operations;
    let draining = operations.draining.load(Ordering::Relaxed);
    Some(match path {
        "/metrics" if !operations.from.allows(client) => plain(
            StatusCode::FORBIDDEN,
            "from this machine only; see the setting metrics_from\n",
        ),
        "/readyz" if draining => plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n"),
        path => match tokio::time::timeout(ANSWER_TIMEOUT, service.admin.statistics()).await {
            Ok(Ok(loops)) if path == "/metrics" => {
                respond(StatusCode::OK, TEXT, render::render(service, &loops))
            }
            Ok(Ok(_)) => plain(
                StatusCode::OK,
                if path == "/healthz" { "ok\n" } else { "ready\n" },
            ),
            Ok(Err(_)) | Err(_) => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server's loops do not answer\n",
            ),
        },
    })
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    respond(status, "text/plain; charset=utf-8", text)
}
