//! Framing: the preface, then a varint length and that many bytes, over and over. A length of 0 is a heartbeat.

use bytes::{BufMut, BytesMut};
use prost::Message;

/// The first bytes a client sends: the protocol's name and its version.
pub const PREFACE: &[u8; 5] = b"TIMP\x01";

/// A whole heartbeat, from either side.
pub const HEARTBEAT: &[u8; 1] = &[0];

/// Largest frame a server accepts unless configured otherwise: a query of 500 ids of 32 bytes fits seven times.
pub const FRAME_BYTES_MAX: usize = 128 * 1024;

/// Largest frame a client accepts, and so the most a server may send: 3 000 friends with a custom status of 100 bytes
/// each are about half of it.
pub const SERVER_FRAME_BYTES_MAX: usize = 1024 * 1024;

/// Bytes the length of a frame may take: enough for 2^28.
const LENGTH_BYTES_MAX: usize = 4;

/// What stands at the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A frame; the buffer goes on after `consumed` bytes. An empty body is a heartbeat.
    Frame {
        /// The frame without its length.
        body: &'a [u8],
        /// Bytes of the buffer it took.
        consumed: usize,
    },
    /// Not whole yet.
    Incomplete,
}

/// The peer does not speak this protocol, or too much of it at once: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// A frame announced more bytes than allowed.
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// The length takes more bytes than any allowed length needs.
    BadLength,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameError::TooLarge { bytes_max } => write!(f, "a frame is larger than {bytes_max} bytes"),
            FrameError::BadLength => write!(f, "a frame's length is malformed"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Takes the first frame of `buffer`.
pub fn next(buffer: &[u8], bytes_max: usize) -> Result<Next<'_>, FrameError> {
    let mut length = 0usize;
    for (index, byte) in buffer.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            if length > bytes_max {
                return Err(FrameError::TooLarge { bytes_max });
            }
            let start = index + 1;
            return Ok(match buffer.get(start..start + length) {
                Some(body) => Next::Frame {
                    body,
                    consumed: start + length,
                },
                None => Next::Incomplete,
            });
        }
    }
    if buffer.len() >= LENGTH_BYTES_MAX {
        Err(FrameError::BadLength)
    } else {
        Ok(Next::Incomplete)
    }
}

/// Appends `message` as a frame.
pub(crate) fn append(message: &impl Message, buffer: &mut BytesMut) {
    let length = message.encoded_len();
    buffer.reserve(length + LENGTH_BYTES_MAX);
    let mut rest = length;
    while rest >= 0x80 {
        buffer.put_u8((rest as u8) | 0x80);
        rest >>= 7;
    }
    buffer.put_u8(rest as u8);
    message.encode(buffer).expect("a BytesMut grows");
}
