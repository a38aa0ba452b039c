#!/usr/bin/env python3
"""The firewall, all in one run and interleaved: the port, libnftables through `nft -j`, and the kernel alone. Prints medians and
ratios to the floor, and the same of the fastest rounds: where much else goes on, only those say something. Started by benches/run.sh, on one core and in a network namespace of its own.

usage: nft.py FLOOR ECHO PORT...   (root; PORT is a command, of an ordinary user)

The port and nft get the same change, made before in the form of each, and hand what they list to the same reader through a pipe of
the same size. A program that uses nft starts it each time, and that is counted; its share stands in a row of its own. What the
reader then makes of terms or of JSON is not counted. The floor never starts anew, and nothing is written to anybody: it is the
kernel and a walk over the attributes."""
import json
import os
import statistics
import struct
import subprocess
import sys
import time

FLOOR, ECHO, PORT = sys.argv[1], sys.argv[2], sys.argv[3:]
ROUNDS = int(os.environ.get("ROUNDS", "15"))
RULES, ELEMENTS = 10_000, 100_000
PIPE = 1 << 20


class Atom(str):
    """An atom; other text is a binary."""


def term(value):
    """External Term Format, as much of it as requests need."""
    if isinstance(value, Atom):
        text = value.encode()
        return b"w" + bytes([len(text)]) + text
    if value is None:
        return term(Atom("null"))
    if isinstance(value, int):
        return b"a" + bytes([value]) if 0 <= value < 256 else b"b" + struct.pack(">i", value)
    if isinstance(value, str):
        text = value.encode()
        return b"m" + struct.pack(">I", len(text)) + text
    if isinstance(value, tuple):
        return b"h" + bytes([len(value)]) + b"".join(map(term, value))
    if isinstance(value, list):
        return b"l" + struct.pack(">I", len(value)) + b"".join(map(term, value)) + b"j" if value else b"j"
    pairs = b"".join(term(key) + term(item) for key, item in value.items())
    return b"t" + struct.pack(">I", len(value)) + pairs


class Client:
    """A program that speaks frames on its standard descriptors."""

    def __init__(self, command, greets=True):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.buffer = memoryview(bytearray(2 * PIPE))
        self.start = self.end = 0
        self.id = 0
        if greets and b"hello" not in bytes(self.frame()[:16]):
            sys.exit("the port refused")

    def frame(self):
        """The next one; it stays where it is until another is read."""
        while True:
            held = self.end - self.start
            size = struct.unpack_from(">I", self.buffer, self.start)[0] if held >= 4 else PIPE
            if held >= 4 + size:
                at = self.start + 4
                self.start = at + size
                return self.buffer[at : at + size]
            self.buffer[:held] = self.buffer[self.start : self.end]
            self.start, self.end = 0, held
            read = os.readv(self.process.stdout.fileno(), [self.buffer[held:]])
            if not read:
                sys.exit("the program ended")
            self.end += read

    def write(self, body):
        data = memoryview(struct.pack(">I", len(body)) + body)
        while data:
            data = data[os.write(self.process.stdin.fileno(), data) :]

    def request(self, operation, args):
        """The bytes of a request."""
        self.id += 1
        args = {Atom(key): item for key, item in args.items()}
        return b"\x83" + term((Atom("req"), self.id, Atom(operation), args, 60_000))

    def answer(self, body):
        """Sends it and reads up to its last frame; credit for what is long."""
        self.write(body)
        chunks = 0
        while True:
            frame = self.frame()
            tag = bytes(frame[5 : 5 + frame[4]])
            if tag == b"rows":
                chunks += 1
                if chunks % 8 == 0:
                    self.write(b"\x83" + term((Atom("credit"), self.id, 8)))
            elif tag == b"ok":
                return
            else:
                sys.exit(f"an error: {bytes(frame[:300])!r}")

    def call(self, operation, args):
        self.answer(self.request(operation, args))

    def served(self):
        """The process that serves, which the command may have started."""
        pid = self.process.pid
        while children := open(f"/proc/{pid}/task/{pid}/children").read().split():
            pid = int(children[0])
        return pid

    def peak(self):
        """Most bytes that it ever had in memory (VmHWM)."""
        lines = dict(line.split(":", 1) for line in open(f"/proc/{self.served()}/status"))
        return int(lines["VmHWM"].split()[0]) * 1024


