#!/bin/sh
# Every item of the headers is documented, by Doxygen's judgement: docs.sh check|bites ROOT. `check` builds the reference
# pages of `make docs-api` into the current folder and fails at any warning; `bites` takes comments away and must fail for
# each. Exit code 77 if doxygen is missing.
set -eu
what=$1 root=$2
command -v doxygen >/dev/null 2>&1 || { echo "skipped: there is no doxygen"; exit 77; }

# Builds the pages of a copy of the project: pages FOLDER
pages() {
    mkdir -p "$1/docs/api"
    (cd "$1" && doxygen docs/Doxyfile) >"$1/log" 2>&1
}
copy() {
    rm -rf "$1"
    mkdir -p "$1/include" "$1/docs"
    cp "$root"/include/tim_presence.h "$root"/include/tim_presence.hpp "$1/include/"
    cp "$root"/docs/Doxyfile "$root"/docs/API_START.md "$1/docs/"
}

case $what in
check)
    copy pages
    pages pages || { cat pages/log; exit 1; }
    [ ! -s pages/log ] || { cat pages/log; exit 1; }
    # And the pages have in them what they are for.
    for name in $(awk '!/^#/ && NF { print $1 }' "$root/include/tim_symbols.txt"); do
        grep -q "memname.*\\b$name\\b" pages/docs/api/tim__presence_8h.html || { echo "the pages have no $name"; exit 1; }
    done
    echo "every item is documented"
    ;;
bites) # each line: what goes missing, in which header, and how sed takes it away
    count=0
    while IFS='|' read -r missing header edit; do
        copy changed
        sed -E "$edit" "$root/include/$header" >"changed/include/$header"
        cmp -s "$root/include/$header" "changed/include/$header" && { echo "takes nothing away: $missing"; exit 1; }
        if pages changed; then
            echo "not found: $missing"
            exit 1
        fi
        echo "found: $missing"
        count=$((count + 1))
    done <<'CHANGES'
the comment of a constant|tim_presence.h|/A device logged in\./d
the comment of a field|tim_presence.h|/When the status last changed, by the server/d
the comment of a callback type|tim_presence.h|/Receives the news that the UserSig expired/d
a parameter of a function|tim_presence.h|/@param state   Receives one of TIM_LOGIN/d
a parameter that there is not|tim_presence.h|s/@param state   Receives/@param status  Receives/
the comment of a method|tim_presence.hpp|/Whether somebody is logged in\. \*\/$/d; s,^.*/\*\* Who is logged in;.*$,,
the comment of an option|tim_presence.hpp|/How long one attempt to connect may take/d
CHANGES
    [ "$count" = 7 ]
    ;;
*)
    echo "usage: docs.sh check|bites ROOT" >&2
    exit 2
    ;;
esac
