#!/bin/sh
# Runs cargo with a toolchain that is new enough, wherever it is (see toolchain.sh).
set -eu
. "$(dirname "$0")/toolchain.sh"
if ! use_toolchain; then
    echo "Rust $RUST_MINIMUM or newer is needed. Run: make setup" >&2
    exit 1
fi
exec cargo "$@"
