#!/bin/sh
# Installs the port with its file capabilities: root's file, mode 0750, in a directory that only root can write.
# The rest of SECURITY.md stands on exactly these properties, and the port refuses to start without them.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

# The port knows no other place (src/policy/file.rs).
POLICY=/etc/portcullis/policy.toml

# The group that is made if it is missing.
OWN_GROUP=portcullis

usage() {
    cat <<'END'
usage: sh scripts/install.sh [option...]

  --group GROUP   who may start the port (default: as the installed file has it, else the group of the user behind
                  sudo if nobody else is in it, else portcullis). The group portcullis is made if it is missing
  --level LEVEL   basic: cap_sys_ptrace, for what the kernel shows to debuggers only
                  full: cap_dac_read_search too, "can read everything". The file is the ceiling; what is kept of
                  it, /etc/portcullis/policy.toml decides
                  (default: as the installed file has it, else basic)
  --audit         cap_audit_write too, for records in the kernel's audit log; kept by later installations
  --role ROLES    proc (default), net, or proc,net
  --no-policy     do not put an example policy in place. One that is there is never touched
  --dest DIR      where to (default: /usr/local/libexec/portcullis)
  --binary FILE   what to install (default: priv/portcullis, see scripts/build-port.sh)
  --uninstall     removes what this script installed; the policy only if it is the example as it came, no other
                  installation reads it, and --no-policy is not given
END
}

parse() {
    group='' make_group=no level='' roles=proc dest=/usr/local/libexec/portcullis binary='' uninstall=no audit='' policy=yes
    while [ $# -gt 0 ]; do
        case $1 in
        --uninstall) uninstall=yes ;;
        --audit) audit=,cap_audit_write ;;
        --no-policy) policy=no ;;
        --help | -h)
            usage
            exit 0
            ;;
        --group | --level | --role | --dest | --binary)
            [ $# -ge 2 ] || die "$1 needs a value (see --help)"
            case $1 in
            --group) group=$2 ;;
            --level) level=$2 ;;
            --role) roles=$2 ;;
            --dest) dest=$2 ;;
            --binary) binary=$2 ;;
            esac
            shift
            ;;
        *) die "unknown option $1 (see --help)" ;;
        esac
        shift
    done
    dest=$(realpath -m -- "$dest")
    roles=$(say "$roles" | tr , ' ')
    case $level in
    '' | basic | full) ;;
    *) die "unknown level $level (levels: basic, full)" ;;
    esac
    for role in $roles; do
        case $role in
        proc | net) ;;
        *) die "unknown role $role (roles: proc, net)" ;;
        esac
    done
}

# An upgrade must not take away what the policy needs: the next start would be refused.
installed_level() { # ROLE
    [ -z "$level" ] || { say "$level"; return; }
    case $(getcap -- "$dest/portcullis-$1" 2>/dev/null) in
    *cap_dac_read_search*) say full ;;
    *) say basic ;;
    esac
}

installed_audit() { # ROLE
    [ -z "$audit" ] || { say "$audit"; return; }
    case $(getcap -- "$dest/portcullis-$1" 2>/dev/null) in
    *cap_audit_write*) say ,cap_audit_write ;;
    esac
}

# Permitted only, never effective: if the bounding set lacks one, exec fails with `ep` and says nothing; with `p` the
# port starts, names what is missing, and raises a capability only around the operation that needs it. setpcap is for
# locking the doors at the start; the port drops it before it reads the first request.
capabilities_of() { # ROLE
    audit_too=$(installed_audit "$1")
    case $1:$(installed_level "$1") in
    proc:basic) say "cap_setpcap,cap_sys_ptrace$audit_too=p" ;;
    proc:full) say "cap_setpcap,cap_sys_ptrace,cap_dac_read_search$audit_too=p" ;;
    net:*) say "cap_setpcap,cap_net_admin,cap_net_raw$audit_too=p" ;;
    esac
}

# An upgrade must not lock out those who can start the old one.
choose_group() {
    user=$(sudo_user)
    for role in $roles; do
        if [ -z "$group" ] && [ -e "$dest/portcullis-$role" ]; then group=$(stat -c %G -- "$dest/portcullis-$role"); fi
    done
    if [ -z "$group" ] && [ -n "$user" ]; then group=$(own_group "$user"); fi
    [ -n "$group" ] || die "--group is required: the group of the user that runs the BEAM, or $OWN_GROUP, which is made if it is missing"
    if [ "$group" = "$OWN_GROUP" ] && ! getent group "$group" >/dev/null; then make_group=yes; return 0; fi
    found=$(getent group "$group") || die "there is no group $group: groupadd --system $group"
    group=${found%%:*}
}

