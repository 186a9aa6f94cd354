#!/bin/sh
# Measures the client's side as a program in C meets it, through the optimised libtim_presence.so: calls, callbacks, a thousand idle
# clients, the size of the library and the time to load it. Prints tables; each row has its spread and the load average of its moment.
#
#   benches/run.sh [calls] [callbacks] [idle] [load]      all of them unless named (some minutes)
#
#   RUNS=10    runs of each
#   CC=cc      the C compiler
set -eu
cd "$(dirname "$0")/.."

CC=${CC:-cc}
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/bench"
out=$(cd "$target/bench" && pwd)

say() { printf 'bench: %s\n' "$*" >&2; }

# The library in a feature set, as NAME.so, and stripped of its symbol table, as NAME-stripped.so.
library() {
    name=$1
    shift
    say "building the library: $name"
    scripts/cargo.sh build --release -p tim-presence "$@"
    cp "$target/release/libtim_presence.so" "$out/$name.so"
    strip -o "$out/$name-stripped.so" "$out/$name.so"
}

# A program of this folder: its name, then sources and libraries.
program() {
    name=$1
    shift
    "$CC" -std=c11 -O2 -D_GNU_SOURCE -Wall -Wextra -Wpedantic -Werror -I include -I benches -o "$out/$name" "benches/$name.c" \
        benches/measure.c "$@"
}

library slim --no-default-features
library slim-tls --no-default-features --features tls
library default
# Under the name that programs look for.
ln -sf default.so "$out/libtim_presence.so.0"
for name in calls callbacks idle; do
    program "$name" benches/clients.c benches/feeder.c benches/floor.c "$out/libtim_presence.so.0" -pthread "-Wl,-rpath,$out"
done
program load -ldl

wanted=${*:-calls callbacks idle load}
for name in $wanted; do
    say "$name (load average $(cut -d' ' -f1 /proc/loadavg))"
    case $name in
    load)
        printf '\n| the library, stripped | KiB |\n|---|---:|\n'
        for library in slim slim-tls default; do
            printf '| %s | %s |\n' "$library" "$(($(wc -c <"$out/$library-stripped.so") / 1024))"
        done
        "$out/load" slim "$out/slim-stripped.so" slim-tls "$out/slim-tls-stripped.so" default "$out/default-stripped.so"
        ;;
    *) "$out/$name" ;;
    esac
done
