#!/bin/sh
# Consumes an installed library as others will:  run.sh WHAT PROFILE_DIR WORK_FOLDER
#   cmake      find_package from a tree that was installed and then moved
#   pkgconfig  pkg-config from such a tree
#   deb        both, from the Debian packages, installed by dpkg below a folder (unpacked there, if not root); then removed
#   uninstall  leaves nothing of what was installed, and nothing else missing
# Each builds four programs, C and C++, shared and static, and runs them against a real server.
set -eu
what=$1 built=$2 work=$3/$1
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/server.sh"
fail() { echo "$*" >&2; exit 1; }
rm -rf "$work"
mkdir -p "$work"
configure "$work" 127.0.0.1:0
# Nobody keeps 100 MB a test; a failure leaves what was built to be looked at.
trap 'status=$?; stop_server; [ $status != 0 ] || rm -rf "$work"' EXIT
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
major=${version%%.*} minor=$(echo "$version" | cut -d. -f2)
unset CFLAGS CXXFLAGS LDFLAGS LD_LIBRARY_PATH PKG_CONFIG_PATH CMAKE_PREFIX_PATH || true

# run_programs FOLDER LIBRARY_FOLDER: each of the four logs in and is told what it expects; shared ones use that library.
run_programs() {
    for language in c cpp; do
        for kind in shared static; do
            program=$1/consumer_${language}_$kind
            used=$(LD_LIBRARY_PATH=$2 ldd "$program" | sed -n 's/.*libtim_presence\.so\.0 => \([^ ]*\).*/\1/p')
            case $kind in
            shared) [ "$used" = "$2/libtim_presence.so.0" ] || fail "$program uses '$used', not the library in $2" ;;
            static) [ -z "$used" ] || fail "$program uses $used: it is not static" ;;
            esac
            user=${language}_$kind
            name=$([ $language = c ] && echo C || echo C++)
            LD_LIBRARY_PATH=$2 "$program" "$address" $app "$user" "$(user_sig "$user")" >"$work/said" || fail "$program answered $?"
            [ "$(cat "$work/said")" = "$name: $user is 1 \"linked\"" ] || fail "$program said: $(cat "$work/said")"
        done
    done
}

# build_cmake PREFIX, build_pkgconfig PKG_CONFIG_FOLDER: the four programs in $work/build
build_cmake() {
    cmake -S "$here/cmake" -B "$work/build" -DCMAKE_PREFIX_PATH="$1" >"$work/log" 2>&1 &&
        cmake --build "$work/build" >>"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the CMake project does not build"; }
}
build_pkgconfig() {
    mkdir -p "$work/build"
    PKG_CONFIG_LIBDIR=$1 make -C "$work/build" -f "$here/pkgconfig/Makefile" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "the pkg-config project does not build"; }
}

# installed_and_moved: a tree in $work/moved that was installed elsewhere, the library in a folder that is not the default
installed_and_moved() {
    PREFIX=/opt/presence LIBDIR=/opt/presence/lib/sub DESTDIR=$work/destdir "$root/scripts/install.sh" install "$built"
    mv "$work/destdir/opt/presence" "$work/moved"
}

case $what in
cmake)
    installed_and_moved
    start_server "$work/moved/bin/tim-presence-server" "$work"
    build_cmake "$work/moved/lib/sub/cmake"
    run_programs "$work/build" "$work/moved/lib/sub"
    # A version that is too new, and another major one, are not found.
    for wanted in $major.$((minor + 1)) $((major + 1)).0; do
        mkdir "$work/other"
        printf 'cmake_minimum_required(VERSION 3.16)\nproject(other C)\nfind_package(TimPresence %s REQUIRED)\n' $wanted >"$work/other/CMakeLists.txt"
        if cmake -S "$work/other" -B "$work/other/build" -DCMAKE_PREFIX_PATH="$work/moved/lib/sub/cmake" >"$work/log" 2>&1; then fail "version $wanted was found"; fi
        grep -q "version: $version" "$work/log" || { cat "$work/log" >&2; fail "version $wanted is refused for another reason"; }
        rm -r "$work/other"
    done
    ;;
pkgconfig)
    command -v pkg-config >/dev/null || { echo 'skipped: no pkg-config here'; exit 77; }
    installed_and_moved
    start_server "$work/moved/bin/tim-presence-server" "$work"
    build_pkgconfig "$work/moved/lib/sub/pkgconfig"
    run_programs "$work/build" "$work/moved/lib/sub"
    # What a static link needs besides is known to --static, too.
    private=$(PKG_CONFIG_LIBDIR=$work/moved/lib/sub/pkgconfig pkg-config --static --libs-only-l tim-presence)
    case $private in *-lpthread*) ;; *) fail "pkg-config --static says: $private" ;; esac
    ;;
