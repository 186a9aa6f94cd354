#!/bin/sh
# header_types.sh HEADER: what may stand in the header (docs/C_API.md, "Shape"): no type whose size or passing differs between
# compilers, every struct begins with its size, lists of structs are lists of pointers.
set -eu
header=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Without comments and directives.
strip() {
    awk '{ text = text $0 "\n" }
        END {
            while ((from = index(text, "/*")) > 0) {
                rest = substr(text, from + 2)
                text = substr(text, 1, from - 1) " " substr(rest, index(rest, "*/") + 2)
            }
            print text
        }' "$1" | grep -v '^[ \t]*#'
}

# Types that differ between compilers in size or in how they are passed.
unfixed='bool|_Bool|enum|long|short|unsigned|signed|int|union|float|double|wchar_t|va_list|time_t|off_t|ssize_t'

# Prints what is wrong; nothing if all is well.
judge() {
    strip "$1" >"$work/plain"
    grep -nE "(^|[^A-Za-z_0-9])($unfixed)([^A-Za-z_0-9]|\$)" "$work/plain" | sed 's/^/a type of no fixed size: /' || true
    grep -n '\.\.\.' "$work/plain" | sed 's/^/varargs: /' || true
    grep -nE '[A-Za-z_0-9] *: *[0-9]' "$work/plain" | sed 's/^/a bit-field: /' || true
    # Struct types are passed by pointer: what begins with Tim and is neither a handle nor a function pointer has a star.
    tr '\n' ' ' <"$work/plain" | tr ';,({' '\n\n\n\n' | grep -E '(^| )(struct )?Tim(UserStatus|Result|ErrorDesc) [a-z]' | grep -v typedef | sed 's/^/a struct by value: /' || true
    # A struct is followed by how many there are only behind two stars.
    tr '\n' ' ' <"$work/plain" | grep -oE 'Tim(UserStatus|Result|ErrorDesc) \*[a-z_]+[,;] *size_t [a-z_]+' | sed 's/^/an array of structs: /' || true
    awk '/^typedef struct [A-Za-z]+ \{/ { name = $3; first = 1; next }
        first && NF {
            if ($0 !~ /^ *uint32_t struct_size;/) print "a struct that does not begin with its size: " name
            first = 0
        }' "$work/plain"
}

judge "$header" >"$work/wrong"
[ ! -s "$work/wrong" ] || { cat "$work/wrong" >&2; exit 1; }
[ "$(grep -c '^typedef struct' "$work/plain")" -ge 3 ] || { echo "no struct was looked at" >&2; exit 1; }

# And each of these would be noticed.
while read -r planted; do
    printf '%s\n' "$planted" | sed 's/@/\n/g' >"$work/planted.h"
    judge "$work/planted.h" >"$work/found"
    [ -s "$work/found" ] || { echo "not noticed: $planted" >&2; exit 1; }
done <<'PLANTED'
int32_t timA(bool yes);
int32_t timA(long number);
int32_t timA(const char *format, ...);
int32_t timA(TimUserStatus user);
int32_t timA(const TimUserStatus *users, size_t count);
typedef struct TimNew {@  int32_t code;@} TimNew;
typedef struct TimNew {@  uint32_t struct_size;@  uint32_t flag : 1;@} TimNew;
PLANTED
