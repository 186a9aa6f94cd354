# Sourced by what consumes an installed library: a real server on a free port, and UserSigs of its app.
#   start_server PROGRAM WORK_FOLDER    sets $address, $app; the server ends with stop_server
#   await_address WORK_FOLDER           the second half of that, for a server started otherwise; its pid is in $server_pid
#   user_sig USER
app=1400000001
key=a-secret-key-for-tests-only
server_pid=''

start_server() {
    server_program=$1
    cat >"$2/server.toml" <<TOML
listen = ["127.0.0.1:0"]
[[apps]]
id = $app
secret_key = "$key"
TOML
    "$1" --config "$2/server.toml" >"$2/server.out" 2>"$2/server.log" &
    server_pid=$!
    await_address "$2"
}

# await_address WORK_FOLDER: until that server says in server.out where it listens; sets $address
await_address() {
    tries=0
    until address=$(sed -n 's/^listening on //p' "$1/server.out" 2>/dev/null) && [ -n "$address" ]; do
        tries=$((tries + 1))
        if [ $tries -ge 600 ] || ! kill -0 "$server_pid" 2>/dev/null; then
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
