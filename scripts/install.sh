#!/bin/sh
# Lays out what was built as other software expects to find it, or takes it away again:
#   install.sh install PROFILE_DIR     PROFILE_DIR: where cargo put libtim_presence.so, .a and the server
#   install.sh uninstall
# From the environment: PREFIX (/usr/local), DESTDIR (put before every path: for packages), LIBDIR (PREFIX/lib),
# INCLUDEDIR (PREFIX/include), BINDIR (PREFIX/bin), DOCDIR (PREFIX/share/doc/tim-presence).
#
# Not cargo-c: that would generate a header and a SONAME of its own beside those of build.rs, install Cargo's static
# library with all of Rust's symbols to be seen, know nothing of CMake, and first be compiled itself.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }

verb=${1:-}
case $verb in
install) built=${2:?install.sh install PROFILE_DIR} ;;
uninstall) built='' ;;
*) fail "install.sh install PROFILE_DIR, or install.sh uninstall" ;;
esac

prefix=${PREFIX:-/usr/local}
destdir=${DESTDIR:-}
libdir=${LIBDIR:-$prefix/lib}
includedir=${INCLUDEDIR:-$prefix/include}
bindir=${BINDIR:-$prefix/bin}
docdir=${DOCDIR:-$prefix/share/doc/tim-presence}
for folder in "$prefix" "$libdir" "$includedir" "$bindir" "$docdir"; do
    case $folder in /*) ;; *) fail "not an absolute path: $folder" ;; esac
    # The two characters that the files below could not hold.
    case $folder in *[\|\&\;]*) fail "a path may not have | & or ; in it: $folder" ;; esac
done

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
[ -n "$version" ] || fail "Cargo.toml names no version"
major=${version%%.*}

# What a static link needs besides is listed once, in the documentation, which `make static` compares with the compiler.
native=$(sed -n 's/^    -lgcc_s /-lgcc_s /p' "$root/docs/C_API.md")
[ -n "$native" ] || fail "docs/C_API.md lists no native libraries"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# put MODE SOURCE TARGET: one file of the layout, installed or removed.
put() {
    if [ "$verb" = install ]; then
        mkdir -p "$(dirname "$destdir$3")"
        # Put in place whole: a program that runs keeps the file that it has mapped.
        cp "$2" "$destdir$3.new" && chmod "$1" "$destdir$3.new" && mv -f "$destdir$3.new" "$destdir$3"
    else
        rm -f "$destdir$3"
    fi
    count=$((count + 1))
}
# link TARGET_NAME PATH
link() {
    if [ "$verb" = install ]; then ln -sf "$1" "$destdir$2"; else rm -f "$destdir$2"; fi
    count=$((count + 1))
}
# filled TEMPLATE: the path of that file of packaging/ with its @NAMES@ filled in
filled() {
    bits=$(getconf LONG_BIT)
    sed -e "s|@VERSION@|$version|g; s|@SO_MAJOR@|$major|g; s|@NATIVE_LIBS@|$native|g; s|@NATIVE_LIBS_CMAKE@|$(printf %s "$native" | tr ' ' ';')|g" \
        -e "s|@PC_PREFIX@|$pc_prefix|g; s|@PREFIX_FROM_CMAKE@|$prefix_from_cmake|g" \
        -e "s|@LIBDIR_BELOW@|$libdir_below|g; s|@INCLUDEDIR_BELOW@|$includedir_below|g" \
        -e "s|@POINTER_BYTES@|$((bits / 8))|g; s|@POINTER_BITS@|$bits|g" "$root/packaging/$1.in" >"$work/$1"
    if grep -n '@[A-Z_]*@' "$work/$1" >&2; then fail "packaging/$1.in has a name that is not known"; fi
    printf '%s\n' "$work/$1"
}

if [ "$verb" = install ]; then
    for file in libtim_presence.so libtim_presence.a tim-presence-server; do
        [ -e "$built/$file" ] || fail "there is no $built/$file: run 'make build' with the same PROFILE first"
    done
    # Files of the layout find each other by relative paths: the tree may be moved.
    libdir_below=$(realpath -m --relative-to="$prefix" "$libdir")
    includedir_below=$(realpath -m --relative-to="$prefix" "$includedir")
    pc_prefix="\${pcfiledir}/$(realpath -m --relative-to="$libdir/pkgconfig" "$prefix")"
    # The system's own prefix does not move, and with it pkg-config leaves out the folders that compilers search anyway.
    [ "$prefix" != /usr ] || pc_prefix=/usr
    prefix_from_cmake=$(realpath -m --relative-to="$libdir/cmake/TimPresence" "$prefix")
    "$root/scripts/static.sh" "$built/libtim_presence.a" "$work/libtim_presence.a"
else
    # filled() is not needed to remove its result.
    filled() { printf '%s\n' "$1"; }
fi

count=0
put 755 "$built/tim-presence-server" "$bindir/tim-presence-server"
put 644 "$root/packaging/server/tim-presence-server.8" "$prefix/share/man/man8/tim-presence-server.8"
put 644 "$built/libtim_presence.so" "$libdir/libtim_presence.so.$version"
link "libtim_presence.so.$version" "$libdir/libtim_presence.so.$major"
link "libtim_presence.so.$major" "$libdir/libtim_presence.so"
put 644 "$work/libtim_presence.a" "$libdir/libtim_presence.a"
for page in tim-presence.pc tim-presence-static.pc; do
    put 644 "$(filled $page)" "$libdir/pkgconfig/$page"
done
for page in TimPresenceConfig.cmake TimPresenceConfigVersion.cmake; do
    put 644 "$(filled $page)" "$libdir/cmake/TimPresence/$page"
done
for header in tim_presence.h tim_presence.hpp; do
    put 644 "$root/include/$header" "$includedir/$header"
done
for page in LICENSE-MIT LICENSE-APACHE CHANGELOG.md docs/C_API.md docs/ERRORS.md docs/SEMANTICS.md docs/CONFIGURATION.md; do
    put 644 "$root/$page" "$docdir/${page##*/}"
done
for example in "$root"/examples_c/0*.c "$root"/examples_c/0*.cpp; do
    put 644 "$example" "$docdir/examples/${example##*/}"
done

if [ "$verb" = install ]; then
    printf 'installed tim-presence %s: %s files below %s\n' "$version" "$count" "$destdir$prefix"
    if [ -z "$destdir" ] && [ "$(id -u)" = 0 ] && command -v ldconfig >/dev/null 2>&1; then
        ldconfig
    fi
else
    # Only folders that are this project's alone, and only if nothing else was put there.
    for folder in "$docdir/examples" "$docdir" "$libdir/cmake/TimPresence"; do
        rmdir "$destdir$folder" 2>/dev/null || true
    done
    printf 'removed tim-presence %s from %s\n' "$version" "$destdir$prefix"
fi
