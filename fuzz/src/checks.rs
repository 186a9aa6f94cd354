//! One function for each fuzzer: takes any bytes, and panics when a promise about them does not hold. Compiled twice: into
//! the fuzzers, and into the C ABI's unit tests (`src/fuzz_corpus.rs`), which replay the corpora.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use presence::ids::{AppId, UserId};
use presence_client::options::{Options, TABLE};
use presence_protocol::errors::code;
use presence_protocol::frame::{self, FRAME_BYTES_MAX, Next};
use presence_protocol::message::{
    Request, ServerMessage, decode_request, decode_server, encode_request, encode_server,
};
use presence_protocol::user_sig;

use crate::server::options as server_options_source;

/// A stream of frames, as it comes from a peer that may be anybody: cut the same wherever it is cut, never past its end,
/// and what can be read of it survives being written and read again.
pub fn frames(stream: &[u8]) {
    let mut rest = stream;
    while let Ok(Next::Frame { body, consumed }) = frame::next(rest, FRAME_BYTES_MAX) {
        assert!(body.len() < consumed && consumed <= rest.len() && body.len() <= FRAME_BYTES_MAX);
        // Any shorter piece is "not whole yet": never an error, never another frame.
        for length in [0, consumed / 2, consumed - 1] {
            assert_eq!(
                frame::next(&rest[..length], FRAME_BYTES_MAX),
                Ok(Next::Incomplete)
            );
        }
        requests(body);
        server_messages(body);
        rest = &rest[consumed..];
    }
}

fn requests(body: &[u8]) {
    let Ok((id, request)) = decode_request(body) else {
        return;
    };
    // Id 0 and unknown bodies are for the node to refuse; nobody writes them.
    if id == 0 || request == Request::Unknown {
        return;
    }
    let mut written = BytesMut::new();
    encode_request(id, &request, &mut written);
    if let Ok(Next::Frame { body, .. }) = frame::next(&written, FRAME_BYTES_MAX) {
        assert_eq!(decode_request(body), Ok((id, request)));
    }
}

fn server_messages(body: &[u8]) {
    let Ok(message) = decode_server(body) else { return };
    if message == ServerMessage::Unknown {
        return;
    }
    let mut written = BytesMut::new();
    encode_server(&message, &mut written);
    if let Ok(Next::Frame { body, .. }) = frame::next(&written, FRAME_BYTES_MAX) {
        assert_eq!(decode_server(body), Ok(message));
    }
}

/// The options of a client: what is accepted is within the table's ranges, what is refused says why, with our code.
pub fn client_options(json: &[u8]) {
    let Ok(json) = std::str::from_utf8(json) else {
        return;
    };
    match Options::parse(json) {
        Ok(options) => {
            let given: serde_json::Map<_, _> =
                serde_json::from_str(json).expect("what was accepted is an object");
            assert!(
                given
                    .keys()
                    .all(|key| TABLE.iter().any(|known| known.name == key))
            );
            assert!(!options.host.is_empty() && options.sdk_app_id > 0);
            assert!((1..=1_000_000).contains(&options.queue_max));
            assert!((1..=32).contains(&options.platform.len()));
            assert!((100..=600_000).contains(&options.login_timeout.as_millis()));
        }
        Err(refusal) => {
            assert!(!refusal.text.is_empty() && !refusal.text.contains('\0'));
            assert!(matches!(refusal.code, code::INVALID_OPTIONS | code::UNSUPPORTED));
        }
    }
}

/// The options of the embedded server: the same, and nothing that is open to other machines unless it was asked for.
pub fn server_options(json: &[u8]) {
    let Ok(json) = std::str::from_utf8(json) else {
        return;
    };
    match server_options_source::parse(json) {
        Ok((node, app)) => {
            let given: serde_json::Map<_, _> =
                serde_json::from_str(json).expect("what was accepted is an object");
            let insecure = given.get("insecure") == Some(&true.into());
            assert!(insecure || node.listen.iter().all(|address| address.ip().is_loopback()));
            assert!(!app.secret_key.is_empty() && app.id.get() > 0);
            assert!(node.heartbeat_timeout > node.heartbeat_interval);
        }
        Err(refusal) => {
            assert!(!refusal.text.is_empty());
            assert_eq!(refusal.code, code::INVALID_OPTIONS);
        }
    }
}

const APP: u64 = 1_400_000_001;
const KEY: &str = "the key of the fuzzers";
const USER: &str = "alice";
/// Some second, and how long the one good UserSig is valid from it.
const NOW_S: i64 = 1_700_000_000;
const VALID_S: i64 = 3_600;

/// A UserSig: nothing but the key makes one that is accepted. The first byte says what the rest is: the text itself
/// (even), or the JSON to be deflated and encoded, which random texts would never get to (odd).
pub fn user_sig(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let text = if kind % 2 == 0 {
        match std::str::from_utf8(rest) {
            Ok(text) => text.to_owned(),
            Err(_) => return,
        }
    } else {
        packed(rest)
    };
    let app = AppId::new(APP).expect("it is not 0");
    let user = UserId::new(USER).expect("it is a user id");
    if let Ok(checked) = user_sig::check(&text, app, KEY, &user, NOW_S) {
        // The signature covers all of these. A text that says the same in other words is fine.
        let ours = user_sig::sign(app, KEY, USER, NOW_S, VALID_S);
        let good = user_sig::check(&ours, app, KEY, &user, NOW_S).expect("our own is accepted");
        assert_eq!(
            checked, good,
            "a UserSig was accepted that the key did not make: {text}"
        );
    }
}

/// zlib, then base64 in the alphabet of UserSigs.
fn packed(json: &[u8]) -> String {
    let deflated = miniz_oxide::deflate::compress_to_vec_zlib(json, 1);
    let mut text = STANDARD.encode(deflated);
    for (from, to) in [("+", "*"), ("/", "-"), ("=", "_")] {
        text = text.replace(from, to);
    }
    text
}
