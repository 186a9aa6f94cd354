#!/bin/sh
# The ABI gate: the header as a C compiler understands it, against the committed baseline.
#   abi.sh check INCLUDE    fails if include/tim_presence.h differs from include/abi/tim_presence.abi in any way
#   abi.sh bites INCLUDE    fails if one of the changes that break programs would not be found
#   abi.sh update INCLUDE   writes the baseline anew: for a change that the changelog announces
# Exit code 77 if abidw or abidiff (Debian: abigail-tools) is missing. INCLUDE is the folder of the header.
#
# The baseline is made of the header and not of the library: the library's debug information is Rust's, names every
# codegen unit and dependency, and changes with each compiler. That the library is what the header says is proved by
# the build (the header is generated), by abi.library_agrees and by abi.layout.
set -eu
what=$1 include=$(cd "$2" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
baseline=$include/abi/tim_presence.abi
for tool in abidw abidiff; do
    command -v $tool >/dev/null 2>&1 || { echo "skipped: there is no $tool (Debian: abigail-tools)"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The ABI of a header: abi_of HEADER_FOLDER > XML
abi_of() {
    gcc -fpreprocessed -dD -E -P "$1/tim_presence.h" 2>/dev/null | grep -v '^#' | awk -f "$here/stub.awk" >"$work/stub.c"
    (cd "$work" && gcc -g -shared -fPIC -I "$1" -Wl,-soname,libtim_presence.so.0 -o stub.so stub.c)
    abidw --no-corpus-path --no-show-locs --no-comp-dir-path --no-elf-needed "$work/stub.so" |
        sed -E "s/ (path|comp-dir-path)='[^']*'//g"
}

case $what in
update)
    mkdir -p "$include/abi"
    abi_of "$include" >"$baseline"
    echo "written: $baseline"
    ;;
check)
    abi_of "$include" >"$work/now.abi"
    if ! abidiff "$baseline" "$work/now.abi"; then
        echo "The ABI is not that of $baseline. Undo the change, or announce it in CHANGELOG.md and run: sh tests/abi/abi.sh update include"
        exit 1
    fi
    echo "the ABI is that of the baseline"
    ;;
bites) # each line: what the change is, and how sed makes it
    changes=0
    while IFS='|' read -r change edit; do
        mkdir -p "$work/changed"
        sed -E "$edit" "$include/tim_presence.h" >"$work/changed/tim_presence.h"
        cmp -s "$include/tim_presence.h" "$work/changed/tim_presence.h" && { echo "changes nothing: $change"; exit 1; }
        abi_of "$work/changed" >"$work/changed.abi"
        if abidiff "$baseline" "$work/changed.abi" >"$work/report"; then
            echo "not found: $change"
            exit 1
        fi
        echo "found: $change"
        changes=$((changes + 1))
    done <<'CHANGES'
a function is renamed|s/timNotifyNetworkChanged/timNetworkChanged/
a parameter is wider|s/uint32_t timeout_ms/uint64_t timeout_ms/
a parameter is no longer a pointer|s/int32_t \*state/int32_t state/
two fields change places|s/int32_t status;/int32_t reason_;/; s/int32_t reason;/int32_t status;/; s/int32_t reason_;/int32_t reason;/
a struct grows in the middle|s/int64_t since_ms;/int64_t since_ms; uint64_t since_version;/
a field is signed|s/uint32_t platforms;/int32_t platforms;/
a callback has one more parameter|s/\(int32_t level, const char \*message, void/(int32_t level, int32_t line, const char *message, void/
a handle is narrower|s/typedef uint64_t TimClient/typedef uint32_t TimClient/
a result is wider|s/^int32_t timGetServerTime/int64_t timGetServerTime/
CHANGES
    [ "$changes" = 9 ]
    ;;
*)
    echo "usage: abi.sh check|bites|update INCLUDE" >&2
    exit 2
    ;;
esac
