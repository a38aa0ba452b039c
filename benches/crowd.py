"""Opens very many sockets: ends of TCP connections, of as many processes as it takes, and one that listens for each.

usage: crowd.py SOCKETS FIRST, where FIRST is the number of the first process, of which its address is made. Prints "ready"; ends with stdin. Of no sockets there is one that listens.
"""

import os
import resource
import socket
import struct
import sys

EACH = 10_000  # hard limits of 20,000 descriptors are met
AT_ONCE = struct.pack("ii", 1, 0)  # no end waits for a minute in TIME_WAIT, where the next crowd would find it


def connections(place, sockets):
    listener = socket.create_server(place, backlog=16)
    ends = [listener]
    for _ in range(sockets // 2):
        for end in (socket.create_connection(place), listener.accept()[0]):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            ends.append(end)
    return ends


def main():
    sockets, number = int(sys.argv[1]), int(sys.argv[2])
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for first in range(0, max(sockets, 1), EACH):
        number += 1
        ready, done = os.pipe()
        if os.fork() == 0:
            kept = connections((f"127.0.{number}.1", 7001), min(EACH, sockets - first))
            os.write(done, b"x")
            sys.stdin.buffer.read()
            del kept
            os._exit(0)
        os.close(done)
        if not os.read(ready, 1):
            sys.exit("a process of the crowd failed")
    print("ready", flush=True)
    sys.stdin.buffer.read()


main()
