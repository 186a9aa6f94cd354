//! WebSocket from a peer that may be anybody: heads and frames, at a server and at a client. Compiled twice, as
//! [`super::checks`] is.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use presence_transport::Layered;
use presence_transport::websocket::{WebSocket, agree};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
/// What a client sends as its key, before it is base64.
const RANDOM: [u8; 16] = [7; 16];
/// The answer to it.
const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n\r\n";
const CLIENTS_MASK: u32 = 0xa55a_0ff0;
/// Bytes of a read, at most.
const READ_BYTES: usize = 512;
/// More frames are not made of one input.
const FRAMES_MAX: usize = 64;

/// The first byte says what the rest is: all that a client says to a server, head included; its frames alone; a server's
/// answer and frames; its frames alone; or a recipe for frames that are as they must be. However it is cut, the same bytes
/// come out, and whether it ends with an error; what is answered is framed well; and what is framed well comes out whole.
pub fn websocket(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    match kind % 5 {
        0 => same_however_cut(Side::Server, rest),
        1 => same_however_cut(Side::Server, &[HEAD, rest].concat()),
        2 => same_however_cut(Side::Client, rest),
        3 => same_however_cut(Side::Client, &[ANSWER, rest].concat()),
        _ => {
            let (wire, expected) = cooked(rest);
            let heard = hear(Side::Server, &[HEAD, &wire].concat(), READ_BYTES);
            assert!(heard.payload == expected && heard.is_well, "well-formed frames");
        }
    }
}

/// Who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Server,
    Client,
}

/// What came of it.
struct Heard {
    payload: Vec<u8>,
    /// It ended without an error.
    is_well: bool,
    /// Written to the peer.
    answered: Vec<u8>,
}

fn same_however_cut(side: Side, wire: &[u8]) {
    let fine = hear(side, wire, 1);
    for piece in [2, 7, READ_BYTES] {
        let coarse = hear(side, wire, piece);
        assert_eq!(fine.is_well, coarse.is_well, "{side:?} in pieces of {piece}");
        // What comes with a mistake in one piece is lost with it.
        assert!(fine.payload.starts_with(&coarse.payload));
        assert!(!fine.is_well || fine.payload.len() == coarse.payload.len());
        well_framed(side, &coarse.answered);
    }
    assert!(fine.payload.len() <= wire.len());
    well_framed(side, &fine.answered);
}

/// Listens to the end of `wire`, which comes `piece` bytes at a time.
fn hear(side: Side, wire: &[u8], piece: usize) -> Heard {
    let mut stream = Script {
        wire,
        piece,
        answered: Vec::new(),
    };
    let mut heard = Heard {
        payload: Vec::new(),
        is_well: true,
        answered: Vec::new(),
    };
    let websocket = match side {
        Side::Server => WebSocket::server(&[]),
        Side::Client => match now(agree(&mut stream, "a", "/", RANDOM, Box::new(|| CLIENTS_MASK))) {
            Ok(websocket) => websocket,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                heard.is_well = false;
                return heard;
            }
        },
    };
    let head = stream.answered.len();
    let mut layered = Layered::with_websocket(&mut stream, websocket);
    let mut context = Context::from_waker(Waker::noop());
    let mut buffer = [0; READ_BYTES];
    // Each read takes a byte at least, or is the last; a turn that brought nothing has read some, too.
    for _ in 0..2 * wire.len() + 4 {
        let mut read = ReadBuf::new(&mut buffer);
        match Pin::new(&mut layered).poll_read(&mut context, &mut read) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if read.filled().is_empty() => {
                drop(layered);
                heard.answered = stream.answered.split_off(head);
                return heard;
            }
            Poll::Ready(Ok(())) => heard.payload.extend_from_slice(read.filled()),
            Poll::Ready(Err(error)) => {
                assert!(!error.to_string().is_empty());
                heard.is_well = false;
                drop(layered);
                heard.answered = stream.answered.split_off(head);
                return heard;
            }
        }
    }
    panic!("it reads without end");
}

/// The result of what never waits.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("a script never waits"),
    }
}

/// A peer that says what it says and takes whatever it is told.
struct Script<'a> {
    wire: &'a [u8],
    piece: usize,
    answered: Vec<u8>,
}

impl AsyncRead for Script<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.piece.min(buffer.remaining()).min(self.wire.len());
        let (said, rest) = self.wire.split_at(count);
        buffer.put_slice(said);
        self.wire = rest;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.answered.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whoever listens says nothing but pongs and at most one close, at the end, masked by a client alone. A server's begins
/// with its head.
fn well_framed(side: Side, answered: &[u8]) {
    let mut rest = match answered.windows(4).position(|end| end == b"\r\n\r\n") {
        Some(end) if side == Side::Server => &answered[end + 4..],
        _ => answered,
    };
    // The text after a refusal's head.
    if side == Side::Server && !answered.starts_with(b"HTTP/1.1 101 ") {
        assert!(answered.is_empty() || answered.starts_with(b"HTTP/1.1 4"));
        return;
    }
    while let [first, second, after @ ..] = rest {
        let (length, masked) = (usize::from(second & 0x7f), second & 0x80 != 0);
        assert!(matches!(first, 0x88 | 0x8a) && length <= 125);
        assert_eq!(masked, side == Side::Client);
        let skipped = length + if masked { 4 } else { 0 };
        assert!(after.len() >= skipped && (*first == 0x8a || after.len() == skipped));
        rest = &after[skipped..];
    }
    assert!(rest.is_empty(), "half a frame");
}

/// Frames as a client may send them, and the bytes of their messages. Two bytes of the recipe are a frame.
fn cooked(recipe: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut wire, mut expected) = (Vec::new(), Vec::new());
    let mut is_open = false;
    for step in recipe.chunks_exact(2).take(FRAMES_MAX) {
        let (kind, size) = (step[0], usize::from(step[1]));
        let is_last = kind & 0x10 != 0;
        let (first, length) = match kind % 4 {
            0 => (0x89, size % 126),
            1 => (0x8a, size % 126),
            // Past both borders of the length's encoding now and then.
            large => {
                let opcode = if std::mem::replace(&mut is_open, !is_last) {
                    0
                } else {
                    2
                };
                let length = if large == 3 { size * 259 } else { size };
                (opcode | if is_last { 0x80 } else { 0 }, length)
            }
        };
        let payload: Vec<u8> = (0..length).map(|at| (at as u8) ^ kind).collect();
        if first & 0x0f < 8 {
            expected.extend_from_slice(&payload);
        }
        let key = [kind, step[1], 0x5a, !kind];
        wire.push(first);
        match length {
            0..126 => wire.push(0x80 | length as u8),
            126..65_536 => {
                wire.push(0xfe);
                wire.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                wire.push(0xff);
                wire.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        wire.extend_from_slice(&key);
        wire.extend(
            payload
                .iter()
                .zip(key.iter().cycle())
                .map(|(byte, key)| byte ^ key),
        );
    }
    (wire, expected)
}
