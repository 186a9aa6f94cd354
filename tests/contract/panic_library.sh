#!/bin/sh
# panic_library.sh TARGET_DIRECTORY LIBRARY_DIRECTORY: builds the library in which panics are planted, apart from the real one,
# and links it where the programs of that test look first.
set -eu
target=$1
libraries=$2
cd "$(dirname "$0")/../.."
# Nobody debugs this one.
CARGO_PROFILE_DEV_DEBUG=0 scripts/cargo.sh build --quiet --package tim-presence --lib --no-default-features --features test-panic --target-dir "$target"
mkdir -p "$libraries"
ln -sf "$target/debug/libtim_presence.so" "$libraries/libtim_presence.so.0"
