//! The requests that name many users, read where they stand in the frame: no string is made of an id. Only the shape
//! that every encoder gives is read here; for any other the generated types are asked, which say the same of this one.

use presence::gates::Call;
use prost::encoding::decode_varint;

/// `ClientFrame.request_id`, a varint.
const REQUEST_ID: u8 = 1 << 3;
/// `user_ids`, delimited, in each of these requests.
const USER_IDS: u8 = 1 << 3 | 2;
/// `ClientFrame.get_user_status`, delimited.
const GET_USER_STATUS: u8 = 6 << 3 | 2;
/// `ClientFrame.subscribe`, delimited.
const SUBSCRIBE: u8 = 7 << 3 | 2;
/// `ClientFrame.unsubscribe`, delimited.
const UNSUBSCRIBE: u8 = 8 << 3 | 2;

/// Ids that room is made for before the first is read: the most of a call with the limits as they are (R4.1).
const ROOM_IDS_MAX: usize = 500;
/// What an id takes, at the least that is likely: room is made for no more ids than the frame may hold.
const ROOM_BYTES_PER_ID: usize = 8;

/// A request id, which call, and the ids as they were given. `None`: another request, or another shape.
pub(crate) fn read(body: &[u8]) -> Option<(u64, Call, Vec<&str>)> {
    let (&tag, mut rest) = body.split_first()?;
    if tag != REQUEST_ID {
        return None;
    }
    let request_id = decode_varint(&mut rest).ok()?;
    let (&tag, mut rest) = rest.split_first()?;
    let call = match tag {
        GET_USER_STATUS => Call::Query,
        SUBSCRIBE => Call::Subscribe,
        UNSUBSCRIBE => Call::Unsubscribe,
        _ => return None,
    };
    let length = decode_varint(&mut rest).ok()?;
    if length != rest.len() as u64 {
        return None;
    }
    // Tags and lengths below 128 are ASCII: the list is UTF-8 if all its ids are.
    let mut list = std::str::from_utf8(rest).ok()?;
    let mut user_ids = Vec::with_capacity((list.len() / ROOM_BYTES_PER_ID).min(ROOM_IDS_MAX));
    while let [tag, length, ..] = *list.as_bytes() {
        // A length of 128 and more takes several bytes, which are no character. No id is so long (R1.2).
        if tag != USER_IDS || length >= 0x80 {
            return None;
        }
        let end = 2 + usize::from(length);
        user_ids.push(list.get(2..end)?);
        list = list.get(end..)?;
    }
    list.is_empty().then_some((request_id, call, user_ids))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_usual_shape_is_read() {
        let usual = [0x08, 5, 0x32, 7, 0x0a, 1, b'a', 0x0a, 2, 0xc3, 0xa9];
        assert_eq!(read(&usual), Some((5, Call::Query, vec!["a", "é"])));
        assert_eq!(read(&[0x08, 5, 0x3a, 0]), Some((5, Call::Subscribe, vec![])));
        assert_eq!(
            read(&[0x08, 0x85, 1, 0x42, 2, 0x0a, 0]),
            Some((133, Call::Unsubscribe, vec![""]))
        );
        // Every beginning is something else, and so are: the list before the id, a field more, one unknown within, an
        // id that ends within a character or behind the frame.
        for end in 0..usual.len() {
            assert_eq!(read(&usual[..end]), None, "{end} bytes");
        }
        for other in [
            &[0x32, 3, 0x0a, 1, b'a', 0x08, 5][..],
            &[0x08, 5, 0x32, 3, 0x0a, 1, b'a', 0x08, 5],
            &[0x08, 5, 0x32, 3, 0x12, 1, b'a'],
            &[0x08, 5, 0x32, 5, 0x0a, 1, 0xc3, 0xa9, b'a'],
            &[0x08, 5, 0x32, 3, 0x0a, 2, b'a'],
            &[0x08, 5, 0x2a, 3, 0x0a, 1, b'a'],
        ] {
            assert_eq!(read(other), None, "{other:?}");
        }
    }
}
