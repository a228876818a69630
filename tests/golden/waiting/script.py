import os
import socket
import threading
import time


def worker(event):
    time.sleep(0.1)
    event.set()


def server(connection):
    time.sleep(0.06)
    connection.sendall(b"answer")


event = threading.Event()
threads = [threading.Thread(target=worker, args=(event,)) for _ in range(2)]
for thread in threads:
    thread.start()
event.wait()
for thread in threads:
    thread.join()

ours, theirs = socket.socketpair()
thread = threading.Thread(target=server, args=(theirs,))
thread.start()
ours.recv(10)
thread.join()

reader, writer = os.pipe()
timer = threading.Timer(0.05, os.write, (writer, b"x"))
timer.start()
os.read(reader, 1)
timer.join()
