#!/bin/sh
# coverage.sh FACT HEADER: that the generator of cases would notice what the header gains. FACT is one of
#   covered        every function, pointer and text of the header has a rule, and every rule fits something
#   new_function, new_parameter, new_rule   a function without rules, a parameter without rules, a rule for nothing are noticed
set -eu
fact=$1
header=$2
here=$(dirname "$0")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

generate() { awk -v part=cases -f "$here/generate.awk" "$1" "$2" >"$work/cases" 2>"$work/complaints"; }

# Must fail, and name what it does not know.
must_complain() {
    if generate "$1" "$2"; then
        echo "the generator noticed nothing" >&2
        exit 1
    fi
    grep -q "$3" "$work/complaints" || { cat "$work/complaints" >&2; exit 1; }
}

case $fact in
covered)
    generate "$here/rules.txt" "$header" || { cat "$work/complaints" >&2; exit 1; }
    declared=$(grep -c '^CASE(tim[A-Za-z]*_states' "$work/cases")
    exported=$(grep -c '^tim' "$(dirname "$header")/tim_symbols.txt")
    [ "$declared" -eq "$exported" ] || { echo "$declared functions have cases, $exported are exported" >&2; exit 1; }
    ;;
new_function)
    { cat "$header"; echo 'TIM_API int32_t timForgetUser(TimClient client, const char *user_id);'; } >"$work/header.h"
    must_complain "$here/rules.txt" "$work/header.h" 'timForgetUser: no state rule'
    ;;
new_parameter)
    sed 's/TIM_API int32_t timAbiVersion(void)/TIM_API int32_t timAbiVersion(int32_t *flavour)/' "$header" >"$work/header.h"
    must_complain "$here/rules.txt" "$work/header.h" 'timAbiVersion: no rule for the parameter "int32_t \*flavour"'
    ;;
new_rule)
    { cat "$here/rules.txt"; echo 'vary | timVersion | buf | null | a.buf = NULL | TIM_ERR_NULL_POINTER'; } >"$work/rules.txt"
    must_complain "$work/rules.txt" "$header" 'the rule for buf of timVersion fits nothing'
    ;;
*)
    echo "unknown fact: $fact" >&2
    exit 2
    ;;
esac
