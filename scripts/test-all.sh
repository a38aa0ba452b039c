#!/bin/sh
# All tests, from a bare Debian machine, as root or with sudo. What is privileged is tested as an ordinary user, in
# network and process namespaces of its own, against installations that root made for it. The last line is the count.
#
#   --full   also dialyzer (it builds its tables first: minutes), a hundred times the mutated frames, and longer fuzzing
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

USER_NAME=portcullis-test
# Below a directory that only root can write to, as the port demands of its own.
FIXTURES=/usr/local/libexec/portcullis-test.$$

passed=0 failed=0 skipped=0

# --- Steps -----------------------------------------------------------------------------------------------------------

# step NAME SECONDS command...: runs it with a time limit; its output is shown only if it fails. The limit is for
# what hangs: a run that takes half of it is normal.
step() {
    name=$1 limit=$2
    shift 2
    log=$logs/$(say "$name" | tr -c 'A-Za-z0-9\n' _)
    printf '%-34s' "$name"
    begun=$(date +%s)
    # Not in a condition: there, -e would be off in the whole function that runs.
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    count "$log"
    if [ "$status" -ne 0 ]; then
        give_up
    fi
    printf '%4s s  %s\n' "$(($(date +%s) - begun))" "$counted"
}

# tests NAME SECONDS command...: a step that runs tests. One that finds none has not passed.
tests() {
    step "$@"
    if [ "$step_passed" -eq 0 ]; then
        say "no test ran" >>"$log"
        status=1
        give_up
    fi
}

skip() {
    printf '%-34s   -    skipped: %s\n' "$1" "$2"
}

give_up() {
    printf '%4s s  FAILED (%s)\n\n' "$(($(date +%s) - begun))" "$status"
    # cargo goes on after a failure: what failed can stand far above the end.
    grep -n -A 12 -e 'panicked at' -e '^error' -e 'NOT OK' "$log" | head -n 60
    printf '\n...\n'
    tail -n 40 "$log"
    printf '\nthe whole log: %s\n' "$log"
    keep_logs=yes
    # A step that counts no tests, such as a lint, is one failure.
    [ "$failed" -gt 0 ] || failed=1
    exit 1
}

# within command...: under the time limit of the step. Programs only, no functions. In the foreground, so that an
# interrupt from the keyboard reaches it.
within() { timeout --foreground --kill-after=10 "$limit" "$@"; }

