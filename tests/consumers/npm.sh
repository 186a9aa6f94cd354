#!/bin/sh
# Installs the npm package into a clean folder and uses it as others will:  npm.sh PACKAGE_FOLDER SERVER WORK_FOLDER
# PACKAGE_FOLDER is where bindings/node/build.sh put the packed package, and the compiler it was made with.
set -eu
packed=$1 server=$2 work=$3/npm
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../server.sh"
fail() { echo "$*" >&2; exit 1; }
rm -rf "$work"
cp -r "$here/npm" "$work"
trap 'status=$?; stop_server; [ $status != 0 ] || rm -rf "$work"' EXIT
unset NODE_PATH NODE_OPTIONS LD_LIBRARY_PATH TIM_PRESENCE_LIBRARY || true

# It has no dependencies and runs nothing while it is installed, so it needs no network.
(cd "$work" && npm install --offline --ignore-scripts --no-audit --no-fund --loglevel=error "$packed"/tim-presence-*.tgz >/dev/null) || fail "the package cannot be installed"
packages=$(ls "$work/node_modules")
[ "$packages" = tim-presence ] || fail "it brought others along: $packages"
left=$(cd "$work/node_modules/tim-presence" && find . -name '*.ts' ! -name '*.d.ts' -o -name '*.cc' -o -name 'tests')
[ -z "$left" ] || fail "the package holds more than it should: $left"

configure "$work" 127.0.0.1:0
start_server "$server" "$work"
for program in consumer.mjs consumer.cjs; do
    user=$(echo $program | tr . _)
    node "$work/$program" "$address" $app "$user" "$(user_sig "$user")" >"$work/said" || fail "$program answered $?"
    [ "$(cat "$work/said")" = "Node: $user is ONLINE \"linked\"" ] || fail "$program said: $(cat "$work/said")"
done
node "$packed/tools/node_modules/typescript/bin/tsc" --noEmit --strict --target ES2022 --module Node16 --moduleResolution Node16 \
    --typeRoots "$packed/tools/node_modules/@types" --types node "$work/consumer.ts" || fail "its types do not compile"
echo "npm: ok"
