#!/bin/sh
# Compiles and runs the first C program of README.md as it stands there: readme.sh ROOT PROFILE_DIR BUILD_DIR
set -eu
root=$1 profile=$2 work=$3/readme
rm -rf "$work"
mkdir -p "$work"
awk '/^```c$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$root/README.md" >"$work/first.c"
lines=$(wc -l <"$work/first.c")
[ "$lines" -gt 10 ] || { echo "README.md has no C program" >&2; exit 1; }
[ "$lines" -le 40 ] || { echo "the first program has $lines lines" >&2; exit 1; }
cc -std=c11 -Wall -Wextra -Wpedantic -Werror "$work/first.c" -I "$root/include" -L "$profile" -ltim_presence -o "$work/first"
ln -sf "$profile/libtim_presence.so" "$work/libtim_presence.so.0"
LD_LIBRARY_PATH="$work" "$work/first" >"$work/output"
cat "$work/output"
grep -qF 'alice: status 1 "hello, world"' "$work/output"
