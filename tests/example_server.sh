# For scripts that run examples against a real server: sourced, with $binary, the server's. The script may start programs, $program,
# $other and $holder, which do not outlive it. What they write into $work is shown when something fails.
app=1400000001 key=a-secret-key-for-tests-only
work=$(mktemp -d)
server='' program='' other='' holder=''
cleanup() {
    for pid in $server $program $other $holder; do kill -9 "$pid" 2>/dev/null || true; done
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

# configure LISTEN [LINE...]: writes the configuration, with these lines about the app.
configure() {
    cat >"$work/server.toml" <<TOML
listen = ["$1"]
[[apps]]
id = $app
secret_key = "$key"
auto_register_on_mention = true
TOML
    shift
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$work/server.toml"
}

# Starts the server; $address is where it listens.
start_server() {
    : >"$work/server"
    "$binary" --config "$work/server.toml" >"$work/server" 2>>"$work/server.log" &
    server=$!
    await -E server '^listening on '
    address=$(sed -n 's/^listening on //p' "$work/server")
}

# sig USER: a UserSig.
sig() { "$binary" sign --app $app --key $key --user "$1"; }
