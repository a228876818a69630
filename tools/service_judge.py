# SPDX-License-Identifier: Apache-2.0
"""Run by service.sh inside the machine that it boots: what README says of the service, done with a real systemd."""

import glob
import gzip
import os
import signal
import subprocess
import sys
import time

NAME = "fixingahole"
PROFILES = "/var/lib/fixingahole/profiles/*.pb.gz"
console = open("/dev/console", "w", buffering=1)
failed = []


def judge(what, good, figure=""):
    console.write("%s %s %s\r\n" % ("   ok" if good else "WRONG", what, figure))
    if not good:
        failed.append(what)


def systemctl(*words):
    return subprocess.run(("systemctl",) + words, capture_output=True, text=True)


def shown(name):
    return systemctl("show", NAME, "-p", name, "--value").stdout.strip()


def until(condition, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.2)
    return False


def active():
    return shown("ActiveState") == "active" and shown("SubState") == "running"


def drop_in(text):
    folder = "/etc/systemd/system/%s.service.d" % NAME
    os.makedirs(folder, exist_ok=True)
    with open(folder + "/judge.conf", "w") as out:
        out.write(text)
    systemctl("daemon-reload")


def settings(change):
    path = "/etc/fixingahole/record.conf"
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(change(text))


def main():
    systemctl("start", "app")
    systemctl("daemon-reload")
    began = time.monotonic()
    started = systemctl("enable", "--now", NAME)
    judge("enable --now: READY was heard", started.returncode == 0 and active(), "%.1f s %s" % (time.monotonic() - began, started.stderr))
    # as installed: a profile per minute
    judge("a profile after a minute", until(lambda: glob.glob(PROFILES), 75), str([os.path.getsize(p) for p in glob.glob(PROFILES)]))
    text = b"".join(gzip.open(path).read() for path in glob.glob(PROFILES))
    for word in (b"spin_in_app", b"/home/app/app.py", b"app.service", b"%d.%d" % sys.version_info[:2]):
        judge("the profile has %s" % word.decode(), word in text)
    judge("status tells", bool(shown("StatusText")), shown("StatusText"))
    judge("within its limits", int(shown("MemoryCurrent")) < 512 << 20, "%s bytes, %s tasks" % (shown("MemoryCurrent"), shown("TasksCurrent")))
    mode = os.stat("/var/lib/fixingahole").st_mode & 0o777
    judge("its folder is closed to others", mode == 0o750, oct(mode))

    pid = shown("MainPID")
    reloaded = systemctl("reload", NAME)
    judge("reload", reloaded.returncode == 0 and active() and shown("MainPID") == pid, reloaded.stderr)
    settings(lambda text: text + "--nonsense\n")
    systemctl("reload", NAME)
    judge("bad settings: the old ones stay", active() and shown("MainPID") == pid, shown("StatusText"))
    settings(lambda text: text.replace("--nonsense\n", "").replace("--interval 60", "--interval 3"))
    drop_in("[Service]\nWatchdogSec=8\nRestartSec=1\n")
    systemctl("restart", NAME)
    judge("restart with other settings", active() and shown("MainPID") != pid)

    os.kill(int(shown("MainPID")), signal.SIGKILL)
    judge("killed: it comes back", until(lambda: shown("NRestarts") == "1" and active(), 30))
    before = len(glob.glob(PROFILES))
    judge("and goes on", until(lambda: len(glob.glob(PROFILES)) >= before + 2, 30))
    os.kill(int(shown("MainPID")), signal.SIGSTOP)
    judge("hung: the watchdog restarts it", until(lambda: shown("NRestarts") == "2" and active(), 120))
    before = len(glob.glob(PROFILES))
    time.sleep(20)
    judge("not restarted for nothing", shown("NRestarts") == "2" and len(glob.glob(PROFILES)) >= before + 4, shown("NRestarts"))

    began = time.monotonic()
    systemctl("stop", NAME)
    judge("stop", shown("ActiveState") == "inactive" and shown("Result") == "success", "%.1f s, %s" % (time.monotonic() - began, shown("Result")))
    judge("nothing half-written", not [p for p in glob.glob("/var/lib/fixingahole/profiles/*") if not p.endswith(".pb.gz")])


try:
    main()
except Exception as problem:  # told, not hidden: the machine goes off after this
    failed.append(repr(problem))
for said in subprocess.run(["journalctl", "-u", NAME, "-o", "cat", "--no-pager"], capture_output=True, text=True).stdout.splitlines():
    console.write(" SAID %s\r\n" % said)
console.write("VERDICT %s\r\n" % ("ok" if not failed else "WRONG: " + "; ".join(failed)))
time.sleep(1)
