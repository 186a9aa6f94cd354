#!/bin/sh
# One check of the administration over HTTP:  check.sh VENV SERVER CHECK
# VENV is made when it is not there, with the packages of requirements.txt; skipped where that cannot be had.
# Checks: venv, v1, v4, finds, backend.
set -eu
venv=$1 server=$2 check=$3
here=$(cd "$(dirname "$0")" && pwd)

. "$here/../venv.sh"
venv "$venv" "$here/requirements.txt" 10

PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
case $check in
venv) echo "made: $venv" ;;
v1 | v4 | finds) exec "$venv/bin/python" "$here/described.py" "$server" "$check" ;;
backend) exec "$venv/bin/python" "$here/backend.py" "$server" ;;
*) echo "there is no check $check" >&2; exit 2 ;;
esac
