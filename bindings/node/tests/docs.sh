#!/bin/sh
# Runs the programs of docs/NODE.md as a reader has them:  docs.sh ROOT OUT
# The first block of js is the first program, the block of text after it what it prints; every other block of js compiles.
set -eu
root=$1 work=$2/tests/docs
fail() { echo "$*" >&2; exit 1; }
rm -rf "$work"
mkdir -p "$work"
# block LANGUAGE NUMBER FILE: that block of a page
block() {
    awk -v fence="\`\`\`$1" -v wanted="$2" '$0 == fence { number++; inside = number == wanted; next } /^```/ { inside = 0 } inside' "$3"
}
block js 1 "$root/docs/NODE.md" >"$work/first.mjs"
block text 1 "$root/docs/NODE.md" >"$work/expected"
[ -s "$work/first.mjs" ] && [ -s "$work/expected" ] || fail "docs/NODE.md has no first program, or does not say what it prints"
timeout 120 node "$work/first.mjs" >"$work/printed" || fail "the first program answered $?"
# The second line may be left out, as the page says.
diff "$work/expected" "$work/printed" >/dev/null || sed 2d "$work/expected" | diff - "$work/printed" || fail "the first program prints something else"
block js 2 "$root/docs/NODE.md" >"$work/second.mjs"
[ -s "$work/second.mjs" ] || fail "docs/NODE.md has no second program"
node -e 'import(process.argv[1]).then(({ statusOf }) => process.exit(typeof statusOf === "function" ? 0 : 1))' "$work/second.mjs" || fail "the second program does not load"

# The page of the package: its program, with a server to talk to, somebody to hear of, and an end.
{
    echo "import { Server } from 'tim-presence';"
    echo "const server = Server.start();"
    echo "const userSig = server.issueUserSig('alice');"
    block js 1 "$root/bindings/node/README.md" | sed -e "s|'tim://127.0.0.1:7788'|server.address|" -e '/^for await/d'
    echo "const bob = new Client({ server: server.address, sdkAppId: 1400000001 });"
    echo "await bob.login('bob', server.issueUserSig('bob'));"
    echo "setImmediate(() => bob.setSelfStatus('hello'));"
    block js 1 "$root/bindings/node/README.md" | sed -n 's|^for await \(.*\) console\.log(\(.*\));$|for await \1 { console.log(\2); if (user.customStatus === "hello") break; }|p'
    echo "await Promise.all([alice.close(), bob.close(), server.stop()]);"
} >"$work/page.mjs"
timeout 120 node "$work/page.mjs" >"$work/printed" || fail "the program of README.md answered $?"
grep -qx 'bob ONLINE hello' "$work/printed" || fail "the program of README.md prints: $(cat "$work/printed")"
echo "docs: ok"
