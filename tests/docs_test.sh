#!/bin/sh
# docs_test.sh [PAGE...]: runs every block of code of README.md, docs/guides/*.md and docs/*.livemd, each page on a machine that
# is thrown away afterwards: this one's files under an overlay, with a network, processes and users of its own. So the blocks run
# as they stand, as an ordinary user with sudo types them, and install, add users and change the
# firewall without a trace. tests/docs_page.py says what a page may ask for, and prints the blocks that are not run with the reason.
#
# As root; priv/portcullis must be built. With pages as arguments only those. The last line is the count.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

# Nothing here can take as long.
LIMIT=1800

# machine NAME LOWER command...: runs it as root on a machine whose files are those of LOWER, folders with ":" between them from
# the uppermost on. What it changes is in $work/NAME/upper.
machine() {
    name=$1 lower=$2
    shift 2
    mkdir -p "$work/$name/upper" "$work/$name/work" "$work/$name/root"
    # What lies on top gives the root directory its mode, and the program refuses one that others can write to.
    chmod 0755 "$work/$name/upper"
    # shellcheck disable=SC2016 # for the inner shell
    timeout --foreground --kill-after=10 "$LIMIT" unshare --net --pid --ipc --mount --fork --kill-child --propagation private sh -c '
        set -eu
        folder=$1 lower=$2
        shift 2
        mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
        cd "$folder/root"
        mount -t proc proc proc
        mount --rbind /sys sys
        mount -t tmpfs -o mode=0755 tmpfs dev
        mkdir dev/shm && chmod 1777 dev/shm
        for device in null zero full random urandom tty; do : >dev/$device; mount --bind /dev/$device dev/$device; done
        ln -s /proc/self/fd dev/fd
        ln -s fd/0 dev/stdin
        ln -s fd/1 dev/stdout
        mount -t tmpfs -o mode=1777 tmpfs tmp
        printf "127.0.0.1 localhost %s\n" "$(hostname)" >etc/hosts
        ip link set lo up
        # Process 1 is a shell: it reaps what blocks leave behind, as that of any machine does.
        exec chroot . sh -c "\"\$@\"; exit \$?" sh "$@"' sh "$work/$name" "$lower" "$@"
}

# The reader: an ordinary user with a checkout of his own, whose client is compiled.
reader() {
    mkdir -p "$work/reader/upper/home/reader/portcullis" "$work/reader/upper/usr/local/bin"
    tar -C "$ROOT" --exclude=./target --exclude=./fuzz --exclude=./.git --exclude=./_build --exclude=./tests/vectors -cf - . |
        tar -C "$work/reader/upper/home/reader/portcullis" --no-same-owner -xf -
    cp "${PORTCULLIS_BUILT:-$ROOT/priv/portcullis}" "$work/reader/upper/home/reader/portcullis/priv/portcullis"
    # Stand-ins for what not every machine has. This sudo(8) asks nobody.
    cc -x c -o "$work/reader/upper/usr/local/bin/sudo" - <<'END'
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "--")) argv++, argc--;
    if (argc < 2 || setgroups(0, NULL) || setgid(0) || setuid(0) || setenv("HOME", "/root", 1)) return 1;
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 1;
}
END
    # What the programs have said to /dev/log, which tests/docs_page.py keeps.
    cat >"$work/reader/upper/usr/local/bin/journalctl" <<'END'
