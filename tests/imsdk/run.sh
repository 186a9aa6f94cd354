#!/bin/sh
# Runs a test program of libImSDK that needs published packages: run.sh PROGRAM FOLDER SERVER LIBRARY ARGUMENT...
# PROGRAM is a file of this folder. What it needs is brought into FOLDER once: packages of package-lock.json from npm, the
# generator of UserSigs from PyPI. Exits with 77 where there is no npm or no Python venv.
set -eu
program=$1 folder=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
# PyPI: tls-sig-api-v2, the original's own generator.
TLS_SIG_API=1.1

skip() { echo "skipped: $*"; exit 77; }
mkdir -p "$folder"
exec 9>"$folder/lock"
flock 9
case $program in
*.js)
    command -v npm >/dev/null && command -v node >/dev/null || skip "there is no npm (Debian: nodejs, npm)"
    cp "$here"/*.js "$here/package.json" "$here/package-lock.json" "$folder"
    if ! cmp -s "$here/package-lock.json" "$folder/installed.json"; then
        # The packages bring what they need built; nothing of theirs is run here.
        (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund)
        cp "$here/package-lock.json" "$folder/installed.json"
    fi
    flock -u 9
    cd "$folder"
    exec node "$program" "$@"
    ;;
*.py)
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || skip "Python cannot make a venv (Debian: python3-venv)"
    if [ ! -e "$folder/venv/$TLS_SIG_API" ]; then
        rm -rf "$folder/venv"
        python3 -m venv "$folder/venv"
        "$folder/venv/bin/pip" install -q --disable-pip-version-check "tls-sig-api-v2==$TLS_SIG_API"
        touch "$folder/venv/$TLS_SIG_API"
    fi
    flock -u 9
    exec "$folder/venv/bin/python" "$here/$program" "$@"
    ;;
*) echo "no program $program" >&2; exit 2 ;;
esac
