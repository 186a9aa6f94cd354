#!/bin/sh
# Runs examples 02 and 03 against a real server: examples.sh EXAMPLE EXAMPLES_DIR SERVER_BINARY
set -eu
example=$1 examples=$2 binary=$3
tests=$(dirname "$0")
. "$tests/example_server.sh"
configure "$work" 127.0.0.1:0 'auto_register_on_mention = true'
start_server "$binary" "$work"

case $example in
02_set_status)
    printf 'busy\n\n' | "$examples/02_set_status" "$address" $app bob "$(user_sig bob)" hello >"$work/set" || fail "02_set_status answered $?"
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
    "$examples/03_watch" "$address" $app alice "$(user_sig alice)" bob carol >"$work/watch" 2>&1 &
    program=$!
    await -xF watch 'bob: not logged in ""'
    # bob stays until his standard input ends, which is a pipe that we hold open.
    mkfifo "$work/bob.in"
    "$examples/02_set_status" "$address" $app bob "$(user_sig bob)" "in a call" <"$work/bob.in" >"$work/set" &
    other=$!
    exec 3>"$work/bob.in"
    await -xF watch 'bob: online "in a call"'
    exec 3>&-
    wait $other || fail "02_set_status answered $?"
    other=''
    await -xF watch 'bob: not logged in ""' 2
    # Background jobs of a shell ignore SIGINT only until the program sets its own handler.
    kill -INT $program
    wait $program || fail "03_watch ended with $?"
    program=''
    "$examples/03_watch" --seconds 1 "$address" $app alice "$(user_sig alice)" bob >"$work/watch" 2>&1 || fail "03_watch --seconds ended with $?"
    ;;
*) fail "no example $example" ;;
esac
echo "$example: ok"
