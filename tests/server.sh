# Sourced by scripts that need a real server on a free port, and UserSigs of its app.
#   configure FOLDER LISTEN [LINE...]   writes FOLDER/server.toml, with these lines about the app
#   start_server PROGRAM FOLDER         starts it with that, sets $address; its pid is in $server_pid until stop_server
#   await_address FOLDER                the second half of that, for a server started otherwise, with $server_pid set
#   user_sig USER                       made by $server_program, the one that was started
app=1400000001
key=a-secret-key-for-tests-only
server_pid=''

configure() {
    toml=$1/server.toml
    cat >"$toml" <<TOML
listen = ["$2"]
[[apps]]
id = $app
secret_key = "$key"
TOML
    shift 2
    [ $# -eq 0 ] || printf '%s\n' "$@" >>"$toml"
}

start_server() {
    server_program=$1
    : >"$2/server.out" # what an earlier one said is no answer
    "$1" --config "$2/server.toml" >"$2/server.out" 2>>"$2/server.log" &
    server_pid=$!
    await_address "$2"
}

# Until that server says in server.out where it listens, for up to 60 s.
await_address() {
    tries=0
    until address=$(sed -n 's/^listening on //p' "$1/server.out" 2>/dev/null) && [ -n "$address" ]; do
        tries=$((tries + 1))
        if [ $tries -ge 1200 ] || ! kill -0 "$server_pid" 2>/dev/null; then
            cat "$1/server.out" "$1/server.log" >&2
            echo 'the server does not listen' >&2
            return 1
        fi
        sleep 0.05
    done
}

stop_server() {
    [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
    server_pid=''
}

user_sig() { "$server_program" sign --app $app --key $key --user "$1"; }
