#!/bin/sh
# Builds the wheel of this machine's processor, for every Linux since 2014:  build_wheel.sh PYTHON PROFILE OUT_DIR
# PYTHON is a Python with the packages of requirements-dev.txt, PROFILE a cargo profile: release for a wheel to publish.
set -eu
[ $# = 3 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
python=$1 profile=$2 out=$3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
GLIBC=2.17
"$root/scripts/zig.sh" "$GLIBC" -p tim-presence --profile "$profile"
folder=$profile
[ "$profile" != dev ] || folder=debug
machine=$(uname -m)
mkdir -p "$out"
# Without what only a debugger reads.
strip --strip-debug -o "$out/libtim_presence.so" "${CARGO_TARGET_DIR:-$root/target}/$machine-unknown-linux-gnu/$folder/libtim_presence.so"
rm -f "$out"/tim_presence-*.whl
# manylinux2014 is the older name of the same; pip before 20.3 knows only that.
platform=manylinux_2_17_$machine.manylinux2014_$machine
TIM_WHEEL_LIBRARY=$out/libtim_presence.so TIM_WHEEL_PLATFORM=$platform \
    "$python" -m hatchling build -t wheel -d "$out" -c >&2 2>"$out/build.log" || { cat "$out/build.log" >&2; exit 1; }
rm "$out/libtim_presence.so"
wheel=$(ls "$out"/tim_presence-*.whl)
# Not only named so: the symbols that it needs are all there in the oldest of these systems.
report=$("$python" -m auditwheel show "$wheel")
case $(echo "$report" | tr '\n' ' ') in
*"following platform tag: \"manylinux_2_17_$machine\""*) ;;
*) echo "$report" >&2; echo "build_wheel.sh: the wheel does not keep what its name says" >&2; exit 1 ;;
esac
echo "$wheel"
