//! A stream with what lies over it. Plain ones cost one pointer more than the bare stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::Tls;

/// Bytes over a stream, through the layers that it has.
///
/// Bytes that `poll_write` took may still wait here, encrypted, for the stream to take them: [`Layered::poll_flush`]
/// writes them, and must be called again when it was `Pending` and its task is woken. At most what one `poll_write` took
/// waits: the next one is `Pending` until it is gone.
///
/// The waker of the last call, whichever it was, is woken: poll a connection from one task.
#[derive(Debug)]
pub struct Layered<S> {
    stream: S,
    layers: Option<Box<Layers>>,
}

#[derive(Debug)]
struct Layers {
    tls: Tls,
}

impl<S> Layered<S> {
    /// The stream as it is.
    #[must_use]
    pub fn plain(stream: S) -> Layered<S> {
        Layered { stream, layers: None }
    }

    /// The stream under TLS.
    #[must_use]
    pub fn with_tls(stream: S, tls: Tls) -> Layered<S> {
        let layers = Some(Box::new(Layers { tls }));
        Layered { stream, layers }
    }

    /// The same layers over a stream made of this one: for a connection that moves.
    pub fn try_map<R, E>(self, map: impl FnOnce(S) -> Result<R, E>) -> Result<Layered<R>, E> {
        let Layered { stream, layers } = self;
        map(stream).map(|stream| Layered { stream, layers })
    }

    /// Whether bytes wait for [`Layered::poll_flush`].
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.layers
            .as_ref()
            .is_some_and(|layers| layers.tls.wants_write())
    }

    /// Steps of a TLS handshake that were made here; each may have cost a signature. It stands still once the handshake
    /// is over.
    #[must_use]
    pub fn handshake_steps(&self) -> u32 {
        self.layers
            .as_ref()
            .map_or(0, |layers| layers.tls.handshake_steps())
    }

    /// Whether a TLS handshake is under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.layers
            .as_ref()
            .is_some_and(|layers| layers.tls.is_handshaking())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Layered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.layers {
            None => Pin::new(&mut this.stream).poll_read(cx, buffer),
            Some(layers) => layers.tls.poll_read(&mut this.stream, cx, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Layered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match &mut this.layers {
            None => Pin::new(&mut this.stream).poll_write(cx, bytes),
            Some(layers) => layers.tls.poll_write(&mut this.stream, cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.layers {
            None => Pin::new(&mut this.stream).poll_flush(cx),
            Some(layers) => layers.tls.poll_flush(&mut this.stream, cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.layers {
            None => Pin::new(&mut this.stream).poll_shutdown(cx),
            Some(layers) => layers.tls.poll_shutdown(&mut this.stream, cx),
        }
    }
}
