# For scripts that run examples against a real server: sourced, with $tests, this folder. The script may start programs, $program,
# $other and $holder, which do not outlive it; nor does the server. What they write into $work is shown when something fails.
. "$tests/server.sh"
work=$(mktemp -d)
program='' other='' holder=''
cleanup() {
    for pid in $server_pid $program $other $holder; do kill -9 "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    echo "FAILED: $*" >&2
    for file in "$work"/*; do [ -f "$file" ] || continue; printf -- '---- %s\n' "$file" >&2; cat "$file" >&2; done
    exit 1
}

# await OPTION FILE PATTERN [COUNT]: awaits that COUNT lines of a file match, as grep takes the option: -E, -F or -xF. Up to 60 s.
await() {
    tries=0
    until [ "$(grep -sc "$1" -e "$3" "$work/$2" || true)" -ge "${4:-1}" ] 2>/dev/null; do # no file, no number
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "not ${4:-1} lines '$3' in $2"
        sleep 0.05
    done
}
