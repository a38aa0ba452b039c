#!/bin/sh
# From a bare Debian to the first answer, in one command: packages, build, installation, and a demonstration as an
# ordinary user. Again and again without harm. `--undo` takes away what it installed, except packages.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

GROUP=portcullis
DEMO_USER=portcullis-demo
DEST=/usr/local/libexec/portcullis

usage() {
    cat <<'END'
usage: sh scripts/quickstart.sh [--undo]

  without an option   installs the packages that are missing, builds, installs both roles, and demonstrates them
  --undo              takes away what it installed; packages stay
END
}

phase() {
    doing=${1%% as user *}
    printf '\n=== %s\n' "$*"
}

# Whatever is half done can be done again, or taken back.
ended() { # STATUS
    if [ -n "$work" ]; then rm -rf "$work"; fi
    [ "$1" -ne 0 ] || return 0
    printf '\n=== it failed at: %s\n' "$doing" >&2
    note "what went wrong is said above. Once that is mended: sh $ROOT/scripts/quickstart.sh"
    note "to take back what is done already (packages stay): sh $ROOT/scripts/quickstart.sh --undo"
}

# Who the demonstration runs as: the user behind sudo, or a system user of its own.
demo_user() {
    user=$(sudo_user)
    say "${user:-$DEMO_USER}"
}

make_user() {
    getent group "$GROUP" >/dev/null || groupadd --system "$GROUP"
    if [ "$user" = "$DEMO_USER" ]; then
        getent passwd "$user" >/dev/null || useradd --system --gid "$GROUP" --no-create-home \
            --home-dir /nonexistent --shell /usr/sbin/nologin "$user"
    else
        usermod -aG "$GROUP" "$user"
    fi
}

# The checkout may be in root's home, where the user cannot read: what it needs is copied. Compiling runs code of the
# checkout too, so it is not root who does it.
compile_client() {
    mkdir "$work/src" "$work/ebin"
    cp "$ROOT"/erlang/src/*.erl "$ROOT/scripts/quickstart.escript" "$work/src"
    cp "$ROOT/erlang/portcullis.app.src" "$work/ebin/portcullis.app"
    chmod -R a+rX "$work"
    chown "$user" "$work/ebin"
    as_user "$user" erlc -pa "$work/ebin" -o "$work/ebin" "$work"/src/*.erl
}

# Outside the checkout, so that PORTCULLIS_BIN and priv cannot get in the way: what runs is what is installed.
demonstrate() {
    (cd / && as_user "$user" env -u PORTCULLIS_BIN LC_ALL=C.UTF-8 escript "$work/src/quickstart.escript" "$work/ebin")
}

# What to type next, as it stands. A login that is older than the group does not know it yet, and what compiles writes
# beside its source.
next_steps() {
    phase "done in $(($(date +%s) - started)) seconds"
    sudo=
    if [ -n "$(sudo_user)" ]; then sudo='sudo '; fi
    if [ "$user" = "$DEMO_USER" ]; then
        say "Let a user start it:     usermod -aG $GROUP USER   # then log in again; groups are read at login"
        as="from a new login of that user"
    else
        say "$user is now a member of $GROUP. Terminals and BEAMs that were started before do not know it yet."
        as="from a new login, or in: sg $GROUP -c sh"
    fi
    here=$ROOT
    if [ "$(stat -c %U "$ROOT")" != "$user" ]; then
        # shellcheck disable=SC2016 # for the shell of that user
        here='$HOME/portcullis'
        say "A copy of his own:       sh -c 'umask 022; cp -r $ROOT ~USER/portcullis && chown -R USER: ~USER/portcullis'   # as root"
    fi
    say "Try it, $as, in one of these shells:"
    say "    cd $here"
    say "    mkdir -p _build/erlang/ebin && erlc -pa _build/erlang/ebin -o _build/erlang/ebin erlang/src/*.erl"
    say "    erl -pa _build/erlang/ebin     # then: {ok, _} = portcullis:start_link([])."
    say "    rebar3 shell                   # the same; first: $sudo""apt-get install -y --no-install-recommends rebar3"
    say "    iex -S mix                     # then: {:ok, _} = Portcullis.start_link([]); first: $sudo""apt-get install -y --no-install-recommends elixir"
    say "What it may do:          $DEST/portcullis-proc policy check"
    say "Check the installation:  $sudo$DEST/portcullis-proc doctor"
    say "Undo:                    sh $ROOT/scripts/quickstart.sh --undo"
}

undo() {
    sh "$ROOT/scripts/install.sh" --uninstall --dest "$DEST"
    if getent passwd "$DEMO_USER" >/dev/null; then userdel "$DEMO_USER"; fi
    if getent group "$GROUP" >/dev/null; then undo_group; fi
    note "bans and tables of the firewall are the kernel's and stay until the host is started anew, or until, as root: nft delete table inet portcullis (package nftables)"
}

undo_group() {
    if id -nG "$user" 2>/dev/null | tr ' ' '\n' | grep -qx "$GROUP"; then gpasswd -d "$user" "$GROUP" >/dev/null; fi
    listed=$(getent group "$GROUP" | cut -d: -f4)
    gid=$(getent group "$GROUP" | cut -d: -f3)
    own=$(getent passwd | awk -F: -v g="$gid" '$4 == g {print $1}' | paste -s -d ' ')
    # Whoever is given its number next could start what else belongs to it, a program with capabilities in another folder above all.
    if [ -z "$listed$own" ]; then
        note "the group $GROUP stays, for files that may belong to it. Are there none? As root: find / -xdev -group $GROUP, then groupdel $GROUP"
        return 0
    fi
    note "the group $GROUP stays, as it is not only ours. As root:"
    for member in $(say "$listed" | tr , ' '); do note "    gpasswd -d $member $GROUP"; done
    # A user of the node has it as his own group, and members of it in no file.
    for member in $own; do note "    userdel $member                 # it is his own group"; done
    note "    groupdel $GROUP                 # then, if it is still there"
}

main() {
    case "$#:${1:-}" in
    0:* | 1:--undo) ;;
    1:--help | 1:-h)
        usage
        return 0
        ;;
    1:*) die "unknown option $1. It takes none, or one of: --undo, --help" ;;
    *) die "at most one option: --undo or --help" ;;
    esac
    become_root "$@"
    user=$(demo_user)
    if [ "${1:-}" = --undo ]; then
        undo
        return 0
    fi
    started=$(date +%s)
    work=''
    trap 'ended $?' EXIT
    trap 'exit 130' INT TERM
    phase "packages"
    sh "$ROOT/scripts/packages.sh" demo
    phase "build"
    sh "$ROOT/scripts/build-port.sh"
    phase "install"
    make_user
    sh "$ROOT/scripts/install.sh" --group "$GROUP" --role proc,net --dest "$DEST"
    phase "demonstration as user $user ($(id "$user"))"
    work=$(mktemp -d /tmp/portcullis-quickstart.XXXXXX)
    compile_client
    demonstrate
    next_steps
}

main "$@"
