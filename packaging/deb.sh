#!/bin/sh
# Makes Debian packages of what was built:  deb.sh PROFILE_DIR OUT_FOLDER PACKAGES
# PACKAGES, several in one word: `library`, which is libtim-presence0 and libtim-presence-dev; `server`, tim-presence-server.
# Needs dpkg-dev, which build-essential brings. From the environment, as with Debian's own tools: DEBFULLNAME and DEBEMAIL
# (who is named as maintainer), SOURCE_DATE_EPOCH (the time of all files; else that of the last commit).
set -eu
built=$(cd "${1:?deb.sh PROFILE_DIR OUT_FOLDER PACKAGES}" && pwd) out=${2:?} packages=${3:?}
root=$(cd "$(dirname "$0")/.." && pwd)
here=$root/packaging/debian
LC_ALL=C
export LC_ALL
fail() { printf 'deb: %s\n' "$*" >&2; exit 1; }

upstream=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
version=$upstream-1
architecture=$(dpkg --print-architecture)
multiarch=$(gcc -print-multiarch)
maintainer="${DEBFULLNAME:-The tim-presence authors} <${DEBEMAIL:-tim-presence@example.org}>"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || date -r "$root/Cargo.toml" +%s)}
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# shlibs_depends FILE...: the packages that these programs and libraries need, with versions
shlibs_depends() {
    mkdir -p "$work/shlibs/debian"
    printf 'Source: tim-presence\n\nPackage: any\nArchitecture: any\nDepends: ${shlibs:Depends}\n' >"$work/shlibs/debian/control"
    (cd "$work/shlibs" && dpkg-shlibdeps -O "$@") | sed -n 's/^shlibs:Depends=//p'
}

# doc_folder TREE PACKAGE: the two files that every package has
doc_folder() {
    doc=$1/usr/share/doc/$2
    mkdir -p "$doc"
    # The licence as a paragraph of that file: indented, empty lines as dots.
    sed 's/^$/./; s/^/ /' "$root/LICENSE-MIT" >"$work/mit"
    sed -e "/@MIT@/r $work/mit" -e '/@MIT@/d' "$here/copyright" >"$doc/copyright"
    printf 'tim-presence (%s) unstable; urgency=medium\n\n  * Built from tim-presence %s; its own changelog has the news.\n\n -- %s  %s\n' \
        "$version" "$upstream" "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$doc/changelog.Debian.gz"
    gzip -9nc "$root/CHANGELOG.md" >"$doc/changelog.gz"
}

# package TREE NAME [DEPENDS]: adds the package's scripts, if it has any, fills in the control file, adds md5sums, and makes OUT_FOLDER/NAME_VERSION_ARCHITECTURE.deb
package() {
    mkdir -p "$1/DEBIAN"
    chmod 755 "$1/DEBIAN"
    find "$1" -type d -exec chmod 755 {} +
    for script in postinst prerm postrm; do
        [ ! -e "$here/$2.$script" ] || { cp "$here/$2.$script" "$1/DEBIAN/$script" && chmod 755 "$1/DEBIAN/$script"; }
    done
    # Not of files in /etc: dpkg keeps its own sums of those, which are the administrator's to change.
    (cd "$1" && find usr -type f | sort | tr '\n' '\0' | xargs -0 md5sum >DEBIAN/md5sums)
    chmod 644 "$1/DEBIAN/md5sums"
    sed -e "s|@VERSION@|$version|; s|@ARCHITECTURE@|$architecture|; s|@MAINTAINER@|$maintainer|; s|@SHLIBS_DEPENDS@|${3:-}|" \
        -e "s|@INSTALLED_SIZE@|$(du -sk --apparent-size --exclude=DEBIAN "$1" | cut -f1)|" "$here/$2.control" >"$1/DEBIAN/control"
    dpkg-deb --root-owner-group --build "$1" "$out/${2}_${version}_$architecture.deb" >/dev/null
    printf 'built: %s\n' "$out/${2}_${version}_$architecture.deb"
}

