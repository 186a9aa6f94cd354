//! Administration over HTTP: a listener on a thread and a runtime of its own, so that nothing here can delay a loop of the
//! node. What is asked is answered by `rest` (the original's paths), `v1` (ours) and [`routes`].
//!
//! Everything has a limit, named below: connections in all and of one address, the size of a head and a body, the time
//! that each may take, and the time that a connection lives, whatever it does.

pub mod admin;
pub mod exchange;
pub mod limits;
pub mod routes;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::limits::Connections;
use crate::service::Service;

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections at once from one address (one /64 of IPv6).
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 64;
/// Bytes of a request's line and headers: a UserSig in the query has at most 4096.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// From the last response, or the beginning, to the end of the next head: how long an idle connection is kept, and how
/// slowly a head may come.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a connection lives. Then its client opens another; one that never reads what it is sent is gone.
const CONNECTION_LIFETIME: Duration = Duration::from_secs(600);
/// How long a connection that is to end may still take for the request under way.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long to leave the listener alone after it failed, for example for want of a file descriptor.
const ACCEPT_BACK_OFF: Duration = Duration::from_millis(100);

/// A running listener. Dropped, it ends on its own.
pub struct HttpServer {
    url: String,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl HttpServer {
    /// Listens on `address` and answers from a thread of its own; with TLS if it is given what that takes.
    pub fn start(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        service: Arc<Service>,
    ) -> io::Result<HttpServer> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let (stop, stopped) = watch::channel(false);
        let acceptor = tls.map(TlsAcceptor::from);
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let thread = std::thread::Builder::new()
            .name("tim-http".to_owned())
            .spawn(move || {
                if let Err(error) = runtime.block_on(listen(listener, acceptor, service, stopped)) {
                    tracing::error!(%error, "administration is not available");
                }
            })?;
        Ok(HttpServer {
            url: format!("{scheme}://{address}"),
            stop,
            thread,
        })
    }

    /// Where it is served, its port resolved: `http://127.0.0.1:7789`, or `https:`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes no more connections, lets requests under way end within [`FAREWELL`], and ends.
    pub fn stop(self) {
        self.stop.send_replace(true);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the administration panicked");
        }
    }
}

async fn listen(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let connections = Connections::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
    let mut serving = JoinSet::new();
    loop {
        tokio::select! {
            // Also when the other end is gone.
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match connections.admit(peer.ip()) {
                    Some(admitted) => {
                        let (acceptor, service, stopped) = (acceptor.clone(), Arc::clone(&service), stopped.clone());
                        serving.spawn(async move {
                            welcome(stream, acceptor, peer.ip(), service, stopped).await;
                            drop(admitted);
                        });
                    }
                    None => tracing::warn!(%peer, "HTTP connection refused: too many"),
                },
                Err(error) => {
                    tracing::warn!(%error, "accepting an HTTP connection failed");
                    sleep(ACCEPT_BACK_OFF).await;
                }
            },
            Some(_) = serving.join_next() => {}
        }
    }
    drop(listener);
    while serving.join_next().await.is_some() {}
    Ok(())
}

/// The whole life of a connection, from the handshake on where there is one.
async fn welcome(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    peer: IpAddr,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) {
    // Answers are small; one that fails costs only latency.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return serve(stream, peer, service, stopped).await;
    };
    let shaken = tokio::select! {
        shaken = timeout(HEAD_TIMEOUT, acceptor.accept(stream)) => shaken,
        _ = stopped.changed() => return,
    };
    match shaken {
        Ok(Ok(stream)) => serve(stream, peer, service, stopped).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    service: Arc<Service>,
    mut stopped: watch::Receiver<bool>,
) {
    let answer = service_fn(|request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, std::convert::Infallible>(routes::answer(&service, peer, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = sleep(CONNECTION_LIFETIME) => None,
        _ = stopped.changed() => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            connection.as_mut().graceful_shutdown();
            // Out of time: the connection is reset by letting it go.
            timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        // The client's doing: cut off, too slow, or not HTTP.
        tracing::debug!(%peer, %error, "HTTP connection ended");
    }
}
