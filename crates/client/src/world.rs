//! What a client asks of the outside: connections, a monotonic clock, randomness. Given to it, so that a simulation can
//! put another world in place. Timers are tokio's, which a paused or simulated runtime moves by itself.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::race::first_connected;

/// A connection: bytes both ways.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection being made. Dropping it gives up.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// The outside of one client.
pub trait World: Send + Sync + 'static {
    /// Connects to `host`, a name or an address, at `port`. Polled on the client's runtime: must not block.
    fn connect(&self, host: &str, port: u16) -> Connecting;

    /// Milliseconds since an arbitrary origin; never goes back, and goes on while the machine sleeps where the system has
    /// such a clock: it is what the server's time is reckoned with. Called on any thread.
    fn mono_ms(&self) -> u64;

    /// A random number, evenly distributed. Called on any thread.
    fn random(&self) -> u64;
}

/// Name look-ups of one client that may be under way in the system, and likewise verifications of certificates. They
/// cannot be called off, so a resolver that hangs would otherwise gather a thread with each attempt to connect.
const OFF_THREAD_MAX: usize = 4;

/// The real outside: TCP, the system's clock and randomness.
#[derive(Debug)]
pub struct SystemWorld {
    origin: Instant,
    lookups: Arc<AtomicUsize>,
}

impl SystemWorld {
    /// A world for one client.
    #[must_use]
    pub fn new() -> SystemWorld {
        SystemWorld {
            origin: Instant::now(),
            lookups: Arc::default(),
        }
    }
}

impl Default for SystemWorld {
    fn default() -> SystemWorld {
        SystemWorld::new()
    }
}

impl World for SystemWorld {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let host = host.to_owned();
        let lookups = Arc::clone(&self.lookups);
        Box::pin(async move {
            let addresses = match host.parse::<IpAddr>() {
                Ok(address) => vec![SocketAddr::new(address, port)],
                Err(_) => look_up(host, port, lookups).await?,
            };
            first_connected(addresses, |address| async move {
                let named = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
                let stream = TcpStream::connect(address).await.map_err(named)?;
                // Small requests whose answers are waited for: never hold one back for company.
                stream.set_nodelay(true).map_err(named)?;
                Ok(Box::new(Tcp(stream)) as Box<dyn Stream>)
            })
            .await
        })
    }

    fn mono_ms(&self) -> u64 {
        boot_ms().unwrap_or_else(|| u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn random(&self) -> u64 {
        // The system's generator fails only where there is none; jitter from the clock is then better than no jitter.
        getrandom::u64().unwrap_or_else(|_| self.origin.elapsed().as_nanos() as u64)
    }
}

/// A connection that is over once it is dropped. To close it would not do: a forked child that lives on has it open, too, and
/// the server would see its user ONLINE until the heartbeats are missed (R2.2).
struct Tcp(TcpStream);

impl Drop for Tcp {
    fn drop(&mut self) {
        // The end is said at once; if it cannot be said, the connection is gone already.
        let _ = Pin::new(&mut self.0).poll_shutdown(&mut Context::from_waker(Waker::noop()));
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The clock that counts the machine's sleep too. `Instant`'s does not on Linux: after an hour's sleep it would be an hour
/// behind the server's time for as long as the connection stays.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn boot_ms() -> Option<u64> {
    let now = nix::time::ClockId::CLOCK_BOOTTIME.now().ok()?;
    u64::try_from(Duration::from(now).as_millis()).ok()
}

/// Elsewhere `Instant` is the best there is.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn boot_ms() -> Option<u64> {
    None
}

async fn look_up(host: String, port: u16, lookups: Arc<AtomicUsize>) -> io::Result<Vec<SocketAddr>> {
    off_thread("tim-resolve", &lookups, move || {
        (host.as_str(), port).to_socket_addrs().map(Iterator::collect)
    })
    .await?
}

/// Does what blocks, such as the system's resolver, on a thread of its own: tokio's pool would make the end of the runtime
/// wait for it. The thread may outlive the client. `running` counts its kind, for the bound on them.
pub(crate) async fn off_thread<T: Send + 'static>(
    name: &str,
    running: &Arc<AtomicUsize>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let counted = Counted(Arc::clone(running));
    if running.fetch_add(1, Ordering::Relaxed) >= OFF_THREAD_MAX {
        let text = format!("earlier work of the thread {name} has not ended");
        return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
    }
    let (answer, answered) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        // In this order, so that whoever hears of a panic finds the room it left.
        let (answer, counted) = (answer, counted);
        let done = work();
        drop(counted);
        // Nobody may be waiting any more; that is fine.
        drop(answer.send(done));
    })?;
    answered
        .await
        .map_err(|_| io::Error::other("a helping thread ended without an answer"))
}

/// One that is counted, until it ends in whichever way: what it does is others' code, which may panic.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_panics_does_not_use_up_the_threads_there_may_be() {
        let running = Arc::default();
        for _ in 0..=OFF_THREAD_MAX {
            let done = off_thread("tim-test", &running, || {
                std::panic::resume_unwind(Box::new("a bug"))
            })
            .await;
            let done: io::Result<()> = done;
            assert_eq!(done.unwrap_err().kind(), io::ErrorKind::Other);
        }
        assert_eq!(off_thread("tim-test", &running, || 7).await.unwrap(), 7);
    }

    /// Of two worlds made at different times, too: the origin is the machine's.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn the_clock_of_the_server_s_time_counts_the_machine_s_sleep() {
        let boot_ms = || {
            let now = nix::time::ClockId::CLOCK_BOOTTIME.now().unwrap();
            u64::try_from(now.tv_sec() * 1_000 + now.tv_nsec() / 1_000_000).unwrap()
        };
        for _ in 0..2 {
            let (before, ours, after) = (boot_ms(), SystemWorld::new().mono_ms(), boot_ms());
            assert!((before..=after).contains(&ours), "{before} {ours} {after}");
        }
    }
}