class Kernel:
    """The floor."""

    def __init__(self):
        self.process = subprocess.Popen([FLOOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def takes(self, what, n=0):
        self.process.stdin.write(f"{what} {n}\n")
        return float(self.process.stdout.readline())


def timed(work):
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def rounds(works, count=ROUNDS):
    """Median and least of every function, which returns milliseconds: they take turns, after a round that does not count."""
    taken = [[work() for work in works] for _ in range(count + 1)][1:]
    return [(statistics.median(times), min(times)) for times in zip(*taken)]


def nft(*args, text=None):
    """Runs it; what it prints is read as the port's answers are."""
    process = subprocess.Popen(["nft", *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, pipesize=PIPE)
    if text:
        data = memoryview(text)
        while data:
            data = data[os.write(process.stdin.fileno(), data) :]
    process.stdin.close()
    room = nft.room
    while os.readv(process.stdout.fileno(), [room]):
        pass
    if process.wait() != 0:
        sys.exit(f"nft {' '.join(args)} failed")


nft.room = bytearray(PIPE)


def flush():
    nft("flush", "ruleset")


def heading(text):
    print(f"\n{text}", flush=True)


def rows(names, times, bound=None):
    """The first is the floor."""
    for name, took in zip(names, times):
        shown = "   ".join(f"{mine:9.3f} ms {mine / floor:6.2f} x" for mine, floor in zip(took, times[0]))
        goal = f"   at most {bound} x" if name == "portcullis" and bound else ""
        print(f"  {name:<40} {shown}{goal}", flush=True)


def table_of(kind):
    return {"family": "inet", "table": "b", "name": kind}


def rules():
    """A table, a chain, and rules that match an address and a port, count and accept."""
    table = {"family": "inet", "name": "b"}
    commands = [{"add": {"table": table}}, {"add": {"chain": table_of("c")}}]
    for i in range(RULES):
        source = {"payload": {"protocol": "ip", "field": "saddr"}}
        port = {"payload": {"protocol": "tcp", "field": "dport"}}
        expr = [
            {"match": {"op": "==", "left": source, "right": f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"}},
            {"match": {"op": "==", "left": port, "right": 1 + i % 65000}},
            {"counter": None},
            {"accept": None},
        ]
        rule = {"family": "inet", "table": "b", "chain": "c", "comment": f"rule {i}", "expr": expr}
        commands.append({"add": {"rule": rule}})
    return commands


def elements(step):
    numbers = (0x0A000000 + i * step for i in range(ELEMENTS))
    return [f"{n >> 24}.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in numbers]


def change(port, kernel):
    commands = rules()
    request = port.request("nft_apply", {"commands": commands})
    document = json.dumps({"nftables": commands}).encode()

    def anew(work):
        flush()
        return timed(work)

    # The kernel adds again what is there, so that it comes behind one that has added it; nft starts with nothing there.
    works = [
        lambda: anew(lambda: nft("-j", "list", "tables")),
        lambda: anew(lambda: nft("-j", "-f", "-", text=document)),
        lambda: kernel.takes("add"),
        lambda: kernel.takes("echo"),
        lambda: anew(lambda: port.answer(request)),
    ]
    start, libnftables, alone, told, ours = rounds(works)
    heading(f"add {RULES:,} rules in one change, median and fastest of {ROUNDS} rounds")
    names = ["the kernel alone (floor)", "the kernel alone, telling of each rule", "portcullis", "nft -j -f -"]
    rows(names + ["  of that its start"], [alone, told, ours, libnftables, start], 1.3)
    works = [
        lambda: kernel.takes("list"),
        lambda: timed(lambda: port.call("nft_list", {})),
        lambda: timed(lambda: nft("-j", "list", "ruleset")),
    ]
    times = rounds(works)
    heading(f"list {RULES:,} rules, median and fastest of {ROUNDS} rounds")
    rows(["the dump alone (floor)", "portcullis", "nft -j list ruleset"], times, 1.4)
    median, fastest = (theirs / ours for theirs, ours in zip(times[2], times[1]))
    print(f"  nft -j takes {median:.1f} times as long as portcullis, the fastest {fastest:.1f} times (at least 6)")
    flush()


def crowd(port, echo):
    """A set of a hundred thousand elements."""
    head = [{"add": {"table": {"family": "inet", "name": "b"}}}, {"add": {"set": {**table_of("s"), "type": "ipv4_addr"}}}]
    port.call("nft_apply", {"commands": head})
    fresh = Client(PORT)
    add = {"add": {"element": {**table_of("s"), "elem": elements(37)}}}
    request = fresh.request("nft_apply", {"commands": [add]})
    before = fresh.peak()
    took = timed(lambda: fresh.answer(request))
    peak = fresh.peak()
    fresh.process.kill()
    heading(f"{ELEMENTS:,} elements")
    print(f"  adding them takes {took:.1f} ms; the frame has {len(request):,} bytes, the port {before:,} before and")
    print(f"  {peak:,} at most: {peak / len(request):.2f} x the frame (at most 6)")
    pause = bytes(64)
    point = {"element": {**table_of("s"), "elem": ["10.0.0.0"]}}
    works = [
        lambda: timed(lambda: (echo.write(pause), echo.frame())),
        lambda: timed(lambda: port.call("nft_list", {"what": Atom("tables")})),
        lambda: timed(lambda: port.call("nft_list", {"what": point})),
    ]
    floor, tables, one = rounds(works, 2000)
    heading(f"beside {ELEMENTS:,} elements, median and fastest of 2,000 rounds: the tables, and one element")
    rows(["echo port (floor)", "portcullis"], [floor, tables], 5)
    rows(["echo port (floor)", "portcullis"], [floor, one])
    flush()


def intervals(port, kernel):
    """One more into many, most of which is the kernel's: it copies its tree."""
    ranges = ",".join(f"{address}/28" for address in elements(32))
    nft("-f", "-", text=f"table inet b {{ set s {{ type ipv4_addr; flags interval; elements = {{ {ranges} }}; }}; }}".encode())
    values = iter(range(250))

    def ours():
        prefix = {"prefix": {"addr": f"192.168.{next(values)}.0", "len": 24}}
        port.call("nft_apply", {"commands": [{"add": {"element": {**table_of("s"), "elem": [prefix]}}}]})

    times = rounds([lambda: kernel.takes("interval", next(values)), lambda: timed(ours)])
    heading(f"one interval into {ELEMENTS:,}, median and fastest of {ROUNDS} rounds (portcullis at most 20 ms)")
    rows(["the kernel alone (floor)", "portcullis"], times)
    flush()


def main():
    port, echo, kernel = Client(PORT), Client(ECHO, greets=False), Kernel()
    change(port, kernel)
    crowd(port, echo)
    intervals(port, kernel)


main()
