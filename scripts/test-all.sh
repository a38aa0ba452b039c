#!/bin/sh
# All tests, from a bare Debian machine, as root or with sudo. What is privileged is tested as an ordinary user, in
# network and process namespaces of its own, against installations that root made for it. The last line is the count.
#
#   --full   also dialyzer (it builds its tables first: minutes), a hundred times the mutated frames, a minute of processes that
#            come and go, and longer fuzzing
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

USER_NAME=portcullis-test
# Below a directory that only root can write to, as the port demands of its own.
FIXTURES=/usr/local/libexec/portcullis-test.$$

passed=0 failed=0 skipped=0

# --- Steps -----------------------------------------------------------------------------------------------------------

# run NAME SECONDS command...: runs it with a time limit, and counts its tests. The limit is for what hangs: a machine that
# is slow and has much else to do takes several times as long as a quiet one.
run() {
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
    tell_counts
}

# step NAME SECONDS command...: what the rest needs. Its output is shown only if it fails, and that is the end.
step() {
    run "$@"
    result
    [ "$status" -eq 0 ] || exit 1
}

# lint NAME SECONDS command...: what nothing else needs. A failure is counted, and the rest runs.
lint() {
    run "$@"
    result
}

# tests NAME SECONDS command...: a step that runs tests. One that finds none has not passed. The others run all the same: who mends
# something wants to know of all that is broken. What failed runs once more, with little beside it: a test that passes then is unsteady, which
# is a defect to be mended, and is told at the end; it does not fail the run, which others wait for.
tests() {
    run "$@"
    if [ "$step_passed" -eq 0 ] && [ "$status" -eq 0 ]; then
        say "no test ran" >>"$log"
        status=1
    fi
    # What had to be stopped would take as long again.
    case $status in
    0 | 124 | 137) ;;
    *) [ "$step_failed" -eq 0 ] || once_more "$@" ;;
    esac
    result
}

# once_more NAME SECONDS command...: the same for those that have just failed.
once_more() {
    show_failure
    first_passed=$step_passed first_failed=$step_failed first_skipped=$step_skipped failed_log=$log
    again=yes name=$1
    shift
    run "$name, once more" "$@"
    again=''
    if [ "$status" -eq 0 ] && [ "$step_passed" -gt 0 ]; then
        unsteady=$((unsteady + first_failed))
        step_passed=$((first_passed + first_failed)) step_failed=0 step_skipped=$first_skipped
        tell_counts
        counted="$counted, $first_failed unsteady"
    elif [ "$status" -eq 0 ]; then
        status=1
    fi
}

# Of what is run once more only what failed: the suites of Common Test, and the programs of cargo.
failed_suites() { # SUITES
    which=''
    if [ -n "$again" ]; then
        which=$(say "$1" | tr , '\n' | while read -r suite; do
            suite_name=${suite##*/}
            if grep -q "%%% ${suite_name%.erl}.*FAILED" "$failed_log"; then say "$suite"; fi
        done | paste -s -d ,)
    fi
    say "${which:-$1}"
}

failed_programs() {
    # shellcheck disable=SC2016 # the quotes are cargo's
    sed -n 's/^error: test failed, to rerun pass `\(.*\)`$/\1/p' "$failed_log"
}

skip() {
    printf '%-34s   -    skipped: %s\n' "$1" "$2"
}

result() {
    passed=$((passed + step_passed)) failed=$((failed + step_failed)) skipped=$((skipped + step_skipped))
    if [ "$status" -eq 0 ]; then
        printf '%4s s  %s\n' "$(($(date +%s) - begun))" "$counted"
        return
    fi
    show_failure
    # What counts no tests that failed, such as a lint, is one failure.
    [ "$step_failed" -gt 0 ] || failed=$((failed + 1))
}

show_failure() {
    printf '%4s s  FAILED (%s)\n\n' "$(($(date +%s) - begun))" "$status"
    # cargo, Common Test and ExUnit go on after a failure: what failed can stand far above the end.
    grep -n -A 20 -e 'panicked at' -e '^error' -e 'NOT OK' -e '==> .*FAILED' -e '^ *[0-9]*) test ' "$log" | head -n 200
    printf '\n...\n'
    tail -n 60 "$log"
    printf '\nthe whole log: %s\n' "$log"
    if [ -d "$work/home/rebar/test/logs" ]; then printf 'of Common Test: %s\n' "$work/home/rebar/test/logs"; fi
    # timeout(1) says 124, or 137 of what it had to kill.
    case $status in 124 | 137) printf 'it was stopped after its %s seconds\n' "$limit" ;; esac
    printf 'load of the machine: %s; processors: %s\n\n' "$(cat /proc/loadavg)" "$(nproc)"
    keep_logs=yes
}

