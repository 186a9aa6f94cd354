#!/bin/sh
# Compiles and runs the first programs in C and C++ of README.md as they stand there: readme.sh ROOT PROFILE_DIR BUILD_DIR
# Those in other languages are the ones of their pages, which their own tests run; docs.programs compares them.
set -eu
root=$1 profile=$2 work=$3/readme
rm -rf "$work"
mkdir -p "$work"
ln -sf "$profile/libtim_presence.so" "$work/libtim_presence.so.0"

# program LANGUAGE LINES_MAX COMPILER...: the first of that language, compiled and run; its output goes to $work/output.
program() {
    language=$1 lines_max=$2
    shift 2
    awk -v begins="\`\`\`$language" '$0 == begins { inside = 1; next } /^```$/ { if (inside) exit } inside' "$root/README.md" >"$work/first.$language"
    lines=$(wc -l <"$work/first.$language")
    [ "$lines" -gt 10 ] || { echo "README.md has no program in $language" >&2; exit 1; }
    [ "$lines" -le "$lines_max" ] || { echo "the first program in $language has $lines lines" >&2; exit 1; }
    "$@" -Wall -Wextra -Wpedantic -Werror "$work/first.$language" -I "$root/include" -L "$profile" -ltim_presence -pthread -o "$work/first"
    LD_LIBRARY_PATH="$work" "$work/first" >"$work/output"
    cat "$work/output"
}

program c 40 cc -std=c11
grep -qF 'alice: status 1 "hello, world"' "$work/output"
program cpp 20 c++ -std=c++17
grep -qF 'alice: "hello, world"' "$work/output"