# count LOG: adds up what cargo, Common Test, ExUnit and our own scripts say about their tests.
count() {
    counts=$(sed 's/\x1b\[[0-9;]*m//g' "$1" | awk -f "$ROOT/scripts/count.awk")
    step_passed=${counts%% *}
    step_failed=${counts#* }
    step_skipped=${step_failed#* }
    step_failed=${step_failed% *}
    passed=$((passed + step_passed))
    failed=$((failed + step_failed))
    skipped=$((skipped + step_skipped))
    counted=
    if [ "$step_passed" -gt 0 ]; then counted="$step_passed passed"; fi
    if [ "$step_skipped" -gt 0 ]; then counted="$counted, $step_skipped skipped"; fi
}

finish() {
    status=$?
    set +e
    if [ "$made_fixtures" = yes ]; then sh "$ROOT/tests/fixtures/clean.sh" "$FIXTURES"; fi
    give_back_target
    if [ "$keep_logs" = yes ]; then
        rm -rf "$work/src"
    else
        rm -rf "$work"
    fi
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
    printf '\n%s seconds, %s skipped\n' "$(($(date +%s) - started))" "$skipped"
    say "$passed passed, $failed failed"
    exit "$status"
}

# --- Before the tests ------------------------------------------------------------------------------------------------

make_user() {
    getent passwd "$USER_NAME" >/dev/null || useradd --system --user-group --no-create-home \
        --home-dir /nonexistent --shell /usr/sbin/nologin "$USER_NAME"
}

# The checkout may be where the test user cannot read. The copy is root's, so a test that writes beside its source
# fails; what tests write goes to $work/home.
copy_checkout() {
    mkdir "$work/src"
    install -d -o "$USER_NAME" -g "$USER_NAME" -m 0755 "$work/home"
    tar -C "$ROOT" --exclude=./target --exclude=./fuzz/target --exclude=./fuzz/corpus --exclude=./.git \
        --exclude=./_build --exclude=./priv/portcullis -cf - . | tar -C "$work/src" --no-same-owner -xf -
    chmod -R a+rX,go-w "$work/src"
}

# Builds for the attack suite, in which one measure can be left out. They never become a release: the compiler refuses.
build_weakened() {
    cd "$ROOT"
    within cargo build --locked --features weakened --bin portcullis --example intruder \
        --target-dir "${CARGO_TARGET_DIR:-target}/weakened"
    mkdir "$work/weakened"
    cp "${CARGO_TARGET_DIR:-target}/weakened/debug/portcullis" "${CARGO_TARGET_DIR:-target}/weakened/debug/examples/intruder" \
        "$work/weakened"
}

make_fixtures() {
    make_user
    sh "$ROOT/tests/fixtures/make.sh" "$FIXTURES" "$ROOT/priv/portcullis" "$USER_NAME" "$USER_NAME" "$work/weakened"
}

# --- As the test user ------------------------------------------------------------------------------------------------

# as_tester command...: in its own network and process namespaces. Its process 1 is a shell of root's: it reaps what
# tests leave behind, epmd above all, and is somebody else's process to look at. $as_options are options of as.sh;
# $policy and $installation name fixtures. Who is pinged at 10.77.0.66 does not answer: the way back is closed.
as_tester() {
    # shellcheck disable=SC2016,SC2086 # for the inner shell; the options are words
    within unshare --net --pid --fork --kill-child --mount-proc sh -c '
        ip link set lo up
        ip addr add 10.77.0.1/16 dev lo
        ip rule add pref 2 lookup local
        ip rule del pref 0
        ip rule add pref 1 from 10.77.0.66 blackhole
        cd "$1"
        shift
        "$@"
        exit $?
    ' sh "$work/src" sh "$ROOT/tests/fixtures/as.sh" "$USER_NAME" $as_options --policy "$FIXTURES/policies/$policy" -- \
        env -i PATH="$PATH" HOME="$work/home" USER="$USER_NAME" LC_ALL=C.UTF-8 CI="${CI:-}" \
        PORTCULLIS_SKIP_BUILD=1 PORTCULLIS_BIN="$FIXTURES/$installation" PORTCULLIS_FIXTURES="$FIXTURES" \
        REBAR_BASE_DIR="$work/home/rebar" MIX_BUILD_PATH="$work/home/mix" MIX_HOME="$work/home/mix-home" "$@"
}

# --- The steps themselves --------------------------------------------------------------------------------------------

shell_lint() {
    within shellcheck -x -s sh "$ROOT"/scripts/*.sh "$ROOT"/tests/fixtures/*.sh
    within shellcheck "$ROOT/.ci/run"
}

# Tests that need an installation find it, and the user to become, in the environment.
cargo_test() {
    cd "$ROOT"
    within env PORTCULLIS_TEST_USER="$USER_NAME" PORTCULLIS_FIXTURES="$FIXTURES" "$@" \
        cargo test --locked --no-fail-fast
}

cargo_in_root() {
    cd "$ROOT"
    within cargo "$@"
}

fuzz() { # SECONDS for all targets together
    cd "$ROOT"
    targets=$(cargo +nightly fuzz list)
    each=$(($1 / $(say "$targets" | wc -l)))
    within cargo +nightly fuzz build
    for target in $targets; do
        say "fuzzing $target for $each s"
        mkdir -p "fuzz/corpus/$target"
        case $target in
        scan*) seeds='tests/vectors tests/vectors/hostile' ;;
        *) seeds='' ;;
        esac
        # shellcheck disable=SC2086 # a list of folders
        within cargo +nightly fuzz run "$target" "fuzz/corpus/$target" $seeds -- -max_total_time="$each"
    done
}

why_no_fuzz() {
    [ -f "$ROOT/fuzz/Cargo.toml" ] || { say "no fuzz targets"; return; }
    cargo fuzz --version >/dev/null 2>&1 || { say "needs cargo-fuzz"; return; }
    cargo +nightly --version >/dev/null 2>&1 || { say "needs a nightly Rust"; return; }
    command -v c++ >/dev/null || { say "needs a C++ compiler"; return; }
}

rust_steps() {
    if cargo fmt --version >/dev/null 2>&1; then
        step "cargo fmt" 60 cargo_in_root fmt --check
    else
        skip "cargo fmt" "this Rust has no rustfmt"
    fi
    if cargo clippy --version >/dev/null 2>&1; then
        step "cargo clippy" 600 cargo_in_root clippy --locked --all-targets -- -D warnings
    else
        skip "cargo clippy" "this Rust has no clippy"
    fi
    if cargo deny --version >/dev/null 2>&1; then
        step "cargo deny" 120 cargo_in_root deny --offline check licenses bans sources
    else
        skip "cargo deny" "needs cargo-deny"
    fi
    # shellcheck disable=SC2086 # a list of settings
    tests "cargo test" "$cargo_limit" cargo_test $more_cases
}

# What the policy files lists: a link, and a file on each side of what may be read through one handle.
log_files() {
    ln -s other.log "$FIXTURES/logs/link.log"
    head -c 1048576 /dev/zero >"$FIXTURES/logs/whole.log"
    head -c 1048577 /dev/zero >"$FIXTURES/logs/long.log"
    chmod 0600 "$FIXTURES/logs/whole.log" "$FIXTURES/logs/long.log"
}

beam_steps() {
    policy=basic installation=ok
    # Those of another policy have a step of their own.
    suites=$(cd "$ROOT" && printf '%s\n' tests/*_SUITE.erl | grep -v -e _policy_ -e _files_ -e _sysctl_ -e _nft_ | paste -s -d ,)
    tests "common test" 600 as_tester rebar3 ct --suite "$suites"
    policy=none installation=full
    tests "common test, no policy" 120 as_tester rebar3 ct --suite tests/portcullis_policy_SUITE
    policy=files
    log_files
    tests "common test, files" 120 as_tester rebar3 ct --suite tests/portcullis_files_SUITE
    policy=sysctl installation=ok
    tests "common test, parameters" 120 as_tester rebar3 ct --suite tests/portcullis_sysctl_SUITE
    policy=firewall
    tests "common test, firewall" 300 as_tester rebar3 ct --suite tests/portcullis_nft_SUITE
    policy=basic
    # What a service manager does to a BEAM that was given too little.
    as_options='--bounding -sys_ptrace'
    tests "common test, reduced rights" 120 as_tester rebar3 ct --suite tests/portcullis_lifetime_SUITE \
        --case reduced_bounding_set
    as_options=''
    tests "exunit" 300 as_tester mix test --no-deps-check
    step "xref" 120 as_tester rebar3 xref
    # With what xref has compiled.
    step "demonstration" 120 as_tester escript scripts/quickstart.escript "$work/home/rebar/default/lib/portcullis/ebin"
    if [ "$full" = yes ]; then
        step "dialyzer" 1800 as_tester rebar3 dialyzer
    else
        skip "dialyzer" "only with --full"
    fi
}

fuzz_steps() {
    reason=$(why_no_fuzz)
    if [ -n "$reason" ]; then
        skip "fuzzing" "$reason"
    else
        step "fuzzing, $fuzz_seconds s" $((fuzz_seconds + 600)) fuzz "$fuzz_seconds"
    fi
}

main() {
    full=no as_options='' fuzz_seconds=60 cargo_limit=1800 more_cases=''
    case ${1:-} in
    '') ;;
    --full) full=yes fuzz_seconds=900 cargo_limit=3600 more_cases='WIRE_MUTATIONS=100000000 PORT_MUTATIONS=100000000' ;;
    *) die "usage: sh scripts/test-all.sh [--full]" ;;
    esac
    become_root "$@"
    started=$(date +%s) made_fixtures=no keep_logs=no
    work=$(mktemp -d /tmp/portcullis-test.XXXXXX)
    chmod 0755 "$work"
    logs=$work/logs
    mkdir "$logs"
    trap finish EXIT
    trap 'exit 130' INT TERM

    step "packages" 600 sh "$ROOT/scripts/packages.sh" test
    find_rust "$RUST_FOR_TESTS"
    step "shellcheck" 60 shell_lint
    step "build" 600 sh "$ROOT/scripts/build-port.sh"
    step "build, weakened" 600 build_weakened
    made_fixtures=yes
    step "installations" 60 make_fixtures
    tests "installer" 60 sh "$ROOT/tests/fixtures/install_test.sh" "$FIXTURES" "$ROOT/priv/portcullis" "$USER_NAME"
    step "copy of the checkout" 60 copy_checkout
    rust_steps
    beam_steps
    fuzz_steps
}

main "$@"
