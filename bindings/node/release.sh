#!/bin/sh
# Makes the npm package of this machine's processor, for every Linux since 2014:  release.sh PROFILE OUT
# PROFILE is a cargo profile: release for a package to publish. Library and native module are linked by zig against an old
# glibc (scripts/zig.sh, which needs python3-venv); Node's own programs want a newer one than that.
set -eu
[ $# = 2 ] || { sed -n '2p' "$0" | cut -c3- >&2; exit 2; }
profile=$1
mkdir -p "$2"
out=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
GLIBC=2.17
target=${CARGO_TARGET_DIR:-$root/target}
zig=${TIM_ZIG_DIR:-$target/zig}
machine=$(uname -m)

"$root/scripts/zig.sh" "$GLIBC" -p tim-presence --profile "$profile"
# zig puts its own C++ runtime inside without being told.
CXX="$zig/venv/bin/python -m ziglang c++ -target $machine-linux-gnu.$GLIBC" CXX_RUNTIME='' ZIG_GLOBAL_CACHE_DIR=$zig/cache \
    "$here/build.sh" "$target/$machine-unknown-linux-gnu/$([ "$profile" = dev ] && echo debug || echo "$profile")" "$out"

for file in "$out"/package/prebuilds/*/*; do
    needed=$(objdump -T "$file" | grep -o 'GLIBC_[0-9.]*' | cut -d_ -f2 | sort -uV | tail -n 1)
    [ "$(printf '%s\n%s\n' "$needed" "$GLIBC" | sort -V | tail -n 1)" = "$GLIBC" ] || { echo "release.sh: $file needs glibc $needed" >&2; exit 1; }
done
