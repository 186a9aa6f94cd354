//! A stream with what lies over it. Plain ones cost one pointer more than the bare stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::Tls;
use crate::websocket::WebSocket;

/// Bytes over a stream, through the layers that it has.
///
/// Bytes that `poll_write` took may still wait here, encrypted or framed, for the stream to take them: [`Layered::poll_flush`]
/// writes them, and must be called again when it was `Pending` and its task is woken. At most what one `poll_write` took
/// waits in each layer: the next one is `Pending` until it is gone.
///
/// The waker of the last call, whichever it was, is woken: poll a connection from one task.
#[derive(Debug)]
pub struct Layered<S> {
    stream: S,
    layers: Option<Box<Layers>>,
}

/// In boxes of their own: a connection with one shall not pay for the other.
#[derive(Debug, Default)]
struct Layers {
    tls: Option<Box<Tls>>,
    websocket: Option<Box<WebSocket>>,
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
        let layers = Layers {
            tls: Some(Box::new(tls)),
            websocket: None,
        };
        Layered {
            stream,
            layers: Some(Box::new(layers)),
        }
    }

    /// The stream under WebSocket.
    #[must_use]
    pub fn with_websocket(stream: S, websocket: WebSocket) -> Layered<S> {
        let mut layered = Layered::plain(stream);
        layered.put_websocket(websocket);
        layered
    }

    /// WebSocket from now on, above TLS if there is any.
    pub fn put_websocket(&mut self, websocket: WebSocket) {
        self.layers.get_or_insert_default().websocket = Some(Box::new(websocket));
    }

    /// Whether there is WebSocket.
    #[must_use]
    pub fn has_websocket(&self) -> bool {
        self.layers
            .as_ref()
            .is_some_and(|layers| layers.websocket.is_some())
    }

    /// Whether something came since the last call of which nothing was read, because it is of a layer's own: a Ping of
    /// WebSocket is a sign of life, too.
    pub fn take_heard(&mut self) -> bool {
        let layers = self.layers.as_mut();
        let websocket = layers.and_then(|layers| layers.websocket.as_mut());
        websocket.is_some_and(|websocket| websocket.take_heard())
    }

    /// The same layers over a stream made of this one: for a connection that moves.
    pub fn try_map<R, E>(self, map: impl FnOnce(S) -> Result<R, E>) -> Result<Layered<R>, E> {
        let Layered { stream, layers } = self;
        map(stream).map(|stream| Layered { stream, layers })
    }

    /// Whether bytes wait for [`Layered::poll_flush`].
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.layers.as_ref().is_some_and(|layers| {
            layers.tls.as_ref().is_some_and(|tls| tls.wants_write())
                || layers
                    .websocket
                    .as_ref()
                    .is_some_and(|websocket| websocket.wants_write())
        })
    }

    fn tls(&self) -> Option<&Tls> {
        self.layers.as_ref()?.tls.as_deref()
    }

    /// Steps of a TLS handshake that were made here; each may have cost a signature. It stands still once the handshake
    /// is over.
    #[must_use]
    pub fn handshake_steps(&self) -> u32 {
        self.tls().map_or(0, Tls::handshake_steps)
    }

    /// Whether a TLS handshake is under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.tls().is_some_and(Tls::is_handshaking)
    }
}

/// What lies under WebSocket.
struct Lower<'a, S> {
    stream: &'a mut S,
    tls: Option<&'a mut Tls>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Lower<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Lower { stream, tls } = self.get_mut();
        match tls {
            None => Pin::new(&mut **stream).poll_read(cx, buffer),
            Some(tls) => tls.poll_read(*stream, cx, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Lower<'_, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Lower { stream, tls } = self.get_mut();
        match tls {
            None => Pin::new(&mut **stream).poll_write(cx, bytes),
            Some(tls) => tls.poll_write(*stream, cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Lower { stream, tls } = self.get_mut();
        match tls {
            None => Pin::new(&mut **stream).poll_flush(cx),
            Some(tls) => tls.poll_flush(*stream, cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Lower { stream, tls } = self.get_mut();
        match tls {
            None => Pin::new(&mut **stream).poll_shutdown(cx),
            Some(tls) => tls.poll_shutdown(*stream, cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layered<S> {
    /// The layers, from below.
    fn split(&mut self) -> (Lower<'_, S>, Option<&mut WebSocket>) {
        let (tls, websocket) = match &mut self.layers {
            None => (None, None),
            Some(layers) => (layers.tls.as_deref_mut(), layers.websocket.as_deref_mut()),
        };
        let stream = &mut self.stream;
        (Lower { stream, tls }, websocket)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Layered<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (mut lower, websocket) = self.get_mut().split();
        match websocket {
            None => Pin::new(&mut lower).poll_read(cx, buffer),
            Some(websocket) => websocket.poll_read(&mut lower, cx, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Layered<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (mut lower, websocket) = self.get_mut().split();
        match websocket {
            None => Pin::new(&mut lower).poll_write(cx, bytes),
            Some(websocket) => websocket.poll_write(&mut lower, cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut lower, websocket) = self.get_mut().split();
        match websocket {
            None => Pin::new(&mut lower).poll_flush(cx),
            Some(websocket) => websocket.poll_flush(&mut lower, cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (mut lower, websocket) = self.get_mut().split();
        match websocket {
            None => Pin::new(&mut lower).poll_shutdown(cx),
            Some(websocket) => websocket.poll_shutdown(&mut lower, cx),
        }
    }
}
