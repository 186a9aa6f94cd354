#!/bin/sh
# The Debian package of the server, as a machine meets it:  server_deb.sh PROFILE_DIR WORK_FOLDER
# Built, looked at, installed by dpkg below a folder (unpacked there, if not root), its configuration checked and served, a
# program of somebody else's logging in; installed again over what an administrator changed; removed, purged.
set -eu
built=$1 work=$2/server_deb
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/server.sh"
fail() { echo "$*" >&2; exit 1; }
command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || { echo 'skipped: no dpkg-dev here'; exit 77; }
rm -rf "$work"
mkdir -p "$work/root/var/lib/dpkg/updates" "$work/root/var/lib/dpkg/info" "$work/root/etc"
trap 'status=$?; stop_server; [ $status != 0 ] || rm -rf "$work"' EXIT
for file in var/lib/dpkg/status etc/passwd etc/group etc/shadow etc/gshadow; do : >"$work/root/$file"; done

DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1 "$root/packaging/deb.sh" "$built" "$work/packages" server
package=$(echo "$work/packages/tim-presence-server_"*.deb)
configuration=$work/root/etc/tim-presence/tim-presence-server.toml
program=$work/root/usr/bin/tim-presence-server

# ---- what is in it ----
[ "$(dpkg-deb -I "$package" conffiles)" = /etc/tim-presence/tim-presence-server.toml ] || fail "the configuration is not a conffile"
dpkg-deb -f "$package" Depends | grep -q 'libc6 (>= .*passwd' || fail "it depends on: $(dpkg-deb -f "$package" Depends)"
for script in postinst prerm postrm; do
    dpkg-deb -I "$package" $script >"$work/script"
    sh -n "$work/script" || fail "$script is not a script"
done
other=$(dpkg-deb -c "$package" | awk '$2 != "root/root" || $1 ~ /^-.*w..w|^-.......w/' || true)
[ -z "$other" ] || fail "files of others, or that others may write: $other"
if command -v lintian >/dev/null; then
    # The three that are meant: nobody asked Debian for it; systemctl is called, to stop the server; keys are not for everybody.
    # Root or not is no matter to what it looks at.
    lintian --allow-root --suppress-tags initial-upload-closes-no-bugs,maintainer-script-calls-systemctl,non-standard-file-perm "$package" >"$work/lintian" 2>&1 ||
        { cat "$work/lintian" >&2; fail "lintian finds errors"; }
    # Warnings are told, and stop nobody: other releases of lintian have others.
    grep '^W: ' "$work/lintian" || true
fi

