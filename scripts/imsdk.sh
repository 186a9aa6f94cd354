#!/bin/sh
# Builds libImSDK for every Linux since 2014, and checks that it is:  imsdk.sh PROFILE OUT_DIR
# PROFILE is a cargo profile: release for one to give away. Leaves OUT_DIR/libImSDK.so, without what only a debugger reads.
set -eu
[ $# = 2 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
profile=$1 out=$2
root=$(cd "$(dirname "$0")/.." && pwd)
GLIBC=2.17
fail() { echo "imsdk.sh: $*" >&2; exit 1; }

"$root/scripts/zig.sh" "$GLIBC" -q --manifest-path "$root/Cargo.toml" -p presence-imsdk --profile "$profile"
folder=$profile
[ "$profile" != dev ] || folder=debug
mkdir -p "$out"
strip --strip-debug -o "$out/libImSDK.so" "${CARGO_TARGET_DIR:-$root/target}/$(uname -m)-unknown-linux-gnu/$folder/libImSDK.so"

# Not one symbol of a newer glibc, and no library that is not part of it: many programs that this is for run on old systems.
newest=$(readelf -VW "$out/libImSDK.so" | grep -oE 'GLIBC_[0-9.]+' | cut -d_ -f2 | sort -uV | tail -n 1)
[ -n "$newest" ] || fail "it needs no glibc at all, which cannot be"
[ "$(printf '%s\n' "$newest" "$GLIBC" | sort -V | tail -n 1)" = "$GLIBC" ] || fail "it needs glibc $newest, newer than $GLIBC"
readelf -dW "$out/libImSDK.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | while read -r needed; do
    case $needed in
    libc.so.6 | libpthread.so.0 | libdl.so.2 | librt.so.1 | libm.so.6 | ld-linux-*.so.*) ;;
    *) fail "it needs $needed" ;;
    esac
done
"$root/tests/imsdk/library.sh" symbols "$out/libImSDK.so" "$root/include"
"$root/tests/imsdk/library.sh" soname "$out/libImSDK.so" "$root/include"
"$root/tests/imsdk/library.sh" nodelete "$out/libImSDK.so" "$root/include"
echo "built: $out/libImSDK.so, for glibc $newest and newer"
