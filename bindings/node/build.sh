#!/bin/sh
# Makes the npm package for this machine's platform:  build.sh PROFILE_DIR OUT
# PROFILE_DIR: where cargo put libtim_presence.so. OUT/package becomes the package's folder, OUT/tim-presence-VERSION.tgz what
# `npm pack` makes of it. Needs node and npm, 18 or newer, and a C++ compiler; the three packages of devDependencies come from
# the npm registry on the first run, as package-lock.json has them.
set -eu
built=$(cd "${1:?build.sh PROFILE_DIR OUT}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
mkdir -p "${2:?build.sh PROFILE_DIR OUT}"
out=$(cd "$2" && pwd)
fail() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }
[ -e "$built/libtim_presence.so" ] || fail "there is no $built/libtim_presence.so: run 'make build' first"

# Away from the package's own folder, and from the tests: Node would find this package.json by the package's name.
tools=$out/tools
mkdir -p "$tools"
cp "$here/package.json" "$here/package-lock.json" "$tools/"
if ! cmp -s "$here/package-lock.json" "$tools/node_modules/.of"; then
    (cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) || fail "the build's packages cannot be had from the npm registry"
    cp "$here/package-lock.json" "$tools/node_modules/.of"
fi

rm -rf "$tools/src" "$out/package"
platform=$(node -p 'process.platform + "-" + process.arch')
prebuilt=$out/package/prebuilds/$platform
mkdir -p "$prebuilt"
cp -r "$here/src" "$here/tsconfig.json" "$tools/"
node "$here/generate.mjs" "$root/include/tim_presence.h" "$root/docs/C_API.md" "$tools/src/generated.ts"
(cd "$tools" && node node_modules/typescript/bin/tsc -p . --outDir ../package/dist)

# Node's interface for native modules, version 8: the binary runs with every Node from 18 on. It is never unloaded, because
# a thread of the library may be on its way through its wake callback. The C++ runtime is inside, so that it needs no newer one.
# CXX and CXX_RUNTIME are one word or several: a compiler, and how it is told to put the runtime inside.
${CXX:-c++} -std=c++17 -O2 -Wall -Wextra -Wpedantic -Werror -fPIC -shared -fvisibility=hidden -fno-exceptions -fno-rtti \
    -DNAPI_VERSION=8 -isystem "$tools/node_modules/node-api-headers/include" -I "$root/include" \
    ${CXX_RUNTIME--static-libstdc++ -static-libgcc -Wl,--exclude-libs,ALL} -Wl,-z,nodelete -Wl,-z,max-page-size=16384 -s \
    -o "$prebuilt/tim_presence.node" "$here"/native/*.cc -ldl
strip --strip-unneeded -o "$prebuilt/libtim_presence.so.0" "$built/libtim_presence.so"
cp "$here/README.md" "$root/LICENSE-MIT" "$root/LICENSE-APACHE" "$out/package/"

# What is published has no use for what it was built with.
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
node -e 'const [from, to, version] = process.argv.slice(1);
  const { devDependencies, ...rest } = require(from);
  if (rest.version !== version) throw new Error(`package.json has version ${rest.version}, Cargo.toml ${version}`);
  require("fs").writeFileSync(to, JSON.stringify(rest, null, 2) + "\n");' "$here/package.json" "$out/package/package.json" "$version"
(cd "$out" && npm pack --silent ./package >/dev/null)
echo "built: $out/tim-presence-$version.tgz for $platform"
