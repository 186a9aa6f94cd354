#!/bin/sh
# One fact about the shared object: library.sh FACT LIBRARY INCLUDE_DIR
set -eu
fact=$1 library=$2 include=$3
LC_ALL=C
export LC_ALL

fail() { echo "$*" >&2; exit 1; }
exported() { nm -D --defined-only "$library" | awk '$2 ~ /^[A-Za-z]$/ { print $3 }' | sort; }

case $fact in
symbols) # the exported list is exactly include/tim_symbols.txt (docs/C_API.md, "Header, version, ABI")
    expected=$(awk '!/^#/ && NF { print $1 }' "$include/tim_symbols.txt" | sort)
    [ -n "$expected" ] || fail "tim_symbols.txt is empty"
    [ "$(exported)" = "$expected" ] || { exported >exported.txt; echo "$expected" | diff - exported.txt; fail "exported symbols differ from tim_symbols.txt"; }
    ;;
declared) # every exported function is declared in the header, and nothing else is
    declared=$(grep -oE '\btim[A-Z][A-Za-z]*\(' "$include/tim_presence.h" | tr -d '(' | sort -u)
    for name in $(exported); do
        echo "$declared" | grep -qx "$name" || fail "$name is exported and not declared"
    done
    ;;
soname)
    readelf -d "$library" | grep -q 'SONAME.*\[libtim_presence\.so\.0\]' || fail "SONAME is not libtim_presence.so.0"
    ;;
nodelete)
    readelf -d "$library" | grep -q 'NODELETE' || fail "the library may be unloaded: -z nodelete is missing"
    ;;
alignment) # 64-bit Android needs 16 KiB
    aligned=$(readelf -lW "$library" | awk '$1 == "LOAD" { print $NF }' | sort -u)
    [ "$aligned" = 0x4000 ] || fail "LOAD segments are aligned to: $aligned"
    ;;
*) fail "no fact $fact" ;;
esac
echo "$fact: ok"
