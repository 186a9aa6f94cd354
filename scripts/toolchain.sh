# Which Rust toolchain the project is built with. Sourced by setup.sh and cargo.sh; does nothing by itself.

# The oldest Rust that builds the project (Cargo.toml: rust-version), and the one that setup.sh installs if there is none.
RUST_MINIMUM=1.95
RUST_INSTALLED=1.95.0

# Whether the cargo and rustc that PATH finds are new enough.
rust_is_new_enough() {
    command -v cargo >/dev/null 2>&1 && command -v rustc >/dev/null 2>&1 || return 1
    rust_found=$(rustc --version 2>/dev/null | cut -d' ' -f2 | cut -d- -f1)
    [ -n "$rust_found" ] || return 1
    [ "$(printf '%s\n%s\n' "$RUST_MINIMUM" "$rust_found" | sort -V | head -n 1)" = "$RUST_MINIMUM" ]
}

# Makes a good cargo the first on PATH. 1 if there is none yet.
# The first that fits wins: what PATH has; what rustup put into ~/.cargo/bin; the toolchain that setup.sh installed.
use_toolchain() {
    rust_is_new_enough && return 0
    cargo_bin="${CARGO_HOME:-$HOME/.cargo}/bin"
    if [ -x "$cargo_bin/cargo" ]; then
        PATH="$cargo_bin:$PATH"
        export PATH
        rust_is_new_enough && return 0
    fi
    if command -v rustup >/dev/null 2>&1 && rustup toolchain list 2>/dev/null | grep -q "^$RUST_INSTALLED"; then
        toolchain_bin=$(dirname "$(rustup which --toolchain "$RUST_INSTALLED" cargo)")
        PATH="$toolchain_bin:$PATH"
        export PATH
        rust_is_new_enough && return 0
    fi
    return 1
}
