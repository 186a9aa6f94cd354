//! UserSig: what the published generators make is accepted, and each kind of wrong has its own code (R8.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presence::ids::{AppId, UserId};
use presence_protocol::user_sig::{Checked, Refusal, USER_SIG_BYTES_MAX, check, sign};
use proptest::prelude::*;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const APP: u64 = 1_400_000_000;
const TIME: i64 = 1_700_000_000;
/// The worked example: alice, made at TIME, for 86400 s.
const ALICE: &str = "eJyrVgrxCdYrSy1SslJQMtIzUNJRAItkpqTmlWSmZUIkEnMyk1NhUsUp2YkFBZkpQAlDEwMogMqlVhRkFqUCZSzMTOCCJZm5ICFDczTFxZnpIMOdzS2Sg8xNMoyzs5NMozz9jCI8I-ILXUIMTUoKwnKyK3wDjZKK3LUTHQ2SbZVqAeBYMTs_";

fn app(id: u64) -> AppId {
    AppId::new(id).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::new(name).unwrap()
}

fn check_alice(user_sig: &str) -> Result<Checked, Refusal> {
    check(user_sig, app(APP), KEY, &user("alice"), TIME)
}

/// Packs any JSON as a UserSig is packed.
fn pack(document: &Value) -> String {
    pack_bytes(document.to_string().as_bytes())
}

fn pack_bytes(json: &[u8]) -> String {
    let deflated = miniz_oxide::deflate::compress_to_vec_zlib(json, 9);
    STANDARD
        .encode(deflated)
        .replace('+', "*")
        .replace('/', "-")
        .replace('=', "_")
}

fn unpack(user_sig: &str) -> Value {
    let text = user_sig.replace('*', "+").replace('-', "/").replace('_', "=");
    let deflated = STANDARD.decode(text).unwrap();
    serde_json::from_slice(&miniz_oxide::inflate::decompress_to_vec_zlib(&deflated).unwrap()).unwrap()
}

/// The worked example with one field replaced, or removed.
fn altered(field: &str, value: Option<Value>) -> String {
    let mut document = unpack(ALICE);
    let object = document.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(field.to_owned(), value),
        None => object.remove(field),
    };
    pack(&document)
}

#[test]
fn the_published_generators_user_sigs_are_accepted() {
    let file: Value = serde_json::from_str(include_str!("data/user_sig_vectors.json")).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() >= 28);
    for vector in vectors {
        let number = |key: &str| vector[key].as_i64().unwrap();
        let text = |key: &str| vector[key].as_str().unwrap();
        let (time, expire) = (number("time"), number("expire"));
        let check_at = |now| {
            check(
                text("user_sig"),
                app(number("app") as u64),
                text("key"),
                &user(text("user")),
                now,
            )
        };
        let checked = Checked {
            signed_at_s: time,
            expires_at_s: time + expire,
        };
        if expire > 0 {
            assert_eq!(check_at(time), Ok(checked), "{vector}");
            assert_eq!(check_at(time + expire - 1), Ok(checked), "{vector}");
        }
        assert_eq!(check_at(time + expire), Err(Refusal::Expired), "{vector}");
        let other_key = format!("{}x", text("key"));
        let refused = check(
            text("user_sig"),
            app(number("app") as u64),
            &other_key,
            &user(text("user")),
            time,
        );
        assert_eq!(refused, Err(Refusal::WrongKey), "{vector}");
    }
}

#[test]
fn our_signature_is_that_of_the_worked_example() {
    assert_eq!(unpack(&sign(app(APP), KEY, "alice", TIME, 86_400)), unpack(ALICE));
}

#[test]
fn each_kind_of_wrong_has_its_code() {
    assert_eq!(check_alice(""), Err(Refusal::Empty));
    assert_eq!(check_alice("garbage!"), Err(Refusal::Malformed));
    assert_eq!(check_alice("____"), Err(Refusal::Malformed));
    assert_eq!(
        check_alice(&ALICE[..ALICE.len() / 2]),
        Err(Refusal::Malformed),
        "cut in the middle"
    );
    assert_eq!(
        check(ALICE, app(APP), KEY, &user("bob"), TIME),
        Err(Refusal::OtherUser)
    );
    assert_eq!(
        check(ALICE, app(APP + 1), KEY, &user("alice"), TIME),
        Err(Refusal::OtherApp)
    );
    assert_eq!(
        check(ALICE, app(APP), "other", &user("alice"), TIME),
        Err(Refusal::WrongKey)
    );
    assert_eq!(
        check(ALICE, app(APP), KEY, &user("alice"), TIME + 86_400),
        Err(Refusal::Expired)
    );
    let codes = [
        (Refusal::Empty, 70002),
        (Refusal::Malformed, 70003),
        (Refusal::BadField, 70005),
        (Refusal::WrongKey, 70009),
        (Refusal::OtherUser, 70013),
        (Refusal::OtherApp, 70014),
        (Refusal::Expired, 70001),
    ];
    for (refusal, code) in codes {
        assert_eq!(refusal.code(), code);
    }
}

#[test]
fn a_missing_or_mistyped_field_is_malformed() {
    for field in [
        "TLS.ver",
        "TLS.identifier",
        "TLS.sdkappid",
        "TLS.expire",
        "TLS.time",
        "TLS.sig",
    ] {
        assert_eq!(
            check_alice(&altered(field, None)),
            Err(Refusal::Malformed),
            "{field} missing"
        );
        assert_eq!(
            check_alice(&altered(field, Some(json!(["x"])))),
            Err(Refusal::Malformed),
            "{field} mistyped"
        );
    }
    assert_eq!(
        check_alice(&altered("TLS.sig", Some(json!("%")))),
        Err(Refusal::Malformed)
    );
    for json in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        "17",
        "\"text\"",
        "{\"TLS.ver\":\"2.0\",\"TLS.ver\":\"2.0\"}",
    ] {
        assert_eq!(
            check_alice(&pack_bytes(json.as_bytes())),
            Err(Refusal::Malformed),
            "{json}"
        );
    }
    assert_eq!(check_alice(&pack_bytes(b"\xff\xfe")), Err(Refusal::Malformed));
}