# Where users have no group each, theirs is everybody's. In a shell of its own: `members` is asked of that group, which is not chosen yet.
own_group() { # USER
    group=$(id -gn "$1")
    if [ "$(members)" = "$1" ]; then
        say "$group"
    else
        note "the group of $1, $group, is not $1's alone: $OWN_GROUP is taken. To choose another: --group GROUP"
        say "$OWN_GROUP"
    fi
}

# Only once nothing else can be refused, and only the one that all pages name: any other that is missing is a typing mistake.
make_group() {
    [ "$make_group" = yes ] || return 0
    groupadd --system "$group" || die "the group $group cannot be made"
    say "group      $group is new"
}

choose_binary() {
    source=$binary
    if [ -z "$source" ]; then
        source=$ROOT/priv/portcullis
    fi
    [ -f "$source" ] || die "there is no $source: build it with sh scripts/build-port.sh, or name it with --binary"
}

check_destination() {
    bad=$(unsafe_above "$dest")
    [ -z "$bad" ] || die "$bad is $(stat -c '%U:%G, mode %a' -- "$bad"): every directory from $dest up to / must be
root's, without write permission for group and others. Choose another --dest, or mend this one"
    there=$dest
    while [ ! -d "$there" ]; do there=$(dirname -- "$there"); done
    options=$(findmnt -n -o OPTIONS -T "$there" | tail -n 1)
    case ,$options, in
    *,nosuid,*) die "$dest is on a nosuid mount: the kernel ignores file capabilities there. Choose another --dest" ;;
    *,noexec,*) die "$dest is on a noexec mount: nothing starts there. Choose another --dest" ;;
    esac
    umask 022
    mkdir -p -- "$dest"
    check_reachable
}

# Who may start the file must be able to reach it. The folder itself is ours to open; what lies above is not.
check_reachable() {
    above=$dest
    while [ "$above" != / ]; do
        case $(stat -c '%a %G' -- "$above") in
        *[1357]\ * | *[1357]?\ "$group") ;;
        *)
            [ "$above" = "$dest" ] ||
                die "$above keeps everybody but root out: chmod o+x $above, or choose another --dest"
            chmod 0755 -- "$above"
            ;;
        esac
        above=$(dirname -- "$above")
    done
}

# The file is complete and verified before it gets its name, so a port that starts meanwhile gets the old one or the
# new one. chown and chmod come before setcap: chown takes capabilities away.
install_role() { # ROLE
    caps=$(capabilities_of "$1")
    file=$dest/portcullis-$1
    choose_binary
    # What an installation left that was killed: it may have its capabilities already, and nobody would look for it.
    rm -f -- "$dest"/.portcullis-*
    draft=''
    # Before there is anything: a signal may come as soon as there is.
    trap 'rm -f -- "$dest"/.portcullis-* "$draft"' EXIT
    trap 'exit 130' HUP INT TERM
    new=$(mktemp "$dest/.portcullis-$1.XXXXXX")
    cat -- "$source" >"$new"
    # Still root's alone. In a checkout of somebody else's the name may lead to a file that the group must not read.
    [ "$(head -c 4 -- "$new" | tail -c 3)" = ELF ] || die "$source does not run here: it is not a program"
    chown "root:$group" "$new"
    chmod 0750 "$new"
    # Whether it runs on this machine. Not as root: who built it need not be.
    setpriv --reuid 65534 --regid "$(getent group "$group" | cut -d: -f3)" --clear-groups --no-new-privs \
        --bounding-set=-all --inh-caps=-all env -- "$new" --version >/dev/null 2>&1 ||
        die "$source does not run here (wrong architecture or C library?): build it on this machine"
    setcap "$caps" "$new" || die "$dest cannot hold file capabilities (file system without extended attributes?)"
    verify "$new" "$caps"
    # A BEAM that waits for a program starts it as soon as it is there, and a port reads the policy once.
    install_policy
    mv -f -- "$new" "$file"
    trap - EXIT
    say "installed $file  root:$group 0750  $caps"
}

