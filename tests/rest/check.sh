#!/bin/sh
# One check of the administration over HTTP:  check.sh VENV SERVER CHECK
# VENV is made when it is not there, with the packages of requirements.txt. Exit code 77 where that cannot be had: the check is
# skipped. Where CI=true nothing is skipped. Checks: venv, v1, v4, finds, backend.
set -eu
venv=$1 server=$2 check=$3
here=$(cd "$(dirname "$0")" && pwd)

skip() {
    echo "skipped: $1"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}

# The environment, made once and whole or not at all.
made() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || skip 'there is no python3 of 3.10 or newer'
    cmp -s "$here/requirements.txt" "$venv/made-from" && return
    rm -rf "$venv"
    python3 -m venv "$venv" || skip 'Python cannot make a venv (Debian: python3-venv)'
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt" || skip 'PyPI cannot be reached'
    cp "$here/requirements.txt" "$venv/made-from"
}
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
made
exec 9>&-

PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
case $check in
venv) echo "made: $venv" ;;
v1 | v4 | finds) exec "$venv/bin/python" "$here/described.py" "$server" "$check" ;;
backend) exec "$venv/bin/python" "$here/backend.py" "$server" ;;
*) echo "there is no check $check" >&2; exit 2 ;;
esac
