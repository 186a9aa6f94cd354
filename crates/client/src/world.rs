//! What a client asks of the outside: connections, a monotonic clock, randomness. Given to it, so that a simulation can
//! put another world in place. Timers are tokio's, which a paused or simulated runtime moves by itself.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::race::first_connected;
use crate::resolver::Resolver;
use crate::runtime;

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

/// The real outside: TCP, the system's clock and randomness.
#[derive(Debug)]
pub struct SystemWorld {
    origin: Instant,
    resolver: Arc<Resolver>,
}

impl SystemWorld {
    /// A world for one client. Names are looked up together with those of all other clients of the process.
    #[must_use]
    pub fn new() -> SystemWorld {
        SystemWorld {
            origin: Instant::now(),
            resolver: runtime::resolver(),
        }
    }

    /// The same with names of one's own, for tests and for programs with another resolver than the system's: `look_up` has
    /// the addresses of a name, with whatever port. It is called on threads of its own, may take its time, and is shared by
    /// the attempts of one moment, of all clients of this world.
    #[must_use]
    pub fn with_names(
        look_up: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> SystemWorld {
        SystemWorld {
            origin: Instant::now(),
            resolver: Arc::new(Resolver::new(look_up)),
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
        let resolver = Arc::clone(&self.resolver);
        Box::pin(async move {
            let mut addresses = match host.parse::<IpAddr>() {
                Ok(address) => vec![SocketAddr::new(address, port)],
                Err(_) => resolver.resolve(&host).await?,
            };
            for address in &mut addresses {
                address.set_port(port);
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clients_of_a_process_look_names_up_together() {
        let (one, other) = (SystemWorld::new(), SystemWorld::new());
        assert!(Arc::ptr_eq(&one.resolver, &other.resolver));
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
