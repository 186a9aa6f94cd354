#!/bin/sh
# Makes a static library whose only global symbols are the tim* functions:  static.sh IN.a OUT.a
# Cargo's libtim_presence.a also shows the whole Rust runtime and every crate inside, and two such libraries in one
# program clash, or silently share state (a panic hook, for one). So: link it into one object file, keeping what the
# exported functions reach, and make every other symbol local.
set -eu
LC_ALL=C
export LC_ALL
in=$1 out=$2
symbols="$(dirname "$0")/../include/tim_symbols.txt"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
awk '!/^#/ && NF { print $1 }' "$symbols" >"$work/keep"
# What Rust's runtime uses only where the C library has it: ld -r forgets that some of these references are weak.
readelf -sW "$in" 2>/dev/null | awk '$7 == "UND" && $5 == "WEAK" { print $8 }' | sort -u >"$work/weak"
readelf -sW "$in" 2>/dev/null | awk '$7 == "UND" && $5 == "GLOBAL" { print $8 }' | sort -u | comm -13 - "$work/weak" >"$work/weaken"
# Section groups must go: the linker would throw ours away in favour of another library's of the same name.
ld -r --force-group-allocation --gc-sections $(sed 's/^/-u /' "$work/keep") -o "$work/all.o" "$in"
# Bitcode that Rust's standard library carries for LTO is of no use to a C linker.
objcopy --keep-global-symbols="$work/keep" --weaken-symbols="$work/weaken" --strip-debug --remove-section=.llvmbc --remove-section=.llvmcmd \
    "$work/all.o" "$work/tim_presence.o"
rm -f "$out"
ar crs "$out" "$work/tim_presence.o"
