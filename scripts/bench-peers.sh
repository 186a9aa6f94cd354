#!/bin/sh
# Measures our server beside its peers and the floors: every scenario, interleaved, into one folder of tables and JSON.
# Installs the peers from Debian's packages if they are missing, without starting their services.
#
#   scripts/bench-peers.sh [RESULTS-FOLDER]       all scenarios (about an hour with 10 rounds)
#
#   ROUNDS=10        runs of each server in the scenarios that take seconds
#   ROUNDS_SLOW=3    runs in those that take minutes with XMPP servers
#   SECONDS_EACH=2   measured time of a run
#   SCENARIOS='...'  names of the tables to make, as listed by --list
set -eu
cd "$(dirname "$0")/.."

ROUNDS=${ROUNDS:-10}
ROUNDS_SLOW=${ROUNDS_SLOW:-3}
SECONDS_EACH=${SECONDS_EACH:-2}

say() { printf 'bench-peers: %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }

BROKERS=ours,floor-each,floor-batch,redis,nats,mosquitto
EVERYONE=$BROKERS,ejabberd,prosody

# One line a table: its name, then the tool's arguments.
tables() {
    cat <<EOF
fan-out-own fan-out --servers $BROKERS --rounds $ROUNDS --seconds $SECONDS_EACH
fan-out-shared fan-out --shared --servers $BROKERS --rounds $ROUNDS --seconds $SECONDS_EACH
fan-out-rate fan-out --rate 10000 --servers $BROKERS --rounds $ROUNDS --seconds $SECONDS_EACH
fan-out-chat fan-out --window 1 --servers ours,floor-batch,ejabberd,prosody --rounds $ROUNDS_SLOW --seconds 4
idle idle --servers $BROKERS --rounds $ROUNDS_SLOW --seconds $SECONDS_EACH
idle-chat idle --connections 2000 --servers ours,ejabberd,prosody --rounds $ROUNDS_SLOW --seconds $SECONDS_EACH
login-storm login-storm --servers $BROKERS --rounds $ROUNDS
login-storm-watching login-storm --subscriptions 20 --servers ours,floor-each,floor-batch,redis,mosquitto --rounds $ROUNDS
login-storm-chat login-storm --connections 2000 --servers ours,ejabberd,prosody --rounds $ROUNDS_SLOW
login-storm-watching-chat login-storm --connections 1000 --subscriptions 20 --servers ours,ejabberd,prosody --rounds $ROUNDS_SLOW
loss-storm loss-storm --servers ours,floor-each,floor-batch,mosquitto --rounds $ROUNDS
loss-storm-chat loss-storm --servers ours,ejabberd,prosody --rounds $ROUNDS_SLOW
query-5k query --servers ours,floor-batch,redis --rounds $ROUNDS --seconds $SECONDS_EACH
query-5k-changes query --changes 5000 --rate 500 --servers ours,floor-batch,redis --rounds $ROUNDS --seconds $SECONDS_EACH
query-1m query --accounts 1000000 --servers ours,floor-batch,redis --rounds $ROUNDS --seconds $SECONDS_EACH
query-1m-changes query --accounts 1000000 --changes 5000 --rate 500 --servers ours,floor-batch,redis --rounds $ROUNDS --seconds $SECONDS_EACH
churn churn --servers ours,floor-batch,redis,nats,mosquitto --rounds $ROUNDS --seconds $SECONDS_EACH
EOF
}

if [ "${1:-}" = --list ]; then
    tables
    exit 0
fi

# The packages named like what they bring. Their services stay off: the tool starts each itself, on a free port.
missing=""
for pair in mosquitto:mosquitto nats-server:nats-server redis-server:redis-server ejabberdctl:ejabberd prosody:prosody; do
    have "${pair%%:*}" || missing="$missing ${pair##*:}"
done
if [ -n "$missing" ]; then
    have apt-get || { say "please install by hand:$missing"; exit 1; }
    as_root=""
    if [ "$(id -u)" != 0 ]; then
        have sudo || { say "as root: apt-get install$missing"; exit 1; }
        as_root=sudo
    fi
    say "apt-get install$missing"
    $as_root apt-get -q -q update
    # What the packages would start at once is stopped after; a policy of the machine's own is left as it is.
    # Unquoted on purpose: one word a package.
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -q -y --no-install-recommends install $missing >/dev/null
    if [ -d /run/systemd/system ]; then
        for package in $missing; do
            say "systemctl disable --now $package"
            $as_root systemctl disable --now "$package" >/dev/null 2>&1 || say "note: $package has no service"
        done
    fi
fi

say "building the server and the load generator, optimised"
scripts/cargo.sh build --release -p tim-presence-server -p tim-presence-load
LOAD=${CARGO_TARGET_DIR:-target}/release/tim-presence-load

results=${1:-${CARGO_TARGET_DIR:-target}/bench-peers}
mkdir -p "$results"
failed=""
tables > "$results/tables"
while read -r name arguments; do
    case " ${SCENARIOS:-$name} " in *" $name "*) ;; *) continue ;; esac
    say "$name (load average $(cut -d' ' -f1 /proc/loadavg))"
    # Unquoted on purpose: one word an argument.
    if ! "$LOAD" $arguments --json "$results/$name.json" > "$results/$name.md" </dev/null; then
        failed="$failed $name"
    fi
    cat "$results/$name.md"
done < "$results/tables"
say "tables and runs are in $results/"
[ -z "$failed" ] || { say "with failures:$failed"; exit 1; }
