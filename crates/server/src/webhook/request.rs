//! One attempt to post an event.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use presence_node::DeviceEvent;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout_at};

use super::queue::IN_FLIGHT_PER_APP_MAX;
use super::{Target, Targets, body};

/// Bytes of an answer that are read, so that its connection can be used again; a longer one costs the connection.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// How long a connection waits for its next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why an attempt failed.
#[derive(Debug)]
pub enum Failure {
    /// The receiver answered, but not with success. A redirect is no success: it is not followed.
    Status(StatusCode),
    /// No answer in time.
    TimedOut,
    /// No connection, or one that ended. Says the innermost cause.
    Connection(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Status(status) => write!(f, "it answered {}", status.as_u16()),
            Failure::TimedOut => f.write_str("no answer in time"),
            Failure::Connection(text) => f.write_str(text),
        }
    }
}

/// The HTTP client, with its idle connections. Clones share them.
#[derive(Clone)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Client {
    /// With the system's certificates; says so if it has none and a target needs them.
    pub fn new(targets: &Targets) -> Client {
        let found = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(found.certs);
        if usable == 0 && targets.values().any(|target| target.is_https()) {
            tracing::error!(
                "this system has no certificate authorities, so no https webhook can be reached; install ca-certificates"
            );
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IN_FLIGHT_PER_APP_MAX)
            .build(connector);
        Client { inner }
    }

    /// Posts the event. `Ok`: the receiver said within `limit` that it took it.
    pub async fn post(
        &self,
        target: &Target,
        event: &DeviceEvent,
        timestamp_s: i64,
        limit: Duration,
    ) -> Result<(), Failure> {
        let request = request(target, event, timestamp_s)
            .map_err(|error| Failure::Connection(format!("the request cannot be made: {error}")))?;
        let deadline = Instant::now() + limit;
        let answer = timeout_at(deadline, self.inner.request(request))
            .await
            .map_err(|_| Failure::TimedOut)?
            .map_err(|error| Failure::Connection(innermost(&error)))?;
        let status = answer.status();
        // Read to its end the connection can be used again. What it says is not looked at, and that it ends early or not
        // in time is no matter: the status has been said.
        let rest = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        let _ = timeout_at(deadline, rest).await;
        if status.is_success() {
            Ok(())
        } else {
            Err(Failure::Status(status))
        }
    }
}

fn request(
    target: &Target,
    event: &DeviceEvent,
    timestamp_s: i64,
) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let uri = target.with(&body::parameters(event))?;
    let body = Bytes::from(body::body(event));
    let timestamp = timestamp_s.to_string();
    let signature = target.signature(&timestamp, uri.query().unwrap_or_default(), &body);
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(CONTENT_TYPE, "application/json")
        .header(
            USER_AGENT,
            concat!("tim-presence-server/", env!("CARGO_PKG_VERSION")),
        );
    if let Some(signature) = signature {
        request = request
            .header("X-Tim-Timestamp", timestamp)
            .header("X-Tim-Signature", signature);
    }
    request.body(Full::new(body))
}

/// What lies beneath: "client error (Connect)" says less than "Connection refused".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
