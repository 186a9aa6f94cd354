//! Framing: whole frames, half frames, frames that are too large, and garbage.

use bytes::BytesMut;
use presence_protocol::frame::{self, FRAME_BYTES_MAX, FrameError, Next};
use presence_protocol::message::{
    Reply, Request, ServerMessage, decode_request, encode_request, encode_server,
};
use proptest::prelude::*;

fn requests() -> Vec<Request> {
    vec![
        Request::GetFriends,
        Request::SetSelfStatus {
            custom_status: "x".repeat(100),
        },
        Request::GetUserStatus {
            user_ids: (0..60).map(|n| format!("user_{n:026}")).collect(),
        },
        Request::Logout,
    ]
}

#[test]
fn a_stream_cut_at_any_byte_gives_the_same_frames() {
    let mut stream = BytesMut::new();
    for (index, request) in requests().iter().enumerate() {
        encode_request(index as u64 + 1, request, &mut stream);
        stream.extend_from_slice(frame::HEARTBEAT);
    }
    for cut in 0..=stream.len() {
        let (first, second) = stream.split_at(cut);
        let mut read = Vec::new();
        let mut heartbeats = 0;
        let mut pending = Vec::new();
        for part in [first, second] {
            pending.extend_from_slice(part);
            while let Next::Frame { body, consumed } = frame::next(&pending, FRAME_BYTES_MAX).unwrap() {
                if body.is_empty() {
                    heartbeats += 1;
                } else {
                    read.push(decode_request(body).unwrap().1);
                }
                pending.drain(..consumed);
            }
        }
        assert_eq!(read, requests(), "cut at {cut}");
        assert_eq!(heartbeats, 4, "cut at {cut}");
        assert!(pending.is_empty(), "cut at {cut}");
    }
}

#[test]
fn a_frame_of_exactly_the_limit_passes_and_one_byte_more_is_refused_before_it_arrives() {
    let mut buffer = vec![0x80, 0x02]; // 256
    buffer.extend([7; 256]);
    assert_eq!(
        frame::next(&buffer, 256),
        Ok(Next::Frame {
            body: &[7; 256],
            consumed: 258
        })
    );
    assert_eq!(
        frame::next(&buffer[..2], 255),
        Err(FrameError::TooLarge { bytes_max: 255 })
    );
    assert_eq!(
        frame::next(&buffer[..1], 255),
        Ok(Next::Incomplete),
        "the length itself is not whole"
    );
}

#[test]
fn a_length_of_more_than_four_bytes_is_malformed() {
    assert_eq!(frame::next(&[0xff; 3], FRAME_BYTES_MAX), Ok(Next::Incomplete));
    assert_eq!(
        frame::next(&[0xff; 4], FRAME_BYTES_MAX),
        Err(FrameError::BadLength)
    );
    assert_eq!(
        frame::next(&[0x80, 0x80, 0x80, 0x00], FRAME_BYTES_MAX),
        Ok(Next::Frame {
            body: &[],
            consumed: 4
        })
    );
    assert!(matches!(
        frame::next(&[0xff, 0xff, 0xff, 0x7f], FRAME_BYTES_MAX),
        Err(FrameError::TooLarge { .. })
    ));
}

#[test]
fn the_preface_read_as_frames_does_not_stall() {
    // A client that says the preface twice is told apart: "T" announces 84 bytes, so it is garbage that ends decoding.
    let mut buffer = frame::PREFACE.to_vec();
    buffer.extend([0xff; 84]);
    let Ok(Next::Frame { body, .. }) = frame::next(&buffer, FRAME_BYTES_MAX) else {
        panic!("84 bytes are there")
    };
    assert!(decode_request(body).is_err());
}

#[test]
fn frames_follow_what_is_in_the_buffer_already() {
    let mut buffer = BytesMut::from(&b"before"[..]);
    encode_server(
        &ServerMessage::Reply(Reply {
            request_id: 9,
            ..Reply::default()
        }),
        &mut buffer,
    );
    assert_eq!(&buffer[..6], b"before");
    assert_eq!(&buffer[6..], [4, 0x0a, 2, 0x08, 9]);
}

proptest! {
    #[test]
    fn random_bytes_never_panic_and_a_frame_is_within_the_buffer(bytes: Vec<u8>, bytes_max in 0usize..70_000) {
        if let Ok(Next::Frame { body, consumed }) = frame::next(&bytes, bytes_max) {
            prop_assert!(body.len() <= bytes_max);
            prop_assert!(consumed > body.len() && consumed <= body.len() + 4);
            prop_assert_eq!(&bytes[consumed - body.len()..consumed], body);
        }
    }
}
