#!/bin/sh
# Runs examples 04 and 05 against a real server: examples.sh EXAMPLE EXAMPLES_DIR SERVER_BINARY TEST_PROGRAM
set -eu
example=$1 examples=$2 binary=$3 test_program=$4
tests=$(dirname "$0")/..
. "$tests/example_server.sh"
user_status() { configure "$work" "$1" 'auto_register_on_mention = true' "user_status = $2" 'rate_calls = 8' 'rate_window_ms = 2000'; }

# The server's port is kept while it is down, so that no other test's server gets it.
mkfifo "$work/hold"
"$test_program" --hold-port <"$work/hold" >"$work/port" &
holder=$!
exec 9>"$work/hold"
await -E port '^[0-9]+$'
user_status "127.0.0.1:$(cat "$work/port")" true
start_server "$binary" "$work"

case $example in
04_event_loop)
    mkfifo "$work/in"
    "$examples/04_event_loop" "$address" $app alice "$(user_sig alice)" <"$work/in" >"$work/loop" 2>&1 &
    program=$!
    exec 3>"$work/in"
    await -E loop '^login: '
    await -E loop '^alice: status 1 ""$'
    # Half a line is no line.
    printf 'set in a' >&3
    printf ' loop\nwatch bob\nnonsense\n' >&3
    await -E loop '^set: '
    await -E loop '^alice: status 1 "in a loop"$'
    await -E loop '^watch: '
    await -E loop '^unknown: nonsense$'
    # Bob stays until he was seen: of changes that follow each other at once only the last must be told (R6.3).
    mkfifo "$work/bob"
    "$examples/02_set_status" "$address" $app bob "$(user_sig bob)" <"$work/bob" >/dev/null &
    other=$!
    exec 4>"$work/bob"
    printf 'hello\n' >&4
    await -E loop '^bob: status 1 "hello"$'
    exec 4>&-
    await -E loop '^bob: status 3 ""$'
    wait $other || fail "02_set_status ended with $?"
    printf 'quit\n' >&3
    wait $program || fail "04_event_loop ended with $?"
    program=''
    await -E loop '^logout: '
    # The end of the input is the end, too; a wrong UserSig is a failure.
    "$examples/04_event_loop" "$address" $app alice "$(user_sig alice)" </dev/null >"$work/loop" || fail "04_event_loop ended with $?"
    if "$examples/04_event_loop" "$address" $app alice garbage </dev/null >"$work/loop"; then fail "a wrong UserSig logged in"; fi
    ;;
05_hard_day)
    # The backend of this test: its UserSigs live as long as the file says; the first for long enough to log in on a busy machine.
    echo 5 >"$work/seconds"
    cat >"$work/backend" <<SH
#!/bin/sh
exec "$binary" sign --app $app --key $key --user alice --valid "\$(cat "$work/seconds")"
SH
    chmod +x "$work/backend"
    "$examples/05_hard_day" "$address" $app alice bob "$work/backend" >"$work/day" 2>&1 &
    program=$!
    await -E day '^logged in$'
    await -E day '^my status is "at work"$'
    await -E day '^nobody knows bob so far'
    printf 'hello\n' | "$examples/02_set_status" "$address" $app bob "$(user_sig bob)" >/dev/null
    await -E day '^bob has status 3$'
    # It asks too often.
    await -E day '^too many calls: waiting [1-9][0-9]* ms$'
    # Its first UserSig ends.
    echo 3600 >"$work/seconds"
    await -E day '^the UserSig expired: getting another one$'
    await -E day '^logged in$' 2
    await -E day '^my status is "at work"$' 2
    await -E day '^asking works again$'
    # The app switches user status off, and on again.
    listen=${address#tim://}
    user_status "$listen" false
    kill -HUP "$server_pid"
    await -E day '^user status is switched off'
    answered=$(grep -c '^asking works again$' "$work/day" || true)
    user_status "$listen" true
    kill -HUP "$server_pid"
    await -E day '^asking works again$' $((answered + 1))
    # The server dies, and comes back without its memory.
    kill -9 "$server_pid"
    wait "$server_pid" 2>/dev/null || true
    await -E day '^disconnected: '
    await -E day '^no answer: asking again$'
    start_server "$binary" "$work"
    await -E day '^my status is "at work"$' 3
    # bob comes: it still sees him.
    mkfifo "$work/bob.in"
    "$examples/02_set_status" "$address" $app bob "$(user_sig bob)" <"$work/bob.in" >/dev/null &
    other=$!
    exec 3>"$work/bob.in"
    await -E day '^bob has status 1$'
    exec 3>&-
    wait $other || fail "02_set_status answered $?"
    other=''
    # alice logs in on another machine.
    "$examples/02_set_status" "$address" $app alice "$(user_sig alice)" </dev/null >/dev/null || fail "02_set_status answered $?"
    code=0
    wait $program || code=$?
    program=''
    [ $code -eq 3 ] || fail "05_hard_day ended with $code"
    await -E day '^logged out by the server: .*\(6208\)$'
    ;;
*) fail "no example $example" ;;
esac
echo "$example: ok"