# ---- installed ----
dpkg_below() {
    dpkg --root="$work/root" --force-depends --force-script-chrootless --force-confold --log=/dev/null "$@" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "dpkg $1 failed"; }
}
is_root=$([ "$(id -u)" = 0 ] && echo yes || echo no)
if [ $is_root = yes ]; then
    ours=$(grep -c '^tim-presence:' /etc/passwd || true)
    dpkg_below -i "$package"
    grep -q 'systemctl enable --now tim-presence-server' "$work/log" || fail "installing does not say what to do next: $(cat "$work/log")"
    grep -q '^tim-presence:[^:]*:[0-9]*:[0-9]*:presence server:/var/lib/tim-presence:/usr/sbin/nologin$' "$work/root/etc/passwd" ||
        fail "the user is not there: $(cat "$work/root/etc/passwd")"
    [ "$(grep -c '^tim-presence:' /etc/passwd || true)" = "$ours" ] || fail "the user was made on this machine, too"
    group=$(sed -n 's/^tim-presence:[^:]*:\([0-9]*\):.*/\1/p' "$work/root/etc/group")
    [ "$(stat -c '%a %u %g' "$configuration")" = "640 0 $group" ] || fail "the configuration is $(stat -c '%a %u %g' "$configuration"), the group $group"
    [ "$(stat -c '%a %u %g' "${configuration%/*}")" = "750 0 $group" ] || fail "its folder is $(stat -c '%a %u %g' "${configuration%/*}")"
else
    dpkg-deb -x "$package" "$work/root"
fi
dpkg-deb -I "$package" md5sums >"$work/md5sums"
[ -s "$work/md5sums" ] && (cd "$work/root" && md5sum --quiet -c "$work/md5sums") || fail "the md5sums are wrong"

# ---- the unit, where the programs are ----
if command -v systemd-analyze >/dev/null && systemd-analyze --help 2>/dev/null | grep -q recursive-errors; then
    # Where the program and the manual page lie is a matter of this test; everything else is verified as it is.
    sed "s|^ExecStart=/usr/bin/|ExecStart=$work/root/usr/bin/|; /^Documentation=man:/d" "$work/root/usr/lib/systemd/system/tim-presence-server.service" >"$work/tim-presence-server.service"
    systemd-analyze verify --recursive-errors=no "$work/tim-presence-server.service" >"$work/log" 2>&1 && ! grep -q 'tim-presence-server\.service' "$work/log" ||
        { cat "$work/log" >&2; fail "systemd finds faults in the unit"; }
fi
unit=$work/root/usr/lib/systemd/system/tim-presence-server.service
grep -qx 'ExecStart=/usr/bin/tim-presence-server --config /etc/tim-presence/tim-presence-server.toml' "$unit" || fail "the unit starts something else"

# ---- the manual page names every option and command of --help ----
gzip -dc "$work/root/usr/share/man/man8/tim-presence-server.8.gz" | sed 's/\\-/-/g' >"$work/page"
for word in $("$program" --help | grep -oE '(^|[ (|])--[a-z-]+|^  tim-presence-server [a-z][a-z-]+' | sed 's/.*[ (|]//' | sort -u); do
    grep -qE -- "(^|[ \"])$word([ \"]|\$)" "$work/page" || fail "tim-presence-server(8) lacks $word"
done

# ---- its configuration: refused as it comes, right with a key ----
if "$program" check-config "$configuration" >"$work/log" 2>&1; then fail "the example's key is taken for one"; fi
grep -q 'secret_key' "$work/log" || fail "the refusal does not say why: $(cat "$work/log")"
sed -i "s/^secret_key = .*/secret_key = \"$key\"/" "$configuration"
"$program" check-config "$configuration" >"$work/log" 2>&1 || fail "with a key it is refused: $(cat "$work/log")"

# ---- served: somebody logs in ----
cc "$here/programs/consumer.c" -I "$root/include" -L "$built" -ltim_presence -o "$work/consumer"
mkdir "$work/library"
ln -s "$built/libtim_presence.so" "$work/library/libtim_presence.so.0"
"$program" --config "$configuration" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$work/data" >"$work/server.out" 2>"$work/server.log" &
server_pid=$! server_program=$program
await_address "$work"
LD_LIBRARY_PATH=$work/library "$work/consumer" "$address" $app alice "$(user_sig alice)" >"$work/said" || fail "the client answered $?"
[ "$(cat "$work/said")" = 'C: alice is 1 "linked"' ] || fail "the client said: $(cat "$work/said")"
# What the container's health check asks (packaging/Dockerfile), with the same words.
if command -v bash >/dev/null; then
    tries=0 # its line comes after the other
    until port=$(sed -n 's/^administration at .*:\([0-9]*\)$/\1/p' "$work/server.out") && [ -n "$port" ] || [ $((tries = tries + 1)) -ge 600 ]; do sleep 0.05; done
    health=$(sed -n "s/^ *CMD \\[\"bash\", \"-c\", \"\\(.*\\)\"\\]\$/\\1/p" "$root/packaging/Dockerfile" | sed 's/\\\\/\\/g')
    [ -n "$port" ] && [ -n "$health" ] || fail "no health check found, or the server does not say where: $(cat "$work/server.out")"
    health=$(printf '%s\n' "$health" | sed "s/7789/$port/")
    bash -c "$health" || fail "the health check says that the server is ill"
fi
stopping=$server_pid
stop_server
wait "$stopping" || fail "the server ended with $?: $(cat "$work/server.log")"
if [ -n "${health:-}" ] && bash -c "$health" 2>/dev/null; then fail "the health check says that a stopped server is well"; fi

# ---- upgraded, removed, purged ----
if [ $is_root = yes ]; then
    dpkg_below -i "$package"
    grep -q "^secret_key = \"$key\"" "$configuration" || fail "installing again overwrote the configuration"
    [ "$(stat -c '%a %g' "$configuration")" = "640 $group" ] || fail "installing again changed who may read the configuration"
    mkdir -p "$work/root/var/lib/tim-presence"
    echo store >"$work/root/var/lib/tim-presence/file"
    dpkg_below -r tim-presence-server
    [ -e "$configuration" ] && [ -e "$work/root/var/lib/tim-presence/file" ] || fail "removing took the configuration or the store"
    [ ! -e "$program" ] || fail "removing left the program"
    dpkg_below -P tim-presence-server
    left=$(find "$work/root/usr" "$work/root/etc/tim-presence" "$work/root/var/lib/tim-presence" -type f 2>/dev/null || true)
    [ -z "$left" ] && [ ! -e "$work/root/etc/tim-presence" ] || fail "purging left: $left"
fi
echo 'server_deb: ok'