deb)
    command -v dpkg-deb >/dev/null && command -v dpkg-shlibdeps >/dev/null || { echo 'skipped: no dpkg-dev here'; exit 77; }
    # Hardly compressed: that would take most of the time.
    DPKG_DEB_COMPRESSOR_TYPE=gzip DPKG_DEB_COMPRESSOR_LEVEL=1 "$root/packaging/deb.sh" "$built" "$work/packages" library
    library=$(echo "$work/packages/libtim-presence${major}_$version"-*.deb) headers=$(echo "$work/packages/libtim-presence-dev_$version"-*.deb)
    mkdir -p "$work/root/var/lib/dpkg/updates" "$work/root/var/lib/dpkg/info"
    : >"$work/root/var/lib/dpkg/status"
    # dpkg looks at every field, and does all it does on a machine, but look for what the packages depend on.
    dpkg_below() { dpkg --root="$work/root" --force-depends --force-script-chrootless --log=/dev/null "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "dpkg $1 failed"; }; }
    if [ "$(id -u)" = 0 ]; then
        dpkg_below -i "$library" "$headers"
    else
        for package in "$library" "$headers"; do dpkg-deb -x "$package" "$work/root"; done
    fi
    libdir=$work/root/usr/lib/$(gcc -print-multiarch)
    for package in "$library" "$headers"; do
        dpkg-deb -I "$package" md5sums >"$work/md5sums"
        [ -s "$work/md5sums" ] && (cd "$work/root" && md5sum --quiet -c "$work/md5sums") || fail "the md5sums of $package are wrong"
    done
    start_server "$built/tim-presence-server" "$work"
    build_cmake "$work/root/usr"
    run_programs "$work/build" "$libdir"
    rm -r "$work/build"
    PKG_CONFIG_SYSROOT_DIR=$work/root
    export PKG_CONFIG_SYSROOT_DIR
    build_pkgconfig "$libdir/pkgconfig"
    run_programs "$work/build" "$libdir"
    # What Debian's tools need to make packages of programs that use the library.
    dpkg-deb -I "$library" shlibs | grep -qx "libtim_presence $major libtim-presence$major (>= $version)" || fail "shlibs are wrong"
    dpkg-deb -I "$library" triggers | grep -qx 'activate-noawait ldconfig' || fail "ldconfig is not triggered"
    dpkg-deb -f "$library" Depends | grep -q 'libc6 (>= ' || fail "the package does not depend on libc6"
    if [ "$(id -u)" = 0 ]; then
        dpkg_below -P libtim-presence-dev "libtim-presence$major"
        left=$(find "$work/root/usr" -type f -o -type l 2>/dev/null || true)
        [ -z "$left" ] || fail "left behind: $left"
    fi
    ;;
uninstall)
    mkdir -p "$work/destdir/usr/local/lib/pkgconfig"
    echo 'of another package' >"$work/destdir/usr/local/lib/pkgconfig/another.pc"
    # As people call it.
    make -C "$root" -s install-built PROFILE_DIR="$built" DESTDIR="$work/destdir"
    [ -x "$work/destdir/usr/local/bin/tim-presence-server" ] || fail "the server is not installed"
    [ "$(readlink -f "$work/destdir/usr/local/lib/libtim_presence.so")" = "$work/destdir/usr/local/lib/libtim_presence.so.$version" ] || fail "the links lead elsewhere"
    make -C "$root" -s uninstall DESTDIR="$work/destdir"
    left=$(cd "$work/destdir" && find . -type f -o -type l)
    [ "$left" = ./usr/local/lib/pkgconfig/another.pc ] || fail "left behind: $left"
    # Nothing is installed by halves where there is nothing to install.
    mkdir "$work/empty"
    if DESTDIR=$work/none "$root/scripts/install.sh" install "$work/empty" 2>"$work/log"; then fail "an empty folder was installed"; fi
    grep -q "run 'make build'" "$work/log" || fail "the refusal does not say what to do: $(cat "$work/log")"
    [ ! -e "$work/none" ] || fail "a refused install left something"
    ;;
*) fail "no consumer $what" ;;
esac
echo "$what: ok"
