#!/bin/sh
# One fact about the ABI a test: facts.sh FACT ROOT ARGUMENT...
set -eu
fact=$1 root=$2
shift 2
LC_ALL=C
export LC_ALL

fail() { echo "$*" >&2; exit 1; }
# Compares a committed list with standard input.
same_as() {
    cat >now.$fact
    diff "$1" now.$fact || fail "differs from $1: undo the change, or announce it in CHANGELOG.md and change the list"
}

# The constants of the header that a program may have compiled in, and the keys of options: a number or a name each.
constants() {
    awk '/^#define TIM_/ && NF > 2 && $2 !~ /^TIM_(API|VERSION_|ABI_)/ { gsub(/[()]/, "", $3); print $2, $3 }' "$root/include/tim_presence.h" | sort
}
option_keys() {
    awk '/^## / { on = /^## Options of / ; what = /client/ ? "client" : "server" } on && /^\| `/ { gsub(/`/, "", $2); print what, $2 }' "$root/docs/C_API.md" | sort
}

case $fact in
constants) # no number is changed, used again or taken back (docs/C_API.md, "Shape")
    [ "$(constants | wc -l)" -gt 80 ] || fail "the constants are not where they were"
    constants | same_as "$root/include/abi/constants.txt"
    ;;
option_keys) # no key is taken back
    [ "$(option_keys | wc -l)" -gt 40 ] || fail "the keys are not where they were"
    option_keys | same_as "$root/include/abi/option_keys.txt"
    ;;
layout) # facts.sh layout ROOT PROGRAM: sizes and offsets are those of the committed table, which a Rust test compares too
    status=0
    "$1" structs >structs.txt || status=$?
    [ "$status" = 77 ] && { echo "skipped: pointers do not have 64 bits here"; exit 77; }
    [ "$status" = 0 ] || exit "$status"
    same_as "$root/include/abi/layout_lp64.txt" <structs.txt
    ;;
version) # facts.sh version ROOT PROGRAM: the macros, the library and Cargo.toml say the same
    version=$(awk '/^\[/ { on = /^\[workspace\.package\]/ } on && /^version *=/ { gsub(/[" ]/, ""); sub(/.*=/, ""); print }' "$root/Cargo.toml")
    [ -n "$version" ] || fail "Cargo.toml has no version where it was"
    abi=${version%.*}
    printf '%s\n' "$version" "$version" "$version" "$abi" "$abi" "$abi" >expected.version
    "$1" version | diff expected.version - || fail "not the version of Cargo.toml"
    ;;
needed) # facts.sh needed ROOT LIBRARY: nothing of the system but what every program has
    needed=$(readelf -dW "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort)
    [ -n "$needed" ] || fail "the library needs nothing?"
    for library in $needed; do
        grep -qx -- "$library" "$root/include/abi/needed.txt" || fail "needs $library, which include/abi/needed.txt does not have"
    done
    ;;
features) # every feature is in a build that ctest examines: the default one has them, the slim one has none, TLS alone must
    # compile; test-panic is for one test alone
    features=$(awk '/^\[/ { on = /^\[features\]/ } on && /^[a-z]/ { print $1 }' "$root/Cargo.toml" | sort | tr '\n' ' ')
    [ "$features" = "default embedded-server test-panic tls " ] ||
        fail "the features are now: $features. Add the new feature sets to tests/abi/CMakeLists.txt, and then here"
    ;;
build) # facts.sh build ROOT TARGET_DIR: the library with no feature at all. Without debug information, to be quick
    # The folder is a test's own: the library of the ordinary build must not be overwritten.
    cd "$root"
    CARGO_TARGET_DIR="$1" CARGO_PROFILE_DEV_DEBUG=0 sh scripts/cargo.sh build --package tim-presence --lib --no-default-features
    CARGO_TARGET_DIR="$1" CARGO_PROFILE_DEV_DEBUG=0 sh scripts/cargo.sh check --package tim-presence --lib --no-default-features --features tls
    ;;
*) fail "no fact $fact" ;;
esac
echo "$fact: ok"
