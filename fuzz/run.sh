#!/bin/sh
# run.sh TARGET_DIR SECONDS [FUZZER…]: runs each fuzzer for so long, one at a time, at low priority. New inputs stay in
# TARGET_DIR/corpus; what a run found to be worth keeping is merged into fuzz/corpus, small inputs only, with KEEP=yes.
set -eu
cd "$(dirname "$0")"
. ../scripts/toolchain.sh
use_toolchain || { echo "no Rust: run make setup" >&2; exit 1; }
target_dir=$1 seconds=$2
shift 2
[ $# -gt 0 ] || set -- session frames user_sig client_options server_options websocket
command -v cargo-fuzz >/dev/null || { echo "cargo-fuzz is missing: cargo install cargo-fuzz" >&2; exit 1; }
# libFuzzer's instrumentation is an unstable option of the stable compiler, allowed for this build alone.
RUSTC_BOOTSTRAP=1
export RUSTC_BOOTSTRAP
INPUT_BYTES_KEPT=512
for fuzzer in "$@"; do
    new="$target_dir/corpus/$fuzzer"
    mkdir -p "$new" "$target_dir/artifacts/$fuzzer"
    nice -n 19 cargo fuzz run --target-dir "$target_dir" "$fuzzer" "$new" "corpus/$fuzzer" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$target_dir/artifacts/$fuzzer/"
    if [ "${KEEP:-no}" = yes ]; then
        cargo fuzz run --target-dir "$target_dir" "$fuzzer" "corpus/$fuzzer" "$new" -- -merge=1 -max_len=$INPUT_BYTES_KEPT
    fi
done
