//! What a node needs of a network: a stream to poll, and a listener that gives streams. Production has tokio's TCP;
//! tests and simulations bring their own.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A connection's bytes. Reads go to the loop's scratch buffer, so a transport needs no buffer of its own.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// The connection while it is on its way from one loop's thread to another's.
    type Detached: Send + 'static;

    /// Takes it off this loop's runtime.
    fn detach(self) -> io::Result<Self::Detached>;

    /// Puts it on this loop's runtime.
    fn attach(detached: Self::Detached) -> io::Result<Self>
    where
        Self: Sized;
}

impl Transport for TcpStream {
    type Detached = std::net::TcpStream;

    fn detach(self) -> io::Result<std::net::TcpStream> {
        self.into_std()
    }

    fn attach(detached: std::net::TcpStream) -> io::Result<TcpStream> {
        TcpStream::from_std(detached)
    }
}

/// Where connections come from.
pub trait Listener: Send + 'static {
    /// A connection. It should send small writes at once (`TCP_NODELAY`).
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// The next connection and the address of its other end. After an error the node waits a while and asks again.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}

/// Connections that may wait to be accepted: ten thousand clients that come back at once are not to be turned away by a
/// queue of the 128 that the standard library asks for. The system has its own bound beneath it.
const BACKLOG: i32 = 4_096;

/// Listens.
pub(crate) fn listen(address: &SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
    // A server that was stopped may be started again at once.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&(*address).into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// One more handle of a socket that several loops listen on.
pub(crate) fn share(listener: &std::net::TcpListener) -> io::Result<std::net::TcpListener> {
    let handle = listener.try_clone()?;
    handle.set_nonblocking(true)?;
    Ok(handle)
}

/// A transport of a node with one loop: it never moves.
pub(crate) struct Resident<S>(pub(crate) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Resident<S> {
    type Detached = Infallible;

    fn detach(self) -> io::Result<Infallible> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }

    fn attach(detached: Infallible) -> io::Result<Resident<S>> {
        match detached {}
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Resident<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Resident<S> {
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
