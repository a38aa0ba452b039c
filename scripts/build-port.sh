#!/bin/sh
# Builds the port and puts it at priv/portcullis, for development and for scripts/install.sh. rebar3 and Mix call it
# before they compile, with --hook: then nothing is built where a program is installed, which is the one that runs. It never sets capabilities: a file in priv belongs to the application's user, and a file with
# capabilities that its user can write is full escalation (SECURITY.md).
#
#   PORTCULLIS_SKIP_BUILD=1   does nothing: the port comes from elsewhere
#   CARGO_TARGET_DIR          where cargo builds (default: target)
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

# Where a program is installed, that is the one that runs, whatever is built here.
installed() {
    for folder in /usr/libexec/portcullis /usr/local/libexec/portcullis; do
        if [ -e "$folder/portcullis-proc" ]; then say "$folder"; return; fi
    done
    return 1
}

no_rust() {
    die "needs cargo and rustc $(oldest_rust) or newer;${RUST_SEEN:+ too old or broken:}${RUST_SEEN:- none found}
  Debian 12:  apt-get install --no-install-recommends cargo-web rustc-web gcc libc6-dev     (its package \`cargo\` is too old)
  Debian 13:  apt-get install --no-install-recommends cargo gcc libc6-dev
  elsewhere:  https://rustup.rs
then again: sh $ROOT/scripts/build-port.sh
To use a program that is built elsewhere, set PORTCULLIS_SKIP_BUILD=1, and PORTCULLIS_BIN=/path/to/portcullis-proc if it is not installed"
}

# A static program has no loader that LD_PRELOAD could trick. It takes a static libc, which not every system has:
# asking the linker first keeps a defect of the source from being reported twice.
can_link_static() {
    command -v cc >/dev/null || die "needs a C compiler to link: apt-get install --no-install-recommends gcc libc6-dev"
    echo 'int main(void) { return 0; }' | cc -static-pie -x c -o /dev/null - 2>/dev/null
}

# Where the sources lie gets into the texts of panics: without this the program would depend on the builder's home, and tell of it.
same_paths() {
    cargo_home=${CARGO_HOME:-${HOME:-/root}/.cargo}
    case $ROOT$cargo_home in
    *[[:space:]]*) note "a path has a space: the program tells where it was built" ;;
    *) say "--remap-path-prefix=$ROOT=/portcullis --remap-path-prefix=$cargo_home=/cargo" ;;
    esac
}

# With an explicit --target, flags for it do not reach build scripts and procedural macros, which cannot be static.
build() {
    target_dir=${CARGO_TARGET_DIR:-$ROOT/target}
    flags=$(same_paths)
    if can_link_static; then
        flags="$flags -C target-feature=+crt-static"
    else
        note "no static C library here: linking dynamically"
    fi
    flags_for=$(say "$RUST_HOST" | tr 'a-z-' 'A-Z_')
    export "CARGO_TARGET_${flags_for}_RUSTFLAGS=$flags"
    (cd "$ROOT" && cargo build --release --locked --bin portcullis --target "$RUST_HOST" --target-dir "$target_dir")
    built=$target_dir/$RUST_HOST/release/portcullis
}

# The rename leaves a running port its old file; without the comparison every compile would touch it.
publish() {
    mkdir -p "$ROOT/priv"
    cmp -s "$built" "$ROOT/priv/portcullis" && return 0
    cp "$built" "$ROOT/priv/.portcullis.new"
    chmod 0755 "$ROOT/priv/.portcullis.new"
    mv -f "$ROOT/priv/.portcullis.new" "$ROOT/priv/portcullis"
    say "priv/portcullis is new ($(wc -c <"$built") bytes)"
}

main() {
    if [ "${PORTCULLIS_SKIP_BUILD:-}" = 1 ]; then
        say "PORTCULLIS_SKIP_BUILD=1: nothing is built, and nothing is to be done where a program is installed. To build one: env -u PORTCULLIS_SKIP_BUILD sh $ROOT/scripts/build-port.sh"
        return 0
    fi
    if [ "${1:-}" = --hook ] && folder=$(installed); then
        say "nothing to build: the program that runs is the one installed in $folder. To build this source all the same: sh $ROOT/scripts/build-port.sh"
        return 0
    fi
    user=$(sudo_user)
    if [ -n "$user" ] && [ "$(stat -c %U "$ROOT")" = "$user" ]; then
        # Under sudo in one's own checkout: root would leave files behind that the user cannot build over.
        as_user "$user" sh "$ROOT/scripts/build-port.sh"
        return 0
    fi
    find_rust "$(oldest_rust)" || no_rust
    build
    publish
}

main "$@"
