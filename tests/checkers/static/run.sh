#!/bin/sh
# run.sh FACT LIBRARY.a ROOT WORK_DIR: one fact about the static library (docs/C_API.md, "Static linking").
set -eu
fact=$1 library=$2 root=$3 work=$4/static-$1
here="$root/tests/checkers/static"
LC_ALL=C
export LC_ALL
fail() { echo "$*" >&2; exit 1; }

rm -rf "$work"
mkdir -p "$work"
# The native libraries are listed in one place: the documentation.
native=$(sed -n 's/^    -lgcc_s /-lgcc_s /p' "$root/docs/C_API.md")
[ -n "$native" ] || fail "docs/C_API.md lists no native libraries"
globals() { readelf -sW "$1" | awk '($5 == "GLOBAL" || $5 == "WEAK") && $7 != "UND" { print $8 }' | sort -u; }

case $fact in
symbols) # nothing but the tim* functions is to be seen
    "$root/scripts/static.sh" "$library" "$work/libtim_presence.a"
    awk '!/^#/ && NF { print $1 }' "$root/include/tim_symbols.txt" | sort >"$work/expected"
    globals "$work/libtim_presence.a" | diff "$work/expected" - || fail "the global symbols differ from tim_symbols.txt"
    # Cargo's own is another matter, or this fact would prove nothing.
    globals "$library" | grep -qx rust_eh_personality || fail "cargo's library shows nothing of Rust's runtime?"
    ;;
beside_another) # linked whole beside another Rust library, with no other libraries than those listed
    "$root/scripts/static.sh" "$library" "$work/libtim_presence.a"
    "${RUSTC:-rustc}" --edition 2024 --crate-type staticlib -o "$work/libother.a" "$here/other.rs"
    cc -Wall -Werror -I "$root/include" -c -o "$work/main.o" "$here/main.c"
    link() { cc -nodefaultlibs -o "$work/main" "$work/main.o" -Wl,--whole-archive "$1" "$work/libother.a" -Wl,--no-whole-archive $native; }
    if link "$library" >"$work/clash.log" 2>&1; then fail "cargo's own library links beside another: this fact proves nothing"; fi
    grep -q 'multiple definition' "$work/clash.log" || { cat "$work/clash.log"; fail "cargo's own library fails for another reason"; }
    link "$work/libtim_presence.a"
    "$work/main"
    ;;
native) # the list is what the compiler says of this very library. It links the library anew, so this is for `make static` only
    said=$(cd "$root" && scripts/cargo.sh rustc --lib --crate-type staticlib --target-dir "$4" -- --print native-static-libs 2>&1 |
        sed -n 's/^note: native-static-libs: //p')
    [ "$said" = "$native" ] || fail "the compiler says:       $said
docs/C_API.md says:      $native"
    ;;
*) fail "no fact $fact" ;;
esac
echo "$fact: ok"
