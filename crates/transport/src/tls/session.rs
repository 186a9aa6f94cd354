//! One end of a TLS connection, without its stream.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, Connection, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Records that may bring nothing to read before the task lets others have their turn.
const RECORDS_PER_TURN: usize = 16;

/// See the module. Its `Debug` shows nothing of what it holds.
pub struct Tls {
    connection: Connection,
    handshake_steps: u32,
    /// The end was said.
    closing: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// The server's end of a new connection.
    pub fn server(config: Arc<ServerConfig>) -> Result<Tls, rustls::Error> {
        ServerConnection::new(config).map(|connection| Tls::over(connection.into()))
    }

    /// The client's end of a new connection to the server of that name.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Tls, rustls::Error> {
        rustls::ClientConnection::new(config, name).map(|connection| Tls::over(connection.into()))
    }

    fn over(connection: Connection) -> Tls {
        Tls {
            connection,
            handshake_steps: 0,
            closing: false,
        }
    }

    /// Whether the handshake is still under way.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    pub(crate) fn handshake_steps(&self) -> u32 {
        self.handshake_steps
    }

    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// Writes what waits, then receives something for [`Tls::process`]. In a handshake, an end of the stream is an error.
    pub fn poll_receive<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        // Whether or not the stream takes all of it: what the other end says may be all that is needed.
        if let Poll::Ready(Err(error)) = self.poll_flush(stream, cx) {
            return Poll::Ready(Err(error));
        }
        let received = self.connection.read_tls(&mut Polled { stream, cx });
        match received {
            Ok(0) if self.connection.is_handshaking() => {
                let text = "the other end closed the connection during the TLS handshake";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, text)))
            }
            Ok(_) => Poll::Ready(Ok(())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Decrypts what was received and goes on with the handshake. On a client this is where the certificate is verified,
    /// which may take its time. After an error nothing more can be read; what is left to write says why to the other end.
    pub fn process(&mut self) -> Result<(), rustls::Error> {
        if self.connection.is_handshaking() {
            self.handshake_steps = self.handshake_steps.saturating_add(1);
        }
        self.connection.process_new_packets().map(drop)
    }

    pub(crate) fn poll_read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..RECORDS_PER_TURN {
            match self.connection.reader().read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_receive(stream, cx))?;
            if let Err(error) = self.process() {
                // The alert, as far as it goes at once; that it did not go changes nothing.
                let _ = self.poll_flush(stream, cx);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    pub(crate) fn poll_write<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.is_handshaking() {
            // What was written now would be kept as it is. The reading half carries the handshake on, and wakes.
            return Poll::Pending;
        }
        if self.connection.wants_write() {
            ready!(self.poll_flush(stream, cx))?;
        }
        let taken = self.connection.writer().write(bytes)?;
        match self.poll_flush(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(taken)),
        }
    }

    /// Writes what waits.
    pub fn poll_flush<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Polled { stream, cx }) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(stream).poll_flush(cx)
    }

    pub(crate) fn poll_shutdown<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.closing, true) {
            self.connection.send_close_notify();
        }
        ready!(self.poll_flush(stream, cx))?;
        Pin::new(stream).poll_shutdown(cx)
    }
}

/// A polled stream as rustls wants it: `WouldBlock` for `Pending`, whose waker is set by then.
struct Polled<'a, 'c, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'c>,
}

fn blocking<T>(polled: Poll<io::Result<T>>) -> io::Result<T> {
    match polled {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl<S: AsyncRead + Unpin> Read for Polled<'_, '_, S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(bytes);
        blocking(Pin::new(&mut *self.stream).poll_read(self.cx, &mut buffer))?;
        Ok(buffer.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Polled<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.stream).poll_write(self.cx, bytes))
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        blocking(Pin::new(&mut *self.stream).poll_write_vectored(self.cx, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}
