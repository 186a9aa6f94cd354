#!/bin/sh
# Makes the package and lays the tests beside it, where they find it by its name:  prepare.sh PROFILE_DIR OUT
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../build.sh" "$1" "$2"
rm -rf "$2/tests"
cp -r "$here" "$2/tests"
mkdir -p "$2/tests/node_modules"
ln -s ../../package "$2/tests/node_modules/tim-presence"