#!/bin/sh
exec cat /run/docs-journal
END
    chmod 0755 "$work/reader/upper/usr/local/bin/journalctl"
    chmod 4755 "$work/reader/upper/usr/local/bin/sudo"
    # shellcheck disable=SC2016
    machine reader / sh -c '
        set -eu
        cd /home/reader/portcullis
        # What an installation of the machine itself has left, which the pages make anew.
        rm -rf /usr/local/libexec/portcullis /usr/libexec/portcullis /etc/portcullis
        for user in reader portcullis portcullis-demo; do
            if getent passwd "$user" >/dev/null; then userdel "$user"; fi
        done
        sed -i "/^portcullis:/d" /etc/group /etc/gshadow
        useradd --user-group --no-create-home --home-dir /home/reader --shell /bin/sh reader
        chown -R reader: /home/reader
        # For who takes it as a dependency.
        if command -v git >/dev/null; then
            setpriv --reuid reader --regid reader --clear-groups env HOME=/home/reader sh -c "git init -q -b main && git add . &&
                git -c user.name=reader -c user.email=reader@localhost commit -q -m checkout"
        fi
        . scripts/lib.sh
        # For Erlang alone, which has no application of Elixir.
        as_user reader sh -c "mkdir -p _build/erlang/ebin && erlc -pa _build/erlang/ebin -o _build/erlang/ebin erlang/src/*.erl &&
            cp erlang/portcullis.app.src _build/erlang/ebin/portcullis.app"
        as_user reader env PORTCULLIS_SKIP_BUILD=1 MIX_ENV=dev LC_ALL=C.UTF-8 mix compile' >"$work/log" 2>&1 ||
        { cat "$work/log"; die "the checkout does not compile"; }
}

# As the guide of the installation leaves it.
installed() {
    # shellcheck disable=SC2016
    machine installed "$work/reader/upper:/" sh -c '
        set -eu
        cd /home/reader/portcullis
        groupadd --system portcullis
        usermod -aG portcullis reader
        sh scripts/install.sh --group portcullis --role proc,net' >"$work/log" 2>&1 ||
        { cat "$work/log"; die "nothing is installed"; }
}

# page PAGE: its numbers are those of its last line.
page() {
    lower=$work/installed/upper:$work/reader/upper:/
    if grep -q '^<!-- machine: bare -->$' "$ROOT/$1"; then lower=$work/reader/upper:/; fi
    status=0
    machine "page" "$lower" python3 /home/reader/portcullis/tests/docs_page.py "$1" >"$work/said" 2>&1 || status=$?
    cat "$work/said"
    rm -rf "$work/page"
    count=$(sed -n 's/^blocks: \([0-9]*\) run, \([0-9]*\) failed, \([0-9]*\) not run$/\1 \2 \3/p' "$work/said")
    # One that ends without a word has failed.
    if [ -z "$count" ]; then count="0 1 0"; say "$1: ended with status $status"; fi
    rest=${count#* }
    passed=$((passed + ${count%% *})) failed=$((failed + ${rest% *})) not_run=$((not_run + ${rest#* }))
}

main() {
    is_root || die "needs root: the machines are made by mount(2) and unshare(2)"
    [ -f "${PORTCULLIS_BUILT:-$ROOT/priv/portcullis}" ] || die "there is no priv/portcullis: sh scripts/build-port.sh"
    if [ "${1:-}" != --inside ]; then
        exec unshare --mount --propagation private sh "$0" --inside "$@"
    fi
    shift
    passed=0 failed=0 not_run=0
    work=$(mktemp -d /tmp/portcullis-docs.XXXXXX)
    # In memory, and gone with this process; what is mounted there too.
    mount -t tmpfs -o mode=0755 tmpfs "$work"
    trap 'umount -l "$work"; rmdir "$work"' EXIT
    trap 'exit 130' INT TERM
    if ! machine trial / true >"$work/log" 2>&1; then
        say "skipped: no machine can be made here: $(tail -n 1 "$work/log")"
        say "Skipped 1 tests."
        say "0 passed, 0 failed"
        exit 0
    fi
    reader
    installed
    if [ $# -eq 0 ]; then
        cd "$ROOT"
        # shellcheck disable=SC2046 # a list of files without blanks
        set -- tests/fixtures/docs_wrong.md README.md $(ls docs/guides/*.md docs/*.livemd)
    fi
    for each; do page "$each"; done
    say "$not_run blocks have a marker and are not run"
    say "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

main "$@"
