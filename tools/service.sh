#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# service.sh [PACKAGE|VMLINUZ]: does the installed service live under a real systemd as README says?
#
# Unpacks this machine's release of Debian with systemd (debootstrap), puts there what `make install` installs, boots it under
# qemu's software emulation and, inside, starts, reloads, kills, hangs and stops the service, and reads the profiles that it made of
# another service, which runs as a user of its own. Needs debootstrap, qemu-system-x86 and cpio, as root; three minutes.
# Not part of `make check`.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tools/qemu.sh
root=$work/root

make_root() {
    local mirror
    mirror=$(tools/deps.sh mirror)
    # shellcheck disable=SC2086  # no mirror: debootstrap takes its own default
    debootstrap --variant=minbase --include=systemd-sysv,dbus,python3,libbpf1,libelf1,libdw1,libcurl4,libncursesw6,libcjson1,libprotobuf-c1 \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" $mirror >"$work/log" 2>&1 || { tail -n 5 "$work/log"; return 1; }
    rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root"/usr/share/{doc,locale,man} "$root"/usr/lib/python3.*/{test,idlelib,lib2to3}
    make -s install DESTDIR="$root" PREFIX=/usr/local >/dev/null
    useradd --root "$root" --create-home app
    cat >"$root/home/app/app.py" <<'PY'
import time

def spin_in_app():
    end = time.thread_time() + 0.2
    while time.thread_time() < end:
        sum(range(100))

while True:
    spin_in_app()
    time.sleep(0.2)
PY
    cat >"$root/etc/systemd/system/app.service" <<'UNIT'
[Service]
User=app
ExecStart=/usr/bin/python3 /home/app/app.py
UNIT
    cat >"$root/etc/systemd/system/judge.service" <<'UNIT'
[Unit]
After=basic.target dbus.service
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /usr/local/judge.py
ExecStopPost=/bin/systemctl poweroff --force --force
[Install]
WantedBy=multi-user.target
UNIT
    ln -s /etc/systemd/system/judge.service "$root/etc/systemd/system/multi-user.target.wants/judge.service"
    ln -sf /lib/systemd/systemd "$root/init"
    install -m 644 tools/service_judge.py "$root/usr/local/judge.py"
    (cd "$root" && find . -xdev | cpio -o -H newc 2>/dev/null) >"$work/initramfs"
}

make_root
image=$(image_of "${1:-$(default_kernel)}")
for _ in 1 2 3; do # some kernels panic now and then while they boot under emulation
    boot "$image" "$work/initramfs" 900 3072 systemd.show_status=0
    grep -aq "VERDICT" "$work/log" && break
done
grep -aE "^ *(ok|WRONG|VERDICT|SAID) " "$work/log" || tail -n 20 "$work/log"
[ -z "${KEEP_LOG:-}" ] || cp "$work/log" "$KEEP_LOG"
grep -aq "VERDICT ok" "$work/log"
