#!/bin/sh
# Calls between two OTP nodes, directly and through a gateway, in turns and in one run. Needs root (for a network of its own and another
# user), erlang, and a release build. usage: sh benches/gateway.sh [PORTCULLIS]
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
program=${1:-$ROOT/priv/portcullis}
user=portcullis-test
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 1; }
[ -x "$program" ] || { echo "$program is not there: sh scripts/build-port.sh" >&2; exit 1; }
getent passwd "$user" >/dev/null || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin "$user"
work=$(mktemp -d /usr/local/libexec/portcullis-bench.XXXXXX)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$work"
install -m 0755 "$program" "$work/portcullis"
echo inner >"$work/inner"
echo outer >"$work/outer"
chown "$user" "$work/inner" "$work/outer"
chmod 0400 "$work/inner" "$work/outer"
cat >"$work/gateway.toml" <<END
version = 1
[node]
cookie_file = "$work/outer"
listen = ["127.0.0.1:9120"]
[protects]
name = "b@127.0.0.1"
at = "127.0.0.1:9121"
cookie_file = "$work/inner"
[allow]
nodes = ["z@127.0.0.1"]
[default.in]
ping = "accept"
monitor = { accept = ["echo"] }
demonitor = "accept"
reg_send = { accept = ["echo"] }
send = "accept"
END
cp "$ROOT/benches/gateway.escript" "$work"
cat >"$work/run" <<'END'
ip link set lo up
cd "$1"
setpriv --reuid "$2" --regid "$2" --clear-groups env -i PATH="$PATH" ./portcullis gateway --config "$1/gateway.toml" &
escript gateway.escript
END
unshare --net --pid --fork --kill-child --mount-proc sh "$work/run" "$work" "$user"
