#!/bin/sh
# Runs examples 02 and 03 against a real server: examples.sh EXAMPLE EXAMPLES_DIR SERVER_BINARY
set -eu
example=$1 examples=$2 binary=$3
app=1400000001 key=a-secret-key-for-tests-only
work=$(mktemp -d)
server='' watch=''
cleanup() {
    for pid in $server $watch; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    echo "FAILED: $*" >&2
    for file in "$work"/*; do [ -f "$file" ] || continue; printf -- '---- %s\n' "$file" >&2; cat "$file" >&2; done
    exit 1
}

# Awaits a line in a file, up to 60 s.
await_line() {
    tries=0
    until grep -qxF "$2" "$work/$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "no line '$2' in the output of $1"
        sleep 0.05
    done
}

cat >"$work/server.toml" <<TOML
listen = ["127.0.0.1:0"]
[[apps]]
id = $app
secret_key = "$key"
auto_register_on_mention = true
TOML
"$binary" --config "$work/server.toml" >"$work/server" 2>"$work/server.log" &
server=$!
tries=0
until address=$(sed -n 's/^listening on //p' "$work/server") && [ -n "$address" ]; do
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || fail "the server does not listen"
    sleep 0.05
done
sig() { "$binary" sign --app $app --key $key --user "$1"; }

case $example in
02_set_status)
    printf 'busy\n\n' | "$examples/02_set_status" "$address" $app bob "$(sig bob)" hello >"$work/set" || fail "02_set_status answered $?"
    cat >"$work/expected" <<TEXT
bob is online
status: hello
status: busy
status cleared
bob has logged out
TEXT
    diff "$work/expected" "$work/set" || fail "02_set_status printed something else"
    # A wrong UserSig is said, and is a failure.
    if "$examples/02_set_status" "$address" $app bob garbage </dev/null 2>"$work/refusal"; then fail "a wrong UserSig logged in"; fi
    grep -q 70003 "$work/refusal" || fail "the refusal has no code"
    ;;
03_watch)
    "$examples/03_watch" "$address" $app alice "$(sig alice)" bob carol >"$work/watch" 2>&1 &
    watch=$!
    await_line watch 'bob: not logged in ""'
    # bob stays until his standard input ends, which is a pipe that we hold open.
    mkfifo "$work/bob.in"
    "$examples/02_set_status" "$address" $app bob "$(sig bob)" "in a call" <"$work/bob.in" >"$work/set" &
    bob=$!
    exec 3>"$work/bob.in"
    await_line watch 'bob: online "in a call"'
    exec 3>&-
    wait $bob || fail "02_set_status answered $?"
    tries=0
    until [ "$(grep -cxF 'bob: not logged in ""' "$work/watch")" = 2 ]; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "03_watch did not see the logout"
        sleep 0.05
    done
    # Background jobs of a shell ignore SIGINT only until the program sets its own handler.
    kill -INT $watch
    wait $watch || fail "03_watch ended with $?"
    watch=''
    "$examples/03_watch" --seconds 1 "$address" $app alice "$(sig alice)" bob >"$work/watch" 2>&1 || fail "03_watch --seconds ended with $?"
    ;;
*) fail "no example $example" ;;
esac
echo "$example: ok"
