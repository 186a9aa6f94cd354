//! The framing of WebSocket (RFC 6455), as a stream: payloads are decoded where they were read, byte by byte if they come
//! so, and nothing is kept but where in a frame the stream stands. Pure.

/// Bytes of a control frame's payload, at most.
const CONTROL_BYTES_MAX: usize = 125;
/// Bytes of a frame's header, at most: two, the length, the mask.
const HEADER_BYTES_MAX: usize = 14;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;
const LENGTH: u8 = 0x7f;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Which end one is: a client masks what it sends, a server does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What may not be, with the status code that the other end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Violation {
    /// A client must mask, a server must not.
    Mask,
    /// Reserved bits or opcodes: an extension that nobody asked for.
    Reserved,
    /// A control frame that is in pieces or too long.
    Control,
    /// A message begins within another, or a piece of none.
    Order,
    /// A length that needs 64 bits.
    Length,
    /// Our messages are binary.
    Text,
}

impl Violation {
    pub(crate) fn status(self) -> u16 {
        match self {
            Violation::Text => 1003,
            Violation::Length => 1009,
            Violation::Mask | Violation::Reserved | Violation::Control | Violation::Order => 1002,
        }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Violation::Mask => "a WebSocket frame is masked that must not be, or the other way round",
            Violation::Reserved => "a WebSocket frame of an extension that was not agreed on",
            Violation::Control => "a WebSocket control frame that is in pieces or too long",
            Violation::Order => "a WebSocket message within another, or a piece of none",
            Violation::Length => "a WebSocket frame that is too long",
            Violation::Text => "a WebSocket message of text",
        })
    }
}

impl std::error::Error for Violation {}

/// A control frame of the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Control {
    /// To be answered with the same bytes.
    Ping(Vec<u8>),
    /// It ends. The status code and text it gave.
    Close(Vec<u8>),
}

/// Where the stream stands.
#[derive(Debug)]
enum Place {
    /// In a header, of which these bytes have come.
    Header {
        bytes: [u8; HEADER_BYTES_MAX],
        count: usize,
    },
    /// In the payload of a message.
    Data { left: u64, mask: Mask },
    /// In the payload of a control frame.
    Control {
        opcode: u8,
        left: usize,
        mask: Mask,
        payload: Vec<u8>,
    },
}

impl Place {
    fn begin() -> Place {
        Place::Header {
            bytes: [0; HEADER_BYTES_MAX],
            count: 0,
        }
    }
}

/// The key of a masked frame, turned to where its payload stands; zeros for one that is not masked.
#[derive(Debug, Clone, Copy)]
struct Mask([u8; 4]);

impl Mask {
    fn apply(&mut self, bytes: &mut [u8]) {
        for (byte, key) in bytes.iter_mut().zip(self.0.iter().cycle()) {
            *byte ^= key;
        }
        self.0.rotate_left(bytes.len() % 4);
    }
}

/// Reads frames.
#[derive(Debug)]
pub(crate) struct Decoder {
    role: Role,
    place: Place,
    /// A message has begun and not ended.
    in_message: bool,
}

impl Decoder {
    pub(crate) fn new(role: Role) -> Decoder {
        Decoder {
            role,
            place: Place::begin(),
            in_message: false,
        }
    }

