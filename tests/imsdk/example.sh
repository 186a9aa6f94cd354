#!/bin/sh
# Runs example 07 against a real server: example.sh EXAMPLES_DIR SERVER_BINARY
set -eu
examples=$1 binary=$2
app=1400000001 key=a-secret-key-for-tests-only
work=$(mktemp -d)
server='' alice=''
cleanup() {
    for pid in $server $alice; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    echo "FAILED: $*" >&2
    for file in "$work"/*; do [ -f "$file" ] || continue; printf -- '---- %s\n' "$file" >&2; cat "$file" >&2; done
    exit 1
}

# Awaits a text in a file, up to 60 s.
await_text() {
    tries=0
    until grep -qF "$2" "$work/$1" 2>/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "no '$2' in $1"
        sleep 0.05
    done
}

cat >"$work/server.toml" <<TOML
listen = ["127.0.0.1:0"]
[[apps]]
id = $app
secret_key = "$key"
auto_register_on_mention = true
accounts = ["bob"]
TOML
"$binary" --config "$work/server.toml" >"$work/server" 2>"$work/server.log" &
server=$!
await_text server 'listening on '
TIM_PRESENCE_SERVER=$(sed -n 's/^listening on //p' "$work/server")
export TIM_PRESENCE_SERVER
sig() { "$binary" sign --app $app --key $key --user "$1"; }

mkfifo "$work/alice.in"
"$examples/07_original_names" $app alice "$(sig alice)" bob <"$work/alice.in" >"$work/alice" 2>&1 &
alice=$!
exec 3>"$work/alice.in"
await_text alice '[{"user_status_identifier":"bob","user_status_status_type":3,"user_status_custom_status":"","user_status_online_devices":[]}]'
await_text alice 'changed: [{"user_status_identifier":"alice","user_status_status_type":1,"user_status_custom_status":"hello"'
"$examples/02_set_status" "$TIM_PRESENCE_SERVER" $app bob "$(sig bob)" "in a call" </dev/null >"$work/bob" 2>&1 || fail "02_set_status answered $?"
await_text alice '"user_status_identifier":"bob","user_status_status_type":1,"user_status_custom_status":"in a call"'
await_text alice 'changed: [{"user_status_identifier":"bob","user_status_status_type":3,"user_status_custom_status":""'
exec 3>&-
wait $alice || fail "the example ended with $?"
alice=''
# Refusals are said, and are a failure.
if "$examples/07_original_names" $app alice garbage bob </dev/null >"$work/refused" 2>&1; then fail "a wrong UserSig logged in"; fi
grep -q 70003 "$work/refused" || fail "the refusal has no code"
echo "example: ok"
