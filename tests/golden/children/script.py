import os
import sys


def spin(n):
    total = 0
    for i in range(n):
        total ^= i
    return total


def forked():
    pid = os.fork()
    if pid == 0:
        spin(1_200_000)
        os._exit(3)
    os.waitpid(pid, 0)


forked()
os.spawnv(os.P_WAIT, "/bin/true", ["true"])
os.spawnv(os.P_WAIT, sys.executable, ["python3", "-S", "-c", "sum(i for i in range(1000000))"])
spin(600_000)
