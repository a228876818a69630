#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# musl-python.sh FOLDER: builds Debian's CPython with musl, as Alpine's is, in FOLDER (some minutes), for
# FIXINGAHOLE_MUSL_PYTHON=FOLDER/python pytest tests/e2e/test_containers.py -k musl. Needs root, and Debian's musl-tools.
#
# Only the interpreter and what it needs to start: no extension modules, nothing is installed.
set -eu
[ $# -eq 1 ] || { sed -n 3,4p "$0"; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
command -v musl-gcc >/dev/null || apt-get install -y -qq --no-install-recommends musl-tools

# sources from the mirror that this machine's packages come from
mkdir -p "$folder/lists"
# shellcheck disable=SC2016  # apt-get's own format
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(ORIGIN) $(LABEL)' |
    awk '$3 == "Debian" && $4 == "Debian" { print "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", $1, $2, "main"; exit }' >"$folder/sources.list"
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$folder/lists")
"${apt[@]}" update
(cd "$folder" && "${apt[@]}" source --download-only python3.11)
mkdir -p "$folder/source"
tar -xf "$folder"/python3.11_*.orig.tar.* -C "$folder/source" --strip-components=1

# Debian's gcc names glibc's folders to configure, which then sees two platforms
# shellcheck disable=SC2016  # the script's own
printf '#!/bin/sh\n[ "$1" = --print-multiarch ] && exec echo x86_64-linux-musl\nexec musl-gcc "$@"\n' >"$folder/cc"
chmod +x "$folder/cc"
cd "$folder/source"
CC=$folder/cc CFLAGS="-O1 -g0" ./configure -q --disable-test-modules --without-ensurepip --without-doc-strings --with-builtin-hashlib-hashes= >/dev/null
make -s -j2 python >/dev/null
ln -sfn source/python "$folder/python"
"$folder/python" -c 'import sys; print(sys.executable, sys.version)'