verify() { # FILE CAPABILITIES
    [ "$(stat -c '%u:%G %a %h' -- "$1")" = "0:$group 750 1" ] ||
        die "owner, mode or links of $1 did not take: $(stat -c '%U:%G %a, %h links' -- "$1")"
    setcap -q -v "$2" "$1" >/dev/null || die "capabilities of $1 did not take: $(getcap -- "$1")"
    # The plus sign of ls: a default ACL of the directory lets others in while the mode reads 0750.
    case $(ls -ld -- "$1") in
    ??????????+*) die "$dest gives its files an ACL, which lets others in: setfacl -k $dest" ;;
    esac
    cmp -s -- "$source" "$1" || die "$source changed while it was copied: try again"
}

# One that is there is root's decision, and stays. Once, for all roles.
install_policy() {
    [ "$policy" = yes ] || return 0
    if [ -e "$POLICY" ] || [ -L "$POLICY" ]; then
        say "policy     $POLICY is there and stays as it is"
        policy=no
        return 0
    fi
    bad=$(unsafe_above "$(dirname -- "$POLICY")")
    [ -z "$bad" ] || die "$bad can be changed by others than root: the port would refuse a policy below it"
    install -d -o root -g root -m 0755 -- "$(dirname -- "$POLICY")"
    draft=$(mktemp "$POLICY.XXXXXX")
    cat -- "$ROOT/priv/policy.toml" >"$draft"
    chmod 0644 "$draft"
    # Not -f: if one has come meanwhile, it stays.
    mv -n -- "$draft" "$POLICY"
    rm -f -- "$draft"
    policy=no
    say "policy     $POLICY: an example; it decides what the port does"
}

# What those who start it would be told: as one of them, because root may do what they may not.
check_roles() {
    for role in $roles; do
        setpriv --reuid 65534 --regid "$(getent group "$group" | cut -d: -f3)" --clear-groups --inh-caps=-all \
            env -- "$dest/portcullis-$role" doctor --role "$role" >"$dest/.portcullis-doctor" 2>&1 ||
            { note "with the policy that is there, $dest/portcullis-$role will refuse to start:"; cat "$dest/.portcullis-doctor" >&2; }
        rm -f -- "$dest/.portcullis-doctor"
    done
}

report() {
    say "who may start it: root and the members of $group ($(members))"
    say "add one:          sudo usermod -aG $group USER, then restart the BEAM (groups are read at login)"
    say "to undo:          sudo sh $ROOT/scripts/install.sh --uninstall --dest $dest"
}

# Of the group file, and those whose own group it is.
members() {
    gid=$(getent group "$group" | cut -d: -f3)
    { getent group "$group" | cut -d: -f4 | tr , '\n'; getent passwd | awk -F: -v g="$gid" '$4 == g {print $1}'; } |
        sort -u | sed '/^$/d' | paste -s -d ' ' | sed 's/^$/nobody yet/'
}

remove() {
    for role in proc net; do
        [ -e "$dest/portcullis-$role" ] || continue
        rm -f -- "$dest/portcullis-$role"
        say "removed $dest/portcullis-$role"
    done
    rm -f -- "$dest"/.portcullis-*
    if [ -d "$dest" ]; then rmdir -- "$dest" 2>/dev/null || note "$dest is not empty and stays"; fi
    [ "$policy" = no ] || remove_policy
    say "ports that run keep running until their BEAM ends"
}

remove_policy() {
    for other in /usr/local/libexec/portcullis /usr/libexec/portcullis; do
        if [ -e "$other/portcullis-proc" ] || [ -e "$other/portcullis-net" ]; then
            note "$POLICY stays: the programs in $other read it"
            return 0
        fi
    done
    if cmp -s "$ROOT/priv/policy.toml" "$POLICY"; then
        rm -f -- "$POLICY"
        rmdir -- "$(dirname -- "$POLICY")" 2>/dev/null || :
        say "removed $POLICY, the example as it came"
    fi
    if [ -e "$POLICY" ]; then note "$POLICY is yours and stays: sudo rm -r $(dirname -- "$POLICY")"; fi
}

main() {
    parse "$@"
    become_root "$@"
    if [ "$uninstall" = yes ]; then
        remove
        return 0
    fi
    command -v setcap >/dev/null || die "needs setcap: apt-get install --no-install-recommends libcap2-bin"
    choose_group
    choose_binary
    check_destination
    make_group
    wanted=$policy
    for role in $roles; do install_role "$role"; done
    for other in proc net; do
        case " $roles " in
        *" $other "*) ;;
        *)
            if [ -e "$dest/portcullis-$other" ]; then
                note "$dest/portcullis-$other stays the older program it is: --role proc,net installs both"
            fi
            ;;
        esac
    done
    [ "$wanted" = no ] || check_roles
    report
}

main "$@"