# within command...: under the time limit of the step. Programs only, no functions. In the foreground, so that an
# interrupt from the keyboard reaches it.
within() { timeout --foreground --kill-after=10 "$limit" "$@"; }

# count LOG: what cargo, Common Test, ExUnit and our own scripts say about their tests.
count() {
    counts=$(sed 's/\x1b\[[0-9;]*m//g' "$1" | awk -f "$ROOT/scripts/count.awk")
    step_passed=${counts%% *}
    step_failed=${counts#* }
    step_skipped=${step_failed#* }
    step_failed=${step_failed% *}
}

tell_counts() {
    counted=
    if [ "$step_passed" -gt 0 ]; then counted="$step_passed passed"; fi
    if [ "$step_skipped" -gt 0 ]; then counted="$counted, $step_skipped skipped"; fi
}

finish() {
    status=$?
    set +e
    if [ "$made_fixtures" = yes ]; then sh "$ROOT/tests/fixtures/clean.sh" "$FIXTURES"; fi
    give_back_target
    # It ends with its last program, and takes away what it has half made.
    if [ -n "$debian13" ]; then wait "$debian13"; fi
    if [ "$keep_logs" = yes ]; then
        rm -rf "$work/src" "$work/tmp" "$work/debian13"
    else
        rm -rf "$work"
    fi
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
    if [ "$unsteady" -gt 0 ]; then printf '\n%s failed and passed once more: unsteady, see above\n' "$unsteady"; fi
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
# $policy and $installation name fixtures; $system and $before are commands that prepare the namespaces and become the
# rest. Who is pinged at 10.77.0.66 does not answer: the way back is closed.
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
    ' sh "$work/src" $system $before sh "$work/src/tests/fixtures/as.sh" "$USER_NAME" $as_options --policy "$FIXTURES/policies/$policy" -- \
        env -i PATH="$PATH" HOME="$work/home" USER="$USER_NAME" LC_ALL=C.UTF-8 CI="${CI:-}" \
        PORTCULLIS_SKIP_BUILD=1 PORTCULLIS_BIN="$FIXTURES/$installation" PORTCULLIS_FIXTURES="$FIXTURES" \
        REBAR_BASE_DIR="$work/home/rebar$otp" MIX_BUILD_PATH="$work/home/mix$otp" MIX_HOME="$work/home/mix-home" "$@"
}

# --- The steps themselves --------------------------------------------------------------------------------------------

shell_lint() {
    within shellcheck -x -s sh "$ROOT"/scripts/*.sh "$ROOT"/tests/*.sh "$ROOT"/tests/fixtures/*.sh "$ROOT"/priv/debian/post*
    within shellcheck "$ROOT/.ci/run"
}

# Tests that need an installation find it, and the user to become, in the environment. What they leave behind goes with the rest.
cargo_test() {
    cd "$ROOT"
    install -d -m 1777 "$work/tmp"
    set -- env TMPDIR="$work/tmp" PORTCULLIS_TEST_USER="$USER_NAME" PORTCULLIS_FIXTURES="$FIXTURES" "$@" cargo test --locked
    if [ -z "$again" ]; then
        within "$@" --no-fail-fast
        return
    fi
    failed_programs | while read -r program; do
        # shellcheck disable=SC2086 # an option and its value
        within "$@" $program -- --test-threads=1
    done
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
        lint "cargo fmt" 300 cargo_in_root fmt --check
    else
        skip "cargo fmt" "this Rust has no rustfmt"
    fi
    if cargo clippy --version >/dev/null 2>&1; then
        lint "cargo clippy" 3600 cargo_in_root clippy --locked --all-targets -- -D warnings
    else
        skip "cargo clippy" "this Rust has no clippy"
    fi
    if cargo deny --version >/dev/null 2>&1; then
        lint "cargo deny" 600 cargo_in_root deny --offline check licenses bans sources
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

# A file system that does not say how full it is, for who is started by it.
make_hanging() {
    cc -o "$work/hang_statfs" "$ROOT/tests/fixtures/hang_statfs.c"
}

# Another system with a newer OTP comes from the network while the rest is built and tested.
begin_debian13() {
    sh "$ROOT/scripts/debian13.sh" "$work/debian13" >"$logs/debian13" 2>&1 </dev/null &
    debian13=$!
}

# What is installed there by its package manager, and everything of the BEAM with its OTP in place of this machine's.
other_system() {
    if ! wait "$debian13"; then
        skip "packages, OTP 27, api docs" "no Debian 13: $(tail -n 1 "$logs/debian13")"
        return
    fi
    tests "packages, Debian 13" 600 sh "$ROOT/tests/fixtures/package_test.sh" "$work/debian13"
    printf '#!/bin/sh\nexec sh %s/src/tests/fixtures/in_folder.sh %s/debian13 /usr/bin/erl "$@"\n' "$work" "$work" >"$work/erl27"
    chmod 0755 "$work/erl27"
    policy=basic installation=ok limit=120
    if ! as_tester "$work/erl27" -noshell -eval 'halt().' >>"$logs/debian13" 2>&1; then
        skip "OTP 27" "it does not run here: $(tail -n 1 "$logs/debian13")"
        return
    fi
    # Nodes of both releases, on either side.
    tests "common test, nodes of OTP 27" 1800 ct "$node_suites" PORTCULLIS_OTHER_ERL="$work/erl27"
    for file in passwd group; do grep "^$USER_NAME:" "/etc/$file" >>"$work/debian13/etc/$file"; done
    mkdir -p "$work/debian13/etc/portcullis"
    system="sh $work/src/tests/fixtures/other_system.sh $work/debian13" otp=27
    common_tests ", OTP 27"
    # Builds that are linked when they start, so by the C library of that system, which asks the kernel for other things than this one's.
    policy=basic installation=weak
    tests "common test, C library" 1200 ct "$library_suites"
    policy=firewall
    tests "common test, C library, firewall" 1200 ct tests/portcullis_nft_SUITE
    policy=basic installation=ok
    tests "exunit, OTP 27" 1200 as_tester mix test --no-deps-check
    tests "api docs" 600 as_tester elixir tests/api_docs_test.exs "$work/home/api-docs"
    system='' otp=''
}

# A project that depends on this one.
example() { # TOOL
    if command -v "$1" >/dev/null && command -v git >/dev/null; then
        tests "example, $1" 1200 within sh "$work/src/tests/fixtures/examples_test.sh" "$1" "$ROOT/priv/portcullis" "$USER_NAME"
    else
        skip "example, $1" "needs git and $1"
    fi
}

# ct SUITES [setting | option of rebar3]...: those suites of Common Test, or of them those that failed.
ct() {
    suites_now=$(failed_suites "$1")
    shift
    as_tester "$@" rebar3 ct --suite "$suites_now"
}

# A file system that hangs, for each run its own: the last case leaves word there that every question is to be answered.
disk_suite() {
    hanging=$FIXTURES/hanging$otp$again
    mkdir "$hanging"
    before="$work/hang_statfs 1 $hanging --"
    ct tests/portcullis_disk_SUITE PORTCULLIS_HANGING="$hanging"
}

# All suites, each with the policy that it is about.
common_tests() { # WHERE
    policy=basic installation=ok
    # Those of another policy have a step of their own.
    suites=$(cd "$ROOT" && printf '%s\n' tests/*_SUITE.erl | grep -v -e _policy_ -e _files_ -e _sysctl_ -e _nft_ -e _disk_ | paste -s -d ,)
    nft_suites=$(cd "$ROOT" && printf '%s\n' tests/*_nft_*SUITE.erl | paste -s -d ,)
    tests "common test$1" 3600 ct "$suites"
    policy=none installation=full
    tests "common test, no policy$1" 600 ct tests/portcullis_policy_SUITE
    policy=files
    tests "common test, files$1" 600 ct tests/portcullis_files_SUITE
    policy=sysctl installation=ok
    tests "common test, parameters$1" 600 ct tests/portcullis_sysctl_SUITE
    policy=firewall
    tests "common test, firewall$1" 1800 ct "$nft_suites"
    tests "exunit, firewall$1" 600 as_tester mix test --no-deps-check elixir/test/firewall_examples.exs
    policy=disk
    tests "common test, disk usage$1" 600 disk_suite
}

beam_steps() {
    log_files
    make_hanging
    common_tests ''
    library_suites=tests/portcullis_processes_SUITE,tests/portcullis_tables_SUITE,tests/portcullis_net_SUITE
    node_suites=tests/portcullis_node_SUITE,tests/portcullis_direct_SUITE,tests/portcullis_dist_SUITE
    node_suites=$node_suites,tests/portcullis_tls_SUITE,tests/portcullis_gateway_SUITE
    other_system
    policy=basic installation=ok
    # What a service manager does to a BEAM that was given too little.
    as_options='--bounding -sys_ptrace'
    tests "common test, reduced rights" 600 as_tester rebar3 ct --suite tests/portcullis_lifetime_SUITE \
        --case reduced_bounding_set
    as_options=''
    tests "exunit" 1200 as_tester mix test --no-deps-check
    for tool in rebar3 mix; do example "$tool"; done
    step "xref" 600 as_tester rebar3 xref
    # With what xref has compiled, and the rules of the example.
    policy=example installation=ok
    step "demonstration" 600 as_tester escript scripts/quickstart.escript "$work/home/rebar/default/lib/portcullis/ebin"
    tests "documentation" 3600 within sh "$ROOT/tests/docs_test.sh"
    if [ "$full" = yes ]; then
        lint "dialyzer" 3600 as_tester rebar3 dialyzer
    else
        skip "dialyzer" "only with --full"
    fi
}

fuzz_steps() {
    reason=$(why_no_fuzz)
    if [ -n "$reason" ]; then
        skip "fuzzing" "$reason"
    else
        step "fuzzing, $fuzz_seconds s" $((fuzz_seconds + 3600)) fuzz "$fuzz_seconds"
    fi
}

main() {
    full=no again='' unsteady=0 as_options='' before='' system='' otp='' debian13='' fuzz_seconds=60 cargo_limit=5400 more_cases=''
    case ${1:-} in
    '') ;;
    --full) full=yes fuzz_seconds=900 cargo_limit=7200 more_cases='WIRE_MUTATIONS=100000000 PORT_MUTATIONS=100000000 STORM_SECONDS=60' ;;
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

    step "packages" 1800 sh "$ROOT/scripts/packages.sh" test
    find_rust "$RUST_FOR_TESTS"
    lint "shellcheck" 300 shell_lint
    begin_debian13
    step "build" 1800 sh "$ROOT/scripts/build-port.sh"
    step "build, weakened" 1800 build_weakened
    made_fixtures=yes
    step "installations" 600 make_fixtures
    tests "installer" 600 sh "$ROOT/tests/fixtures/install_test.sh" "$FIXTURES" "$ROOT/priv/portcullis" "$USER_NAME"
    tests "units" 600 within sh "$ROOT/tests/fixtures/units_test.sh" "$ROOT/priv/portcullis" "$USER_NAME"
    step "copy of the checkout" 300 copy_checkout
    rust_steps
    beam_steps
    fuzz_steps
    [ "$failed" -eq 0 ]
}

main "$@"
