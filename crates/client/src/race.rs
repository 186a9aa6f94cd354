//! One connection to a server that has several addresses, after RFC 8305 ("Happy Eyeballs"): addresses of the two families
//! in turn, each a little after the one before unless that failed; the first to answer is taken. Tried one by one, an
//! address that answers nothing (an IPv6 that leads nowhere is the usual one) would use up the time of the whole attempt,
//! and of the next, and a server that is there would never be reached.
//!
//! Not from a crate: tokio and hyper-util have none that could be given connections and a clock, and it is a page.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio::time::{Duration, Instant, sleep_until};

/// How long an address may keep the next one waiting, as RFC 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Addresses tried: each may hold a socket until the attempt as a whole gives up.
const ADDRESSES_MAX: usize = 16;

/// Connects to one of `addresses`, which are in the order of the system's preference. Dropping it gives all up.
///
/// The error is that of an address which refused, if one did: somebody is there, so it says the most; else the first.
pub(crate) async fn first_connected<S, F: Future<Output = io::Result<S>>>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<S> {
    let mut waiting = families_in_turn(addresses).into_iter();
    let mut attempts: Vec<Pin<Box<F>>> = Vec::new();
    let mut failure: Option<io::Error> = None;
    let mut next_due = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        loop {
            let mut index = 0;
            let mut one_failed = false;
            while let Some(attempt) = attempts.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        drop(attempts.remove(index));
                        one_failed = true;
                        if failure.is_none() || error.kind() == io::ErrorKind::ConnectionRefused {
                            failure = Some(error);
                        }
                    }
                    Poll::Pending => index += 1,
                }
            }
            let is_due = attempts.is_empty() || one_failed || next_due.as_mut().poll(cx).is_ready();
            if !is_due {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(address) => {
                    attempts.push(Box::pin(connect(address)));
                    next_due.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
                }
                None if attempts.is_empty() => {
                    let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
                    return Poll::Ready(Err(failure.take().unwrap_or_else(none)));
                }
                None => return Poll::Pending,
            }
        }
    })
    .await
}

/// Each family keeps its order; the one of the first address begins.
fn families_in_turn(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let count = addresses.len();
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    (0..count)
        .flat_map(|_| [first.next(), second.next()])
        .flatten()
        .take(ADDRESSES_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    /// What becomes of an attempt, by the port: 1 hangs, 2 is refused, 3 is unreachable, 4 connects after 100 ms.
    async fn by_port(address: SocketAddr) -> io::Result<SocketAddr> {
        match address.port() {
            1 => std::future::pending().await,
            2 => Err(io::ErrorKind::ConnectionRefused.into()),
            3 => Err(io::ErrorKind::NetworkUnreachable.into()),
            _ => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(address)
            }
        }
    }

    async fn connected(texts: &[&str]) -> Result<(SocketAddr, Duration), io::ErrorKind> {
        let begun = Instant::now();
        let won = first_connected(addresses(texts), by_port).await;
        won.map(|address| (address, begun.elapsed()))
            .map_err(|error| error.kind())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_answers_nothing_keeps_nobody_from_the_others() {
        let (address, after) = connected(&["[::1]:1", "[::2]:1", "1.1.1.1:4"]).await.unwrap();
        assert!(address.is_ipv4(), "the other family has its turn second");
        assert_eq!(after.as_millis(), 350);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_next_is_tried_at_once() {
        let (_, after) = connected(&["[::1]:3", "1.1.1.1:2", "1.1.1.2:4"]).await.unwrap();
        assert_eq!(after.as_millis(), 100);
        let (_, after) = connected(&["[::1]:1", "1.1.1.1:3", "[::2]:4"]).await.unwrap();
        assert_eq!(after.as_millis(), 350, "the second failed when it was begun");
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_slow_may_still_be_the_one() {
        let (address, after) = connected(&["1.1.1.1:4", "1.1.1.2:1"]).await.unwrap();
        assert_eq!(
            (address.ip().to_string().as_str(), after.as_millis()),
            ("1.1.1.1", 100)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_error_is_the_one_that_says_the_most() {
        use io::ErrorKind::{ConnectionRefused, NetworkUnreachable, NotFound};
        assert_eq!(connected(&[]).await.err(), Some(NotFound));
        assert_eq!(
            connected(&["[::1]:3", "1.1.1.1:2"]).await.err(),
            Some(ConnectionRefused)
        );
        assert_eq!(
            connected(&["1.1.1.1:2", "[::1]:3"]).await.err(),
            Some(ConnectionRefused)
        );
        assert_eq!(connected(&["1.1.1.1:3"]).await.err(), Some(NetworkUnreachable));
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_with_many_addresses_holds_sixteen_sockets_and_giving_up_lets_go_of_them() {
        struct Socket<'a>(&'a Cell<usize>);
        impl Drop for Socket<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        let (open, tried) = (Cell::new(0), RefCell::new(Vec::new()));
        let many: Vec<String> = (0..40).map(|n| format!("1.1.1.{n}:1")).collect();
        let texts: Vec<&str> = many.iter().map(String::as_str).collect();
        let attempt = first_connected(addresses(&texts), |address| {
            open.set(open.get() + 1);
            tried.borrow_mut().push(address);
            let socket = Socket(&open);
            async move {
                let _socket = socket;
                std::future::pending::<io::Result<()>>().await
            }
        });
        let given_up = tokio::time::timeout(Duration::from_secs(10), async {
            let mut attempt = pin!(attempt);
            poll_fn(|cx| attempt.as_mut().poll(cx)).await
        });
        assert!(given_up.await.is_err());
        assert_eq!((tried.borrow().len(), open.get()), (ADDRESSES_MAX, 0));
    }
}
