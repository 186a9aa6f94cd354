#!/bin/sh
# Swift for tests on systems that have none: Debian 13's, in a folder of its own (once; about a minute and 3 GB).
#   swift-root.sh setup                  makes it, or says why it cannot
#   swift-root.sh run BUILD COMMAND...   runs a command with it. The checkout is $CHECKOUT, read-only, and the folder BUILD is $BUILD
# The folder is TIM_SWIFT_ROOT, or ~/.cache/tim-presence/swift-trixie; it may be deleted at any time. Exit code 77: there is no
# Swift and none can be had here, and the text says why. Where the system has Swift 6, that is used and nothing is made.
# Needs root and debootstrap (scripts/setup.sh tests). What is mounted for a command is seen by that command alone, and
# gone with it.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
swift_root=${TIM_SWIFT_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/tim-presence/swift-trixie}
mirror=${TIM_DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages='swiftlang libstdc++-14-dev libc6-dev pkgconf'
# Changes with the packages, so that an older folder gets what is new.
stamp="$swift_root/.ready-2"

skip() { echo "skipped: no Swift: $*"; exit 77; }
have() { command -v "$1" >/dev/null 2>&1; }

own_swift() {
    have swift && swift --version 2>/dev/null | grep -q 'Swift version [6-9]'
}

setup() {
    own_swift && return
    [ -e "$stamp" ] && return
    [ "$(id -u)" = 0 ] || skip "making a folder with Debian's takes root; or install Swift 6"
    have debootstrap || skip "debootstrap is missing (scripts/setup.sh tests installs it); or install Swift 6"
    unshare -m true 2>/dev/null || skip "this system does not let root mount anything; install Swift 6"
    mkdir -p "$swift_root"
    (
        # Two tests at once must not make it at once.
        flock 9
        [ -e "$stamp" ] && exit 0
        echo "swift-root: Debian 13 with $packages, into $swift_root" >&2
        if [ ! -e "$swift_root/.base" ]; then
            # What an interrupted run left goes; but nothing of somebody else's.
            [ -e "$swift_root/.tim-presence" ] || [ -z "$(ls -A "$swift_root" | grep -vx .lock)" ] || skip "$swift_root is not empty"
            find "$swift_root" -mindepth 1 -maxdepth 1 ! -name .lock -exec rm -rf {} +
            touch "$swift_root/.tim-presence"
            # An older debootstrap lacks a recipe of that name, which is that of every Debian; Ubuntu's lacks Debian's keys.
            recipes=/usr/share/debootstrap/scripts recipe='' keys=/usr/share/keyrings/debian-archive-keyring.gpg
            [ -e $recipes/trixie ] || recipe=$recipes/sid
            [ -e $keys ] || skip "$keys is missing (Debian package debian-archive-keyring)"
            debootstrap --variant=minbase --keyring=$keys trixie "$swift_root" "$mirror" $recipe >"$swift_root/.log" 2>&1 ||
                { tail -n 5 "$swift_root/.log"; skip "debootstrap from $mirror failed"; }
            touch "$swift_root/.base"
        fi
        inside 'apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install '"$packages"' && apt-get clean' \
            >"$swift_root/.log" 2>&1 || { tail -n 5 "$swift_root/.log"; skip "apt-get in $swift_root failed"; }
        touch "$stamp"
    ) 9>"$swift_root/.lock"
}

# A shell line inside, with /proc and /dev.
inside() {
    unshare -m sh -eu -c '
        mount --make-rprivate /
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        exec chroot "$0" sh -eu -c "$1"' "$swift_root" "$1"
}

run() {
    build=$1
    shift
    if own_swift; then
        CHECKOUT=$root BUILD=$build exec "$@"
    fi
    exec unshare -m sh -eu -c '
        swift_root=$1 checkout=$2 build=$3
        shift 3
        mount --make-rprivate /
        mount -t proc proc "$swift_root/proc"
        mount --rbind /dev "$swift_root/dev"
        mount -t tmpfs tmpfs "$swift_root/mnt"
        mkdir "$swift_root/mnt/checkout" "$swift_root/mnt/build"
        mount --bind "$checkout" "$swift_root/mnt/checkout"
        mount -o remount,bind,ro "$swift_root/mnt/checkout"
        mount --bind "$build" "$swift_root/mnt/build"
        exec chroot "$swift_root" env -i PATH=/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 CHECKOUT=/mnt/checkout BUILD=/mnt/build "$@"' \
        sh "$swift_root" "$root" "$build" "$@"
}

verb=${1:-}
[ $# -gt 0 ] && shift
case $verb in
setup) setup ;;
run)
    setup
    run "$@"
    ;;
*)
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
    ;;
esac
