#!/bin/sh
# The console in headless Chromium:  check.sh OUT SERVER
# OUT gets the packages that package.json names, once. Exit code 77 where those, Node.js or Chromium cannot be had: skipped. Where
# CI=true nothing is skipped.
set -eu
out=$1 server=$2
here=$(cd "$(dirname "$0")" && pwd)

skip() {
    echo "skipped: $1"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}

command -v node >/dev/null && command -v npm >/dev/null || skip 'there is no node or no npm'
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || skip 'Node.js is older than 20, which Playwright needs'
TIM_CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || skip 'there is no Chromium'
# Ubuntu's package of that name only says where to get one.
"$TIM_CHROMIUM" --version >/dev/null 2>&1 || skip "$TIM_CHROMIUM does not run"

mkdir -p "$out"
if ! cmp -s "$here/package.json" "$out/made-from"; then
    cp "$here/package.json" "$out/package.json"
    (cd "$out" && npm install --no-audit --no-fund --no-package-lock --loglevel=error) || skip 'npm cannot install what tests/console/package.json names'
    cp "$here/package.json" "$out/made-from"
fi
cp "$here"/*.mjs "$out"
TIM_SERVER=$server TIM_CONSOLE=$here/../../crates/server/src/console/page
export TIM_SERVER TIM_CONSOLE TIM_CHROMIUM
exec node --test "$out/console.test.mjs"
