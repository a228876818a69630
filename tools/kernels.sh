#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# kernels.sh [PACKAGE|VMLINUZ]...: does the profiler load and tell the truth on other kernels?
#
# Boots each kernel (a Debian package such as linux-image-6.1.0-56-cloud-amd64, or an image file; default: the
# one Debian's linux-image-cloud-amd64 stands for) under qemu's software emulation, with an initramfs made of this
# machine's python3 and build/fixingahole, profiles a small script there and checks the lines' seconds. Needs
# qemu-system-x86, busybox-static and cpio. Not part of `make check`: a boot takes seconds, a package's download more.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. tools/qemu.sh

take() { # a file with the libraries that it needs, at the same path
    local file
    for file in "$@"; do
        [ -e "$root$file" ] || install -D "$(readlink -f "$file")" "$root$file"
        ldd "$file" 2>/dev/null | grep -o '/[^ ]*' | while read -r library; do
            [ -e "$root$library" ] || install -D "$(readlink -f "$library")" "$root$library"
        done
    done
}

make_root() {
    root=$work/root
    mkdir -p "$root"/{bin,proc,sys,dev,tmp,etc,root,work,usr/lib}
    install "$(command -v busybox)" "$root/bin/busybox"
    take /usr/bin/python3
    cp -r /usr/lib/python3.11 "$root/usr/lib/"
    rm -rf "$root"/usr/lib/python3.11/{test,idlelib,lib2to3,ensurepip,pydoc_data,config-*}
    find "$root/usr/lib/python3.11" -name __pycache__ -prune -exec rm -rf {} +
    install build/fixingahole build/libfixingahole-heap.so build/libfixingahole-calls.so "$root/bin/"
    ldd build/fixingahole | grep -o '/[^ ]*' | while read -r library; do install -D "$(readlink -f "$library")" "$root$library"; done
    printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\n' >"$root/etc/group"
    cat >"$root/work/probe.py" <<'PY'
import json, os, socket, subprocess, sys, threading, time

def spin():
    end = time.thread_time() + 1.0
    x = 0
    while time.thread_time() < end:
        for i in range(200):
            x += i * i

def child():
    pid = os.fork()
    if not pid:
        spin()
        os._exit(0)
    os.waitpid(pid, 0)

def touch():
    return bytearray(64 << 20)

spin()
time.sleep(1)
child()
kept = touch()
PY
    cat >"$root/work/steady.py" <<'PY'
import threading, time

def spin():
    end = time.thread_time() + 0.1
    x = 0
    while time.thread_time() < end:
        for i in range(200):
            x += i * i

def rest():
    time.sleep(0.1)

def key(x):
    return -x

threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
while True:
    spin()
    rest()
    sorted(range(100), key=key)
PY
    cat >"$root/work/short.py" <<'PY'
import time

end = time.thread_time() + 0.3
while time.thread_time() < end:
    pass
PY
    cat >"$root/work/grow.py" <<'PY'
kept = []
while True:
    kept.append([float(i) for i in range(10000)])
PY
    cat >"$root/work/judge.py" <<'PY'
import glob, json

def attached():
    """Half of the time it works, half it sleeps; another one sleeps all along."""
    details = json.load(open(glob.glob("/work/attached/steady-*/*/profile_details.json")[0]))
    functions = {f["name"]: f for file in details["files"] for f in file["functions"]}
    cpu = sum(functions["spin"][k] for k in ("python_s", "native_s", "system_s"))
    sleep = functions["rest"]["waiting_s"]
    # hundred in each round of 0.2 s
    calls = sum(f["calls"] for f in details["calls"]["functions"] if f["function"] == "key")
    print("spin attached: %.2f s, sleep %.2f s of 4, %d calls from C" % (cpu, sleep, calls))
    return 1000 <= calls <= 2200 and not details["calls"]["lost"] and abs(cpu + sleep + functions["spin"]["waiting_s"] + functions["spin"]["runnable_s"] - 4) < 0.3 and 1.2 < cpu < 2.3 and details["unknown_frames"] == 0

def known():
    """From the second on the file tells the interpreter; and the exec's record, who it is."""
    seen = sorted((p for p in json.load(open("/work/record.json"))["processes"] if p["name"] == "short.py"), key=lambda p: p["start_ns"])
    print("spin recorded: %s samples, of these %s before the interpreter was known" % ([p["samples"] for p in seen], [p["unseen_samples"] for p in seen]))
    return len(seen) == 4 and all(p["interpreter"] and p["samples"] and not p["unseen_samples"] for p in seen[1:])

path = glob.glob("/work/performance/probe/*/profile_details.json")[0]
details = json.load(open(path))
functions = {f["name"]: f for file in details["files"] for f in file["functions"]}
lines = {line["lineno"]: line for file in details["files"] for line in file["lines"]}
cpu = sum(functions["spin"][k] for k in ("python_s", "native_s", "system_s"))
sleep = sum(line["waiting_s"] for line in lines.values() if any(w["call"] == "sleep" for w in line["waits_for"]))
touched = functions["touch"]["rss_bytes"] / 2**20
summary = open(glob.glob("/work/oom/grow/*/profile_summary.txt")[0]).read()
told = "killed by the kernel for lack of memory (limit of its control group: 100.000 MB)" in summary and " MB float" in summary
heap, probed = (json.load(open(glob.glob("/work/%s/probe/*/profile_results.json" % way)[0]))["max_footprint_mb"] for way in ("heap", "probed"))
print("spin %.2f s of 2, sleep %.2f s of 1, touched %.1f MB of 64, heap of %.1f MB, by probes %.1f MB, out of memory told: %s, losses %s" % (cpu, sleep, touched, heap, probed, told, details["losses"]))
good = told and 64 <= probed < 76 and abs(cpu - 2) < 0.2 and abs(sleep - 1) < 0.1 and abs(touched - 64) < 3 and 64 <= heap < 72 and details["unknown_frames"] <= 0.001 * details["python_frames"] and attached() and known()
print("VERDICT", "ok" if good else "WRONG")
PY
    cat >"$root/init" <<'SH'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mount -t tmpfs none /dev/shm 2>/dev/null || { mkdir -p /dev/shm; mount -t tmpfs none /dev/shm; }
export PATH=/bin:/usr/bin HOME=/root TERM=dumb
ip link set lo up 2>/dev/null
cd /work
echo "KERNEL $(uname -r)"
fixingahole profile --verbose -q --python /usr/bin/python3 probe.py 2>&1
echo "STATUS $?"
fixingahole profile --memory -q -o heap --python /usr/bin/python3 probe.py 2>&1
echo "STATUS $?"
fixingahole profile --verbose --memory --heap-source=probes -q -o probed --python /usr/bin/python3 probe.py 2>&1
echo "STATUS $?"
python3 steady.py &
sleep 2
fixingahole profile --verbose -q -o attached --pid $! --calls --seconds 4 2>&1
echo "STATUS $?"
kill $!
(sleep 6; for i in 1 2 3 4; do python3 short.py; done; killall -INT fixingahole) &
fixingahole record -a --json >record.json
echo "STATUS $?"
# a group that is killed as a whole, but for the profiler, which is in it
mount -t cgroup2 none /sys/fs/cgroup
echo +memory >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/small
echo 100M >/sys/fs/cgroup/small/memory.max
echo 1 >/sys/fs/cgroup/small/memory.oom.group
sh -c 'echo $$ >/sys/fs/cgroup/small/cgroup.procs; exec fixingahole profile --memory -q -o oom --python /usr/bin/python3 grow.py' 2>&1
echo "STATUS $?"
python3 judge.py
poweroff -f
SH
    chmod +x "$root/init"
    (cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$work/initramfs"
}

make_root
[ $# -gt 0 ] || set -- "$(default_kernel)"
failed=0
for kernel in "$@"; do
    image=$(image_of "$kernel")
    echo "== $kernel"
    boot "$image" "$work/initramfs" 300 2048
    grep -aE "^(KERNEL|STATUS|spin|VERDICT|fixingahole)" "$work/log" || tail -n 20 "$work/log"
    [ -z "${KEEP_LOG:-}" ] || cp "$work/log" "$KEEP_LOG"
    grep -aq "VERDICT ok" "$work/log" || failed=1
done
exit $failed
