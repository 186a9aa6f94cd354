#!/bin/sh
# memcheck.sh BUILD_DIR SERVER: valgrind's memcheck over the C programs.
#  1. cycles: no error, and not a byte lost or still reachable more after 100 cycles than after 1.
#  2. 01_hello: the same for the first program a newcomer writes.
#  3. Each case of the C tests that runs a client: no error (they end with clients alive, so leaks are not asked for).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$1
TIM_SERVER=$2
export TIM_SERVER
LC_ALL=C
export LC_ALL
logs="$build/memcheck"
rm -rf "$logs"
mkdir -p "$logs"
fail() { echo "memcheck: $*" >&2; exit 1; }
command -v valgrind >/dev/null || fail "valgrind is not installed"

leaks="valgrind --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=definite,indirect,possible --num-callers=40
    --error-exitcode=9 --suppressions=$here/tim_presence.supp"
# Bytes and blocks of one kind of a summary.
kept() { sed -n "s/.*$2: \(.* bytes in .*\)/\1/p" "$1"; }

for cycles in 1 100; do
    $leaks --log-file="$logs/cycles-$cycles.log" "$build/checkers/cycles" $cycles || { cat "$logs/cycles-$cycles.log"; fail "$cycles cycles"; }
    grep -q 'ERROR SUMMARY: 0 errors' "$logs/cycles-$cycles.log" || fail "cycles-$cycles.log has no summary"
done
for kind in 'still reachable' 'suppressed'; do
    once=$(kept "$logs/cycles-1.log" "$kind")
    often=$(kept "$logs/cycles-100.log" "$kind")
    [ "$once" = "$often" ] || fail "$kind: $once after 1 cycle, $often after 100"
    echo "memcheck: $kind after 1 and after 100 cycles: ${once:-0 bytes in 0 blocks}"
done
$leaks --log-file="$logs/hello.log" "$build/examples_c/01_hello" >/dev/null || { cat "$logs/hello.log"; fail 01_hello; }

# Not under valgrind, which runs one thread at a time and 20 times slower: what measures time or races hundreds of times.
slow='heartbeats|slow_callback|exits_|exit_without|destroy_from_atexit|a_hundred|many_clients|racing|twenty_thousand|a_flood|a_server_that_reads_nothing'
cases="$logs/cases"
: >"$cases"
for program in api_bad_input api_results lifecycle wire_client faults/faults_login faults/faults_session contract/generated contract/order \
    contract/reentrancy contract/lent imsdk/imsdk_states imsdk/imsdk_session; do
    [ -x "$build/$program" ] || continue
    "$build/$program" 2>/dev/null | awk -v program="$program" '{ print program, $1 }' | grep -Ev "$slow" >>"$cases" || true
done
[ "$(wc -l <"$cases")" -gt 100 ] || fail "only $(wc -l <"$cases") cases were found"
export build logs
# The processes that a case starts (servers, peers) are not followed. Valgrind's word is exit code 9. A case that fails
# otherwise ran out of time here, and is judged by ctest; but were they many, nothing would have been looked at.
xargs -P "${JOBS:-2}" -n 2 sh -c '
    log="$logs/$(basename "$0").$1.log"
    code=0
    valgrind --quiet --leak-check=no --error-exitcode=9 --log-file="$log" "$build/$0" "$1" >"$log.out" 2>&1 || code=$?
    case $code in
    0) ;;
    9) echo "$0 $1: valgrind has errors"; head -n 60 "$log"; exit 1 ;;
    *) echo "$0 $1" >>"$logs/late" ;;
    esac' <"$cases" || fail "see above"
: >>"$logs/late"
late=$(wc -l <"$logs/late")
[ "$late" -eq 0 ] || { echo "memcheck: too slow under valgrind for their deadlines:"; cat "$logs/late"; }
[ $((late * 20)) -le "$(wc -l <"$cases")" ] || fail "$late cases ran out of time"
echo "memcheck: $(($(wc -l <"$cases") - late)) cases, no error"
