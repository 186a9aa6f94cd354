#!/bin/sh
# One check of the Python package:  check.sh VENV LIBRARY CHECK [ARGUMENT...]
# VENV is made when it is not there, with the packages of requirements-dev.txt; skipped where that cannot be had.
# Checks: venv, tests, types, oldest, first, run, wheel, consumer.
set -eu
venv=$1 library=$2 check=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

. "$root/tests/venv.sh"
venv "$venv" "$here/requirements-dev.txt" 9

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