library() {
    major=${upstream%%.*}
    run=$work/libtim-presence$major dev=$work/libtim-presence-dev
    PREFIX=/usr LIBDIR=/usr/lib/$multiarch DOCDIR=/usr/share/doc/libtim-presence-dev DESTDIR=$dev "$root/scripts/install.sh" install "$built" >/dev/null
    rm -r "$dev/usr/bin" "$dev/usr/share/man"
    # The licences are in the copyright file, the changelog is compressed beside it.
    rm "$dev/usr/share/doc/libtim-presence-dev"/LICENSE-* "$dev/usr/share/doc/libtim-presence-dev/CHANGELOG.md"
    mkdir -p "$run/usr/lib/$multiarch" "$run/DEBIAN"
    mv "$dev/usr/lib/$multiarch"/libtim_presence.so."$major"* "$run/usr/lib/$multiarch/"
    strip --strip-unneeded "$run/usr/lib/$multiarch/libtim_presence.so.$upstream"
    # Debian's own tools read these for packages of programs that use the library.
    printf 'libtim_presence %s libtim-presence%s (>= %s)\n' "$major" "$major" "$upstream" >"$run/DEBIAN/shlibs"
    {
        printf 'libtim_presence.so.%s libtim-presence%s #MINVER#\n' "$major" "$major"
        awk '!/^#/ && NF { print " " $1 "@Base " $2 }' "$root/include/tim_symbols.txt"
    } >"$run/DEBIAN/symbols"
    echo 'activate-noawait ldconfig' >"$run/DEBIAN/triggers"
    chmod 644 "$run/DEBIAN"/*
    doc_folder "$run" "libtim-presence$major"
    doc_folder "$dev" libtim-presence-dev
    package "$run" "libtim-presence$major" "$(shlibs_depends "$run/usr/lib/$multiarch/libtim_presence.so.$upstream")"
    package "$dev" libtim-presence-dev
}

server() {
    tree=$work/tim-presence-server
    configuration=/etc/tim-presence/tim-presence-server.toml
    mkdir -p "$tree/usr/bin" "$tree/usr/lib/systemd/system" "$tree/usr/share/man/man8" "$tree/etc/tim-presence" "$tree/DEBIAN"
    cp "$built/tim-presence-server" "$tree/usr/bin/"
    strip --strip-unneeded "$tree/usr/bin/tim-presence-server"
    cp "$root/packaging/server/tim-presence-server.service" "$tree/usr/lib/systemd/system/"
    gzip -9nc "$root/packaging/server/tim-presence-server.8" >"$tree/usr/share/man/man8/tim-presence-server.8.gz"
    # The example, with the store where the unit lets the server write, and health and metrics for this machine.
    sed -e 's|^#data_dir = "data"$|data_dir = "/var/lib/tim-presence"|; s|^#admin_listen = |admin_listen = |' \
        -e '/^# Without it, users, friends and subscriptions/d' -e 's|docs/CONFIGURATION.md|tim-presence-server settings|' \
        "$root/crates/server/tim-presence-server.example.toml" >"$tree$configuration"
    for line in 'data_dir = "/var/lib/tim-presence"' 'admin_listen = "127.0.0.1:7789"'; do
        grep -qxF "$line" "$tree$configuration" || fail "the example configuration has no place for: $line"
    done
    echo "$configuration" >"$tree/DEBIAN/conffiles"
    doc_folder "$tree" tim-presence-server
    chmod 755 "$tree/usr/bin/tim-presence-server"
    chmod 644 "$tree/usr/lib/systemd/system"/* "$tree/usr/share/man/man8"/* "$tree/DEBIAN/conffiles" "$tree/usr/share/doc/tim-presence-server"/*
    # Keys of apps come into it. After installing, the server's group may read it.
    chmod 640 "$tree$configuration"
    package "$tree" tim-presence-server "$(shlibs_depends "$tree/usr/bin/tim-presence-server")"
}

for group in $packages; do
    case $group in
    library) library ;;
    server) server ;;
    *) fail "no packages are called $group" ;;
    esac
done
