# For checks that run Python programs of PyPI: sourced. Exit code 77 where those cannot be had: the check is skipped. Where CI=true
# nothing is skipped.
skip() {
    echo "skipped: $1"
    [ "${CI:-}" != true ] || exit 1
    exit 77
}

# venv VENV REQUIREMENTS MINOR: an environment with the packages that a file names, on Python 3.MINOR or newer; made when it is not
# there, once and whole or not at all.
venv() {
    mkdir -p "$(dirname "$1")"
    exec 9>"$1.lock"
    flock 9
    make_venv "$@"
    exec 9>&-
}

make_venv() {
    python3 -c "import sys; sys.exit(sys.version_info < (3, $3))" 2>/dev/null || skip "there is no python3 of 3.$3 or newer"
    cmp -s "$2" "$1/made-from" && return
    rm -rf "$1"
    python3 -m venv "$1" || skip 'Python cannot make a venv (Debian: python3-venv)'
    "$1/bin/pip" install -q --disable-pip-version-check -r "$2" || skip 'PyPI cannot be reached'
    cp "$2" "$1/made-from"
}
