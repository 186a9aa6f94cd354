#!/bin/sh
# Uses the wheel as somebody else will:  run.sh VENV WHEEL_FOLDER WORK_FOLDER
# In a clean environment that has the wheel and pytest: a program, its tests with the fixture, and mypy on both. VENV, which has
# mypy, is bindings/python's.
set -eu
venv=$1 wheel=$(ls "$2"/tim_presence-*.whl) work=$3
here=$(cd "$(dirname "$0")" && pwd)
unset TIM_PRESENCE_LIBRARY PYTHONPATH LD_LIBRARY_PATH || true
rm -rf "$work"
mkdir -p "$work"
cp "$here"/*.py "$work"
cd "$work"
python3 -m venv clean
# pytest is a dependency of the tests of applications, not of the wheel: that comes first, with nothing else at hand.
clean/bin/pip install -q --disable-pip-version-check --no-index "$wheel"
clean/bin/python -X dev -W error app.py | tee said
grep -q '^tim_presence [0-9.]*: alice is ONLINE busy, bob is UNLOGINED$' said
clean/bin/pip install -q --disable-pip-version-check "$(grep '^pytest==' "$here/../../../bindings/python/requirements-dev.txt")"
clean/bin/python -X dev -m pytest -q -p no:cacheprovider .
"$venv/bin/mypy" --strict --cache-dir "$work/mypy" --python-executable "$work/clean/bin/python" app.py test_app.py
clean/bin/pip uninstall -q -y tim-presence
[ -z "$(find clean -name '*tim_presence*')" ] || { echo 'uninstalling leaves something behind' >&2; exit 1; }
# A failure leaves all of it to be looked at.
rm -rf "$work"
