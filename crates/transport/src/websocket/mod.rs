//! WebSocket (RFC 6455) over any stream, polled: binary messages carry the protocol's bytes, whatever the boundaries of
//! messages and fragments. Pings are answered, the close handshake is kept, text and extensions are refused.
//!
//! The framing is ours because tokio-websockets owns its socket, so that a connection could not move to the loop of its
//! user, and keeps a buffer for each connection; here an idle one has none.

mod frame;
mod head;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use self::frame::{Control, Decoder, Role};
use self::head::Asked;
pub use self::head::HEAD_BYTES_MAX;

/// Reads that may bring nothing before the task lets others have their turn.
const READS_PER_TURN: usize = 16;
/// The end is as it should be.
const NORMAL: u16 = 1000;

/// Where a client's masks come from: a number that nobody can foresee.
pub type MaskSource = Box<dyn FnMut() -> u32 + Send>;

/// One end of a WebSocket connection, without its stream.
pub struct WebSocket {
    /// `None` on a server.
    masks: Option<MaskSource>,
    /// A server that has not agreed yet: the client's head so far.
    asked: Option<Vec<u8>>,
    decoder: Decoder,
    /// Received with the head, and not decoded yet.
    early: Vec<u8>,
    /// Frames, and how much of them is written.
    out: Vec<u8>,
    written: usize,
    /// A Pong is among them: one more Ping is not answered until it is out, so that a flood of them fills nothing.
    pong_waits: bool,
    /// A Close was sent.
    close_sent: bool,
    /// A Close came: nothing more will.
    ended: bool,
    /// Bytes came that were no payload: headers, Pings.
    heard: bool,
}

impl std::fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSocket")
            .field("is_client", &self.masks.is_some())
            .field("is_agreed", &self.asked.is_none())
            .finish_non_exhaustive()
    }
}

impl WebSocket {
    /// A server's end; `received` is what has come so far of the client's head, and perhaps more.
    #[must_use]
    pub fn server(received: &[u8]) -> WebSocket {
        WebSocket {
            asked: Some(received.to_vec()),
            ..WebSocket::new(None, Role::Server)
        }
    }

    /// A client's end once the server agreed: [`agree`].
    fn client(masks: MaskSource) -> WebSocket {
        WebSocket::new(Some(masks), Role::Client)
    }

    fn new(masks: Option<MaskSource>, role: Role) -> WebSocket {
        WebSocket {
            masks,
            asked: None,
            decoder: Decoder::new(role),
            early: Vec::new(),
            out: Vec::new(),
            written: 0,
            pong_waits: false,
            close_sent: false,
            ended: false,
            heard: false,
        }
    }

    pub(crate) fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }

    pub(crate) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }

    pub(crate) fn poll_read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_agreed(stream, cx))?;
        for _ in 0..READS_PER_TURN {
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            let room = buffer.initialize_unfilled();
            let received = match self.take_early(room) {
                0 => {
                    let mut read = ReadBuf::new(room);
                    ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
                    read.filled().len()
                }
                count => count,
            };
            if received == 0 {
                // Without a Close: the link is gone.
                return Poll::Ready(Ok(()));
            }
            let payload = self.decode(room.get_mut(..received).unwrap_or_default());
            // Answers to what was read, as far as they go at once; the waker is set for the rest.
            if let Poll::Ready(Err(error)) = self.poll_flush(stream, cx) {
                return Poll::Ready(Err(error));
            }
            match payload {
                Err(violation) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, violation)));
                }
                Ok(0) => self.heard = true,
                Ok(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn take_early(&mut self, room: &mut [u8]) -> usize {
        let count = self.early.len().min(room.len());
        for (slot, byte) in room.iter_mut().zip(self.early.drain(..count)) {
            *slot = byte;
        }
        if self.early.is_empty() {
            self.early = Vec::new();
        }
        count
    }

    fn decode(&mut self, bytes: &mut [u8]) -> Result<usize, frame::Violation> {
        let mut controls = Vec::new();
        let decoded = self.decoder.decode(bytes, |control| controls.push(control));
        for control in controls {
            match control {
                Control::Ping(payload) if !self.pong_waits && !self.close_sent => {
                    let mask = self.mask();
                    frame::encode_pong(&mut self.out, &payload, mask);
                    self.pong_waits = true;
                }
                Control::Ping(_) => {}
                Control::Close(_) => {
                    self.ended = true;
                    self.close(NORMAL);
                }
            }
        }
        if let Err(violation) = decoded {
            self.close(violation.status());
        }
        decoded
    }

    fn close(&mut self, status: u16) {
        if !std::mem::replace(&mut self.close_sent, true) {
            let mask = self.mask();
            frame::encode_close(&mut self.out, status, mask);
        }
    }

    fn mask(&mut self) -> Option<[u8; 4]> {
        self.masks.as_mut().map(|next| next().to_be_bytes())
    }

    /// On a server: reads the client's head and answers it.
    fn poll_agreed<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(received) = &mut self.asked {
            match head::asked(received) {
                Asked::Agreed { answer, head } => {
                    self.early = received.split_off(head);
                    self.asked = None;
                    self.out = answer;
                    if let Poll::Ready(Err(error)) = self.poll_flush(stream, cx) {
                        return Poll::Ready(Err(error));
                    }
                }
                Asked::Refused(answer) => {
                    // As far as it goes at once: who asks so is no client of ours.
                    self.out = answer.to_vec();
                    let _ = self.poll_flush(stream, cx);
                    let text = "an HTTP request that does not ask for WebSocket";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                Asked::Incomplete => {
                    let mut part = [0; 1024];
                    let mut read = ReadBuf::new(&mut part);
                    ready!(Pin::new(&mut *stream).poll_read(cx, &mut read))?;
                    if read.filled().is_empty() {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    received.extend_from_slice(read.filled());
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.close_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if self.wants_write() {
            ready!(self.poll_flush(stream, cx))?;
        }
        let mask = self.mask();
        frame::encode_message(&mut self.out, bytes, mask);
        match self.poll_flush(stream, cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(bytes.len())),
        }
    }

    pub(crate) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while let Some(rest) = self.out.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        // An idle connection has no buffer.
        (self.out, self.written, self.pong_waits) = (Vec::new(), 0, false);
        Pin::new(stream).poll_flush(cx)
    }

    pub(crate) fn poll_shutdown<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.asked.is_none() {
            self.close(NORMAL);
        }
        ready!(self.poll_flush(stream, cx))?;
        Pin::new(stream).poll_shutdown(cx)
    }
}

/// Asks the server at the other end of `stream` for WebSocket. `random` makes the request one of its kind. An error's text is for
/// a person: what the server said instead.
pub async fn agree<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
    path: &str,
    random: [u8; 16],
    masks: MaskSource,
) -> io::Result<WebSocket> {
    let (request, key) = head::ask(host, path, random);
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let answer = read_head(stream).await?;
    head::answered(&answer, &key).map_err(io::Error::other)?;
    Ok(WebSocket::client(masks))
}

/// Reads an HTTP head to its end and no byte more: what follows is another's. Byte by byte, which a handshake can afford.
pub async fn read_head<S: AsyncRead + Unpin + ?Sized>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && !head.ends_with(b"\n\n") {
        if head.len() == HEAD_BYTES_MAX {
            return Err(io::Error::other("the HTTP answer does not end"));
        }
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let text = "the other end closed the connection without an HTTP answer";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, text));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}
