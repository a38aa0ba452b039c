# shellcheck shell=sh
# What the scripts of this folder share. Sourced, never run; the caller has set -eu and ROOT, the top of the checkout.

# A root shell from plain `su` has no sbin, and setcap lives there.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$*"; }
note() { printf 'note: %s\n' "$*" >&2; }
die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

is_root() { [ "$(id -u)" -eq 0 ]; }

# become_root "$@": runs the calling script again through sudo if it is not root yet.
become_root() {
    is_root && return 0
    command -v sudo >/dev/null || die "this needs root and there is no sudo: run it as root"
    exec sudo -- sh "$0" "$@"
}

# The user behind sudo, or nothing.
sudo_user() {
    if is_root && [ "${SUDO_USER:-root}" != root ]; then say "$SUDO_USER"; fi
}

home_of() { getent passwd "$1" | cut -d: -f6; }

# as_user USER command...: runs it without any of root's privileges. `env` stands between setpriv and the command on
# purpose: a program that setpriv starts directly still gets root's capabilities.
as_user() {
    as_user_name=$1
    shift
    setpriv --reuid "$as_user_name" --regid "$(id -g "$as_user_name")" --init-groups --inh-caps=-all \
        env HOME="$(home_of "$as_user_name")" USER="$as_user_name" LOGNAME="$as_user_name" "$@"
}

# The oldest Rust that builds this: one place says it.
oldest_rust() { sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml"; }

# The tests link an oracle whose decompressor (libflate) is written in newer Rust than the program.
# shellcheck disable=SC2034 # for packages.sh and test-all.sh
RUST_FOR_TESTS=1.88

# at_least 1.95.0 1.85: compares major and minor version.
at_least() {
    at_least_rest=${1#*.}
    at_least_want=${2#*.}
    [ "${1%%.*}" -gt "${2%%.*}" ] ||
        { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${at_least_rest%%.*}" -ge "${at_least_want%%.*}" ]; }
}

# A cargo of rustup is in somebody's home: also in that of the user behind sudo.
cargo_folders() {
    dirname "$(command -v cargo || say /usr/bin/cargo)"
    say "${HOME:-/root}/.cargo/bin"
    cargo_user=$(sudo_user)
    if [ -n "$cargo_user" ]; then say "$(home_of "$cargo_user")/.cargo/bin"; fi
    say /usr/bin
}

# Root runs no compiler in a checkout of root's that others than root can change. In somebody's own checkout what he builds is run anyway.
is_trusted() { # DIR
    ! is_root || [ "$(stat -c %u "$ROOT")" -ne 0 ] || [ -z "$(unsafe_above "$1")" ]
}

# find_rust VERSION: puts the first cargo that is new enough on PATH and sets RUST_HOST and RUST_RELEASE. Fails, with
# the reasons in RUST_SEEN, if there is none.
find_rust() {
    RUST_SEEN=
    RUST_HOST=
    for rust_dir in $(cargo_folders); do
        [ -x "$rust_dir/cargo" ] || continue
        if ! is_trusted "$rust_dir"; then
            RUST_SEEN="$RUST_SEEN $rust_dir/cargo ($(unsafe_above "$rust_dir") can be changed by others than root)"
            continue
        fi
        rust_home=${RUSTUP_HOME:-${rust_dir%/.cargo/bin}/.rustup}
        rust_says=$(RUSTUP_HOME=$rust_home PATH=$rust_dir:$PATH rustc -vV 2>/dev/null) || rust_says=
        RUST_RELEASE=$(say "$rust_says" | sed -n 's/^release: //p')
        RUST_HOST=$(say "$rust_says" | sed -n 's/^host: //p')
        if [ -n "$RUST_HOST" ] && at_least "$RUST_RELEASE" "$1"; then
            PATH=$rust_dir:$PATH
            export PATH
            if [ -d "$rust_home" ]; then export RUSTUP_HOME="$rust_home"; fi
            return 0
        fi
        RUST_SEEN="$RUST_SEEN $rust_dir/cargo (Rust ${RUST_RELEASE:-does not start})"
    done
    return 1
}

# unsafe_above DIR: prints the first directory from DIR up to / that is not root's or that group or others can
# write to. The port refuses to start below one (exit 75): whoever can rename things there can keep an old binary.
unsafe_above() {
    above=$(realpath -m -- "$1")
    while :; do
        if [ -e "$above" ]; then
            above_mode=$(stat -c %a -- "$above")
            if [ "$(stat -c %u -- "$above")" -ne 0 ] || [ $((0$above_mode & 022)) -ne 0 ]; then
                say "$above"
                return 0
            fi
        fi
        [ "$above" != / ] || return 0
        above=$(dirname -- "$above")
    done
}

# Under sudo, cargo ran as root in somebody else's checkout: leave nothing there that he cannot build over.
give_back_target() {
    give_back_user=$(sudo_user)
    for made in "$ROOT/target" "$ROOT/fuzz/target" "$ROOT/fuzz/corpus" "$ROOT/priv"; do
        if [ -n "$give_back_user" ] && [ -d "$made" ]; then chown -R --reference="$ROOT" "$made"; fi
    done
}