    /// Takes what was received out of its frames: the payloads of messages are moved to the front of `bytes`, and their
    /// length is answered. Control frames are handed to `control`; after a Close nothing more is decoded.
    pub(crate) fn decode(
        &mut self,
        bytes: &mut [u8],
        mut control: impl FnMut(Control),
    ) -> Result<usize, Violation> {
        let (mut read, mut written) = (0, 0);
        while read < bytes.len() {
            match &mut self.place {
                Place::Header { bytes: header, count } => {
                    if let (Some(slot), Some(byte)) = (header.get_mut(*count), bytes.get(read)) {
                        *slot = *byte;
                    }
                    (*count, read) = (*count + 1, read + 1);
                    let (header, count) = (*header, *count);
                    self.header(&header, count)?;
                }
                Place::Data { left, mask } => {
                    let here = usize::try_from(*left)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len() - read);
                    if let Some(payload) = bytes.get_mut(read..read + here) {
                        mask.apply(payload);
                    }
                    bytes.copy_within(read..read + here, written);
                    (read, written) = (read + here, written + here);
                    *left -= here as u64;
                    if *left == 0 {
                        self.place = Place::begin();
                    }
                }
                Place::Control {
                    left, mask, payload, ..
                } => {
                    let here = (*left).min(bytes.len() - read);
                    if let Some(part) = bytes.get_mut(read..read + here) {
                        mask.apply(part);
                        payload.extend_from_slice(part);
                    }
                    read += here;
                    *left -= here;
                }
            }
            if self.end_control(&mut control) {
                break;
            }
        }
        Ok(written)
    }

    /// Hands on a control frame that has come whole. True: it was a Close.
    fn end_control(&mut self, control: &mut impl FnMut(Control)) -> bool {
        let Place::Control { opcode, left: 0, .. } = self.place else {
            return false;
        };
        let Place::Control { payload, .. } = std::mem::replace(&mut self.place, Place::begin()) else {
            return false;
        };
        match opcode {
            CLOSE => control(Control::Close(payload)),
            PING => control(Control::Ping(payload)),
            // A Pong answers nothing of ours.
            _ => {}
        }
        opcode == CLOSE
    }

    /// What `count` bytes of a header say, if they are all.
    fn header(&mut self, bytes: &[u8; HEADER_BYTES_MAX], count: usize) -> Result<(), Violation> {
        let [first, second, rest @ ..] = bytes;
        if count < 2 {
            return Ok(());
        }
        let masked = second & MASKED != 0;
        let length_bytes = match second & LENGTH {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let opcode = first & OPCODE;
        if count == 2 {
            self.check(*first, opcode, masked, second & LENGTH)?;
        }
        if count < 2 + length_bytes + if masked { 4 } else { 0 } {
            return Ok(());
        }
        let (length, after) = rest.split_at_checked(length_bytes).unwrap_or((&[], &[]));
        let length = match length_bytes {
            0 => u64::from(second & LENGTH),
            _ => length.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)),
        };
        if length > i64::MAX.unsigned_abs() {
            return Err(Violation::Length);
        }
        let mask = match after.first_chunk::<4>() {
            Some(key) if masked => Mask(*key),
            _ => Mask([0; 4]),
        };
        self.place = if opcode >= CLOSE {
            Place::Control {
                opcode,
                left: usize::try_from(length).unwrap_or(0).min(CONTROL_BYTES_MAX),
                mask,
                payload: Vec::new(),
            }
        } else {
            self.in_message = first & FIN == 0;
            match length {
                0 => Place::begin(),
                left => Place::Data { left, mask },
            }
        };
        Ok(())
    }

    fn check(&self, first: u8, opcode: u8, masked: bool, length: u8) -> Result<(), Violation> {
        if first & RESERVED != 0 {
            return Err(Violation::Reserved);
        }
        if masked != (self.role == Role::Server) {
            return Err(Violation::Mask);
        }
        match opcode {
            CONTINUATION if !self.in_message => Err(Violation::Order),
            TEXT | BINARY if self.in_message => Err(Violation::Order),
            TEXT => Err(Violation::Text),
            CONTINUATION | BINARY => Ok(()),
            CLOSE | PING | PONG => {
                if first & FIN == 0 || usize::from(length) > CONTROL_BYTES_MAX {
                    return Err(Violation::Control);
                }
                Ok(())
            }
            _ => Err(Violation::Reserved),
        }
    }
}

/// Appends a binary message.
pub(crate) fn encode_message(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    encode(out, BINARY, payload, mask);
}

/// Appends the answer to a Ping.
pub(crate) fn encode_pong(out: &mut Vec<u8>, payload: &[u8], mask: Option<[u8; 4]>) {
    encode(out, PONG, payload, mask);
}

/// Appends a Close with a status code.
pub(crate) fn encode_close(out: &mut Vec<u8>, status: u16, mask: Option<[u8; 4]>) {
    encode(out, CLOSE, &status.to_be_bytes(), mask);
}

