#!/bin/sh
# The package built and tested:  test.sh WHAT PROFILE_DIR BUILD_DIR [ARGUMENT...]
#   package    the library installed into BUILD_DIR/prefix, the package, its tests
#   scenario   the runner of tests/scenario; the arguments are its own
# Swift is this system's, or Debian's in a folder (scripts/swift-root.sh); exit code 77 where neither can be had.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
what=$1 profile=$2 build=$3
shift 3

# A shell line with Swift at hand, the installed library to be found, and the arguments after it as $1 and so on.
with_swift() {
    line=$1
    shift
    "$root/scripts/swift-root.sh" run "$build" sh -eu -c '
        export PKG_CONFIG_PATH="$BUILD/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$BUILD/prefix/lib" TIM_PRESENCE_CHECKS=yes
        package="--package-path $CHECKOUT/bindings/swift --scratch-path $BUILD/swift --disable-sandbox -Xswiftc -warnings-as-errors"
        '"$line" sh "$@"
}

case $what in
package)
    "$root/scripts/swift-root.sh" setup
    rm -rf "$build/prefix"
    mkdir -p "$build"
    PREFIX=$build/prefix "$root/scripts/install.sh" install "$profile" >/dev/null
    # Resolved dependencies would be written into the checkout, which is read-only; there are none.
    with_swift 'swift build $package --build-tests -q && nm -u "$BUILD"/swift/debug/TimPresence.build/*.o' >"$build/undefined" ||
        { cat "$build/undefined"; exit 1; }
    sed -n 's/^ *U \(tim[A-Z][A-Za-z]*\)$/\1/p' "$build/undefined" | sort -u >"$build/used"
    # Not needed: timCheckAbi compares; one code at a time is asked for; delivery is "shared", so nothing is polled or woken.
    { cat "$build/used"; printf '%s\n' timAbiVersion timErrorTable timPoll timGetWakeFd timSetWakeCallback timSetThreadHooks timClientDestroy; } | sort |
        awk '!/^#/ && NF { print $1 }' >"$build/accounted"
    awk '!/^#/ && NF { print $1 }' "$root/include/tim_symbols.txt" | sort | diff - "$build/accounted" ||
        { echo "the package does not use exactly what the library exports (<)"; exit 1; }
    with_swift 'swift test $package --skip-build'
    ;;
scenario)
    story=$1 address=$2 app=$3
    cp "$story" "$build/story.txt"
    with_swift 'exec "$BUILD/swift/debug/Scenario" "$BUILD/story.txt" "$1" "$2"' "$address" "$app"
    ;;
*) echo "test.sh cannot $what" >&2; exit 2 ;;
esac
