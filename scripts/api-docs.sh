#!/bin/sh
# api-docs.sh [--output DIR] [FOLDER]: the API of Erlang and Elixir and the pages of docs/ as HTML, in _build/api-docs. With this machine's
# ex_doc, or with that of a Debian 13 in FOLDER (scripts/debian13.sh makes one). Exit status 1 where ex_doc has a warning, such as a
# reference to what is not there.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
. "$ROOT/scripts/lib.sh"

# Older ones know other options.
OLDEST=0.35
# What these are is for nobody to know: values of them are made and taken by functions. ex_doc has no list of types that are hidden on purpose.
OPAQUE='portcullis_request:id/0|portcullis_file:file/0|portcullis_firewall:ref/0'

# In the folder, the checkout and what comes of it lie at /mnt. In a namespace where that needs no right.
# shellcheck disable=SC2016 # for the inner shell
in_folder() { # FOLDER
    [ -x "$1/usr/bin/ex_doc" ] || die "$1 has no ex_doc: sudo sh scripts/debian13.sh NEW_FOLDER makes one that has it"
    unshare --user --map-root-user --mount sh -c '
        set -eu
        for shared in dev proc; do mount --rbind "/$shared" "$1/$shared"; done
        mount -t tmpfs tmpfs "$1/tmp"
        mount -t tmpfs tmpfs "$1/mnt"
        mkdir "$1/mnt/source" "$1/mnt/output"
        mount --bind "$2" "$1/mnt/source"
        mount --bind "$3" "$1/mnt/output"
        exec chroot "$1" env PATH=/usr/bin:/bin LC_ALL=C.UTF-8 sh /mnt/source/scripts/api-docs.sh --output /mnt/output >/dev/null
    ' sh "$1" "$ROOT" "$output"
    say "$output/index.html"
}

# Beams of both languages, and of Erlang what edoc makes of its comments: erlc of OTP 25 has no chunk of documentation.
compile() {
    MIX_ENV=prod PORTCULLIS_SKIP_BUILD=1 MIX_HOME="$work/mix" MIX_BUILD_PATH="$work/build" mix compile --no-deps-check
    # shellcheck disable=SC2016 # the variables of Erlang
    DOCS_OF="$work/build/lib/portcullis/doc" erl -noshell -eval '
        ok = edoc:files(filelib:wildcard("erlang/src/*.erl"), [{doclet, edoc_doclet_chunks}, {layout, edoc_layout_chunks},
                                                               {preprocess, true}, {dir, os:getenv("DOCS_OF")}]),
        halt().'
}

output=$ROOT/_build/api-docs
if [ "${1:-}" = --output ]; then
    [ $# -ge 2 ] || die "usage: api-docs.sh [--output DIR] [FOLDER]"
    output=$(realpath -m -- "$2")
    shift 2
fi
case $# in
0) folder='' ;;
1) folder=$(realpath -- "$1") ;;
*) die "usage: api-docs.sh [--output DIR] [FOLDER]" ;;
esac
# What is there is replaced: only what came of this.
[ ! -e "$output" ] || [ -e "$output/.build" ] || [ -z "$(ls -A "$output")" ] || die "$output has other files in it: name another folder"
mkdir -p "$output"
if [ -n "$folder" ]; then
    in_folder "$folder"
    exit
fi

command -v ex_doc >/dev/null || die "there is no ex_doc. On Debian 13: apt-get install --no-install-recommends elixir elixir-ex-doc erlang-edoc
Elsewhere: sudo sh scripts/debian13.sh FOLDER && sh scripts/api-docs.sh FOLDER"
release=$(ex_doc --version | sed -n 's/^ExDoc v//p')
at_least "${release:-0.0}" "$OLDEST" || die "this is ex_doc ${release:-of no version}; it takes $OLDEST. sudo sh scripts/debian13.sh FOLDER && sh scripts/api-docs.sh FOLDER"

cd "$ROOT"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
compile >"$work/log" 2>&1 || { cat "$work/log" >&2; die "the modules or their documentation do not compile"; }
mkdir "$work/pages"
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$ROOT/Cargo.toml")
PORTCULLIS_PAGES="$work/pages" ex_doc portcullis "$version" "$work/build/lib/portcullis/ebin" --config "$ROOT/docs/ex_doc.exs" \
    --output "$work/html" --formatter html --proglang erlang >"$work/log" 2>&1 || { cat "$work/log" >&2; die "ex_doc ended with an error"; }
if grep 'warning:' "$work/log" | grep -v -E "type references type \"($OPAQUE)\" but it is hidden"; then
    cat "$work/log" >&2
    die "ex_doc has warnings"
fi
find "$output" -mindepth 1 -delete
cp -R "$work/html/." "$output"
say "$output/index.html"
