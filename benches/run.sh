#!/bin/sh
# Builds, installs into a directory of its own, and compares the port with its floor and its rivals as an ordinary user.
# Needs root (it asks sudo), cargo and erlang; scripts/test-all.sh installs them. usage: sh benches/run.sh [PROCESSES]
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"
become_root "$@"
find_rust "$RUST_FOR_TESTS" || die "needs Rust $RUST_FOR_TESTS or newer${RUST_SEEN:+, found:}$RUST_SEEN: sh scripts/packages.sh test"
command -v erlc >/dev/null || die "needs Erlang: sh scripts/packages.sh test"
sh "$ROOT/scripts/build-port.sh"
cd "$ROOT"
cargo build --release --locked --quiet --examples
# Linked like the release, or the loader would be compared.
flags_for=$(say "$RUST_HOST" | tr 'a-z-' 'A-Z_')
env "CARGO_TARGET_${flags_for}_RUSTFLAGS=-C target-feature=+crt-static" cargo build --profile unhardened --locked --quiet \
    --features weakened --bin portcullis --target "$RUST_HOST"
user=portcullis-test
getent passwd "$user" >/dev/null || useradd --system --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$user"
installed=/usr/local/libexec/portcullis-bench.$$
work=$(mktemp -d /tmp/portcullis-bench.XXXXXX)
made_etc=
if [ ! -d /etc/portcullis ]; then made_etc=yes; install -d -m 0755 /etc/portcullis; fi
trap 'rm -rf "$installed" "$work"; if [ -n "$made_etc" ]; then rmdir /etc/portcullis; fi; give_back_target' EXIT
trap 'exit 130' INT TERM
sh "$ROOT/scripts/install.sh" --dest "$installed" --group "$user" --no-policy >/dev/null
sh "$ROOT/scripts/install.sh" --dest "$installed/unhardened" --group "$user" --no-policy \
    --binary "${CARGO_TARGET_DIR:-target}/$RUST_HOST/unhardened/portcullis" >/dev/null
mkdir "$installed/policy"
cp priv/policy.toml "$installed/policy"
mkdir "$work/ebin"
for module in erlang/src/portcullis_transport.erl erlang/src/*.erl; do
    erlc -pa "$work/ebin" -o "$work/ebin" "$module"
done
cp erlang/portcullis.app.src "$work/ebin/portcullis.app"
cp benches/bench.escript "${CARGO_TARGET_DIR:-target}/release/examples/echo" \
    "${CARGO_TARGET_DIR:-target}/release/examples/floor" "${CARGO_TARGET_DIR:-target}/release/examples/boundary" "$work"
chmod -R a+rX "$work"
cd "$work"
as_tester() { sh "$ROOT/tests/fixtures/as.sh" "$user" --policy "$installed/policy" -- env HOME="$work" "$@"; }
# On one core: on two, a round trip takes 10 us or 60, as the kernel happens to place the two sides, and that is all that
# would be measured.
as_tester taskset -c 0 ./boundary "$installed/portcullis-proc" "$installed/unhardened/portcullis-proc"
as_tester taskset -c 0 escript bench.escript latency "$installed/portcullis-proc" "$work/echo" "$work/ebin"
as_tester escript bench.escript table "$installed/portcullis-proc" "$work/floor" "$work/ebin" "$@"