fn encode(out: &mut Vec<u8>, opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    out.reserve(HEADER_BYTES_MAX + payload.len());
    let masked = if mask.is_some() { MASKED } else { 0 };
    out.push(FIN | opcode);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..126), _) => out.push(masked | length),
        (_, Ok(length)) => {
            out.push(masked | 126);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    let Some(key) = mask else {
        out.extend_from_slice(payload);
        return;
    };
    out.extend_from_slice(&key);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(masked) = out.get_mut(start..) {
        Mask(key).apply(masked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    /// Decodes `wire` in pieces of `piece` bytes: the stream, and the control frames.
    fn decode(role: Role, wire: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<Control>), Violation> {
        let mut decoder = Decoder::new(role);
        let (mut stream, mut controls) = (Vec::new(), Vec::new());
        for chunk in wire.chunks(piece) {
            let mut chunk = chunk.to_vec();
            let count = decoder.decode(&mut chunk, |control| controls.push(control))?;
            stream.extend_from_slice(&chunk[..count]);
        }
        Ok((stream, controls))
    }

    #[test]
    fn whatever_is_encoded_is_decoded_however_it_is_cut() {
        let lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000];
        let sent: Vec<u8> = (0..200_000u32).map(|number| ((number * 7) >> 3) as u8).collect();
        for (role, mask) in [(Role::Server, Some(KEY)), (Role::Client, None)] {
            let mut wire = Vec::new();
            let mut expected = Vec::new();
            for length in lengths {
                encode_message(&mut wire, &sent[..length], mask);
                encode_pong(&mut wire, b"unasked", mask);
                expected.extend_from_slice(&sent[..length]);
            }
            for piece in [1, 2, 3, 13, 4_096, wire.len()] {
                let (stream, controls) = decode(role, &wire, piece).expect("all is as it should be");
                assert!(stream == expected && controls.is_empty(), "{role:?} {piece}");
            }
        }
    }

    #[test]
    fn fragments_with_pings_between_them_are_one_stream() {
        // "Hel" and "lo", from the RFC, as binary; a Ping between.
        let wire = b"\x02\x03Hel\x89\x05Hello\x80\x02lo";
        for piece in 1..=wire.len() {
            let (stream, controls) = decode(Role::Client, wire, piece).expect("the RFC's own example");
            assert_eq!(stream, b"Hello");
            assert_eq!(controls, [Control::Ping(b"Hello".to_vec())]);
        }
    }

    #[test]
    fn nothing_is_decoded_after_a_close() {
        let wire = b"\x82\x01a\x88\x02\x03\xe8\x82\x01b";
        let (stream, controls) = decode(Role::Client, wire, wire.len()).expect("well-formed");
        assert_eq!(stream, b"a");
        assert_eq!(controls, [Control::Close(vec![3, 0xe8])]);
    }

    #[test]
    fn what_may_not_be_is_refused() {
        let cases: [(Role, &[u8], Violation); 12] = [
            (Role::Server, b"\x82\x01a", Violation::Mask),
            (Role::Client, b"\x82\x81aaaa", Violation::Mask),
            (Role::Client, b"\xc2\x00", Violation::Reserved),
            (Role::Client, b"\x83\x00", Violation::Reserved),
            (Role::Client, b"\x8b\x00", Violation::Reserved),
            (Role::Client, b"\x81\x00", Violation::Text),
            (Role::Client, b"\x80\x00", Violation::Order),
            (Role::Client, b"\x02\x00\x82\x00", Violation::Order),
            (Role::Client, b"\x09\x00", Violation::Control),
            (Role::Client, b"\x89\x7e", Violation::Control),
            (Role::Client, b"\x88\x7f", Violation::Control),
            (Role::Client, b"\x82\x7f\xff\0\0\0\0\0\0\0", Violation::Length),
        ];
        for (role, wire, violation) in cases {
            assert_eq!(decode(role, wire, 1), Err(violation), "{wire:?}");
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused() {
        // Every start of two bytes, and what may follow it.
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for role in [Role::Server, Role::Client] {
                    let mut wire = vec![first, second];
                    wire.extend((0..300u32).map(|number| (number * 31) as u8));
                    let whole = decode(role, &wire, wire.len());
                    let pieces = decode(role, &wire, 7);
                    if let (Ok((whole, _)), Ok((pieces, _))) = (&whole, &pieces) {
                        // After a Close, each piece that follows is another story.
                        assert!(pieces.starts_with(whole));
                    }
                }
            }
        }
    }
}
