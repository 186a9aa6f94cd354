#!/bin/sh
# One fact about libImSDK.so: library.sh FACT LIBRARY INCLUDE_DIR
set -eu
fact=$1 library=$2 include=$3
LC_ALL=C
export LC_ALL

fail() { echo "$*" >&2; exit 1; }
names() { sort "$include/imsdk/symbols.txt"; }

case $fact in
symbols) # what it exports is the original's C API, and nothing else
    [ "$(names | wc -l)" = 251 ] || fail "symbols.txt does not have 251 names"
    nm -D --defined-only "$library" | awk '$2 ~ /^[A-Za-z]$/ { print $3 }' | sort >imsdk.exported
    names | diff - imsdk.exported || fail "exported names differ from symbols.txt"
    ;;
declared) # the header declares each, and nothing else
    grep -oE '\b(TIM[A-Z][A-Za-z0-9]*|callExperimentalAPI)\(' "$include/imsdk/TIMCloud.h" | tr -d '(' | sort -u >imsdk.declared
    names | diff - imsdk.declared || fail "declared names differ from symbols.txt"
    ;;
soname)
    readelf -d "$library" | grep -q 'SONAME.*\[libImSDK\.so\]' || fail "the SONAME is not libImSDK.so"
    ;;
nodelete) # its thread may be running when the program calls dlclose
    readelf -d "$library" | grep -q NODELETE || fail "the library may be unloaded: -z nodelete is missing"
    ;;
*) fail "no fact $fact" ;;
esac
echo "$fact: ok"
