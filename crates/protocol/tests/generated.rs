//! `src/wire.rs` is what `proto/presence.proto` generates, so that building needs neither `protoc` nor a build script.
//!
//! After editing the proto file: `TIM_UPDATE=1 cargo test -p presence-protocol --test generated`, then `message.rs`.

use std::path::Path;

#[test]
fn the_committed_wire_types_are_those_of_the_proto_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors =
        protox::compile(["presence.proto"], [root.join("proto")]).expect("presence.proto compiles");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generated");
    std::fs::create_dir_all(&out).expect("a folder for the output");
    prost_build::Config::new()
        .out_dir(&out)
        .disable_comments(["."]) // they are in presence.proto
        .skip_debug(["Login", "RenewUserSig"]) // src/secrets.rs
        .compile_fds(descriptors)
        .expect("code is generated");
    let generated = std::fs::read_to_string(out.join("presence.v1.rs")).expect("the output is there");

    let committed = root.join("src/wire.rs");
    if std::env::var_os("TIM_UPDATE").is_some() {
        std::fs::write(&committed, &generated).expect("src/wire.rs is writable");
    }
    let current = std::fs::read_to_string(&committed).expect("src/wire.rs is there");
    assert!(
        current == generated,
        "src/wire.rs is stale: run TIM_UPDATE=1 cargo test -p presence-protocol --test generated"
    );
}
