#!/bin/sh
# debian13.sh FOLDER: a bare Debian 13 in a folder of its own, with OTP 27, Elixir, rebar3 and ex_doc, for the tests that want a newer release
# than this machine's, and for scripts/api-docs.sh. As root. Exit status 0: it is there. tests/fixtures/in_folder.sh runs programs in it, as
# anybody, and tests/fixtures/other_system.sh makes it the system of a namespace.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

[ $# -eq 1 ] || die "usage: debian13.sh FOLDER"
is_root || die "run as root: debootstrap makes files of other users"
command -v debootstrap >/dev/null || die "needs debootstrap: apt-get install --no-install-recommends debootstrap"
[ ! -e "$1" ] || die "$1 is there: remove it, or name another folder"

# What is half made is none.
trap 'rm -rf "$1.part"' EXIT
# A mirror that does not answer is not waited for. What debootstrap mounts is seen by it alone: whoever ends this in the middle must not
# remove a folder that has the host's /proc in it.
packages=erlang-base,erlang-ssl,libcap2-bin,acl,iproute2,lsof,nftables,openssl,procps,python3-minimal,strace
timeout 600 unshare --mount --propagation private debootstrap --variant=minbase --include=$packages trixie "$1.part" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}"
# Unpacked and not installed: what they depend on is 700 MB with all that windows and browsers need. Common Test wants the script of its pages.
# shellcheck disable=SC2016 # for the inner shell
timeout 300 chroot "$1.part" env PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc '
    mkdir /tmp/packages
    cd /tmp/packages
    apt-get download -q "$@"
    for package in *.deb; do dpkg -x "$package" /; done
    cd /
    rm -r /tmp/packages
' sh rebar3 elixir erlang-common-test erlang-tools erlang-runtime-tools erlang-syntax-tools erlang-parsetools erlang-inets erlang-eunit \
    erlang-xmerl erlang-dialyzer erlang-reltool erlang-edoc libjs-jquery libjs-jquery-tablesorter \
    elixir-ex-doc elixir-earmark-parser elixir-makeup elixir-makeup-elixir elixir-makeup-erlang elixir-nimble-parsec
# Nodes of the tests are on localhost, and nothing else says where that is.
say "127.0.0.1 localhost" >"$1.part/etc/hosts"
mv "$1.part" "$1"
