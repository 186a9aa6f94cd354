#!/bin/sh
# One fact about libImSDK.so: library.sh FACT LIBRARY INCLUDE_DIR
set -eu
fact=$1 library=$2 include=$3
LC_ALL=C
export LC_ALL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() { echo "$*" >&2; exit 1; }
names() { sort "$include/imsdk/symbols.txt"; }

case $fact in
symbols) # what it exports is the original's C API, and nothing else
    [ "$(names | wc -l)" = 251 ] || fail "symbols.txt does not have 251 names"
    nm -D --defined-only "$library" | awk '$2 ~ /^[A-Za-z]$/ { print $3 }' | sort >"$work/exported"
    names | diff - "$work/exported" || fail "exported names differ from symbols.txt"
    ;;
declared) # the header declares each, and nothing else
    grep -oE '\b(TIM[A-Z][A-Za-z0-9]*|callExperimentalAPI)\(' "$include/imsdk/TIMCloud.h" | tr -d '(' | sort -u >"$work/declared"
    names | diff - "$work/declared" || fail "declared names differ from symbols.txt"
    ;;
documented) # docs/MIGRATING.md names every function that does something, and counts them
    page=$include/../docs/MIGRATING.md
    sed '/---- begin:/,/---- end ----/d' "$include/imsdk/TIMCloud.h" |
        grep -oE '^TIM_API .*\b(TIM[A-Z][A-Za-z0-9]*|callExperimentalAPI)\(' | sed 's/.*[ *]//; s/(//' | sort -u >"$work/real"
    grep -q "^| Functions | $(wc -l <"$work/real") " "$page" || fail "docs/MIGRATING.md does not count $(wc -l <"$work/real") functions"
    while read -r name; do
        case $name in
        TIMSet*Callback) ;; # named in words
        *) grep -q "\`$name\`" "$page" || fail "docs/MIGRATING.md does not name $name" ;;
        esac
    done <"$work/real"
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
