#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh [build|demo|test|bench]...: installs what these need on Debian 12; without a group: build.
#
# Quiet when nothing is missing, and apt-get is not called then. Works as root; otherwise through sudo.
# test also looks for interpreters newer than Debian 12's: /opt/sid if it is there, else a small Debian sid
# under $FIXINGAHOLE_SID (default ${XDG_CACHE_HOME:-/root/.cache}/fixingahole/sid). That part may fail: the
# reason is printed, the tests skip those interpreters, and the exit status stays 0.
# FIXINGAHOLE_SID=none leaves it out. Likewise test builds what our exports are shown to (tools/readers.sh).
# `deps.sh sid-root` prints the folder in use, if any.
set -u

build=(gcc make clang llvm libbpf-dev bpftool libelf-dev libdw-dev libcjson-dev libcurl4-openssl-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libncurses-dev libiberty-dev pkg-config)
demo=("${build[@]}" python3 python3-numpy)
test=("${demo[@]}" libcmocka-dev libclang-rt-14-dev valgrind python3-pytest python3-venv python3-matplotlib sudo man-db tmux shellcheck zsh fish)
bench=("${demo[@]}" python3-venv python3-pip)
interpreters=(python3.13 python3.14 python3.15)

say() { printf 'deps: %s\n' "$*" >&2; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        say "not root and no sudo: cannot run $1"
        return 1
    fi
}

missing_packages() {
    local package
    for package in "$@"; do
        case "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" in
            installed) ;;
            *) printf '%s\n' "$package" ;;
        esac
    done | sort -u
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"
}

install_packages() {
    local missing log status
    if ! command -v dpkg-query >/dev/null; then
        say "no dpkg here: install by hand what these Debian packages hold: $*"
        return 0
    fi
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -eq 0 ] && return 0
    say "installing ${missing[*]}"
    log=$(mktemp)
    # A stale package list is the usual reason for a failure, and refreshing it takes seconds.
    { apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1
    status=$?
    [ "$status" -eq 0 ] || { tail -n 20 "$log" >&2; say "apt-get failed"; }
    rm -f "$log"
    return "$status"
}

has_interpreter() {
    local name
    for name in "${interpreters[@]}"; do
        [ -x "$1/usr/bin/$name" ] && return 0
    done
    return 1
}

sid_root() {
    if [ "${FIXINGAHOLE_SID:-}" = none ]; then
        return 1
    elif [ -n "${FIXINGAHOLE_SID:-}" ]; then
        printf '%s\n' "$FIXINGAHOLE_SID"
    elif has_interpreter /opt/sid; then
        printf '/opt/sid\n'
    else
        printf '%s\n' "${XDG_CACHE_HOME:-/root/.cache}/fixingahole/sid"
    fi
}

# The mirror that this machine already uses, so that a local one is honoured.
mirror() {
    # shellcheck disable=SC2016  # apt-get's own format
    apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 2>/dev/null | awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }'
}

install_sid() {
    local root log name got=()
    root=$(sid_root) || return 0
    has_interpreter "$root" && return 0
    install_packages debootstrap || return 1
    say "unpacking Debian sid into $root for ${interpreters[*]}"
    log=$(mktemp)
    if [ ! -e "$root/.unpacked" ]; then
        as_root rm -rf "$root.partial"
        as_root mkdir -p "$(dirname "$root")"
        # shellcheck disable=SC2046  # no mirror: debootstrap takes its own default
        if ! as_root debootstrap --variant=minbase sid "$root.partial" $(mirror) >"$log" 2>&1; then
            tail -n 5 "$log" >&2
            say "no Debian sid: debootstrap failed; tests go on without ${interpreters[*]}"
            as_root rm -rf "$root.partial"
            rm -f "$log"
            return 1
        fi
        as_root mv "$root.partial" "$root"
        as_root touch "$root/.unpacked"
    fi
    for name in "${interpreters[@]}"; do # sid drops old ones in time: each for itself
        if as_root chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$name" >>"$log" 2>&1; then
            got+=("$name")
        else
            say "no $name in Debian sid: $(grep '^E:' "$log" | tail -n 1)"
        fi
    done
    rm -f "$log"
    say "in $root: ${got[*]:-nothing}"
}

# What tests show our exports to. As install_sid, it may fail.
build_readers() {
    local name
    for name in collector pprof; do
        "$(dirname "$0")/readers.sh" "$name" >/dev/null || true
    done
}

main() {
    local group packages=() sid=0
    [ $# -eq 0 ] && set -- build
    for group in "$@"; do
        case "$group" in
            build) packages+=("${build[@]}") ;;
            demo) packages+=("${demo[@]}") ;;
            test) packages+=("${test[@]}") sid=1 ;;
            bench) packages+=("${bench[@]}") ;;
            sid-root) sid_root; return ;;
            mirror) mirror; return ;;
            *) say "unknown group '$group': build, demo, test, bench"; return 2 ;;
        esac
    done
    install_packages "${packages[@]}" || return 1
    [ "$sid" -eq 0 ] || install_sid || true
    [ "$sid" -eq 0 ] || build_readers
}

main "$@"
