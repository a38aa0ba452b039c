#!/bin/sh
# sbom.sh [--notices] [FILE]: what the program is made of, from Cargo.lock and the crates themselves, for the machine that it is built for. Written to
# FILE, else to the output. Needs cargo and python3, and changes nothing.
#
#   (nothing)   a bill of materials: CycloneDX 1.5, JSON. What is linked has the scope `required'; what only takes part in the
#               build (procedural macros, build scripts) has `excluded'
#   --notices   the licence texts of what is linked, as their authors ship them
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

what=bill
if [ "${1:-}" = --notices ]; then
    what=notices
    shift
fi
[ $# -le 1 ] || die "usage: sh scripts/sbom.sh [--notices] [FILE]"
case ${1:-} in
-*) die "usage: sh scripts/sbom.sh [--notices] [FILE]" ;;
esac
command -v python3 >/dev/null || die "needs python3: apt-get install --no-install-recommends python3"
find_rust "$(oldest_rust)" || die "needs cargo $(oldest_rust) or newer: see scripts/build-port.sh"

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
trap 'exit 130' INT TERM
target=${PORTCULLIS_TARGET:-$RUST_HOST}
cd "$ROOT"
cargo metadata --locked --format-version 1 --filter-platform "$target" >"$made/metadata"
# `metadata` mixes the features of tests in; `tree` knows what a build takes, and tells what is linked from what runs meanwhile.
crates() { cargo tree --locked --target "$target" --no-dedupe --prefix none --format '{p}' -e "$1"; }
crates normal,no-proc-macro >"$made/linked"
crates normal,build >"$made/built"
# A static program has the C library and the compiler's own in it.
{
    say "rust $RUST_RELEASE"
    say "glibc $(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/.* //')"
    say "gcc $(cc -dumpfullversion 2>/dev/null)"
} >"$made/tools"
python3 "$ROOT/scripts/sbom.py" "$what" "$made" "$ROOT/Cargo.lock" >"$made/out"
if [ $# -eq 1 ]; then cat "$made/out" >"$1"; else cat "$made/out"; fi
