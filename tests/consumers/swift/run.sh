#!/bin/sh
# A project of somebody else's with the manifest and the program of docs/SWIFT.md, built and run against the installed library:
#     run.sh PACKAGE_BUILD_DIR
# The library is in PACKAGE_BUILD_DIR/prefix, where bindings/swift/test.sh installed it. Exit code 77: no Swift can be had here.
set -eu
root=$(cd "$(dirname "$0")/../../.." && pwd)
build=$1
project=$build/consumer
"$root/scripts/swift-root.sh" setup
rm -rf "$project"
mkdir -p "$project/Sources/First"

# The block of Swift with that number in the page, as it stands there.
block() {
    awk -v wanted="$1" '/^```swift$/ { inside = ++count == wanted; next } /^```$/ { inside = 0 } inside' "$root/docs/SWIFT.md" >"$2"
    [ "$(wc -l <"$2")" -gt 5 ] || { echo "docs/SWIFT.md has no block of Swift number $1" >&2; exit 1; }
}
block 1 "$project/Package.swift"
block 2 "$project/Sources/First/main.swift"

"$root/scripts/swift-root.sh" run "$build" sh -eu -c '
    export PKG_CONFIG_PATH="$BUILD/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$BUILD/prefix/lib"
    cd "$BUILD/consumer"
    sed -i "s|\.\./tim-presence/bindings|$CHECKOUT/bindings|" Package.swift
    swift build --disable-sandbox -q
    exec .build/debug/First' >"$build/output"
cat "$build/output"
grep -qF 'alice: online "hello, world"' "$build/output"
