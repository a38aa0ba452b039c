#!/bin/sh
# packages.sh demo|test [--list]: installs, with apt, the packages that are missing for the demonstration
# (scripts/quickstart.sh) or for all tests (scripts/test-all.sh). --list prints the names and installs nothing.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

# util-linux (setpriv, unshare, findmnt) and coreutils are on every Debian.
DEMO='ca-certificates gcc libc6-dev libcap2-bin erlang-base'
TEST="$DEMO acl debootstrap git iproute2 lsof nftables openssl procps python3 shellcheck strace rebar3 elixir erlang-common-test erlang-dialyzer"

usage() { die "usage: packages.sh demo|test [--list]"; }

missing() {
    for package; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

candidate() { apt-cache policy "$1" | sed -n 's/^ *Candidate: //p' | sed 's/^[0-9]*://'; }

# Debian has a Rust of its own age under the usual name, and a current one, made for browsers, beside it. apt replaces
# one by the other.
rust_packages() {
    for suffix in '' -web; do
        case $(candidate "cargo$suffix") in
        [0-9]*) at_least "$(candidate "rustc$suffix")" "$rust_wanted" || continue ;;
        *) continue ;;
        esac
        case $what$suffix in
        demo*) say "cargo$suffix rustc$suffix" ;;
        test) say "cargo rustc rust-clippy rustfmt" ;;
        test-web) say "cargo-web rustc-web rust-web-clippy rustfmt-web" ;;
        esac
        return 0
    done
    die "apt has no Rust $rust_wanted or newer. Debian 12 has one among its security updates; if /etc/apt/sources.list lacks them, this line adds them:
  deb http://deb.debian.org/debian-security bookworm-security main
Elsewhere: https://rustup.rs"
}

# The port is built by the user behind sudo in his own checkout, who cannot use a Rust in root's home.
rust_for_builder() {
    builder=$(sudo_user)
    if [ "$what" = demo ] && [ -n "$builder" ] && [ "$(stat -c %U "$ROOT")" = "$builder" ]; then
        # shellcheck disable=SC2016 # for the inner shell
        as_user "$builder" sh -c 'ROOT=$1; . "$1/scripts/lib.sh"; find_rust "$2"' sh "$ROOT" "$rust_wanted" || return 1
    fi
    find_rust "$rust_wanted"
}

# A Rust of apt's has its lints in packages of their own; a Rust from elsewhere is its owner's to extend.
rust_is_enough() {
    rust_for_builder || return 1
    [ "$what" = test ] && [ "$(command -v cargo)" = /usr/bin/cargo ] || return 0
    cargo clippy --version >/dev/null 2>&1 && cargo fmt --version >/dev/null 2>&1
}

install_missing() {
    # shellcheck disable=SC2086 # lists of names
    wanted=$(missing $packages)
    if rust_is_enough; then rust=no; else rust=yes; fi
    if [ -z "$wanted" ] && [ "$rust" = no ]; then
        say "nothing is missing (Rust $RUST_RELEASE)"
        return 0
    fi
    is_root || die "missing: $wanted (run as root to install them)"
    apt-get update -q
    if [ "$rust" = yes ]; then wanted="$wanted$(rust_packages)"; fi
    say "installing $wanted"
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $wanted
}

[ $# -ge 1 ] || usage
what=$1
case $what in
demo) packages=$DEMO rust_wanted=$(oldest_rust) ;;
test) packages=$TEST rust_wanted=$RUST_FOR_TESTS ;;
*) usage ;;
esac
case ${2:-} in
--list) say "$packages" ;;
'')
    command -v apt-get >/dev/null || die "no apt here. Install the like of: $packages, and Rust $rust_wanted or newer"
    install_missing </dev/null
    ;;
*) usage ;;
esac
