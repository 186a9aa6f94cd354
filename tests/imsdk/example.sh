#!/bin/sh
# Runs example 07 against a real server: example.sh EXAMPLES_DIR SERVER_BINARY
set -eu
examples=$1 binary=$2
tests=$(dirname "$0")/..
. "$tests/example_server.sh"
configure "$work" 127.0.0.1:0 'auto_register_on_mention = true' 'accounts = ["bob"]'
start_server "$binary" "$work"
TIM_PRESENCE_SERVER=$address
export TIM_PRESENCE_SERVER

mkfifo "$work/alice.in"
"$examples/07_original_names" $app alice "$(user_sig alice)" bob <"$work/alice.in" >"$work/alice" 2>&1 &
program=$!
exec 3>"$work/alice.in"
await -F alice '[{"user_status_identifier":"bob","user_status_status_type":3,"user_status_custom_status":"","user_status_online_devices":[]}]'
await -F alice 'changed: [{"user_status_identifier":"alice","user_status_status_type":1,"user_status_custom_status":"hello"'
"$examples/02_set_status" "$TIM_PRESENCE_SERVER" $app bob "$(user_sig bob)" "in a call" </dev/null >"$work/bob" 2>&1 || fail "02_set_status answered $?"
await -F alice '"user_status_identifier":"bob","user_status_status_type":1,"user_status_custom_status":"in a call"'
await -F alice 'changed: [{"user_status_identifier":"bob","user_status_status_type":3,"user_status_custom_status":""'
exec 3>&-
wait $program || fail "the example ended with $?"
program=''
# Refusals are said, and are a failure.
if "$examples/07_original_names" $app alice garbage bob </dev/null >"$work/refused" 2>&1; then fail "a wrong UserSig logged in"; fi
grep -q 70003 "$work/refused" || fail "the refusal has no code"
echo "example: ok"