#[test]
fn a_value_that_no_generator_makes_is_a_bad_field() {
    let cases = [
        ("TLS.ver", json!("1.0")),
        ("TLS.expire", json!(-1)),
        ("TLS.expire", json!(i64::MAX)), // with the time it overflows
        ("TLS.expire", json!(1.5)),
        ("TLS.expire", json!(u64::MAX)),
        ("TLS.time", json!(-1)),
        ("TLS.time", json!(1e300)),
        ("TLS.sdkappid", json!(0)),
        ("TLS.sdkappid", json!(-1)),
        ("TLS.userbuf", json!("not base64\n")),
    ];
    for (field, value) in cases {
        assert_eq!(
            check_alice(&altered(field, Some(value.clone()))),
            Err(Refusal::BadField),
            "{field}: {value}"
        );
    }
}

#[test]
fn every_signed_field_is_covered_by_the_signature() {
    assert_eq!(
        check_alice(&altered("TLS.expire", Some(json!(86_401)))),
        Err(Refusal::WrongKey)
    );
    assert_eq!(
        check_alice(&altered("TLS.time", Some(json!(TIME + 1)))),
        Err(Refusal::WrongKey)
    );
    assert_eq!(
        check_alice(&altered("TLS.userbuf", Some(json!("cm9sZT0x")))),
        Err(Refusal::WrongKey)
    );
    assert_eq!(
        check_alice(&altered("TLS.sig", Some(json!("")))),
        Err(Refusal::WrongKey)
    );
    let bob = check(
        &altered("TLS.identifier", Some(json!("bob"))),
        app(APP),
        KEY,
        &user("bob"),
        TIME,
    );
    assert_eq!(bob, Err(Refusal::WrongKey));
    let other_app = check(
        &altered("TLS.sdkappid", Some(json!(APP + 1))),
        app(APP + 1),
        KEY,
        &user("alice"),
        TIME,
    );
    assert_eq!(other_app, Err(Refusal::WrongKey));
}

#[test]
fn a_field_that_is_not_known_is_passed_over() {
    assert!(check_alice(&altered("TLS.future", Some(json!({"x": 1})))).is_ok());
}

#[test]
fn a_name_with_line_breaks_cannot_sign_for_another_user() {
    // A backend that signs whatever name it is given is asked for this one. What it signs could be read as bob's fields
    // followed by a user buffer with line breaks in it.
    let name = "bob\nTLS.sdkappid:1400000000\nTLS.time:1700000000\nTLS.expire:86400\nTLS.userbuf:x";
    let signed = unpack(&sign(app(APP), KEY, name, 1, 2));
    let forged = json!({
        "TLS.ver": "2.0", "TLS.identifier": "bob", "TLS.sdkappid": APP, "TLS.time": TIME, "TLS.expire": 86_400,
        "TLS.userbuf": "x\nTLS.sdkappid:1400000000\nTLS.time:1\nTLS.expire:2", "TLS.sig": signed["TLS.sig"],
    });
    assert_eq!(
        check(&pack(&forged), app(APP), KEY, &user("bob"), TIME),
        Err(Refusal::BadField)
    );
}

#[test]
fn few_bytes_that_inflate_to_many_are_refused() {
    let mut document = unpack(ALICE);
    document["TLS.future"] = json!("a".repeat(1 << 20));
    let bomb = pack(&document);
    assert!(bomb.len() < USER_SIG_BYTES_MAX, "it fits the first limit");
    assert_eq!(check_alice(&bomb), Err(Refusal::Malformed));
    assert_eq!(
        check_alice(&"A".repeat(USER_SIG_BYTES_MAX + 1)),
        Err(Refusal::Malformed)
    );
}

proptest! {
    #[test]
    fn what_is_signed_is_accepted_until_it_expires(
        name in "[ -~]{1,32}", id in 1u64.., key in ".{0,100}", now in 0i64..1 << 40, valid in 1i64..1 << 32,
    ) {
        let made = sign(app(id), &key, &name, now, valid);
        prop_assert!(made.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"*-_".contains(&byte)));
        let checked = Checked { signed_at_s: now, expires_at_s: now + valid };
        prop_assert_eq!(check(&made, app(id), &key, &user(&name), now + valid - 1), Ok(checked));
        prop_assert_eq!(check(&made, app(id), &key, &user(&name), now + valid), Err(Refusal::Expired));
    }

    #[test]
    fn random_text_is_refused(text in ".{0,300}") {
        prop_assert!(check_alice(&text).is_err());
    }

    #[test]
    fn random_json_is_refused(bytes: Vec<u8>) {
        prop_assert!(check_alice(&pack_bytes(&bytes)).is_err());
    }

    #[test]
    fn a_changed_character_never_makes_it_someone_elses(at in 0usize..180, to in "[A-Za-z0-9*-]") {
        let mut text = ALICE.to_owned();
        text.replace_range(at..=at, &to);
        // The last bits of the compressed stream may say the same in another way; then it says the same.
        if let Ok(checked) = check_alice(&text) {
            prop_assert_eq!(checked, Checked { signed_at_s: TIME, expires_at_s: TIME + 86_400 });
        }
        prop_assert!(check(&text, app(APP), KEY, &user("bob"), TIME).is_err());
    }
}
