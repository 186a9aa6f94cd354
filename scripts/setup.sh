#!/bin/sh
# Installs what building tim-presence needs and this machine lacks: a C and C++ compiler, make, cmake and Rust. With
# the word `tests`, also the tools that some tests use: clang with its sanitizers, valgrind, libabigail, doxygen, pkg-config, Node.js
# with npm, Chromium, Python with cffi and venv. For Debian and Ubuntu, as root or as a user with sudo. Says what it does; does nothing when all
# is there.
# On any other system install the same by hand: everything after this only looks for the programs.
set -eu
. "$(dirname "$0")/toolchain.sh"

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Runs a command as root: directly, or through sudo.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "needs root for: $*
       Run that as root, or install sudo, then try again."
    fi
}

# Installs the named packages, with one update of the package lists for the whole run.
lists_updated=no
apt_install() {
    have apt-get || fail "this system has no apt-get. Please install by hand what these Debian packages hold: $*"
    if [ "$lists_updated" = no ]; then
        say "apt-get update"
        as_root apt-get -q -q update
        lists_updated=yes
    fi
    say "apt-get install $*"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -q -y -o Dpkg::Use-Pty=0 --no-install-recommends install "$@" >/dev/null
}

# Packages for the programs that are missing. Awk, sed and grep are in every Debian.
missing=""
have gcc && have g++ && have make && have readelf && [ -e /usr/include/stdio.h ] || missing="$missing build-essential"
have cmake || missing="$missing cmake"
if [ -n "$missing" ]; then
    say "missing here:$missing"
    # Unquoted on purpose: one word a package.
    apt_install $missing
fi

# Tools of the tests. Where a distribution has none of that name, the tests that need it say that they were skipped.
if [ "${1:-}" = tests ]; then
    tools=""
    have clang++ || tools="$tools clang"
    ls /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.asan-*.a >/dev/null 2>&1 || tools="$tools libclang-rt-dev"
    have openssl || tools="$tools openssl"
    have valgrind || tools="$tools valgrind"
    have abidw || tools="$tools abigail-tools"
    have doxygen || tools="$tools doxygen"
    have pkg-config || tools="$tools pkg-config"
    { { have python3 && python3 -c 'import cffi'; } || { [ -x /usr/bin/python3 ] && /usr/bin/python3 -c 'import cffi'; }; } >/dev/null 2>&1 ||
        tools="$tools python3 python3-cffi"
    # For the programs in JavaScript, and the npm package.
    have node && have npm || tools="$tools nodejs npm"
    # The console is tested in a browser.
    have chromium || have chromium-browser || have google-chrome || tools="$tools chromium"
    # Python environments: for the bindings' tests, and for zig (scripts/zig.sh).
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || tools="$tools python3-venv"
    # The Kotlin and Java package.
    have javac || tools="$tools default-jdk-headless"
    have mvn || tools="$tools maven"
    # Swift, which Debian has since 13: scripts/swift-root.sh makes a folder with it.
    have swift || { have debootstrap && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ]; } || tools="$tools debootstrap debian-archive-keyring"
    [ -z "$tools" ] || say "missing here, used by tests:$tools"
    for tool in $tools; do
        apt_install "$tool" || say "note: $tool cannot be installed; the tests that need it will be skipped"
    done
fi

# rustup from the distribution if it has one (Debian 13, Ubuntu 24.04), else from the Rust project, which the toolchain
# itself comes from too.
install_rustup() {
    if have apt-get; then
        [ "$lists_updated" = yes ] || { say "apt-get update"; as_root apt-get -q -q update; lists_updated=yes; }
        if LC_ALL=C apt-cache policy rustup 2>/dev/null | grep -q 'Candidate: [0-9]'; then
            apt_install rustup
            return
        fi
    fi
    have curl && [ -e /etc/ssl/certs/ca-certificates.crt ] || apt_install curl ca-certificates
    installer="${RUSTUP_UPDATE_ROOT:-https://static.rust-lang.org/rustup}/dist/$(uname -m)-unknown-linux-gnu/rustup-init"
    say "rustup, from $installer, into ${CARGO_HOME:-$HOME/.cargo} (your shell profile is left alone)"
    work=$(mktemp -d)
    curl --proto '=https' --tlsv1.2 -sSf -o "$work/rustup-init" "$installer" || fail "cannot download $installer"
    chmod +x "$work/rustup-init"
    "$work/rustup-init" -q -y --no-modify-path --profile minimal --default-toolchain none >/dev/null
    rm -r "$work"
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
    export PATH
}

if ! use_toolchain; then
    have rustup || install_rustup
    say "Rust $RUST_INSTALLED with rustup (this machine has none, or one older than $RUST_MINIMUM)"
    rustup -q toolchain install "$RUST_INSTALLED" --profile minimal --component clippy --component rustfmt
    use_toolchain || fail "Rust was installed, but cargo $RUST_MINIMUM or newer is still not found."
fi

# For `make lint`. A toolchain that does not come from rustup has its own packages.
if ! cargo clippy --version >/dev/null 2>&1 || ! cargo fmt --version >/dev/null 2>&1; then
    if have rustup; then
        say "rustup component add clippy rustfmt"
        rustup -q component add clippy rustfmt
    else
        say "note: clippy or rustfmt is missing; only 'make lint' needs them"
    fi
fi

say "ready: $(rustc --version | cut -d' ' -f1,2), $(gcc --version | head -n 1), $(cmake --version | head -n 1)"
