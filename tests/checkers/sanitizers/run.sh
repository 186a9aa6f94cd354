#!/bin/sh
# run.sh asan|tsan ROOT TARGET_DIR SERVER BUILD_DIR: the library and the C tests with sanitizers.
#   asan: AddressSanitizer in both, UBSan in the C programs, and the leak check where a program ends by itself.
#   tsan: ThreadSanitizer in both, Rust's standard library included, so that its locks are seen for what they are.
# First it is shown that each sanitizer finds what it is for: sanitizers/planted.c.
set -eu
mode=$1 root=$2 target=$3/$1 server=$4 build=$5/$1
fail() { echo "$mode: $*" >&2; exit 1; }
command -v clang >/dev/null || fail "clang is not installed"
. "$root/scripts/toolchain.sh"
use_toolchain || fail "no Rust: run make setup"
triple=$(rustc -vV | sed -n 's/^host: //p')

# The flags are unstable ones of the stable compiler, which is allowed for these builds alone.
case $mode in
asan) rust=address c=address,undefined std='' ;;
tsan)
    rust=thread c='' std=-Zbuild-std
    [ -d "$(rustc --print sysroot)/lib/rustlib/src/rust/library" ] || fail "Rust's sources are missing: rustup component add rust-src"
    ;;
*) fail "asan or tsan" ;;
esac
(cd "$root" && RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$rust" CARGO_PROFILE_DEV_DEBUG=line-tables-only \
    cargo build -q $std --lib --target "$triple" --target-dir "$target")
library_dir="$target/$triple/debug"
ln -sf "$server" "$library_dir/tim-presence-server"

flags="-fno-omit-frame-pointer -g -O1"
if [ "$mode" = tsan ]; then
    # Rust's own copy of the runtime: clang's may be too old for what Rust's compiler emits. So clang must instrument and
    # not link.
    runtime=$(echo "$(rustc --print sysroot)/lib/rustlib/$triple/lib"/librustc-*_rt.tsan.a)
    flags="$flags -Xclang -fsanitize=thread"
    libraries="-Wl,--export-dynamic -Wl,--whole-archive $runtime -Wl,--no-whole-archive -lpthread -lrt -lm -ldl -lresolv"
else
    flags="$flags -fsanitize=$c -fno-sanitize-recover=all"
    libraries=''
fi
programs='api_bad_input api_results lifecycle wire_client wire_server faults_login faults_session faults_proxy generated order
    reentrancy lent delivery lifetime imsdk_states imsdk_session imsdk_lifetime'
mkdir -p "$build"
cmake -S "$root/tests" -B "$build" -DTIM_PROFILE_DIR="$library_dir" -DTIM_SANITIZED=ON -DCMAKE_C_COMPILER=clang \
    -DCMAKE_C_FLAGS="$flags" -DCMAKE_EXE_LINKER_FLAGS="$libraries" >"$build/configure.log" 2>&1 || { cat "$build/configure.log"; fail "cmake"; }
known=$(cmake --build "$build" --target help | sed 's/^\.* *//; s/ .*//')
targets='cycles sanitizer_planted 01_hello demo'
chosen=''
for program in $programs; do
    echo "$known" | grep -qx "$program" && targets="$targets $program" chosen="$chosen|$program"
done
cmake --build "$build" -j "${JOBS:-2}" --target $targets >"$build/build.log" 2>&1 || { tail -n 30 "$build/build.log"; fail "build"; }

ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1"
UBSAN_OPTIONS="print_stacktrace=1"
# Forks and exits with threads at work are what some of the tests are about.
TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:die_after_fork=0:report_thread_leaks=0"
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

# ---- the sanitizers are there ----
must_find() {
    if "$build/checkers/sanitizer_planted" "$1" >"$build/planted.log" 2>&1; then fail "the planted mistake '$1' was not found"; fi
    grep -q "$2" "$build/planted.log" || { cat "$build/planted.log"; fail "the planted mistake '$1' was found as something else"; }
}
in_library() { grep -q 'tim_presence::strings' "$build/planted.log" || { cat "$build/planted.log"; fail "'$1' was not found in the library"; }; }
case $mode in
asan)
    must_find heap heap-buffer-overflow
    must_find overflow 'signed integer overflow'
    must_find leak 'detected memory leaks'
    must_find library heap-buffer-overflow
    in_library library
    ;;
tsan)
    must_find race 'data race'
    must_find library_race 'data race'
    in_library library_race
    ;;
esac
echo "$mode: each planted mistake was found"

# ---- programs that free all they have: with the leak check ----
"$build/checkers/cycles" 20
"$build/examples_c/01_hello" >/dev/null

# ---- the C tests: without a leak check, since they end with clients alive. What measures the server is not for here ----
ASAN_OPTIONS="$ASAN_OPTIONS:detect_leaks=0"
cd "$build"
left_out='valgrind|never_reads_is_cut'
# ThreadSanitizer has a thread of its own, and these count threads.
[ "$mode" = asan ] || left_out="$left_out|a_hundred|many_clients|each_client_has_a_thread|companions_share|poll_runs_callbacks_on|destroyed_by_four\
|destroyed_while_a_callback|the_runtime_lives|coming_and_going"
ctest --output-on-failure --no-tests=error -j "${JOBS:-2}" -R "^(${chosen#|})\\." -E "$left_out" --timeout 300
