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
/// Bytes of small records that are written together: what a server says in a handshake fits, with a usual chain of
/// certificates.
const GATHERED_BYTES: usize = 8 * 1024;

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

    /// Never as slices: what a socket does with them is `writev`, which raises SIGPIPE when the connection is gone, and that
    /// ends a program in C around this library that knows of no reason to ignore it. A single write comes to `send`,
    /// which can be told not to. Small records, such as a handshake's, go together all the same.
    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let first: &[u8] = slices.first().map_or(&[], |slice| slice);
        if slices.len() <= 1 || first.len() >= GATHERED_BYTES {
            return self.write(first);
        }
        let mut gathered = [0; GATHERED_BYTES];
        let mut room = &mut gathered[..];
        for slice in slices {
            // What there is no room for stays where it is: the caller comes again.
            room.write(slice)?;
        }
        let count = GATHERED_BYTES - room.len();
        self.write(gathered.get(..count).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        blocking(Pin::new(&mut *self.stream).poll_flush(self.cx))
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    /// A socket that would raise SIGPIPE for slices. Takes so many bytes at once.
    struct Socket {
        room: usize,
        written: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Socket {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = &bytes[..bytes.len().min(self.room)];
            self.written.push(taken.to_vec());
            Poll::Ready(Ok(taken.len()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            _slices: &[io::IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            panic!("SIGPIPE")
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// What is taken of slices of these lengths, and what the socket is given.
    fn written(lengths: &[usize], room: usize) -> (usize, Vec<Vec<u8>>) {
        let bytes: Vec<Vec<u8>> = (1u8..)
            .zip(lengths)
            .map(|(byte, length)| vec![byte; *length])
            .collect();
        let slices: Vec<io::IoSlice<'_>> = bytes.iter().map(|bytes| io::IoSlice::new(bytes)).collect();
        let mut socket = Socket {
            room,
            written: Vec::new(),
        };
        let mut polled = Polled {
            stream: &mut socket,
            cx: &mut Context::from_waker(Waker::noop()),
        };
        let taken = polled.write_vectored(&slices).expect("it is taken");
        (taken, socket.written)
    }

    #[test]
    fn records_are_written_as_one_and_never_as_slices() {
        assert_eq!(written(&[5], 99), (5, vec![vec![1; 5]]));
        let together = [vec![1; 2], vec![2; 1], vec![3; 3]].concat();
        assert_eq!(written(&[2, 1, 3], 99), (6, vec![together.clone()]));
        assert_eq!(
            written(&[2, 1, 3], 4),
            (4, vec![together[..4].to_vec()]),
            "a part"
        );
        let (taken, given) = written(&[100, GATHERED_BYTES], usize::MAX);
        assert_eq!(
            (taken, given.len()),
            (GATHERED_BYTES, 1),
            "as far as there is room"
        );
        assert_eq!((given[0][99], given[0][100]), (1, 2));
        let large = written(&[GATHERED_BYTES, 1], usize::MAX);
        assert_eq!(large, (GATHERED_BYTES, vec![vec![1; GATHERED_BYTES]]), "as it is");
    }
}
