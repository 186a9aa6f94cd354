//! A loop as a future: it turns whenever something arrived or is due.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use presence::time::Mono;
use presence_transport::Layered;
use presence_transport::tls::{ServerConfig, Tls};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep};

use super::{Loop, Next};
use crate::admin::Order;
use crate::engine::Answer;
use crate::gateway::pending::Pending;
use crate::transport::{Listener, Resident, Transport};

/// A connection and the address of its other end.
type Incoming<T> = (Layered<T>, SocketAddr);

/// Where a loop's connections come from.
pub(crate) trait Source<T>: Unpin {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming<T>>>;
}

/// A TCP port, with TLS or without.
pub(crate) struct Port {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

impl Source<TcpStream> for Port {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming<TcpStream>>> {
        let (stream, peer) = std::task::ready!(self.listener.poll_accept(cx))?;
        stream.set_nodelay(true)?;
        let stream = match &self.tls {
            None => Layered::plain(stream),
            Some(config) => {
                let tls = Tls::server(Arc::clone(config)).map_err(io::Error::other)?;
                Layered::with_tls(stream, tls)
            }
        };
        Poll::Ready(Ok((stream, peer)))
    }
}

type Accepted<L> = (L, io::Result<(<L as Listener>::Stream, SocketAddr)>);

/// A [`Listener`] being asked for its next connection.
pub(crate) struct Listening<L: Listener> {
    next: Pin<Box<dyn Future<Output = Accepted<L>> + Send>>,
}

impl<L: Listener> Listening<L> {
    pub(crate) fn new(mut listener: L) -> Listening<L> {
        let next = Box::pin(async move {
            let accepted = listener.accept().await;
            (listener, accepted)
        });
        Listening { next }
    }
}

impl<L: Listener> Source<Resident<L::Stream>> for Listening<L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming<Resident<L::Stream>>>> {
        let (listener, accepted) = std::task::ready!(self.next.as_mut().poll(cx));
        *self = Listening::new(listener);
        Poll::Ready(accepted.map(|(stream, peer)| (Layered::plain(Resident(stream)), peer)))
    }
}

/// See the module. Ends when it is told to stop.
pub(crate) struct Driver<T: Transport, S> {
    turning: Loop<T>,
    sources: Vec<S>,
    admin: mpsc::Receiver<Order>,
    /// After a failed accept: none before this moment.
    accept_from: Option<Mono>,
    sleep: Pin<Box<Sleep>>,
    /// Who waits until no connection is left.
    drained: Vec<oneshot::Sender<Answer>>,
}

/// Connections accepted in one turn, about 2 ms of it: more than log in in one, so that ten thousand that come at once find room in
/// the system's queue. Whoever finds none tries again after a second, or is reset.
const ACCEPTS_PER_TURN: usize = 256;
/// Orders of the backend carried out in one turn.
const ORDERS_PER_TURN: usize = 64;
/// How long to leave a listener alone that failed, for example because the process has no file descriptor left.
const ACCEPT_BACK_OFF_MS: u64 = 100;

impl<T: Transport, S: Source<T>> Driver<T, S> {
    /// To be called on the runtime that will poll it.
    pub(crate) fn new(turning: Loop<T>, sources: Vec<S>, admin: mpsc::Receiver<Order>) -> Driver<T, S> {
        Driver {
            turning,
            sources,
            admin,
            accept_from: None,
            sleep: Box::pin(tokio::time::sleep(Duration::ZERO)),
            drained: Vec::new(),
        }
    }

    /// Carries out what the backend wants. False: to stop.
    fn obey(&mut self, cx: &mut Context<'_>) -> bool {
        for _ in 0..ORDERS_PER_TURN {
            match self.admin.poll_recv(cx) {
                Poll::Ready(Some(order)) => match order {
                    Order::Stop(ended) => {
                        self.turning.say_goodbye();
                        drop(ended); // whoever waits learns by this that it ended
                        return false;
                    }
                    // Who asked may have stopped waiting, here and below.
                    Order::Configure { app, settings, done } => {
                        self.turning.configure(app, settings);
                        let _ = done.send(Answer::Done);
                    }
                    Order::Measure(done) => {
                        let _ = done.send(self.turning.statistics());
                    }
                    Order::MeasureApp(app, done) => {
                        let _ = done.send(self.turning.app_statistics(app));
                    }
                    Order::Drain(done) => {
                        // Nobody is let in any more; the listeners are closed with this.
                        self.sources.clear();
                        self.turning.begin_draining();
                        self.drained.push(done);
                    }
                    Order::Engine { command, done } => self.turning.ask(Pending::Admin(done), command),
                },
                // Nobody is left who could end this loop, or give it any order.
                Poll::Ready(None) => {
                    self.turning.say_goodbye();
                    return false;
                }
                Poll::Pending => return true,
            }
        }
        cx.waker().wake_by_ref();
        true
    }

    fn accept(&mut self, cx: &mut Context<'_>) {
        let now = self.turning.now.mono;
        if self.accept_from.is_some_and(|from| from > now) {
            return;
        }
        self.accept_from = None;
        for source in &mut self.sources {
            for count in 0.. {
                if count == ACCEPTS_PER_TURN {
                    // It was not asked until it had nobody, so it does not wake this loop for those who still wait.
                    cx.waker().wake_by_ref();
                    break;
                }
                match source.poll_accept(cx) {
                    Poll::Ready(Ok((transport, peer))) => self.turning.accepted(transport, peer.into()),
                    Poll::Ready(Err(error)) => {
                        tracing::warn!(%error, "accepting a connection failed");
                        self.accept_from = Some(Mono(now.0.saturating_add(ACCEPT_BACK_OFF_MS)));
                        break;
                    }
                    Poll::Pending => break,
                }
            }
        }
    }
}

impl<T: Transport, S: Source<T>> Future for Driver<T, S>
where
    Loop<T>: Unpin,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Of the machine, not of the injected clock: how long this process works, for the statistics alone.
        let begun = std::time::Instant::now();
        this.turning.begin(cx.waker(), begun);
        if !this.obey(cx) {
            this.turning.close_engine();
            return Poll::Ready(());
        }
        this.accept(cx);
        let next = this.turning.turn(cx);
        this.turning.counted.count_turn(begun.elapsed());
        if !this.drained.is_empty() && this.turning.connections.len() == 0 {
            for waiting in this.drained.drain(..) {
                // Who asked may have stopped waiting.
                let _ = waiting.send(Answer::Done);
            }
        }
        let next = match (next, this.accept_from) {
            (Next::WhenWoken, Some(from)) => Next::At(from),
            (Next::At(at), Some(from)) => Next::At(at.min(from)),
            (next, _) => next,
        };
        match next {
            Next::Now => cx.waker().wake_by_ref(),
            Next::WhenWoken => {}
            Next::At(deadline) => {
                let wait = deadline.since(this.turning.now.mono);
                this.sleep.as_mut().reset(Instant::now() + wait);
                if this.sleep.as_mut().poll(cx).is_ready() {
                    cx.waker().wake_by_ref();
                }
            }
        }
        Poll::Pending
    }
}
