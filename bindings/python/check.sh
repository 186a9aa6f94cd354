#!/bin/sh
# One check of the Python package:  check.sh VENV LIBRARY CHECK [ARGUMENT...]
# VENV is made when it is not there, with the packages of requirements-dev.txt. Exit code 77 where that cannot be had: the check is
# skipped. Where CI=true nothing is skipped. Checks: venv, tests, types, oldest, first, run, wheel, consumer.
set -eu
venv=$1 library=$2 check=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

skip() {
    echo "skipped: $1"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}

# The environment, made once and whole or not at all.
made() {
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null || skip 'there is no python3 of 3.9 or newer'
    cmp -s "$here/requirements-dev.txt" "$venv/made-from" && return
    rm -rf "$venv"
    python3 -m venv "$venv" || skip 'Python cannot make a venv (Debian: python3-venv)'
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$here/requirements-dev.txt" || skip 'PyPI cannot be reached'
    cp "$here/requirements-dev.txt" "$venv/made-from"
}
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
made
exec 9>&-

TIM_PRESENCE_LIBRARY=$library PYTHONPATH=$here/src PYTHONDONTWRITEBYTECODE=1
export TIM_PRESENCE_LIBRARY PYTHONPATH PYTHONDONTWRITEBYTECODE
cd "$here"
case $check in
venv) echo "made: $venv" ;;
tests) exec "$venv/bin/python" -X dev -W ignore::ImportWarning -m pytest -q -p no:cacheprovider "$@" ;;
types)
    cache=$venv/mypy-cache
    MYPYPATH=src:tests "$venv/bin/mypy" --cache-dir "$cache" src tests
    ;;
oldest)
    # Not one construct or module that Python 3.9 lacks.
    "$venv/bin/vermin" --no-tips --eval-annotations --target=3.9- --violations src
    "$venv/bin/python" -c 'import ast, pathlib
for path in sorted(pathlib.Path("src").rglob("*.py")):
    ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))'
    ;;
first)
    # The first program of docs/PYTHON.md, as it stands there, and that of README.md; checked like a program of a user.
    for page in "$root/docs/PYTHON.md" README.md; do
        program=$venv/first_program.py
        awk '/^```python$/ { inside = 1; next } /^```$/ { if (inside) exit } inside' "$page" >"$program"
        [ "$(wc -l <"$program")" -gt 8 ] || { echo "$page has no program" >&2; exit 1; }
        output=$("$venv/bin/python" -X dev -W error "$program")
        echo "$output"
        echo "$output" | grep -qF 'alice ONLINE in a meeting'
    done
    ;;
wheel)
    # The wheel in a folder: wheel PROFILE FOLDER. What is asked of its name is checked there.
    unset TIM_PRESENCE_LIBRARY PYTHONPATH
    exec ./build_wheel.sh "$venv/bin/python" "$@"
    ;;
consumer) exec sh "$root/tests/consumers/wheel/run.sh" "$venv" "$@" ;;
run) exec "$venv/bin/python" -X dev "$@" ;;
*) echo "check.sh: no check $check" >&2; exit 2 ;;
esac
