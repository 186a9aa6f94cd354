#!/bin/sh
# Builds for old Linux systems:  zig.sh GLIBC ARGUMENT...
# Like `cargo build ARGUMENT...` for this machine's processor, but with zig as the linker, so that the result needs no glibc newer than
# GLIBC (2.17: every distribution since 2014). What is built is in $CARGO_TARGET_DIR/<processor>-unknown-linux-gnu/.
# cargo-zigbuild and zig come from PyPI, pinned, into a folder of their own beside the build's (once; about 450 MB with what they compile).
set -eu
CARGO_ZIGBUILD=0.24.0
ZIG=0.15.2
[ $# -ge 1 ] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
glibc=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/scripts/toolchain.sh"
use_toolchain || { echo "zig.sh: Rust $RUST_MINIMUM or newer is needed. Run: make setup" >&2; exit 1; }
tools=${TIM_ZIG_DIR:-${CARGO_TARGET_DIR:-$root/target}/zig}
stamp="$tools/$CARGO_ZIGBUILD-$ZIG"
mkdir -p "$tools"
(
    # Two builds at once must not install at once.
    flock 9
    [ -e "$stamp" ] && exit 0
    echo "zig.sh: cargo-zigbuild $CARGO_ZIGBUILD and zig $ZIG from PyPI, into $tools" >&2
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv" || { echo 'zig.sh: Python cannot make a venv (Debian: python3-venv)' >&2; exit 1; }
    "$tools/venv/bin/pip" install -q --disable-pip-version-check "cargo-zigbuild==$CARGO_ZIGBUILD" "ziglang==$ZIG" >&2
    touch "$stamp"
) 9>"$tools/lock"
PATH="$tools/venv/bin:$PATH"
# Both keep what they compile for themselves; here, not in the user's home.
XDG_CACHE_HOME=$tools/cache ZIG_GLOBAL_CACHE_DIR=$tools/cache CARGO_ZIGBUILD_CACHE_DIR=$tools/cache
export PATH XDG_CACHE_HOME ZIG_GLOBAL_CACHE_DIR CARGO_ZIGBUILD_CACHE_DIR
exec "$tools/venv/bin/cargo-zigbuild" build --target "$(uname -m)-unknown-linux-gnu.$glibc" "$@"
