#!/bin/sh
# deb.sh [FOLDER, else target/debian]: Debian packages of what scripts/build-port.sh has built: portcullis (role proc, the policy, the documents) and
# portcullis-net. Needs cargo and python3 too, for the list of what is linked. Their files are root's; capabilities are set when they are configured, as no archive carries them.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

PROGRAM=$ROOT/priv/portcullis
TEMPLATES=$ROOT/priv/debian

version() { sed -n 's/^version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml" | head -n 1; }

# control NAME ROLE DEPENDS SUMMARY: and the scripts that are the same for both but for the role.
control() {
    mkdir -p "$tree/DEBIAN"
    cat >"$tree/DEBIAN/control" <<END
Package: $1
Version: $(version)
Architecture: $(dpkg --print-architecture)
Maintainer: The portcullis authors <root@localhost>
Section: admin
Priority: optional
Depends: $3
Description: $4
 A small hardened program, started by the BEAM as a port, that answers a closed list of
 questions and commands for it, as far as /etc/portcullis/policy.toml grants them.
END
    for script in postinst postrm; do
        sed "s/@ROLE@/$2/g" "$TEMPLATES/$script" >"$tree/DEBIAN/$script"
        chmod 0755 "$tree/DEBIAN/$script"
    done
}

# Closed until it is configured: nobody but root can start a program that has no group yet.
program() { # ROLE
    install -D -m 0750 "$PROGRAM" "$tree/usr/libexec/portcullis/portcullis-$1"
    # For who wants them: nothing listens before systemctl enable.
    for unit in "portcullis-$1.socket" "portcullis-$1@.service"; do
        install -D -m 0644 "$ROOT/priv/systemd/$unit" "$tree/usr/lib/systemd/system/$unit"
    done
}

pack() { # NAME
    find "$tree" -type d -exec chmod 0755 {} +
    (cd "$tree" && find usr -type f -exec md5sum {} + >DEBIAN/md5sums)
    dpkg-deb --root-owner-group -Zxz --build "$tree" "$folder/$1_$(version)_$(dpkg --print-architecture).deb" >/dev/null
    say "$folder/$1_$(version)_$(dpkg --print-architecture).deb"
    rm -rf "$tree"
}

main() {
    [ $# -le 1 ] || die "usage: sh scripts/deb.sh [FOLDER]"
    command -v dpkg-deb >/dev/null || die "needs dpkg-deb: packages are built on a Debian"
    [ -f "$PROGRAM" ] || die "there is no $PROGRAM: build it with sh scripts/build-port.sh"
    folder=${1:-$ROOT/target/debian}
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    umask 022
    # What comes out does not depend on when it was made.
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null || stat -c %Y "$ROOT/Cargo.toml")}
    export SOURCE_DATE_EPOCH
    tree=$(mktemp -d)
    trap 'rm -rf "$tree"' EXIT

    control portcullis proc libcap2-bin "kernel state and listed files for Erlang and Elixir, without root"
    program proc
    install -D -m 0644 "$ROOT/priv/policy.toml" "$tree/etc/portcullis/policy.toml"
    install -D -m 0644 "$TEMPLATES/default" "$tree/etc/default/portcullis"
    printf '%s\n' /etc/portcullis/policy.toml /etc/default/portcullis >"$tree/DEBIAN/conffiles"
    for page in README.md SECURITY.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(cd "$ROOT" && echo docs/*.md docs/guides/*.md docs/*.livemd); do
        install -D -m 0644 "$ROOT/$page" "$tree/usr/share/doc/portcullis/$page"
    done
    # What is linked into it, and on what terms: the texts go with a program that is handed on.
    sh "$ROOT/scripts/sbom.sh" "$tree/usr/share/doc/portcullis/sbom.cdx.json"
    sh "$ROOT/scripts/sbom.sh" --notices "$tree/usr/share/doc/portcullis/THIRD-PARTY-LICENCES"
    for page in portcullis.8 portcullis-policy.5; do
        section=$tree/usr/share/man/man${page##*.}
        mkdir -p "$section"
        gzip -9n <"$ROOT/docs/man/$page" >"$section/$page.gz"
    done
    for unit in node gateway; do
        install -D -m 0644 "$ROOT/priv/systemd/portcullis-$unit.service" "$tree/usr/lib/systemd/system/portcullis-$unit.service"
    done
    # Of the administrator's: the drop-ins are right from systemd 255 on.
    for example in beam.service beam.service.d/50-systemd-255.conf portcullis-node.service.d/50-systemd-255.conf; do
        install -D -m 0644 "$ROOT/priv/systemd/$example" "$tree/usr/share/doc/portcullis/examples/$example"
    done
    pack portcullis

    mkdir -p "$tree"
    control portcullis-net net "libcap2-bin, portcullis (= $(version))" "firewall, ping and network parameters for Erlang and Elixir, without root"
    program net
    install -D -m 0644 "$ROOT/LICENSE-MIT" "$tree/usr/share/doc/portcullis-net/copyright"
    pack portcullis-net
    give_back_target
}

main "$@"
