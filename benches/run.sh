#!/bin/sh
# Builds, installs into a directory of its own, and compares the port with its floor and its rivals as an ordinary user.
# Needs root (it asks sudo), cargo, erlang, python3 and nft; scripts/test-all.sh installs them. usage: sh benches/run.sh [PROCESSES]
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"
become_root "$@"
find_rust "$RUST_FOR_TESTS" || die "needs Rust $RUST_FOR_TESTS or newer${RUST_SEEN:+, found:}$RUST_SEEN: sh scripts/packages.sh test"
command -v erlc >/dev/null || die "needs Erlang: sh scripts/packages.sh test"
for tool in nft python3; do command -v "$tool" >/dev/null || die "needs $tool: sh scripts/packages.sh test"; done
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
sh "$ROOT/scripts/install.sh" --dest "$installed" --group "$user" --role proc,net --no-policy >/dev/null
sh "$ROOT/scripts/install.sh" --dest "$installed/unhardened" --group "$user" --no-policy \
    --binary "${CARGO_TARGET_DIR:-target}/$RUST_HOST/unhardened/portcullis" >/dev/null
mkdir "$installed/policy" "$installed/firewall"
sed 's/^# kept_descriptors = .*/kept_descriptors = 16384/' priv/policy.toml >"$installed/policy/policy.toml"
# The node of the bench is somebody else's.
printf '\n[peers]\ndefault = "all"\n' >>"$installed/policy/policy.toml"
cat >"$installed/firewall/policy.toml" <<END
version = 1

[nft]
read = true
confirm = "optional"
write = [{ family = "inet", table = "b", all = true }]

[limits]
requests_per_s = 100000
writes_per_s = 1000

[audit]
syslog = "off"
END
mkdir "$installed/node"
printf 'CUTFLEAMHALYARD\n' >"$installed/node/cookie"
chown "$user" "$installed/node/cookie"
chmod 0400 "$installed/node/cookie"
cat >"$installed/node/node.toml" <<END
version = 1

[node]
name = "portcullis@127.0.0.1"
cookie_file = "$installed/node/cookie"
listen = ["127.0.0.1:9145"]
epmd = true

[programs]
proc = "$installed/portcullis-proc"
net = "$installed/portcullis-net"

[allow]
nodes = ["bench@127.0.0.1"]

[limits]
message_bytes = 67108864

[default.in]
ping = "accept"
reg_send = { accept = ["portcullis"] }
monitor = { accept = ["portcullis"] }
demonitor = "accept"
monitor_exit = "accept"
send = "accept"
END
mkdir "$work/ebin"
for module in erlang/src/portcullis_transport.erl erlang/src/*.erl; do
    erlc -pa "$work/ebin" -o "$work/ebin" "$module"
done
cp erlang/portcullis.app.src "$work/ebin/portcullis.app"
cp benches/bench.escript benches/dist.escript "${CARGO_TARGET_DIR:-target}/release/examples/echo" \
    "${CARGO_TARGET_DIR:-target}/release/examples/floor" "${CARGO_TARGET_DIR:-target}/release/examples/boundary" \
    "${CARGO_TARGET_DIR:-target}/release/examples/nft_floor" "${CARGO_TARGET_DIR:-target}/release/examples/sockets_floor" \
    benches/nft.py benches/crowd.py "$work"
chmod -R a+rX "$work"
cd "$work"
as_tester() { sh "$ROOT/tests/fixtures/as.sh" "$user" --policy "$installed/policy" -- env HOME="$work" "$@"; }
# On one core: on two, a round trip takes 10 us or 60, as the kernel happens to place the two sides, and that is all that
# would be measured.
as_tester taskset -c 0 ./boundary "$installed/portcullis-proc" "$installed/unhardened/portcullis-proc"
as_tester taskset -c 0 escript bench.escript latency "$installed/portcullis-proc" "$work/echo" "$work/ebin"
as_tester escript bench.escript table "$installed/portcullis-proc" "$work/floor" "$work/ebin" "$@"
# In a network of its own, where no other epmd is. On one core, for the same reason.
# shellcheck disable=SC2016 # for the inner shell
unshare --net --pid --fork --kill-child --mount-proc sh -c 'ip link set lo up && "$@"' sh \
    sh "$ROOT/tests/fixtures/as.sh" "$user" --policy "$installed/policy" -- env HOME="$work" \
    taskset -c 0 escript dist.escript "$installed/portcullis-proc" "$installed/node/node.toml"
# In a network of its own, so that all sockets are those of the benchmark.
# shellcheck disable=SC2016 # for the inner shell
unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
    sh "$ROOT/tests/fixtures/as.sh" "$user" --policy "$installed/policy" -- env HOME="$work" \
    escript bench.escript sockets "$installed/portcullis-proc" "$work/sockets_floor" "$work/ebin" "$work/crowd.py"
# The same on one core, as every round trip.
# shellcheck disable=SC2016 # for the inner shell
unshare --net sh -c 'ip link set lo up && exec "$@"' sh taskset -c 0 \
    sh "$ROOT/tests/fixtures/as.sh" "$user" --policy "$installed/policy" -- env HOME="$work" \
    escript bench.escript listening "$installed/portcullis-proc" "$work/ebin" "$work/crowd.py"
# In a network of its own: the host's firewall is nobody's business here. On one core too, for the same reason.
# shellcheck disable=SC2016 # for the inner shell
unshare --net sh -c 'ip link set lo up && exec "$@"' sh taskset -c 0 python3 nft.py ./nft_floor ./echo \
    sh "$ROOT/tests/fixtures/as.sh" "$user" --policy "$installed/firewall" -- "$installed/portcullis-net" port --role net
