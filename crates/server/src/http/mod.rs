//! Administration over HTTP: a listener on a thread and a runtime of its own, so that nothing here can delay a loop of the
//! node. What is asked is answered by `rest` (the original's paths), `v1` (ours) and [`routes`].
//!
//! Everything has a limit, named below: connections in all and of one address, the size of a head and a body, the time
//! that each may take, and the time that a connection lives, whatever it does.

pub mod admin;
pub mod exchange;
pub mod limits;
pub mod proxies;
pub mod routes;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::exchange::Response;
use self::limits::{Admitted, Connections, Refusals};
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
                let listening = listen(listener, acceptor, service, stopped);
                if let Err(error) = LocalSet::new().block_on(&runtime, listening) {
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
    let mut refusals = Refusals::default();
    loop {
        tokio::select! {
            // Also when the other end is gone.
            _ = stopped.changed() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match connections.admit(peer.ip()) {
                    Some(admitted) => {
                        let (acceptor, service, stopped) = (acceptor.clone(), Arc::clone(&service), stopped.clone());
                        serving.spawn_local(welcome(stream, acceptor, peer.ip(), service, stopped, Arc::new(admitted)));
                    }
                    None => {
                        if let Some(count) = refusals.add(Instant::now()) {
                            tracing::warn!(%peer, count, "HTTP connections refused: too many");
                        }
                    }
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
    admitted: Arc<Admitted>,
) {
    // Answers are small; one that fails costs only latency.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else {
        return serve(stream, peer, service, stopped, admitted).await;
    };
    let shaken = tokio::select! {
        shaken = timeout(HEAD_TIMEOUT, acceptor.accept(stream)) => shaken,
        _ = stopped.changed() => return,
    };
    match shaken {
        Ok(Ok(stream)) => serve(stream, peer, service, stopped, admitted).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    peer: IpAddr,
    service: Arc<Service>,
    stopped: watch::Receiver<bool>,
    admitted: Arc<Admitted>,
) {
    let answer = |request| answered(Arc::clone(&service), peer, request, Arc::clone(&admitted));
    converse(stream, peer, answer, stopped).await;
}

/// What only asks ends with its client; an order does not.
async fn answered(
    service: Arc<Service>,
    peer: IpAddr,
    request: Request<Incoming>,
    admitted: Arc<Admitted>,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return routes::answer(&service, peer, request).await;
    }
    carried_out(async move {
        let response = routes::answer(&service, peer, request).await;
        // Until now: whoever goes and leaves orders behind has no more connections for it.
        drop(admitted);
        response
    })
    .await
}

/// Carries out an order to its end, also when its client goes meanwhile, which ends the conversation and everything that waits
/// for its answers: half an order is worse than none or all of it. One loop of the node would have an app's new settings and
/// another the old ones; one friend would have the other in its list, and not the other way round.
async fn carried_out(order: impl Future<Output = Response> + 'static) -> Response {
    let answered = spawn_local(order).await;
    // Only a server that ends does not come to its end.
    answered.unwrap_or_else(|_| {
        exchange::respond(
            StatusCode::SERVICE_UNAVAILABLE,
            "text/plain; charset=utf-8",
            "the server is stopping\n",
        )
    })
}

/// Requests and answers, as long as one of the limits lets them.
async fn converse<S, F>(
    stream: S,
    peer: IpAddr,
    answer: impl Fn(Request<Incoming>) -> F,
    mut stopped: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Response>,
{
    let answer = service_fn(|request| {
        let answered = answer(request);
        async move { Ok::<_, std::convert::Infallible>(answered.await) }
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

/// Who is slow, on a clock that jumps to whatever is waited for.
#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use hyper::body::Incoming;
    use hyper::{Request, StatusCode};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
    use tokio::sync::{mpsc, watch};
    use tokio::task::{LocalSet, spawn_local};
    use tokio::time::{Instant, sleep};

    use super::exchange::BodyError;
    use super::{CONNECTION_LIFETIME, FAREWELL, HEAD_TIMEOUT, carried_out, converse, exchange};

    /// Bytes of an answer that no client here reads to its end.
    const LARGE: usize = 1 << 20;

    /// A connection whose requests are answered with what came of their bodies, or, at `/large`, with a large body.
    fn connected() -> DuplexStream {
        let (client, server) = tokio::io::duplex(1024);
        let answer = |request: Request<Incoming>| async {
            if request.uri().path() == "/large" {
                return exchange::respond(StatusCode::OK, "text/plain", vec![b'x'; LARGE]);
            }
            let body = match exchange::body(request.into_body()).await {
                Ok(body) => format!("{} bytes", body.len()),
                Err(BodyError::TooLarge) => "too large".to_owned(),
                Err(BodyError::Incomplete) => "incomplete".to_owned(),
            };
            exchange::respond(StatusCode::OK, "text/plain", body)
        };
        tokio::spawn(async move {
            let (_stop, stopped) = watch::channel(false);
            converse(server, IpAddr::V4(Ipv4Addr::LOCALHOST), answer, stopped).await;
        });
        client
    }

    /// What the server says until it closes, and when that is.
    async fn until_closed(client: &mut DuplexStream) -> (String, Duration) {
        let begun = Instant::now();
        let mut said = Vec::new();
        // A reset is an end, too.
        let _ = client.read_to_end(&mut said).await;
        (String::from_utf8_lossy(&said).into_owned(), begun.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_or_half_a_head_is_closed() {
        for said in ["", "GET / HTTP/1.1\r\nX-Slow: "] {
            let mut client = connected();
            client.write_all(said.as_bytes()).await.unwrap();
            let (_, took) = until_closed(&mut client).await;
            assert_eq!(took.as_secs(), HEAD_TIMEOUT.as_secs(), "{said:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_comes_byte_by_byte_has_no_longer() {
        let mut client = connected();
        let begun = Instant::now();
        client.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await.unwrap();
        while client.write_all(b"x").await.is_ok() {
            assert!(begun.elapsed() < 2 * HEAD_TIMEOUT, "still open");
            sleep(Duration::from_secs(1)).await;
        }
        assert!(begun.elapsed() >= HEAD_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_kept_as_long_as_a_head_may_take() {
        let mut client = connected();
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        let (said, took) = until_closed(&mut client).await;
        assert!(said.ends_with("0 bytes"), "{said}");
        assert_eq!(took.as_secs(), HEAD_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_answered_and_closed() {
        let mut client = connected();
        let request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf";
        client.write_all(request).await.unwrap();
        let (said, took) = until_closed(&mut client).await;
        assert!(said.ends_with("incomplete"), "{said}");
        assert_eq!(took.as_secs(), exchange::BODY_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_far_past_its_bound_is_answered_before_its_end() {
        let mut client = connected();
        let length = exchange::READ_BYTES_MAX + 1;
        let head = format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n");
        client.write_all(head.as_bytes()).await.unwrap();
        let (said, took) = until_closed(&mut client).await;
        assert!(said.ends_with("too large"), "{said}");
        assert_eq!(took, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_its_answer_is_cut() {
        let mut client = connected();
        client
            .write_all(b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
            .await
            .unwrap();
        sleep(CONNECTION_LIFETIME + FAREWELL + Duration::from_secs(1)).await;
        let (said, took) = until_closed(&mut client).await;
        assert!(said.starts_with("HTTP/1.1 200") && said.len() < LARGE);
        assert_eq!(took, Duration::ZERO, "it was closed before");
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_is_carried_out_to_its_end_although_its_client_has_gone() {
        LocalSet::new().run_until(order_and_go()).await;
    }

    async fn order_and_go() {
        let (mut client, server) = tokio::io::duplex(1024);
        let (begin, mut begun) = mpsc::channel(1);
        let (end, mut ended) = mpsc::channel(1);
        let (go_on, may_go_on) = watch::channel(false);
        let answer = move |_: Request<Incoming>| {
            let (begin, end, mut may_go_on) = (begin.clone(), end.clone(), may_go_on.clone());
            carried_out(async move {
                begin.send(()).await.expect("the test waits");
                may_go_on.wait_for(|may| *may).await.expect("the test says so");
                end.send(()).await.expect("the test waits");
                exchange::respond(StatusCode::OK, "text/plain", "done")
            })
        };
        let (_stop, stopped) = watch::channel(false);
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let conversation = spawn_local(converse(server, here, answer, stopped));
        let request = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n";
        client.write_all(request).await.unwrap();
        begun.recv().await.expect("it has begun");
        drop(client);
        conversation.await.expect("no panic");
        go_on.send_replace(true);
        assert_eq!(ended.recv().await, Some(()), "it was left half done");
    }
}
