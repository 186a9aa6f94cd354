#!/bin/sh
# sentences.sh FACT PAGE SOURCES [BUILD_DIRECTORY]: that README.md here is true. FACT:
#   sentences  its left column is the prose of PAGE (docs/C_API.md), word for word and whole, but for the section that explains
#              the choice of crates, and the page's opening
#   names      every test it names exists: in ctest of BUILD_DIRECTORY, or as a function of a Rust file below SOURCES
set -eu
fact=$1 page=$2 sources=$3 build=${4:-}
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The prose of the page: a section's name, a tab, a paragraph or item. Tables, code and what is not under a heading are left out.
prose() {
    awk '
        function flush_text() { gsub(/  +/, " ", text); sub(/^ /, "", text); if (text != "" && section != "") print section "\t" text; text = "" }
        /^```/ { code = !code; flush_text(); next }
        code { next }
        /^#/ { flush_text(); section = $0 ~ /^## / && $0 !~ /^## Crates/ ? substr($0, 4) : ""; next }
        /^\|/ || /^$/ { flush_text(); next }
        /^ *([-*]|[0-9]+\.) / { flush_text(); sub(/^ *([-*]|[0-9]+\.) /, "") }
        { text = text (text == "" ? "" : " ") $0 }
        END { flush_text() }' "$1"
}

# The rows of a table here: a section, a tab, a column.
column() {
    awk -v wanted="$2" '
        /^## / { section = substr($0, 4); next }
        /^\| / && $0 !~ /^\| sentence / {
            line = $0
            sub(/^\| /, "", line)
            sub(/ \|$/, "", line)
            at = index(line, " | ")
            print section "\t" (wanted == 1 ? substr(line, 1, at - 1) : substr(line, at + 3))
        }' "$1"
}

# Takes each sentence of the table away from the prose of its section; whatever is left on either side is said.
compare() {
    prose "$1" >"$work/prose"
    column "$2" 1 >"$work/rows"
    awk -F'\t' '
        FNR == NR { prose[$1] = prose[$1] " " $2; next }
        {
            at = index(prose[$1], $2)
            if (at == 0) print "not on the page, under " $1 ": " $2
            else prose[$1] = substr(prose[$1], 1, at - 1) substr(prose[$1], at + length($2))
        }
        END {
            for (section in prose) {
                left = prose[section]
                gsub(/^ +| +$/, "", left)
                gsub(/  +/, " ", left)
                if (left != "") print "without a test, under " section ": " left
            }
        }' "$work/prose" "$work/rows"
}

case $fact in
sentences)
    compare "$page" "$here/README.md" >"$work/wrong"
    if [ -s "$work/wrong" ]; then
        cat "$work/wrong" >&2
        echo "Each sentence of the contract needs a test, named beside it in tests/contract/README.md." >&2
        exit 1
    fi
    [ "$(wc -l <"$work/rows")" -ge 60 ] || { echo "there are hardly any rows" >&2; exit 1; }
    # A sentence too many, and one changed, would be noticed.
    { cat "$page"; printf '\n## Shape\n\nClients are blue.\n'; } >"$work/more.md"
    compare "$work/more.md" "$here/README.md" | grep -q 'without a test, under Shape: Clients are blue' || { echo "a new sentence is not noticed" >&2; exit 1; }
    sed 's/Many clients may live/Few clients may live/' "$page" >"$work/changed.md"
    compare "$work/changed.md" "$here/README.md" | grep -q 'not on the page, under Shape: Many clients' || { echo "a changed sentence is not noticed" >&2; exit 1; }
    ;;
names)
    (cd "$build" && ctest -N 2>/dev/null) | sed -n 's/^ *Test *#[0-9]*: //p' >"$work/tests"
    [ "$(wc -l <"$work/tests")" -gt 200 ] || { echo "ctest lists hardly any tests" >&2; exit 1; }
    column "$here/README.md" 2 >"$work/cells"
    : >"$work/missing"
    while IFS= read -r cell; do
        names=$(printf '%s\n' "$cell" | grep -oE '`[^`]+`' | tr -d '`' || true)
        [ -n "$names" ] || case $cell in *"nothing to run"*) continue ;; *) echo "no test: $cell" >>"$work/missing" ;; esac
        for name in $(printf '%s' "$names" | sed 's/\*/@/g'); do
            case $name in
            *::*)
                grep -q "fn ${name##*::}(" "$sources/${name%%::*}" || echo "no such Rust test: $name" >>"$work/missing" ;;
            *)
                pattern=$(printf '%s' "$name" | sed 's/[.+]/\\&/g; s/@/.*/g')
                grep -qE "^$pattern\$" "$work/tests" || echo "no such test: $name" >>"$work/missing" ;;
            esac
        done
    done <"$work/cells"
    [ ! -s "$work/missing" ] || { cat "$work/missing" >&2; exit 1; }
    ;;
*)
    echo "unknown fact: $fact" >&2
    exit 2
    ;;
esac
